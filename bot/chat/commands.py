"""/imagine, /edit and /credits: read the options, ask the engine, answer within three seconds."""

import asyncio
import contextlib
import logging
from datetime import timedelta
from typing import Any

import discord
from discord import app_commands

from bot.about import about, short
from bot.chat import options, render, wire
from bot.chat.mentions import as_seen
from bot.chat.messenger import DiscordMessenger
from bot.chat.texts import Notice, refuse, say
from bot.domain.catalog import Catalog
from bot.domain.jobs import Accepted, Failure, Reply, fields_of
from bot.domain.policy import Place
from bot.domain.ports import Clock
from bot.domain.requests import QUALITIES, RESOLUTIONS, ImageRequest, Mode
from bot.engine.easel import Easel
from bot.errors import NotAllowed, Reason, Refusal, Repeated, StepLost

log = logging.getLogger(__name__)

#: seconds; Discord waits 3 for the first answer
DEFER_AFTER_S = 1.5
#: Discord docs, Receiving and Responding, read 2026-08
TOKEN_LIFE = timedelta(minutes=15)
#: what delivering a result needs, also after the token's end
PERMISSIONS = {
    "view_channel": "View Channel",
    "send_messages": "Send Messages",
    "attach_files": "Attach Files",
    "embed_links": "Embed Links",
}


class ImageCommands:
    def __init__(
        self,
        easel: Easel,
        messenger: DiscordMessenger,
        clock: Clock,
    ) -> None:
        self._easel = easel
        self._messenger = messenger
        self._clock = clock

    def add_to(self, tree: app_commands.CommandTree[Any], catalog: Catalog) -> None:
        tree.add_command(
            options.image_command(Mode.GENERATE, catalog, self.imagine, self._qualities)
        )
        tree.add_command(options.image_command(Mode.EDIT, catalog, self.edit, self._qualities))
        tree.add_command(
            app_commands.Command(
                name="credits",
                description="What you have left to spend here",
                callback=self._credits,
            )
        )

    async def imagine(self, interaction: discord.Interaction[Any], **given: Any) -> None:
        await self._take(interaction, Mode.GENERATE, given)

    async def edit(self, interaction: discord.Interaction[Any], **given: Any) -> None:
        await self._take(interaction, Mode.EDIT, given)

    async def _qualities(
        self, interaction: discord.Interaction[Any], typed: str
    ) -> list[app_commands.Choice[str]]:
        given = interaction.namespace
        prices = await self._easel.prices(place_of(interaction), given.model or "", QUALITIES)
        resolution = given.resolution or RESOLUTIONS[0]
        those = {kind: price for kind, price in prices.items() if kind[0] == resolution}
        return options.quality_choices(those, typed)

    async def _credits(self, interaction: discord.Interaction[Any]) -> None:
        told, price_ucr = await self._easel.statement(
            place_of(interaction), interaction.user.id, role_ids_of(interaction.user)
        )
        embed = render.account(told, price_ucr, self._clock.now())
        await wire.answer(interaction, embed=embed, ephemeral=True)

    async def _take(
        self, interaction: discord.Interaction[Any], mode: Mode, given: dict[str, Any]
    ) -> None:
        given["prompt"] = as_seen(given["prompt"], interaction)
        request = options.read_request(mode, given)
        accepting = asyncio.ensure_future(self._accept(interaction, request))
        try:
            await asyncio.wait({accepting}, timeout=DEFER_AFTER_S)
            if not accepting.done():
                await wire.defer(interaction, ephemeral=request.private)
            accepted = await accepting
        except Refusal as refusal:
            text = refuse(refusal, str(interaction.locale))
            public = wire.has_answer(interaction) and not request.private
            await (wire.tell_instead if public else wire.tell)(interaction, text)
            return
        except Repeated as repeated:
            log.info("command repeated: %s", repeated, extra={"action": "command_repeated"})
            if wire.has_answer(interaction):
                # The deferral came before whoever has the job could answer.
                text = say(Notice.TAKEN_ELSEWHERE, str(interaction.locale))
                await wire.tell_instead(interaction, text)
            return
        with about(**fields_of(accepted.job)):
            await self._follow_up(interaction, accepted)

    async def _follow_up(self, interaction: discord.Interaction[Any], accepted: Accepted) -> None:
        """From here on the job is held, and is made whatever becomes of its first answer."""
        try:
            await self._show(interaction, accepted)
        except Exception:
            log.exception("accepted, but not shown", extra={"action": "show_failed"})
            job = accepted.job
            text = say(Notice.ACCEPTED_ALL_THE_SAME, job.locale, ref=short(job.id))
            await wire.tell_beside(interaction, text)

    async def _accept(
        self, interaction: discord.Interaction[Any], request: ImageRequest
    ) -> Accepted:
        if not request.private:
            _check_permissions(interaction)
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
            str(interaction.locale),
        )

    async def _show(self, interaction: discord.Interaction[Any], accepted: Accepted) -> None:
        """
        Show the status message, then let the job go: nobody works on one whose member knows of
        nothing. If Discord refuses the answer, or somebody else has given it, the job is taken
        back; if it merely did not get through, the result still finds its way.
        """
        job = accepted.job
        message_id = None
        try:
            message_id = await self._answer(interaction, accepted)
        except wire.CallFailed as error:
            log.warning("answer lost: %s", error, extra={"action": "answer_lost"})
            if error.trouble is not wire.Trouble.DOWN:
                # Its member may have pressed Cancel on an answer whose news was lost.
                with contextlib.suppress(StepLost):
                    await self._easel.cancel(job.id, Failure.UNANSWERED)
                return
        await self._easel.hand_over(job.id, message_id)

    async def _answer(
        self, interaction: discord.Interaction[Any], accepted: Accepted
    ) -> int | None:
        """
        Raises:
            CallFailed: the member does not see the status message, or it is not known.
        """
        job = accepted.job
        embed, view = self._messenger.status(
            job, accepted.tasks, self._clock.now(), accepted.in_queue
        )
        try:
            return await wire.answer(
                interaction, embed=embed, ephemeral=job.request.private, view=view
            )
        except wire.CallFailed as error:
            if error.trouble is not wire.Trouble.ANSWERED:
                raise
            found = await wire.find_answer(interaction, job.id)
            if found is None:
                raise
            return found


