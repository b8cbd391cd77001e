"""Accept a request: check it, quote it, and hold and insert the job in one transaction."""

import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime

from bot.domain.catalog import Catalog, Quote
from bot.domain.jobs import Job, JobState, Reply, Task, TaskState
from bot.domain.policy import Place, nsfw_rule
from bot.domain.ports import Clock, Jobs, Servers
from bot.domain.queue import QueuePlace
from bot.domain.requests import ImageRequest, check_request


@dataclass(frozen=True, slots=True)
class Accepted:
    job: Job
    tasks: tuple[Task, ...]
    quote: Quote
    in_queue: QueuePlace


class Acceptance:
    """
    Args:
        providers: names of those that are switched on.
    """

    def __init__(
        self,
        jobs: Jobs,
        servers: Servers,
        catalog: Catalog,
        providers: Collection[str],
        clock: Clock,
    ) -> None:
        self._jobs = jobs
        self._servers = servers
        self._catalog = catalog
        self._providers = providers
        self._clock = clock

    async def accept(
        self, request: ImageRequest, place: Place, user_id: int, reply: Reply
    ) -> Accepted:
        """
        The job is inserted but rests until `Jobs.hand_over` says that its member has an answer.

        Raises:
            Refusal: why not, in words for the member; nothing is held.
        """
        check_request(request)
        rule = nsfw_rule(await self._servers.nsfw_mode(place.server_id), place)
        quote = self._catalog.quote(
            request, providers=self._providers, nsfw_checker=rule.nsfw_checker
        )
        now = self._clock.now()
        job = Job(
            id=_job_id(now),
            server_id=place.server_id,
            channel_id=place.channel_id,
            user_id=user_id,
            request=request,
            state=JobState.QUEUED,
            quote_ucr=quote.total_ucr,
            cost_ucr=None,
            nsfw_checker=rule.nsfw_checker,
            spoiler=rule.spoiler,
            reply=reply,
            created_at=now,
        )
        tasks = tuple(
            Task(
                id=f"{job.id}-{index}",
                job_id=job.id,
                image_index=index,
                route_id=quote.route.id,
                price_ucr=quote.price_ucr,
                state=TaskState.PENDING,
            )
            for index in range(request.count)
        )
        in_queue = await self._jobs.accept(job, tasks)
        return Accepted(job, tasks, quote, in_queue)


def _job_id(now: datetime) -> str:
    """19 characters that sort by time; short enough for a nonce of Discord's (25)."""
    return f"{round(now.timestamp() * 1000):011x}{secrets.token_hex(4)}"
