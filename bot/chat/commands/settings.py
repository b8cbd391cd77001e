"""/settings: what moderators decide for their server, in a panel or by a subcommand each."""

from typing import Any

import discord
from discord import app_commands

from bot.chat import settings_shown, wire
from bot.chat.desk import Desk
from bot.chat.moderators import ModeratorCommands
from bot.chat.options import model_named, model_or_preset_choices
from bot.chat.settings_controls import (
    CHANNEL_KINDS,
    CONFIRM_ABOVE_MAX,
    HOURS_MAX,
    HOURS_MIN,
    REASON_CHARS_MAX,
    given_amount,
    read,
)
from bot.chat.settings_panel import SettingsPanel, lacks, reset
from bot.chat.settings_shown import FIELDS, LANGUAGES
from bot.chat.texts import Notice, Phrase, say
from bot.chat.texts.markdown import DESCRIPTION_CHARS_MAX
from bot.chat.translator import Choices, choices, command, label, plain
from bot.chat.wire import Interaction
from bot.domain.catalog import Catalog
from bot.domain.policy import check_model_allowed, in_force
from bot.domain.requests import IMAGES_MAX, RESOLUTIONS
from bot.domain.settings import (
    Decide,
    NsfwMode,
    PictureMenus,
    ServerSettings,
    effective,
    write_setting,
)
from bot.errors import InvalidRequest, Reason


class _Place(app_commands.Transformer):
    """A channel where commands can be given; discord.py's own forum type takes media channels."""

    @property
    def type(self) -> discord.AppCommandOptionType:
        return discord.AppCommandOptionType.channel

    @property
    def channel_types(self) -> list[discord.ChannelType]:
        return CHANNEL_KINDS

    async def transform(self, interaction: Interaction, value: Any, /) -> Any:
        return value


Channel = app_commands.Transform[app_commands.AppCommandChannel, _Place]

#: all settings but the pause and its reason, which /settings resume ends
RESETS = [
    app_commands.Choice(name=label(f"settings.{field}"), value=name)
    for name, field in FIELDS.items()
    if not name.startswith("pause")
]


