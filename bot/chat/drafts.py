"""Requests that their member has yet to finish: by filling in a form, or by saying to go on."""

from msgspec.structs import replace

from bot.chat import buttons, forms, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.fields import typed
from bot.chat.intake import Intake, prompt_back
from bot.chat.origin import place_of
from bot.chat.texts import Notice
from bot.chat.wire import Interaction
from bot.domain.policy import fitted
from bot.domain.requests import ImageRequest
from bot.errors import Reason, Refusal


class Drafts:
    def __init__(self, desk: Desk, intake: Intake) -> None:
        self._easel = desk.easel
        self._intake = intake

    def add_to(self, client: EaselClient) -> None:
        client.presses |= {
            buttons.GO: self._go_on,
            buttons.REWORD: self._reword,
            buttons.FORM: self._form,
        }

    async def open_form(
        self, interaction: Interaction, draft: ImageRequest, *, which: bool = False
    ) -> None:
        """
        Args:
            which: the member is to choose one of the draft's references.
        Raises:
            NotAllowed: it would be refused here, whatever the member fills in.
        """
        place, locale = place_of(interaction), str(interaction.locale)
        decided = await self._easel.check_draft(draft, place, interaction.user.id)
        draft = fitted(decided, draft)
        draft_id = await self._easel.keep_draft(interaction.user.id, draft)
        one = replace(draft, references=draft.references[:1]) if which else draft
        kinds = await self._easel.kinds(one, place)
        # A form takes five fields at most.
        is_full = which or (draft.mask and not draft.references)
        backgrounds = [] if is_full else await self._easel.backgrounds(one, place)
        form = forms.request_form(
            draft, draft_id, kinds, locale, backgrounds=backgrounds, which=which
        )
        await wire.open_form(interaction, form)

    async def find(
        self, interaction: Interaction, draft_id: str, written: str = ""
    ) -> ImageRequest:
        """
        Args:
            written: words that the member is given back if the draft is gone.
        Raises:
            Declined: the draft is gone.
        """
        draft = await self._easel.draft(draft_id, interaction.user.id)
        if draft is None:
            words = prompt_back(written, str(interaction.locale))
            raise wire.Declined(Notice.DRAFT_GONE, beside=words)
        return draft

    async def _reword(self, interaction: Interaction, draft_id: str) -> None:
        await self.open_form(interaction, await self.find(interaction, draft_id))

    async def _form(self, interaction: Interaction, draft_id: str, which: str = "") -> None:
        draft = await self.find(interaction, draft_id, typed(interaction, "prompt"))
        await self._intake.offer(interaction, forms.filled(draft, interaction, which))

    async def _go_on(self, interaction: Interaction, draft_id: str, told: str = "0") -> None:
        draft = await self._easel.draft(draft_id, interaction.user.id)
        if draft is None:
            raise Refusal(Reason.DRAFT_USED)
        told_ucr = buttons.number(told) or None
        await self._intake.offer(interaction, draft, told_ucr, draft_id)
