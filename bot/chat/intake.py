"""
Turns a request into a job, whether a command, a form or a button made it. What its member has yet
to finish, by filling in a form or by saying to go on, is kept as a draft.
"""

import asyncio
import contextlib
import logging
from datetime import timedelta

import discord
from msgspec.structs import replace

from bot.about import about, short
from bot.chat import buttons, forms, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.fields import typed
from bot.chat.origin import check_permissions, place_of, role_ids_of, spoken
from bot.chat.texts import Notice, Phrase, refuse, say, tell_cost
from bot.chat.texts.markdown import DESCRIPTION_CHARS_MAX, block
from bot.chat.wire import Interaction
from bot.domain.jobs import Accepted, Failure, Reply, fields_of
from bot.domain.requests import ImageRequest
from bot.domain.settings import UNDECIDED
from bot.errors import Reason, Refusal, Repeated, StepLost

log = logging.getLogger(__name__)

#: seconds before an answer is deferred; Discord waits 3 for the first answer
DEFER_AFTER_S = 1.5
#: seconds from its acceptance in which a job's answer is given: fewer than its lease lasts, after
#: which the job may be made, and an answer that comes later would replace its result
ANSWER_S_MAX = 50.0
#: life of an interaction's token (Discord docs, Receiving and Responding, read 2026-08)
TOKEN_LIFE = timedelta(minutes=15)


