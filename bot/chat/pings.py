"""Mentions a member once when a job that they waited for has ended: an edit notifies nobody."""

import asyncio
import contextlib
import logging
from datetime import timedelta

import discord

from bot.chat import render, wire
from bot.chat.texts import Phrase, say
from bot.domain.jobs import KEPT, Job
from bot.domain.preferences import Pings
from bot.engine.easel import Easel
from bot.engine.stopping import StoppableClock, Stopped

#: a member who waited longer than this is mentioned, unless they want otherwise
LONG_WAIT = timedelta(seconds=30)
#: seconds for which the mention stays
STAYS_S = 60.0
#: seconds for removing all mentions when the process is asked to stop
CLOSE_S_MAX = 1.5


class Pinging:
    """
    Args:
        client: logged in; need not be connected.
    """

    def __init__(self, client: discord.Client, clock: StoppableClock, easel: Easel) -> None:
        self._client = client
        self._clock = clock
        self._easel = easel
        #: each posts one mention and removes it again
        self._under_way: set[asyncio.Task[None]] = set()

    def whom(self, job: Job) -> discord.AllowedMentions:
        pings = self._easel.preferences_of(job.user_id).pings
        long = self._clock.now() - job.created_at > LONG_WAIT
        wanted = pings is Pings.ALWAYS or (pings is Pings.LONG and long)
        users = [discord.Object(job.user_id)] if wanted else []
        return discord.AllowedMentions(everyone=False, roles=False, users=users, replied_user=False)

    def tell(self, job: Job, message_id: int) -> None:
        """
        Mention the member who waited for the job, because an edit notifies nobody. The message is
        removed after a while. It is posted once: Discord takes its nonce once within minutes. No
        delivery waits for it: a busy channel takes few messages a second.
        """
        whom = self.whom(job)
        if not whom.users or job.request.private or job.server_id == 0:
            return
        notice = Phrase.DONE_PING
        if job.problem:
            kept = job.problem.failure in KEPT
            notice = Phrase.UNSHOWN_PING if kept else Phrase.FAILED_PING
        link = render.link_to(job, message_id)
        text = say(notice, job.locale, user_id=job.user_id, link=link)
        ping = asyncio.create_task(self._post(job, text, whom))
        self._under_way.add(ping)
        ping.add_done_callback(self._under_way.discard)

    async def close(self) -> None:
        """Remove all mentions that are left. The clock must be stopped, so that none waits."""
        if self._under_way:
            _, late = await asyncio.wait(self._under_way, timeout=CLOSE_S_MAX)
            for ping in late:
                ping.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _post(self, job: Job, text: str, whom: discord.AllowedMentions) -> None:
        channel = self._client.get_partial_messageable(job.channel_id)
        with wire.logged("not pinged", "not_pinged", level=logging.INFO):
            ping = await wire.call(
                lambda: channel.send(
                    text, nonce=f"ping{job.id}", allowed_mentions=whom, suppress_embeds=True
                )
            )
            with contextlib.suppress(Stopped):
                await self._clock.sleep(STAYS_S)
            with wire.logged("ping not removed", "ping_not_removed", level=logging.INFO):
                await wire.delete(ping.delete)
