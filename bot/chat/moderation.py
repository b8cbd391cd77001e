"""/settings: what moderators decide for their server, with the trail of who decided it."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.texts import Notice, paragraph, say
from bot.chat.texts.phrases import Phrase
from bot.chat.translator import label
from bot.domain.settings import NsfwMode, SettingChange
from bot.engine.easel import Easel

MEANINGS = {
    NsfwMode.ON: Phrase.FILTER_ON,
    NsfwMode.AGE_RESTRICTED: Phrase.FILTER_AGE_RESTRICTED,
    NsfwMode.OFF: Phrase.FILTER_OFF,
}
CHOICES = [
    app_commands.Choice(name=label(f"choices.nsfw_{mode}"), value=mode.value) for mode in NsfwMode
]


class SettingsCommands(app_commands.Group):
    def __init__(self, easel: Easel) -> None:
        super().__init__(
            name="settings",
            description=label("commands.settings"),
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._easel = easel

    @app_commands.command(name="nsfw_checker", description=label("commands.settings nsfw_checker"))
    @app_commands.describe(mode=label("options.mode"))
    @app_commands.choices(mode=CHOICES)
    async def nsfw_checker(
        self, interaction: discord.Interaction[Any], mode: str | None = None
    ) -> None:
        locale = str(interaction.locale)
        # Discord hides the command from others, but a server can show it to anyone.
        if interaction.guild_id is None or not interaction.permissions.manage_guild:
            await wire.tell(interaction, say(Notice.MODERATORS_ONLY, locale))
            return
        current = (await self._easel.settings(interaction.guild_id)).nsfw_checker
        if mode is not None:
            chosen = NsfwMode(mode)
            before = await self._easel.change_setting(
                interaction.guild_id, "nsfw_checker", chosen, by=interaction.user.id
            )
            was = before.nsfw_checker
            text = say(MEANINGS[chosen], locale)
            if was is not chosen:
                text = paragraph(text, say(Phrase.IT_WAS, locale, old=was))
        else:
            text = say(MEANINGS[current], locale)
        changes = await self._easel.setting_changes(interaction.guild_id)
        await wire.tell(interaction, "\n".join([text, *_trail(changes, locale)]))


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