class Intake:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel
        self._messenger = desk.messenger
        self._clock = desk.shop.clock

    def add_to(self, client: EaselClient) -> None:
        client.presses |= {
            buttons.GO: self._go_on,
            buttons.REWORD: self._reword,
            buttons.FORM: self._filled,
        }

    async def offer(
        self,
        interaction: Interaction,
        request: ImageRequest,
        told_ucr: int | None = None,
        draft_id: str = "",
    ) -> None:
        """
        Take a request that a button or form made. Ask the member first if it costs much, or more
        than they were told.

        Args:
            told_ucr: the price on the button; None: it showed none.
            draft_id: the draft of which the member was asked, and has said yes.
        """
        try:
            priced = await self._easel.priced(request, place_of(interaction))
            if priced is not None:
                request, amount, asks_above = priced
                risen = told_ucr is not None and amount > told_ucr
                if risen or (amount > asks_above and not draft_id):
                    await self._ask(interaction, request, amount, draft_id, risen=risen)
                    return
        except Refusal as refusal:
            await self.refuse(interaction, request, refusal)
            return
        await self.take(interaction, request, draft_id)

    async def _ask(
        self,
        interaction: Interaction,
        request: ImageRequest,
        amount: int,
        draft_id: str,
        *,
        risen: bool,
    ) -> None:
        """
        Raises:
            Refusal: it would be refused here, or cannot be kept until they answer.
        """
        locale = str(interaction.locale)
        await self._easel.check_draft(request, place_of(interaction), interaction.user.id)
        draft_id = draft_id or await self._easel.keep_draft(interaction.user.id, request)
        notice = Phrase.CONFIRM_RISEN if risen else Phrase.CONFIRM
        words = f"{say(Phrase.GO, locale)} · {tell_cost(amount, locale)}"
        go_on = buttons.button(words, buttons.GO, draft_id, amount, style=buttons.PRIMARY)
        text = say(notice, locale, cost_ucr=amount)
        await wire.tell(interaction, text, view=buttons.view(go_on))

    async def take(
        self, interaction: Interaction, request: ImageRequest, draft_id: str = ""
    ) -> None:
        """
        Args:
            draft_id: the draft that the request comes from; it becomes one job at most.
        """
        accepting = asyncio.ensure_future(self._accept(interaction, request, draft_id))
        try:
            await asyncio.wait({accepting}, timeout=DEFER_AFTER_S)
            if not accepting.done():
                await wire.defer(interaction, ephemeral=request.private)
            accepted = await accepting
        except Refusal as refusal:
            await self.refuse(interaction, request, refusal)
            return
        except Repeated as repeated:
            log.info("command repeated: %s", repeated, extra={"action": "command_repeated"})
            if wire.has_answer(interaction):
                # The deferral came before the process that has the job could answer.
                text = say(Notice.TAKEN_ELSEWHERE, str(interaction.locale))
                await wire.tell_instead(interaction, text)
            return
        with about(**fields_of(accepted.job)):
            await self._follow_up(interaction, accepted)

    async def refuse(
        self, interaction: Interaction, request: ImageRequest, refusal: Refusal
    ) -> None:
        """Say why, and give the words back; a button opens them in a form if they are kept."""
        locale = str(interaction.locale)
        view = None
        if refusal.draft_id:
            words = say(Phrase.EDIT_PROMPT, locale)
            view = buttons.view(buttons.button(words, buttons.REWORD, refusal.draft_id))
        public = wire.has_answer(interaction) and not request.private
        tell = wire.tell_instead if public else wire.tell
        prompt = prompt_back(request.prompt, locale)
        await tell(interaction, refuse(refusal, locale), beside=prompt, view=view)

    async def _follow_up(self, interaction: Interaction, accepted: Accepted) -> None:
        """
        Show the accepted job. Its credits are held already; a defect here does not end it.

        Raises:
            CallFailed: Discord refused the answer, and the job was taken back.
        """
        locale = str(interaction.locale)
        try:
            await self._show(interaction, accepted)
        except wire.CallFailed:
            raise
        except Exception:
            log.exception("accepted, but not shown", extra={"action": "show_failed"})
            text = say(Notice.ACCEPTED_ALL_THE_SAME, locale, ref=short(accepted.job.id))
            await wire.tell_beside(interaction, text)
        if accepted.job.request.private and accepted.private_seen:
            text = say(Notice.PRIVATE_SEEN, locale)
            await wire.tell_beside(interaction, text)

    async def _accept(
        self, interaction: Interaction, request: ImageRequest, draft_id: str
    ) -> Accepted:
        if not request.private:
            check_permissions(interaction)
        reply = Reply(
            application_id=interaction.application_id,
            token=interaction.token,
            token_expires_at=self._clock.now() + TOKEN_LIFE,
            file_bytes_max=interaction.filesize_limit,
        )
        return await self._easel.accept(
            request,
            place_of(interaction),
            interaction.user.id,
            role_ids_of(interaction.user),
            interaction.id,
            reply,
            # The server's own settings are applied when the job is accepted.
            spoken(interaction, UNDECIDED, private=request.private),
            draft_id=draft_id,
        )

    async def _show(self, interaction: Interaction, accepted: Accepted) -> None:
        """
        Show the status message, then hand the job over: nobody works on a job before its member
        knows of it. If Discord refuses the answer, or another process has given one, the job is
        taken back. If the answer only did not get through in time, the job goes on: its result can
        still be delivered.

        Raises:
            CallFailed: the answer was refused, and the job was taken back.
        """
        job = accepted.job
        message_id, refused = None, None
        try:
            message_id = await self._answer(interaction, accepted)
        except TimeoutError:
            log.warning("answer too late", extra={"action": "answer_late"})
        except wire.CallFailed as error:
            if error.trouble is wire.Trouble.DOWN:
                log.warning("answer lost: %s", error, extra={"action": "answer_lost"})
            else:
                refused = error
        finally:
            cancelled = self._easel.cancelled_meanwhile(job.id)
        if cancelled is not None:
            # The answer has replaced the news of that, or came after it.
            await self._messenger.show_progress(cancelled)
        elif refused is None:
            self._easel.hand_over(job.id, message_id)
        else:
            # The answer may be there, its news lost, and the member may have pressed Cancel.
            with contextlib.suppress(StepLost):
                await self._easel.cancel(job.id, Failure.UNANSWERED)
            raise refused

    async def _answer(self, interaction: Interaction, accepted: Accepted) -> int | None:
        """
        Raises:
            CallFailed: the member does not see the status message, or that is not known.
            TimeoutError: it was not given in ANSWER_S_MAX.
        """
        job = accepted.job
        left_s = ANSWER_S_MAX - (self._clock.now() - job.created_at).total_seconds()
        if left_s <= 0:
            # The deferral took all the time.
            raise TimeoutError
        embed, view = self._messenger.status(job, accepted.tasks, accepted.in_queue)
        async with asyncio.timeout(min(left_s, ANSWER_S_MAX)):
            try:
                return await wire.answer(interaction, [embed], view, ephemeral=job.request.private)
            except wire.CallFailed as error:
                if error.trouble is wire.Trouble.ANSWERED:
                    found = await wire.find_answer(interaction, job.id)
                    if found is not None:
                        return found
                raise

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
        draft = await self._easel.check_draft(draft, place, interaction.user.id)
        draft_id = await self._easel.keep_draft(interaction.user.id, draft)
        one = replace(draft, references=draft.references[:1]) if which else draft
        kinds = self._easel.kinds(one, place)
        # A form takes five fields at most.
        is_full = which or (draft.mask and not draft.references)
        backgrounds = [] if is_full else self._easel.backgrounds(one, place)
        form = forms.request_form(
            draft, draft_id, kinds, locale, backgrounds=backgrounds, which=which
        )
        await wire.open_form(interaction, form)

    async def draft(self, interaction: Interaction, draft_id: str, words: str = "") -> ImageRequest:
        """
        Args:
            words: what was written: the member is given it back if the draft is gone.
        Raises:
            Declined: the draft is gone.
        """
        draft = await self._easel.draft(draft_id, interaction.user.id)
        if draft is None:
            beside = prompt_back(words, str(interaction.locale))
            raise wire.Declined(Notice.DRAFT_GONE, beside=beside)
        return draft

    async def _reword(self, interaction: Interaction, draft_id: str) -> None:
        await self.open_form(interaction, await self.draft(interaction, draft_id))

    async def _filled(self, interaction: Interaction, draft_id: str, which: str = "") -> None:
        draft = await self.draft(interaction, draft_id, typed(interaction, "prompt"))
        await self.offer(interaction, forms.filled(draft, interaction, which))

    async def _go_on(self, interaction: Interaction, draft_id: str, told: str = "0") -> None:
        draft = await self._easel.draft(draft_id, interaction.user.id)
        if draft is None:
            raise Refusal(Reason.DRAFT_USED)
        told_ucr = buttons.number(told) or None
        await self.offer(interaction, draft, told_ucr, draft_id)


def prompt_back(words: str, locale: str, title: Phrase = Phrase.YOUR_WORDS) -> discord.Embed | None:
    """A request's words as they were, to be copied; None: there are none, or too many."""
    shown = block(words)
    if not words.strip() or len(shown) > DESCRIPTION_CHARS_MAX:
        return None
    return discord.Embed(title=say(title, locale), description=shown)
