"""Turns a request into a draft of its job, and into the quotes at which it may be accepted."""

import secrets
from collections.abc import Sequence
from datetime import datetime

from msgspec.structs import replace

from bot.domain import policy
from bot.domain.catalog import Route
from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, JobState, Offer, Reply, Task, TaskState, id_at
from bot.domain.policy import NsfwRule, Place
from bot.domain.requests import QUALITIES, ImageRequest, check_request
from bot.domain.words import clean
from bot.engine.routing import Routing, Terms

#: kinds of the image that are suggested at most to a member who has too few credits for it
FITS_MAX = 2


def draft_job(
    request: ImageRequest,
    place: Place,
    user_id: int,
    interaction_id: int,
    reply: Reply,
    locale: str,
    now: datetime,
) -> Job:
    """
    Make the job that a request asks for, without a quote yet.

    Raises:
        InvalidRequest: no route could do it, whatever the server allows.
    """
    request = replace(request, prompt=clean(request.prompt))
    check_request(request)
    return Job(
        # 19 characters, so that it fits into a Discord nonce, which has 25.
        id=f"{id_at(now)}{secrets.token_hex(4)}",
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


def offers(draft: Job, rule: NsfwRule, terms: Terms, routing: Routing) -> Sequence[Offer]:
    """
    The job at each quote that may be held for it, the dearest first.

    The first quote that the account covers is held. Every route that costs no more may then make
    the images; dearer routes are left out.

    Raises:
        Refusal: the server does not allow the request, or no route can make it here and now.
    """
    policy.check_allowed(terms.decided, draft.request)
    request, routes = routing.chosen(draft.request, terms)
    locale = draft.locale
    if draft.server_id and not request.private:
        locale = policy.public_locale(terms.decided, locale)
    found = []
    for held in sorted({route.quote(request) for route in routes}, reverse=True):
        first = next(route for route in routes if route.quote(request) <= held)
        job = replace(
            draft,
            request=request,
            quote_ucr=Microcredits(held * request.count),
            nsfw_checker=rule.nsfw_checker,
            spoiler=rule.spoiler,
            locale=locale,
        )
        tasks = (new_task(f"{job.id}-{n}", job, n, first) for n in range(request.count))
        found.append(Offer(job, tuple(tasks)))
    return found


def what_fits(
    request: ImageRequest, terms: Terms, routing: Routing, available_ucr: int
) -> list[str]:
    """The best kinds of the same image that the account covers, written as a refusal's `fits`."""
    #: resolution -> its best kind
    found: dict[str, str] = {}
    resolutions = reversed(policy.resolutions_here(terms.decided))
    for kind, routes in routing.kinds(request, terms, resolutions, QUALITIES[::-1]):
        amount = min(route.quote(kind) for route in routes) * kind.count
        if amount <= available_ucr:
            found.setdefault(kind.resolution, f"{kind.resolution}/{kind.quality}/{amount}")
    return list(found.values())[:FITS_MAX]


def new_task(task_id: str, job: Job, index: int, route: Route) -> Task:
    """
    Args:
        index: which of the job's images it is to give.
    """
    return Task(
        id=task_id,
        job_id=job.id,
        image_index=index,
        route_id=route.id,
        price_ucr=route.quote(job.request),
        state=TaskState.PENDING,
    )