def role_ids_of(user: discord.User | discord.Member) -> list[int]:
    return [role.id for role in getattr(user, "roles", ())]


def place_of(interaction: discord.Interaction[Any]) -> Place:
    channel: Any = interaction.channel
    # A thread has no age restriction of its own; discord.py answers for its parent.
    restricted = channel.is_nsfw() if hasattr(channel, "is_nsfw") else False
    return Place(interaction.guild_id or 0, interaction.channel_id or 0, restricted)


def _has_joined(thread: discord.Thread) -> bool:
    """Whether the bot was added to the thread: the interaction's copy does not say it."""
    known = thread.guild.get_thread(thread.id)
    return known is not None and known.me is not None


def _check_permissions(interaction: discord.Interaction[Any]) -> None:
    """
    Raises:
        NotAllowed: the bot could not post the result here; says what it lacks.
    """
    if interaction.guild_id is None or not interaction.is_guild_integration():
        # Where the bot is not a member, its answer is all that it can ever edit.
        return
    granted, channel = interaction.app_permissions, interaction.channel
    needed = dict(PERMISSIONS)
    if isinstance(channel, discord.VoiceChannel | discord.StageChannel):
        needed["connect"] = "Connect"
    if isinstance(channel, discord.Thread):
        needed["send_messages_in_threads"] = "Send Messages in Threads"
        del needed["send_messages"]
        if channel.locked or (channel.is_private() and not _has_joined(channel)):
            needed["manage_threads"] = "Manage Threads"
    lacking = [words for name, words in needed.items() if not getattr(granted, name)]
    if lacking:
        raise NotAllowed(Reason.PERMISSIONS, permissions=lacking)
