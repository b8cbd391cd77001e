"""Accept a request: check it, quote it, and hold and insert the job in one transaction."""

import secrets
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from bot.domain.catalog import Route
from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, JobState, Reply, Task, TaskState
from bot.domain.policy import NsfwMode, NsfwRule, Place, nsfw_rule
from bot.domain.ports import Clock
from bot.domain.requests import ImageRequest, check_request
from bot.domain.stored import Accepted, Jobs, Offer
from bot.domain.words import clean
from bot.engine.routing import Routing
from bot.errors import Refusal


class Acceptance:
    def __init__(self, jobs: Jobs, routing: Routing, clock: Clock) -> None:
        self._jobs = jobs
        self._routing = routing
        self._clock = clock

    async def accept(
        self,
        request: ImageRequest,
        place: Place,
        user_id: int,
        interaction_id: int,
        reply: Reply,
        locale: str,
    ) -> Accepted:
        """
        The job is inserted but rests until `Jobs.hand_over` says that its member has an answer.

        Raises:
            Refusal: nothing is held.
            Repeated: the interaction has a job already; nothing is held.
        """
        request = replace(request, prompt=clean(request.prompt))
        check_request(request)
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
            nsfw_checker=True,
            spoiler=False,
            reply=reply,
            created_at=now,
            interaction_id=interaction_id,
            locale=locale,
        )
        # Which mode the server has is read in the transaction that accepts.
        by_rule: dict[NsfwRule, Sequence[Offer] | Refusal] = {}
        offers = {}
        for mode in NsfwMode:
            rule = nsfw_rule(mode, place)
            if rule not in by_rule:
                by_rule[rule] = self._offers(draft, rule)
            offers[mode] = by_rule[rule]
        return await self._jobs.accept(place.server_id, user_id, interaction_id, offers)

    def _offers(self, draft: Job, rule: NsfwRule) -> Sequence[Offer] | Refusal:
        try:
            request = self._routing.shaped(draft.request, nsfw_checker=rule.nsfw_checker)
            routes = self._routing.candidates(request, nsfw_checker=rule.nsfw_checker)
        except Refusal as refusal:
            return refusal
        # Whichever of the routes makes an image in the end, it is covered. Those that are too
        # dear for the account are not among them.
        offers = []
        for held in sorted({route.quote(request) for route in routes}, reverse=True):
            first = next(route for route in routes if route.quote(request) <= held)
            job = replace(
                draft,
                request=request,
                quote_ucr=Microcredits(held * request.count),
                nsfw_checker=rule.nsfw_checker,
                spoiler=rule.spoiler,
            )
            offers.append(Offer(job, tuple(_task(job, n, first) for n in range(request.count))))
        return offers


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
