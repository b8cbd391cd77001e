"""
The panel of a server's settings: a message that one moderator sees. Each control's custom id holds
all that it needs, so it works after any restart.
"""

from datetime import timedelta

import discord

from bot.chat import buttons, lists, settings_controls, settings_shown, wire
from bot.chat.desk import Desk
from bot.chat.fields import typed
from bot.chat.moderators import check_moderator
from bot.chat.settings_controls import button
from bot.chat.settings_shown import PAGE_CHANGES, PANEL
from bot.chat.texts import Notice, Phrase, say
from bot.chat.wire import Interaction
from bot.domain.policy import in_force
from bot.domain.settings import FOREVER, Decide, NsfwMode, fixed, undecided
from bot.domain.words import clean

#: permissions that posting a notice needs
LOG_PERMISSIONS = ("view_channel", "send_messages", "embed_links")
#: what is done to one setting, whose field is the first argument
OF_A_FIELD = frozenset({"set", "flag", "reset", "form", "filled"})


class SettingsPanel:
    def __init__(self, desk: Desk) -> None:
        self._servers = desk.easel.servers
        self._clock = desk.shop.clock
        self._models = list(desk.offered.models)
        self._routing = desk.shop.routing
        self._operator = desk.operator

    async def press(self, interaction: Interaction, what: str, *arguments: str) -> None:
        """
        Answer any control of the panel, and of its questions and forms.

        Raises:
            Outdated: this version has no such control, or no such setting.
        """
        check_moderator(interaction)
        if what in OF_A_FIELD and (not arguments or arguments[0] not in PANEL):
            raise buttons.Outdated(what)
        chosen = buttons.chosen(interaction) or ""
        match what, *arguments:
            case "open", *_ if chosen in PANEL:
                await self.show(interaction, chosen)
            case "home", *_:
                await self.show(interaction)
            case "set", "nsfw_checker" if chosen == NsfwMode.OFF:
                await self.ask_off(interaction)
            case "set", "log_channel_id" if lacking := lacks(interaction, _channel(interaction)):
                raise wire.Declined(Notice.LOG_LACKS, permissions=lacking)
            case "set", field:
                await self._decide(interaction, field, settings_controls.chosen(field, interaction))
            case "flag", field, kept:
                await self._decide(interaction, field, settings_controls.read(field, kept))
            case "off", *_:
                await self._decide(interaction, "nsfw_checker", fixed("nsfw_checker", NsfwMode.OFF))
            case "reset", field:
                await self._decide(interaction, field, reset(field))
            case "resume", *_:
                await self._decide(interaction, "paused_until", reset("paused_until"))
            case "form", field:
                form = settings_controls.form(field, str(interaction.locale))
                await wire.open_form(interaction, form)
            case "filled", field:
                await self._take_form(interaction, field)
            case "trail", *before:
                await self.show_trail(interaction, buttons.number(before[0]) if before else 0)
            case _:
                raise buttons.Outdated(what)

    async def ask_off(self, interaction: Interaction) -> None:
        """Ask again before the filter is turned off."""
        locale = str(interaction.locale)
        embed = discord.Embed(description=say(Notice.NSFW_OFF_ASK, locale))
        off = button(Phrase.TURN_OFF, locale, "off", style=buttons.DANGER)
        view = buttons.view(off, button(Phrase.KEEP_IT, locale, "home"))
        await wire.show(interaction, [embed], view)

    async def show(self, interaction: Interaction, field: str = "") -> None:
        """
        Args:
            field: the setting that is open, a field of ServerSettings; empty: none.
        """
        locale = str(interaction.locale)
        decided = await self._servers.settings(interaction.guild_id or 0)
        decided = in_force(decided, self._clock.now())
        items = [settings_controls.settings_select(field, locale)]
        if not field:
            items.append(button(Phrase.TRAIL, locale, "trail"))
            embed = settings_shown.overview(decided, self._operator, locale)
        else:
            left_out = self._routing.ended() - {decided.default_model, *decided.allowed_models}
            # Discord takes no select without an option, so all stay if none is left.
            models = [each for each in self._models if each not in left_out] or self._models
            items += settings_controls.controls(field, decided, models, locale)
            if field != "paused_until":
                items.append(button(Phrase.RESET, locale, "reset", field))
            items.append(button(Phrase.ALL_SETTINGS, locale, "home"))
            embed = settings_shown.one(decided, self._operator, field, locale)
        await wire.show(interaction, [embed], buttons.view(*items))

    async def _decide(self, interaction: Interaction, field: str, decide: Decide) -> None:
        await self._servers.change(interaction.guild_id or 0, decide, interaction.user.id)
        await self.show(interaction, field)

    async def _take_form(self, interaction: Interaction, field: str) -> None:
        pauses = field == "paused_until"
        try:
            if pauses:
                hours = settings_controls.given_hours(typed(interaction, "hours"))
                decide = self.pause(hours, typed(interaction, "reason"))
            else:
                amount = settings_controls.given_amount(typed(interaction, "amount"))
                decide = fixed(field, amount)
        except ValueError as error:
            raise wire.Declined(Notice.NO_HOURS if pauses else Notice.NO_AMOUNT) from error
        await self._decide(interaction, field, decide)

    def pause(self, hours: float | None, reason: str) -> Decide:
        """
        Args:
            hours: how long, from now; None: until it is resumed.
            reason: as a moderator typed it.
        """
        until = FOREVER
        if hours is not None:
            until = int((self._clock.now() + timedelta(hours=hours)).timestamp())
        said = " ".join(clean(reason).split())
        return lambda _: {"paused_until": until, "pause_reason": said}

    async def show_trail(self, interaction: Interaction, before: int = 0) -> None:
        """
        Args:
            before: a change's id: show only older ones; 0: from the latest on.
        """
        locale = str(interaction.locale)
        server_id = interaction.guild_id or 0
        found = await self._servers.changes(server_id, before, PAGE_CHANGES + 1)
        changes, more = found[:PAGE_CHANGES], len(found) > PAGE_CHANGES
        embed = discord.Embed(title=say(Phrase.TRAIL, locale))
        embed.description = settings_shown.trail(changes, locale)
        older = changes[-1].id if more else 0
        view = buttons.view(
            button(Phrase.ALL_SETTINGS, locale, "home"),
            *lists.turning(locale, buttons.SETTINGS, "trail", before=before, older=older),
        )
        await wire.show(interaction, [embed], view)


def reset(field: str) -> Decide:
    """As if the server had never decided about a field; a pause ends with its reason."""
    return undecided(field, "pause_reason") if field == "paused_until" else undecided(field)


def lacks(interaction: Interaction, channel_id: int) -> list[str]:
    """The permissions that the bot lacks to post notices in a channel."""
    guild = interaction.guild
    channel = guild.get_channel(channel_id) if guild else None
    if guild is None or channel is None:
        return []
    granted = channel.permissions_for(guild.me)
    return [name for name in LOG_PERMISSIONS if not getattr(granted, name)]


def _channel(interaction: Interaction) -> int:
    """
    The channel that was chosen; 0: none.

    Raises:
        Outdated: it is none of this server's.
    """
    channel_id = settings_controls.channel_id(buttons.chosen(interaction) or "0")
    if channel_id and (interaction.guild is None or not interaction.guild.get_channel(channel_id)):
        raise buttons.Outdated(str(channel_id))
    return channel_id