class SettingsCommands(ModeratorCommands):
    def __init__(self, desk: Desk, panel: SettingsPanel) -> None:
        super().__init__("settings")
        self._servers = desk.easel.servers
        self._clock = desk.shop.clock
        self._panel = panel
        self._catalog = desk.offered
        self._routing = desk.shop.routing
        self._operator = desk.operator

    @command("settings panel")
    async def panel(self, interaction: Interaction) -> None:
        await self._panel.show(interaction)

    @command("settings nsfw_checker")
    @app_commands.choices(mode=choices("nsfw_checker", NsfwMode))
    async def nsfw_checker(self, interaction: Interaction, mode: str | None = None) -> None:
        if mode == NsfwMode.OFF:
            decided = await self._servers.settings(interaction.guild_id or 0)
            if decided.nsfw_checker is not NsfwMode.OFF:
                await self._panel.ask_off(interaction)
                return
        await self._set(interaction, "nsfw_checker", mode)

    @command("settings picture_menus")
    @app_commands.choices(mode=choices("picture_menus", PictureMenus))
    async def picture_menus(self, interaction: Interaction, mode: str | None = None) -> None:
        await self._set(interaction, "picture_menus", mode)

    @command("settings default_model")
    async def default_model(self, interaction: Interaction, model: str | None = None) -> None:
        if model is not None:
            model = model_named(model, self._catalog)
            if model not in self._catalog.models:
                raise self._no_such_model()
            check_model_allowed(self._servers.known(interaction.guild_id or 0), model)
        await self._set(interaction, "default_model", model)

    @command("settings allowed_models")
    async def allowed_models(
        self, interaction: Interaction, allow: str | None = None, forbid: str | None = None
    ) -> None:
        named = [model_named(each, self._catalog) if each else "" for each in (allow, forbid)]
        if named[0] and named[0] not in self._catalog.models:
            raise self._no_such_model()
        added, removed = ({each} - {""} for each in named)
        await self._amend(interaction, "allowed_models", added, removed)

    @command("settings resolution_max")
    @app_commands.choices(resolution=plain(RESOLUTIONS))
    async def resolution_max(self, interaction: Interaction, resolution: str | None = None) -> None:
        await self._set(interaction, "resolution_max", resolution)

    @command("settings count_max")
    async def count_max(
        self, interaction: Interaction, count: app_commands.Range[int, 1, IMAGES_MAX] | None = None
    ) -> None:
        await self._set(interaction, "count_max", count)

    @command("settings allowed_channels")
    async def allowed_channels(
        self, interaction: Interaction, allow: Channel | None = None, forbid: Channel | None = None
    ) -> None:
        added, removed = ({each.id} if each else set() for each in (allow, forbid))
        await self._amend(interaction, "allowed_channels", added, removed)

    @command("settings private_allowed")
    async def private_allowed(self, interaction: Interaction, allowed: bool | None = None) -> None:
        await self._set(interaction, "private_allowed", allowed)

    @command("settings private_seen")
    async def private_seen(self, interaction: Interaction, seen: bool | None = None) -> None:
        await self._set(interaction, "private_seen", seen)

    @command("settings confirm_above")
    @app_commands.rename(credits_=label("names.credits_as_amount"))
    async def confirm_above(
        self,
        interaction: Interaction,
        credits_: app_commands.Range[float, 0.0, CONFIRM_ABOVE_MAX] | None = None,
    ) -> None:
        amount = None if credits_ is None else given_amount(f"{credits_:.6f}")
        await self._set(interaction, "confirm_above_ucr", amount)

    @command("settings locale")
    async def locale(self, interaction: Interaction, language: str | None = None) -> None:
        locale = None
        if language is not None:
            known = {name.casefold(): each for each, name in LANGUAGES.items()}
            known |= {each.casefold(): each for each in LANGUAGES}
            locale = known.get(language.strip().casefold())
            if locale is None:
                raise wire.Declined(Notice.NO_LANGUAGE)
        await self._set(interaction, "locale", locale)

    @command("settings log_channel")
    async def log_channel(
        self, interaction: Interaction, channel: discord.TextChannel | None = None
    ) -> None:
        if channel is not None and (lacking := lacks(interaction, channel.id)):
            raise wire.Declined(Notice.LOG_LACKS, permissions=lacking)
        await self._set(interaction, "log_channel_id", channel and channel.id)

    @command("settings pause")
    async def pause(
        self,
        interaction: Interaction,
        hours: app_commands.Range[float, HOURS_MIN, HOURS_MAX] | None = None,
        reason: app_commands.Range[str, 1, REASON_CHARS_MAX] | None = None,
    ) -> None:
        await self._decide(interaction, "paused_until", self._panel.pause(hours, reason or ""))

    @command("settings resume")
    async def resume(self, interaction: Interaction) -> None:
        await self._decide(interaction, "paused_until", reset("paused_until"))

    @command("settings reset")
    @app_commands.choices(setting=RESETS)
    async def reset(self, interaction: Interaction, setting: str) -> None:
        field = FIELDS[setting]
        await self._decide(interaction, field, reset(field))

    @command("settings trail")
    async def trail(self, interaction: Interaction) -> None:
        await self._panel.show_trail(interaction)

    # Discord counts every fixed choice of a command, in every language, but no autocompletion.
    @default_model.autocomplete("model")
    @allowed_models.autocomplete("allow")
    async def _models(self, interaction: Interaction, typed: str) -> Choices:
        return model_or_preset_choices(self._lasting(), (), typed, {})

    @allowed_models.autocomplete("forbid")
    async def _all_models(self, interaction: Interaction, typed: str) -> Choices:
        # The list may have one that has ended since.
        return model_or_preset_choices(self._catalog, (), typed, {})

    @locale.autocomplete("language")
    async def _languages(self, interaction: Interaction, typed: str) -> Choices:
        wanted = typed.strip().casefold()
        return [
            app_commands.Choice(name=name, value=locale)
            for locale, name in LANGUAGES.items()
            if wanted in name.casefold() or wanted in locale.casefold()
        ]

    def _lasting(self) -> Catalog:
        """The models that their makers have not ended."""
        return self._catalog.without(self._routing.ended())

    def _no_such_model(self) -> InvalidRequest:
        return InvalidRequest(Reason.NO_SUCH_MODEL, allowed=list(self._catalog.models))

    async def _set(self, interaction: Interaction, field: str, chosen: object) -> None:
        """
        Args:
            field: a field of ServerSettings.
            chosen: the new value; None: the setting is only shown.
        Raises:
            Outdated: the setting cannot have that value.
        """
        decide = None if chosen is None else read(field, write_setting(chosen))
        await self._decide(interaction, field, decide)

    async def _amend(
        self, interaction: Interaction, field: str, added: set[Any], removed: set[Any]
    ) -> None:
        """Add to a list and take out of it; if nothing is named, it is only shown."""
        # What an empty list stands for, so that all but what is taken out remain.
        everything = self._lasting().models.keys() if field == "allowed_models" else set()

        def decide(now: ServerSettings) -> dict[str, object]:
            before = getattr(now, field)
            kept = before or frozenset(everything if removed & everything else ())
            return {field: frozenset((kept | added) - removed) or before}

        last = say(Notice.LAST_OF_THEM, str(interaction.locale))
        named = bool(added or removed)
        await self._decide(interaction, field, decide if named else None, unless=last)

    async def _decide(
        self, interaction: Interaction, field: str, decide: Decide | None, *, unless: str = ""
    ) -> None:
        """
        Args:
            decide: None: the setting is only shown.
            unless: what is said if nothing was changed.
        """
        locale, server_id = str(interaction.locale), interaction.guild_id or 0
        if decide is None:
            before = after = await self._servers.settings(server_id)
        else:
            before, after = await self._servers.change(server_id, decide, interaction.user.id)
        now = self._clock.now()
        counts = in_force(after, now)
        told = [settings_shown.explained(counts, self._operator, field, locale)]
        if before != after:
            counted, _ = effective(in_force(before, now), self._operator, field)
            old = settings_shown.value(field, counted, locale)
            told.append(say(Phrase.IT_WAS, locale, old=old))
        elif decide and unless:
            told.append(unless)
        changes = await self._servers.changes(server_id)
        if changes:
            told += ["", f"**{say(Phrase.TRAIL, locale)}**"]
        above = "\n".join([*told, ""])
        room = DESCRIPTION_CHARS_MAX - len(above)
        trail = settings_shown.trail(changes, locale, chars_max=room)
        await wire.tell(interaction, above + trail)
