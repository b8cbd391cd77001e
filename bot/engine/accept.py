"""Accept a request: check it, quote it, and hold and insert the job in one transaction."""

import secrets
from dataclasses import dataclass, replace
from datetime import datetime

from bot.domain.catalog import Route
from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, JobState, Reply, Task, TaskState
from bot.domain.policy import Place, nsfw_rule
from bot.domain.ports import Clock, Jobs, Servers
from bot.domain.queue import QueuePlace
from bot.domain.requests import ImageRequest, check_request
from bot.domain.words import clean
from bot.engine.routing import Routing
from bot.errors import InsufficientCredits


@dataclass(frozen=True, slots=True)
class Accepted:
    job: Job
    tasks: tuple[Task, ...]
    in_queue: QueuePlace


class Acceptance:
    def __init__(self, jobs: Jobs, servers: Servers, routing: Routing, clock: Clock) -> None:
        self._jobs = jobs
        self._servers = servers
        self._routing = routing
        self._clock = clock

    async def accept(
        self,
        request: ImageRequest,
        place: Place,
        user_id: int,
        interaction_id: int,
        reply: Reply,
    ) -> Accepted:
        """
        The job is inserted but rests until `Jobs.hand_over` says that its member has an answer.

        Raises:
            Refusal: why not, in words for the member; nothing is held.
            Repeated: the interaction has a job already; nothing is held.
        """
        request = replace(request, prompt=clean(request.prompt))
        check_request(request)
        rule = nsfw_rule(await self._servers.nsfw_mode(place.server_id), place)
        request = self._routing.shaped(request, nsfw_checker=rule.nsfw_checker)
        routes = self._routing.candidates(request, nsfw_checker=rule.nsfw_checker)
        now = self._clock.now()
        draft = Job(
            id=_job_id(now),
            server_id=place.server_id,
            channel_id=place.channel_id,
            user_id=user_id,
            request=request,
            state=JobState.QUEUED,
            quote_ucr=Microcredits(0),
            cost_ucr=None,
            nsfw_checker=rule.nsfw_checker,
            spoiler=rule.spoiler,
            reply=reply,
            created_at=now,
            interaction_id=interaction_id,
        )
        quotes = sorted({route.quote(request) for route in routes}, reverse=True)
        for held in quotes:
            # Whichever of the routes makes an image in the end, it is covered. Those that are too
            # dear for the account are not among them.
            first = next(route for route in routes if route.quote(request) <= held)
            job = replace(draft, quote_ucr=Microcredits(held * request.count))
            tasks = tuple(_task(job, index, first) for index in range(request.count))
            try:
                return Accepted(job, tasks, await self._jobs.accept(job, tasks))
            except InsufficientCredits:
                if held == quotes[-1]:
                    raise
        raise AssertionError("there is at least one route")


def _task(job: Job, index: int, route: Route) -> Task:
    return Task(
        id=f"{job.id}-{index}",
        job_id=job.id,
        image_index=index,
        route_id=route.id,
        price_ucr=route.quote(job.request),
        state=TaskState.PENDING,
    )


def _job_id(now: datetime) -> str:
    """19 characters that sort by time; short enough for a nonce of Discord's (25)."""
    return f"{round(now.timestamp() * 1000):011x}{secrets.token_hex(4)}"
