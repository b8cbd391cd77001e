"""The Discord client: commands, their sync, and the handling of what fails in them."""

import asyncio
import contextlib
import logging
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

import discord
from discord import app_commands

from bot.about import about, fields_at
from bot.chat import buttons, connection, origin, wire
from bot.chat.sync import sync
from bot.chat.texts import Notice, refuse, say
from bot.chat.wire import Interaction
from bot.domain.jobs import Job
from bot.engine.easel import Easel
from bot.errors import Refusal

log = logging.getLogger(__name__)

# Easel uses no voice, so it needs no warnings about what voice lacks.
discord.VoiceClient.warn_nacl = False
discord.VoiceClient.warn_dave = False

#: members come from the interactions themselves, so no privileged intent is needed
INTENTS = discord.Intents(guilds=True)
#: interactions that are remembered, to recognize those that Discord sends again
SEEN_MAX = 10_000
#: seconds that answers under way get when the process stops
ANSWERS_S_MAX = 1.0
#: README lists the same permissions
PERMISSIONS = discord.Permissions(
    view_channel=True,
    send_messages=True,
    send_messages_in_threads=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)


PRESSED = (discord.InteractionType.component, discord.InteractionType.modal_submit)

#: errors of a command that Discord shows in an old form, or that a changed client sends
OUTDATED = (app_commands.CommandSignatureMismatch, app_commands.CommandNotFound, buttons.Outdated)


def is_defect(record: logging.LogRecord) -> bool:
    """Whether discord.py logs a defect: it does so too for choices that came too late."""
    error = record.exc_info[1] if record.exc_info else None
    passing = isinstance(error, (discord.HTTPException, Refusal, *wire.NETWORK_ERRORS))
    if not passing or _is_ours(error):
        return True
    log.info("choices lost: %s", error, extra={"action": "choices_lost"})
    return False


logging.getLogger("discord.app_commands.tree").addFilter(is_defect)


class EaselClient(discord.AutoShardedClient):
    """
    Args:
        server_ids: sync commands to these servers instead of globally.
    """

    def __init__(
        self,
        easel: Easel,
        *,
        server_ids: tuple[int, ...] = (),
        shard_count: int | None = None,
        shard_ids: tuple[int, ...] = (),
    ) -> None:
        super().__init__(
            intents=INTENTS,
            shard_count=shard_count,
            allowed_mentions=discord.AllowedMentions.none(),
            member_cache_flags=discord.MemberCacheFlags.none(),
            max_messages=None,
            chunk_guilds_at_startup=False,
        )
        if shard_ids:
            self.shard_ids = list(shard_ids)
        self.tree = EaselTree(
            self,
            # In servers and their threads, in direct messages with the bot, and wherever a member
            # uses the bot after installing it for themselves.
            allowed_installs=app_commands.AppInstallationType(guild=True, user=True),
            allowed_contexts=app_commands.AppCommandContext(
                guild=True, dm_channel=True, private_channel=True
            ),
        )
        #: set once the REST side can be used, before the gateway connects
        self.logged_in = asyncio.Event()
        self.easel = easel
        self._server_ids = server_ids
        #: what a press does, by its custom id's action
        self.presses: dict[str, buttons.Press] = {}
        #: what a button beneath /help begins, by the command's name
        self.begins: dict[str, buttons.Press] = {}
        #: shows in its status message that a job was cancelled; `add_commands` sets it
        self.show: Callable[[Job], Awaitable[None]]
        #: set once the gateway has let the bot in
        self.connected = asyncio.Event()
        #: set once Discord has this version's commands, and no others of the bot
        self.synced = asyncio.Event()
        self._said_ready = False
        self._seen: OrderedDict[int, None] = OrderedDict()
        #: each answers an interaction
        self._answering: set[asyncio.Task[Any]] = set()

    def is_repeat(self, interaction: Interaction) -> bool:
        """
        Whether this process has seen it before: Discord's gateway repeats events at times. To be
        called in the task that answers.
        """
        if interaction.id in self._seen:
            log.info("interaction repeated", extra={"action": "interaction_repeated"})
            return True
        self._seen[interaction.id] = None
        if len(self._seen) > SEEN_MAX:
            self._seen.popitem(last=False)
        if task := asyncio.current_task():
            self._answering.add(task)
            task.add_done_callback(self._answering.discard)
        return False

    async def finish_answers(self) -> None:
        """Wait until every interaction has its answer, for ANSWERS_S_MAX at most."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(ANSWERS_S_MAX):
                while self._answering:
                    await asyncio.wait(self._answering)

    async def setup_hook(self) -> None:
        await connection.learn_gateway(self)
        self.logged_in.set()

    async def sync(self, *, everywhere: bool = False) -> list[str]:
        """
        Compare the commands with Discord's, and mend what differs. The client must be logged in.

        Args:
            everywhere: look at each server the bot is in, too.
        Returns:
            A line on each scope.
        """
        lines = await sync(self.tree, self.easel, self._server_ids, everywhere=everywhere)
        self.synced.set()
        return lines

    def is_connected(self) -> bool:
        """Whether every shard is on the gateway now; discord.py stays ready while one is not."""
        shards = self.shards.values()
        return self.is_ready() and not any(shard.is_closed() for shard in shards)

    async def on_connect(self) -> None:
        self.connected.set()

    async def on_ready(self) -> None:
        """Log one line; discord.py calls this again after each lost session."""
        if self._said_ready:
            return
        self._said_ready = True
        log.info(
            "ready as %s in %d servers; invite: %s",
            self.user,
            len(self.guilds),
            invite(self.application_id or 0),
            extra={"action": "ready"},
        )

    async def on_guild_join(self, guild: discord.Guild) -> None:
        await self.on_guild_available(guild)

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Called when the bot was removed or has left; not when Discord has the server down."""
        cancelled = await self.easel.leave(guild.id)
        log.info(
            "removed from a server: %d waiting jobs ended",
            len(cancelled),
            extra={"action": "server_gone", "server_id": guild.id},
        )
        for job in cancelled:
            # Whoever has installed the bot for themselves still sees their status message.
            await self.show(job)

    async def on_guild_available(self, guild: discord.Guild) -> None:
        """Leave a server that the host does not serve; say why in its system channel, if any."""
        self.easel.gone.discard(guild.id)
        if self.easel.guests.lets_in(guild.id):
            return
        fields = {"action": "server_left", "server_id": guild.id}
        log.warning("server left, for ALLOWED_SERVERS does not name it", extra=fields)
        text = say(Notice.LEAVING, str(guild.preferred_locale))
        try:
            if guild.system_channel is not None:
                with contextlib.suppress(discord.HTTPException, *wire.NETWORK_ERRORS):
                    await guild.system_channel.send(text)
            await guild.leave()
        except (discord.HTTPException, *wire.NETWORK_ERRORS) as error:
            log.warning("server not left: %s", error, extra=fields)

    async def on_interaction(self, interaction: Interaction) -> None:
        """Answer buttons, selects and forms; commands go through the tree."""
        if interaction.type not in PRESSED or self.is_repeat(interaction):
            return
        data: Any = interaction.data
        try:
            await buttons.press(self.presses, interaction, data["custom_id"])
        except buttons.Outdated as error:
            log.info("press unknown: %s", error, extra={"action": "press_unknown"})
            await wire.tell(interaction, say(Notice.UNKNOWN_BUTTON, str(interaction.locale)))
        except Exception as error:
            button = buttons.read(data["custom_id"])[0]
            fields = {"button": button, **origin.fields_of(interaction), **fields_at(error)}
            with about(**fields):
                if await tell_why_not(interaction, error):
                    return
            log.exception("press failed", extra={"action": "press_failed", **fields})
            text = say(Notice.PRESS_FAILED, str(interaction.locale), ref=origin.ref(interaction))
            await wire.tell(interaction, text)


