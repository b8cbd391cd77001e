"""/settings: what moderators decide for their server, with the trail of who decided it."""

from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.texts import Notice, say
from bot.domain.settings import NsfwMode, SettingChange
from bot.engine.easel import Easel

MEANINGS = {
    NsfwMode.ON: "The NSFW filter is **on** everywhere in this server.",
    NsfwMode.AGE_RESTRICTED: (
        "The NSFW filter is **off in age-restricted channels** and on everywhere else."
    ),
    NsfwMode.OFF: (
        "The NSFW filter is **off** everywhere. Discord allows adult content in age-restricted"
        " channels only, so images made in other channels are posted behind a spoiler cover."
    ),
}
CHOICES = [
    app_commands.Choice(name="on: filter everywhere", value=NsfwMode.ON.value),
    app_commands.Choice(
        name="age_restricted: no filter in age-restricted channels",
        value=NsfwMode.AGE_RESTRICTED.value,
    ),
    app_commands.Choice(name="off: no filter anywhere", value=NsfwMode.OFF.value),
]


class SettingsCommands(app_commands.Group):
    def __init__(self, easel: Easel) -> None:
        super().__init__(
            name="settings",
            description="What this server allows",
            guild_only=True,
            default_permissions=discord.Permissions(manage_guild=True),
        )
        self._easel = easel

    @app_commands.command(name="nsfw_checker")
    @app_commands.choices(mode=CHOICES)
    async def nsfw_checker(
        self, interaction: discord.Interaction[Any], mode: str | None = None
    ) -> None:
        """
        See or change where the NSFW filter is on

        Args:
            mode: Leave out to see the setting and who changed it
        """
        # Discord hides the command from others, but a server can show it to anyone.
        if interaction.guild_id is None or not interaction.permissions.manage_guild:
            await wire.tell(interaction, say(Notice.MODERATORS_ONLY, str(interaction.locale)))
            return
        current = (await self._easel.settings(interaction.guild_id)).nsfw_checker
        if mode is not None:
            chosen = NsfwMode(mode)
            before = await self._easel.change_setting(
                interaction.guild_id, "nsfw_checker", chosen, by=interaction.user.id
            )
            was = before.nsfw_checker
            text = MEANINGS[chosen] + (f" It was `{was}`." if was is not chosen else "")
        else:
            text = MEANINGS[current]
        changes = await self._easel.setting_changes(interaction.guild_id)
        await wire.tell(interaction, "\n".join([text, *_trail(changes)]))


def _trail(changes: Sequence[SettingChange]) -> list[str]:
    if not changes:
        return ["", "Nobody has changed it yet."]
    return [
        "",
        "**Latest changes**",
        *(
            f"<t:{int(change.created_at.timestamp())}:f> <@{change.user_id}>:"
            f" {change.setting} `{change.old}` → `{change.new}`"
            for change in changes
        ),
    ]
