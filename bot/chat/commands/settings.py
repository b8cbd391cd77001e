"""/settings: what moderators decide for their server, with the trail of who decided it."""

from collections.abc import Mapping, Sequence
from enum import StrEnum
from typing import Any, TypeVar

import discord
from discord import app_commands

from bot.chat import buttons, wire
from bot.chat.texts import Notice, paragraph, say
from bot.chat.texts.phrases import Phrase
from bot.chat.translator import label
from bot.domain.settings import NsfwMode, PictureMenus, SettingChange
from bot.engine.easel import Easel

Mode = TypeVar("Mode", bound=StrEnum)

MEANINGS = {
    NsfwMode.ON: Phrase.FILTER_ON,
    NsfwMode.AGE_RESTRICTED: Phrase.FILTER_AGE_RESTRICTED,
    NsfwMode.OFF: Phrase.FILTER_OFF,
}
CHOICES = [
    app_commands.Choice(name=label(f"choices.nsfw_{mode}"), value=mode.value) for mode in NsfwMode
]
MENU_MEANINGS = {
    PictureMenus.EVERYONE: Phrase.MENUS_EVERYONE,
    PictureMenus.OWN: Phrase.MENUS_OWN,
    PictureMenus.NOBODY: Phrase.MENUS_NOBODY,
}
MENU_CHOICES = [
    app_commands.Choice(name=label(f"choices.menus_{mode}"), value=mode.value)
    for mode in PictureMenus
]


class SettingsCommands(app_commands.Group):
    def __init__(self, easel: Easel) -> None:
        super().__init__(
            name="settings",
            description=label("commands.settings"),
            allowed_installs=app_commands.AppInstallationType(guild=True, user=False),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=False, private_channel=False
            ),
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._easel = easel

    @app_commands.command(name="nsfw_checker", description=label("commands.settings nsfw_checker"))
    @app_commands.describe(mode=label("options.mode"))
    @app_commands.choices(mode=CHOICES)
    async def nsfw_checker(
        self, interaction: discord.Interaction[Any], mode: str | None = None
    ) -> None:
        chosen = _read(NsfwMode, mode)
        await self._decide(interaction, "nsfw_checker", chosen, MEANINGS)

    @app_commands.command(
        name="picture_menus", description=label("commands.settings picture_menus")
    )
    @app_commands.describe(mode=label("options.mode"))
    @app_commands.choices(mode=MENU_CHOICES)
    async def picture_menus(
        self, interaction: discord.Interaction[Any], mode: str | None = None
    ) -> None:
        chosen = _read(PictureMenus, mode)
        await self._decide(interaction, "picture_menus", chosen, MENU_MEANINGS)

    async def _decide(
        self,
        interaction: discord.Interaction[Any],
        name: str,
        chosen: Any,
        meanings: Mapping[Any, Phrase],
    ) -> None:
        """
        Args:
            chosen: None: the setting is shown as it is.
            meanings: what each of its values means.
        """
        locale = str(interaction.locale)
        # Discord hides the command from others, but a server can show it to anyone.
        if interaction.guild_id is None or not interaction.permissions.manage_guild:
            await wire.tell(interaction, say(Notice.MODERATORS_ONLY, locale))
            return
        current = getattr(await self._easel.settings(interaction.guild_id), name)
        text = say(meanings[chosen or current], locale)
        if chosen is not None:
            before = await self._easel.change_setting(
                interaction.guild_id, name, chosen, by=interaction.user.id
            )
            was = getattr(before, name)
            if was is not chosen:
                text = paragraph(text, say(Phrase.IT_WAS, locale, old=was))
        changes = await self._easel.setting_changes(interaction.guild_id)
        await wire.tell(interaction, "\n".join([text, *_trail(changes, locale)]))


def _read(kind: type[Mode], word: str | None) -> Mode | None:
    """
    Raises:
        Outdated: it is none of the choices.
    """
    if not word:
        return None
    try:
        return kind(word)
    except ValueError as error:
        raise buttons.Outdated(word) from error


def _trail(changes: Sequence[SettingChange], locale: str) -> list[str]:
    if not changes:
        return ["", say(Phrase.NEVER_CHANGED, locale)]
    return [
        "",
        say(Phrase.LATEST_CHANGES, locale),
        *(
            f"<t:{int(change.created_at.timestamp())}:f> <@{change.user_id}>:"
            f" {change.setting} `{change.old}` → `{change.new}`"
            for change in changes
        ),
    ]
