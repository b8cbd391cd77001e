"""The engine's Messenger on Discord's REST API: it needs no gateway, so any process can use it."""

import contextlib
import logging
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from pathlib import Path

import discord
from discord.http import Route
from msgspec import Struct
from yarl import URL

from bot.chat import buttons, offers, render, wire
from bot.chat.files import MESSAGE_BYTES_MAX, open_files, send_fitting, show_sheet
from bot.chat.pings import Pinging
from bot.chat.shown import ORIGINAL, answer_to, cover, take_away
from bot.chat.texts import Notice, Phrase, say
from bot.domain.jobs import Job, JobState, Task, is_unsent, latest
from bot.domain.ports import ImageFile
from bot.domain.queue import QueuePosition
from bot.domain.requests import SIGNED
from bot.engine.easel import Easel
from bot.engine.workshop import Workshop
from bot.errors import DeliveryError, UnusableImage
from bot.pictures.fit import Fitted
from bot.pictures.folder import sheet_of
from bot.pictures.transfers import Transfers

log = logging.getLogger(__name__)

#: a token that ends within this time is not used any more: an upload takes time
TOKEN_MARGIN = timedelta(seconds=20)
#: an attachment's link that ends within this many seconds is renewed
LINK_MARGIN_S = 60
#: messages since the command that are searched for the job's own
HISTORY_MESSAGES_MAX = 100


NO_FILES = Fitted(())


class Card(Struct, frozen=True):
    """The message that tells how a job ended: its words, its buttons and its files."""

    embed: discord.Embed
    view: discord.ui.View
    fitted: Fitted = NO_FILES
    #: shows the job's references
    sheet: Path | None = None