async def tell_why_not(interaction: Interaction, error: Exception) -> bool:
    """Tell the member why it was not done; False: the error is a defect of Easel's."""
    locale = str(interaction.locale)
    match error:
        case wire.Declined():
            text = say(error.words, locale, **error.facts)
            await wire.tell(interaction, text, beside=error.beside, view=error.view)
        case Refusal():
            await wire.tell(interaction, refuse(error, locale))
        case wire.CallFailed() if not _is_ours(error.__cause__):
            log.warning("answer lost: %s", error, extra={"action": "answer_lost"})
        case _:
            return False
    return True


def _is_ours(error: BaseException | None) -> bool:
    """Whether Discord has refused what the bot sent because it is wrong."""
    return isinstance(error, discord.HTTPException) and error.code == connection.INVALID_FORM


def invite(application_id: int) -> str:
    """The address at which a moderator adds the bot to a server."""
    return discord.utils.oauth_url(application_id, permissions=PERMISSIONS)


class EaselTree(app_commands.CommandTree[EaselClient]):
    async def interaction_check(self, interaction: discord.Interaction[EaselClient], /) -> bool:
        return not self.client.is_repeat(interaction)

    async def on_error(
        self, interaction: discord.Interaction[EaselClient], error: app_commands.AppCommandError, /
    ) -> None:
        """Tell the member of what failed; what is no defect of Easel's is not logged as one."""
        cause = getattr(error, "original", error)
        if isinstance(cause, OUTDATED):
            await wire.tell(interaction, say(Notice.OUTDATED_COMMAND, str(interaction.locale)))
            return
        name = getattr(interaction.command, "name", "")
        fields = {"command": name, **origin.fields_of(interaction), **fields_at(cause)}
        with about(**fields):
            if await tell_why_not(interaction, cause):
                return
        log.error("command failed", exc_info=error, extra={"action": "command_failed", **fields})
        text = say(Notice.COMMAND_FAILED, str(interaction.locale), ref=origin.ref(interaction))
        await wire.tell(interaction, text)
