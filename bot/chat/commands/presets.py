"""/presets: options and references that a member keeps under a name."""

from collections.abc import Sequence

from discord import app_commands
from msgspec.structs import replace

from bot.chat import lists, options, render, wire
from bot.chat.commands.images import ImageCommands
from bot.chat.desk import Desk
from bot.chat.texts import Notice, Phrase, say
from bot.chat.texts.markdown import fitting, inert_line
from bot.chat.translator import CHOICES_MAX, Choices, command, label, plain
from bot.chat.wire import Interaction
from bot.domain.requests import PROMPT_CHARS_MAX, ImageRequest, by_itself

#: characters of the list, which leaves room for a sentence beneath it (Discord docs, Embed Limits)
LIST_CHARS_MAX = 3_800


class PresetCommands(app_commands.Group):
    def __init__(self, desk: Desk, images: ImageCommands) -> None:
        super().__init__(name="presets", description=label("commands.presets"))
        self._easel = desk.easel
        self._images = images

    @command("presets save")
    async def save(
        self, interaction: Interaction, name: app_commands.Range[str, 1, 50], job: str | None = None
    ) -> None:
        locale, user_id = str(interaction.locale), interaction.user.id
        if job is None:
            latest = await self._easel.history(interaction.guild_id or 0, user_id, limit=1)
            found = latest[0] if latest else None
        else:
            found = await self._easel.find(job.strip())
        if found is None or found.user_id != user_id:
            raise wire.Declined(Notice.NO_JOB_TO_KEEP)
        if not found.request.prompt:
            # Without its words, its references are gone, too.
            raise wire.Declined(Notice.NO_WORDS_TO_KEEP)
        request = _kept(found.request)
        await self._easel.save_preset(user_id, name, request)
        facts = {"name": inert_line(name), "knobs": render.knobs(request, locale)}
        await wire.tell(interaction, say(Notice.PRESET_KEPT, locale, **facts))

    @command("presets use")
    async def use(
        self,
        interaction: Interaction,
        name: str,
        prompt: app_commands.Range[str, 1, PROMPT_CHARS_MAX] | None = None,
    ) -> None:
        model = f"{options.PRESET_MARK}{name}"
        await self._images.imagine(interaction, model=model, prompt=prompt)

    @command("presets list")
    async def list(self, interaction: Interaction) -> None:
        locale = str(interaction.locale)
        presets = await self._easel.presets(interaction.user.id)
        lines = [
            f"**{inert_line(name)}** · {render.knobs(request, locale)}"
            for name, request in presets.items()
        ]
        text = _listed(lines, locale) or say(Notice.NO_PRESETS, locale)
        await wire.answer(interaction, [render.card(Phrase.YOUR_PRESETS, locale, text)])

    @command("presets remove")
    async def remove(self, interaction: Interaction, name: str) -> None:
        locale = str(interaction.locale)
        presets = await self._easel.presets(interaction.user.id)
        # A preset that this version cannot read is not listed, but can be removed.
        meant = options.preset_meant(name, presets) or name
        removed = await self._easel.remove_preset(interaction.user.id, meant)
        notice = Notice.PRESET_REMOVED if removed else Notice.NO_PRESET
        await wire.tell(interaction, say(notice, locale, name=inert_line(meant)))

    @use.autocomplete("name")
    @remove.autocomplete("name")
    async def _names(self, interaction: Interaction, typed: str) -> Choices:
        wanted = typed.strip().casefold()
        presets = await self._easel.presets(interaction.user.id)
        found = [name for name in presets if wanted in name.casefold()]
        return plain(found[:CHOICES_MAX])

    @save.autocomplete("job")
    async def _jobs(self, interaction: Interaction, typed: str) -> Choices:
        return await lists.job_choices(self._easel, interaction, typed, worded=True)


def _kept(request: ImageRequest) -> ImageRequest:
    """The request as a preset keeps it: by itself, and without which options held its files."""
    references = tuple(replace(each, option="") for each in request.references)
    mask = replace(request.mask, option="") if request.mask else None
    return replace(by_itself(request), references=references, mask=mask)


def _listed(lines: Sequence[str], locale: str) -> str:
    """As many lines as an embed takes, and a sentence on how many more there are."""
    shown, rest = fitting(lines, LIST_CHARS_MAX)
    if rest:
        shown += f"\n{say(Notice.PRESETS_MORE, locale, presets=rest)}"
    return shown