class DiscordMessenger:
    """
    Args:
        client: logged in; need not be connected.
    """

    def __init__(self, client: discord.Client, shop: Workshop, easel: Easel) -> None:
        self._transfers = Transfers()
        self._client = client
        self._shop = shop
        self._clock = shop.clock
        self._easel = easel
        self._pings = Pinging(client, shop.clock, easel)

    async def close(self) -> None:
        await self._pings.close()

    async def show_progress(
        self,
        job: Job,
        tasks: Sequence[Task] = (),
        position: QueuePosition | None = None,
        finished: Collection[str] = (),
        images: Sequence[ImageFile] = (),
    ) -> None:
        embed, view = self.status(job, tasks, position, finished)
        is_over = job.unwatched or job.state is JobState.CANCELLED
        sizes = [image.size_bytes for image in images]
        fits = sum(sizes) <= MESSAGE_BYTES_MAX and max(sizes, default=0) <= job.reply.file_bytes_max
        shown = Fitted(tuple(image.path for image in images)) if images and fits else None
        with wire.logged("progress not shown", "progress_not_shown", level=logging.INFO):
            if self._token_lives(job):
                await wire.call(
                    lambda: self._edit(
                        job, embed, open_files(job, shown) if shown else None, view=view
                    ),
                    # The next update comes soon, and the result must not wait for this one.
                    tries_max=wire.TRIES_MAX if is_over else 1,
                )
            elif is_over:
                await self._close_status(job, embed)

    async def catch_up(self, job: Job) -> None:
        spot = (job.channel_id, job.message_id or 0)
        if job.removed:
            before = None
            with contextlib.suppress(DeliveryError):
                before = await self._posted_before(job)
            posted = (job.channel_id, before or 0)
            await take_away(self._client, job, [spot, posted], self._clock.now())
        elif job.covered:
            await cover(self._client, job, spot, job.locale)

    async def fresh_links(self, links: Sequence[str]) -> list[str]:
        aged = [link for link in links if _is_aged(link, self._clock.now())]
        if not aged:
            return list(links)
        route = Route("POST", "/attachments/refresh-urls")
        with wire.logged("links not refreshed", "refresh_failed"):
            answer = await wire.call(
                lambda: self._client.http.request(route, json={"attachment_urls": aged})
            )
            fresh = {entry["original"]: entry["refreshed"] for entry in answer["refreshed_urls"]}
            return [fresh.get(link) or link for link in links]
        # The fetch will show which links are dead.
        return list(links)

    def status(
        self,
        job: Job,
        tasks: Sequence[Task],
        position: QueuePosition | None = None,
        finished: Collection[str] = (),
    ) -> tuple[discord.Embed, discord.ui.View | None]:
        """The status message now, with a button to cancel the job or stop waiting, if any."""
        if job.state is JobState.CANCELLED:
            return render.cancelled(job), None
        if job.unwatched:
            return render.unwatched(job), None
        typical_s = self._shop.routing.typical_s(latest(tasks)[0].route_id)
        now = self._clock.now()
        embed = render.status(
            job, tasks, now, typical_s=typical_s, position=position, finished=finished
        )
        if is_unsent(tasks):
            words = say(Phrase.CANCEL, job.locale)
            return embed, buttons.view(buttons.button(words, buttons.CANCEL, job.id))
        # Without kept results, nothing would be left of a job that nobody waits for.
        keeps = self._shop.house.keep.results_days > 0
        if keeps and job.state is JobState.RUNNING:
            words = say(Phrase.STOP_WAITING, job.locale)
            return embed, buttons.view(buttons.button(words, buttons.STOP, job.id))
        return embed, None

    async def deliver(
        self, job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], balance_ucr: int
    ) -> int:
        prices = offers.prices_there(self._easel, job)
        if not images:
            view = offers.beneath_failure(job, prices)
            return await self._post(job, Card(render.failure(job), view))
        view = offers.beneath_result(job, images, prices)
        sheet = sheet_of(self._shop.folder, job)
        keeps = self._shop.house.keep.results_days > 0

        async def post(fitted: Fitted) -> int:
            told = Notice.REDUCED if keeps else Notice.REDUCED_ALONE
            reduced, now = told if fitted.reduced else None, self._clock.now()
            embed = render.result(job, tasks, images, balance_ucr, now, reduced)
            show_sheet(embed, sheet, spoiler=job.spoiler)
            async with self._transfers.one(sum(fitted.sizes_bytes)):
                return await self._post(job, Card(embed, view, fitted, sheet))

        try:
            return await send_fitting(images, job.reply.file_bytes_max, self._shop.decoder, post)
        except (UnusableImage, wire.CallFailed) as error:
            raise DeliveryError(f"no copy that fits: {error}", retryable=False) from error
        except OSError as error:
            raise DeliveryError(f"no room for a copy: {error}", retryable=True) from error

    async def _post(self, job: Job, card: Card) -> int:
        """
        Edit the original response while its token lives; otherwise post in the channel.

        Raises:
            CallFailed: the files are too large.
            DeliveryError: it could be posted nowhere.
        """
        if job.message_id is None:
            # If the process dies after this edit, only the mark tells whose result this is.
            _mark(card.embed, job)
        if self._token_lives(job):
            try:
                message = await wire.call(
                    lambda: self._edit(
                        job, card.embed, open_files(job, card.fitted, card.sheet), card.view
                    )
                )
                self._pings.tell(job, message.id)
                return message.id
            except wire.CallFailed as error:
                if error.trouble is wire.Trouble.TOO_LARGE and card.fitted.paths:
                    raise
                if error.trouble in (wire.Trouble.DOWN, wire.Trouble.NOT_SHOWN):
                    # If Discord is down, the edit may have had its effect; a post would show the
                    # result twice.
                    raise _undelivered("original", error) from error
                log.warning("not edited: %s", error, extra={"action": "original_not_edited"})
        if job.request.private:
            raise DeliveryError(
                "its answer was for one member alone and can no longer be edited", retryable=False
            )
        if job.message_id and await self._stands_already(job, job.message_id, card):
            return job.message_id
        return await self._post_in_channel(job, card)

    async def _stands_already(self, job: Job, message_id: int, card: Card) -> bool:
        """
        Whether an earlier edit had its effect before the token died, its answer being lost.

        Raises:
            DeliveryError: Discord is down, so that is not known; a post could show it twice.
        """
        channel = self._client.get_partial_messageable(job.channel_id)
        try:
            message = await wire.call(lambda: channel.fetch_message(message_id))
        except wire.CallFailed as error:
            if error.trouble is wire.Trouble.DOWN:
                raise _undelivered("status message", error) from error
            return False
        # No ending has the title of a status.
        heads = {shown.title for shown in message.embeds}
        return bool(message.embeds) and heads == {card.embed.title}

    async def _post_in_channel(self, job: Job, card: Card) -> int:
        """
        Raises:
            CallFailed: the files are too large.
            DeliveryError: the channel does not take it.
        """
        channel = self._client.get_partial_messageable(job.channel_id)
        late = not self._token_lives(job)
        embed = card.embed
        embed.set_author(name=say(Phrase.LATE if late else Phrase.ANSWER_GONE, job.locale))
        _mark(embed, job)
        before = await self._posted_before(job)
        if before is not None:
            return before
        try:
            # discord.py enforces a nonce that is given: a repeat within minutes posts nothing.
            posted = await wire.call(
                lambda: channel.send(
                    content=f"<@{job.user_id}>",
                    embed=embed,
                    view=card.view,
                    files=open_files(job, card.fitted, card.sheet),
                    nonce=job.id,
                    allowed_mentions=self._pings.whom(job),
                )
            )
        except wire.CallFailed as error:
            if error.trouble is wire.Trouble.TOO_LARGE and card.fitted.paths:
                raise
            raise _undelivered(f"channel {job.channel_id}", error) from error
        await self._point_to(job, posted)
        return posted.id

    async def _posted_before(self, job: Job) -> int | None:
        """
        Find the job's result in the channel. An earlier try may have posted it, or edited it into
        an answer whose message id was not known, and then died or got no answer. The nonce helps
        for minutes only: then Discord forgets it.

        Returns:
            The message's id; None: it is not there, or the bot may not read the history.
        Raises:
            DeliveryError: Discord is down, so that is not known.
        """
        channel = self._client.get_partial_messageable(job.channel_id)
        # No answer is older than its interaction, whose id holds Discord's own time.
        since = discord.Object(job.interaction_id)

        async def look() -> int | None:
            async for message in channel.history(after=since, limit=HISTORY_MESSAGES_MAX):
                for embed in message.embeds:
                    if (embed.footer.text or "").endswith(_name(job)):
                        return message.id
            return None

        try:
            return await wire.call(look)
        except wire.CallFailed as error:
            if error.trouble is wire.Trouble.DOWN:
                raise _undelivered("history", error) from error
            return None

    async def _point_to(self, job: Job, posted: discord.Message) -> None:
        """Make the status message link to the result; now only a channel edit can reach it."""
        text = say(Phrase.POINTED, job.locale, link=render.link_to(job, posted.id))
        embed = discord.Embed(description=text)
        with wire.logged("not closed", "status_not_closed", level=logging.INFO):
            await self._close_status(job, embed)

    async def _close_status(self, job: Job, embed: discord.Embed) -> None:
        """Edit the status message through the channel, which works after the token's end."""
        if job.message_id is None or job.request.private:
            return
        channel = self._client.get_partial_messageable(job.channel_id)
        status = channel.get_partial_message(job.message_id)
        await wire.call(lambda: status.edit(embed=embed, view=None))

    def _token_lives(self, job: Job) -> bool:
        return self._clock.now() < job.reply.token_expires_at - TOKEN_MARGIN

    async def _edit(
        self,
        job: Job,
        embed: discord.Embed,
        files: Sequence[discord.File] | None = None,
        view: discord.ui.View | None = None,
    ) -> discord.WebhookMessage:
        """`files` None leaves what is attached; `view` None removes the buttons."""
        return await answer_to(self._client, job).edit_message(
            ORIGINAL,
            embed=embed,
            view=view,
            attachments=wire.or_missing(files),
            allowed_mentions=discord.AllowedMentions.none(),
        )


def _is_aged(link: str, now: datetime) -> bool:
    """Whether a link's signature has ended or soon will: SIGNED names its last second, in hex."""
    ends = URL(link).query.get(SIGNED, "")
    try:
        return int(ends, 16) <= now.timestamp() + LINK_MARGIN_S
    except ValueError:
        return False


def _undelivered(where: str, error: wire.CallFailed) -> DeliveryError:
    return DeliveryError(
        f"{where}: {error}",
        retryable=error.trouble is wire.Trouble.DOWN,
        not_shown=error.trouble is wire.Trouble.NOT_SHOWN,
    )


def _name(job: Job) -> str:
    return f"job {job.id}"


def _mark(embed: discord.Embed, job: Job) -> None:
    """Write the job's id into the footer, to find the message by; once, however often called."""
    footer = (embed.footer.text or "").removesuffix(_name(job)).removesuffix(" · ")
    embed.set_footer(text=f"{footer} · {_name(job)}" if footer else _name(job))
