"""Carries one image of a job from its committed state to its end, with a step for each state."""

import asyncio
import logging
import math
import random
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path

from bot.domain import pricing, waiting
from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Job, Made, Task, TaskState
from bot.domain.ports import (
    Failed,
    Finished,
    ImageFile,
    ImageLimits,
    Order,
    Progress,
    Provider,
    Running,
)
from bot.domain.requests import words_of
from bot.engine.accept import new_task
from bot.engine.events import emit, emit_refused
from bot.engine.outcome import UNUSABLE, Ended, Patience, dated, of_ending, of_submit
from bot.engine.references import RETRY_WAIT_S, Given, References
from bot.engine.routing import Terms
from bot.engine.traffic import AHEAD_MAX
from bot.engine.workshop import Wait, Workshop
from bot.errors import (
    FetchFailed,
    FetchTrouble,
    Flaw,
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderRefused,
    ProviderUnreachable,
    Refusal,
    UnusableImage,
)
from bot.pictures.folder import FETCHED, drop, named
from bot.store import tasks as steps

#: faults that end a task's submits; a submit is repeated only if it was surely not accepted
SUBMITS_MAX = 3
#: "too many" answers that end a task's submits; the waits between are 5 to 60 s, or as asked for
LIMITS_MAX = 12
#: seconds; a task that would have to wait longer goes to another route, where there is one
PATIENCE_S = 60.0
#: share by which each wait is varied, so that jobs begun together do not poll together
POLL_SPREAD = 0.05
#: polls of one task at most; its deadline ends them sooner
POLLS_MAX = 10_000
#: seconds between two polls when the vendor has finished but has not given the links yet
LINKS_WAIT_S = 5.0
#: seconds between two tries to fetch a result, but for those that fail on our own disk
RESULT_WAITS_S = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0, 60.0)
#: the same where the link gave a page of its host's, or a part of the image
SPOILT_WAITS_S = (2.0, 8.0)
SPOILT = frozenset({Flaw.EMPTY, Flaw.DAMAGED, Flaw.NO_PICTURE, Flaw.OTHER_FORMAT})
#: tries that may fail with a trouble of this kind; other kinds are tried until the waits run out
TRIES_MAX = {FetchTrouble.GONE: 4, FetchTrouble.NEVER: 2, FetchTrouble.OUR_DISK: 5_760}
#: troubles of a link that another link to the same image may not have
LINK_TROUBLES = frozenset({FetchTrouble.REFUSED, FetchTrouble.GONE, FetchTrouble.NEVER})
#: seconds between two tries while our disk is full; with the tries above, for a day
DISK_WAIT_S = 15.0
#: the noisiest PNG at 4K stays below these
RESULT_LIMITS = ImageLimits(size_bytes_max=50_000_000, pixels_max=40_000_000)


class Carrier:
    """
    Args:
        task: as it was last committed; the carrier goes on from there.
        sent: is set once an order is being sent, or was sent before a restart.
    """

    def __init__(
        self, shop: Workshop, job: Job, task: Task, references: References, sent: asyncio.Event
    ) -> None:
        self._shop = shop
        self._job = job
        #: as it was last committed
        self._task = task
        self._references = references
        self._sent = sent
        #: that the task is on; set as the carrier takes it up
        self._route: Route
        self._provider: Provider
        #: whether this process sent the order, and so knows of a time when the image was not done
        self._fresh = False

    async def carry(self) -> Made | None:
        """
        Carry the image to its end, and on to the next routes if one fails.

        Returns:
            The job, to be delivered; None: other images of it have not ended.
        Raises:
            StepLost: another process works on the task, or the job was cancelled.
        """
        while True:
            try:
                return await self._carry_on_route()
            except Ended as ended:
                # An image may have come that nobody waits for, as beside a refusal.
                drop(self._fetched())
                problem, keep = ended.problem, self._shop.database.keep
                self._emit("task_failed", "task failed: %s", problem.failure, level=logging.WARNING)
                onto = await self._next_task() if ended.elsewhere else None
                if onto is None:
                    problem = dated(problem, self._shop.traffic)
                    allowance, now = self._shop.house.allowance, self._shop.clock.now()
                    return await keep(steps.failed, allowance, self._task, problem, now)
                self._task = await keep(steps.fall_back, self._task, problem, onto)
                self._emit("task_fell_back", "next route")

    async def _carry_on_route(self) -> Made | None:
        self._route, self._provider = self._route_and_provider()
        waits = self._task.state is TaskState.PENDING
        if not waits:
            self._sent.set()
        try:
            async with self._shop.traffic.slot(self._route, waits=waits):
                finished = None
                while finished is None:
                    match self._task.state:
                        case TaskState.PENDING:
                            finished = await self._submit()
                        case TaskState.SUBMITTED:
                            finished = await self._wait()
                        case _:
                            # A process died after sending and before the answer was committed.
                            raise Ended(Failure.OUTCOME_UNKNOWN)
                return await self._keep(finished)
        finally:
            self._shop.finished.discard(self._task.id)

    def _route_and_provider(self) -> tuple[Route, Provider]:
        route = self._shop.catalog.route(self._task.route_id)
        provider = self._shop.providers.get((route.provider, route.api)) if route else None
        if route is None or provider is None:
            # The operator took the route away while the job was under way.
            unsent = self._task.state is TaskState.PENDING
            raise Ended(Failure.PROVIDER_MISCONFIGURED, elsewhere=unsent)
        return route, provider

    async def _next_task(self) -> Task | None:
        """A task on the best route that this image has not tried and that fits into the hold."""
        # Read from the database, so that routes tried before a restart count.
        job, index = self._job, self._task.image_index
        its_tasks = await self._shop.database.read(steps.of_job, job.id)
        tried = {each.route_id for each in its_tasks if each.image_index == index}
        terms = Terms(job.nsfw_checker, self._shop.traffic.ready(job.request))
        try:
            routes = self._shop.routing.candidates(job.request, terms, tried)
        except Refusal:
            return None
        held = job.quote_ucr // job.request.count
        route = next((each for each in routes if each.quote(job.request) <= held), None)
        return new_task(f"{job.id}-{index}-{len(tried)}", job, index, route) if route else None

    async def _submit(self) -> Finished | None:
        """Send the order; returns the image where the vendor answers only when it is done."""
        shop, route = self._shop, self._route
        shop.clock.go_on()
        if not shop.traffic.lets_through(route) and await self._next_task():
            # The route has failed for other jobs since this one was accepted.
            raise Ended(Failure.PROVIDER_DOWN, elsewhere=True)
        order = self._order(await self._give())
        waits_since = shop.clock.now()
        faults = limits = 0
        while True:
            await self._wait_until_may_submit(waits_since + timedelta(seconds=PATIENCE_S))
            self._task = await shop.database.keep(steps.begin_submit, self._task)
            self._sent.set()
            sent_at = shop.clock.now()
            try:
                answer = await self._provider.submit(order)
            except ProviderError as error:
                emit_refused("submit_failed", "submit failed", error, self._task)
                if not isinstance(error, ProviderBusy | ProviderUnreachable):
                    raise of_submit(error, shop.traffic, route) from error
                self._task = await shop.database.keep(steps.not_accepted, self._task)
                wait_s = error.retry_after_s
                if error.rate_limited:
                    limits += 1
                    shop.traffic.too_many(route, wait_s)
                else:
                    faults += 1
                    shop.traffic.fault(route)
                if limits >= LIMITS_MAX or faults >= SUBMITS_MAX:
                    raise Ended(Failure.PROVIDER_DOWN, elsewhere=True) from error
                hopeless = not shop.traffic.lets_through(route) or (wait_s or 0) > PATIENCE_S
                if hopeless and await self._next_task():
                    raise Ended(Failure.PROVIDER_DOWN, elsewhere=True) from error
                if not error.rate_limited:
                    await shop.clock.sleep(wait_s or RETRY_WAIT_S)
            else:
                took_s = (shop.clock.now() - sent_at).total_seconds()
                return await self._hear(answer, took_s)

    def _order(self, given: Given) -> Order:
        request = self._job.request
        return Order(
            task_id=self._task.id,
            route=self._route,
            mode=request.mode,
            prompt=words_of(request),
            aspect_ratio=request.aspect_ratio,
            resolution=request.resolution,
            quality=request.quality,
            background=request.background,
            nsfw_checker=self._job.nsfw_checker,
            result_path=self._fetched(),
            reference_links=given.links,
            references=given.files,
            mask=given.mask,
            member_hash=self._shop.member_hash(self._job.user_id),
        )

    async def _give(self) -> Given:
        try:
            return await self._references.given_to(self._provider, self._route)
        except Ended as ended:
            if ended.problem.failure in (Failure.PROVIDER_DOWN, Failure.PROVIDER_MISCONFIGURED):
                misconfigured = ended.problem.failure is Failure.PROVIDER_MISCONFIGURED
                self._shop.traffic.fault(self._route, misconfigured=misconfigured)
            raise

    async def _wait_until_may_submit(self, before: datetime) -> None:
        """Wait for the route's turn, beyond `before` only where there is no other route."""
        may_submit = self._shop.traffic.may_submit
        if await may_submit(self._route, before, self._job.id):
            return
        if await self._next_task():
            raise Ended(Failure.PROVIDER_DOWN, elsewhere=True)
        if not await may_submit(self._route, before + AHEAD_MAX, self._job.id):
            raise Ended(Failure.PROVIDER_DOWN)

    async def _hear(self, answer: str | Finished | Failed, took_s: float) -> Finished | None:
        """Take in the vendor's answer to an order: its task's id, the image itself or a failure."""
        self._emit("task_submitted", "task submitted")
        shop, route = self._shop, self._route
        shop.traffic.accepted(route)
        match answer:
            case str():
                self._task = await shop.database.keep(
                    steps.submitted, self._task, answer, shop.clock.now()
                )
                self._fresh = True
                return None
            case Finished(links=(), in_answer=False):
                raise Ended(Failure.NO_IMAGE)
            case Finished():
                shop.routing.observe(route, took_s, took_s)
                shop.traffic.success(route)
                return answer
            case Failed():
                raise of_ending(answer, shop.traffic, route, self._task)

    async def _wait(self) -> Finished:
        """
        Poll until the vendor has finished; an unknown state or a failed poll means not yet.

        Raises:
            Ended: the vendor gave up, or the task is not waited for any longer.
        """
        shop, route, task = self._shop, self._route, self._task
        assert task.provider_task_id is not None
        assert task.submitted_at is not None
        whose = (route.provider, task.provider_task_id)
        wait = shop.waits.setdefault(whose, Wait(route.id))
        # A clock that was fast may be set back at any time; negative time counts as none.
        elapsed_s = max(0.0, (shop.clock.now() - task.submitted_at).total_seconds())
        # The route's latency is learned only where a time is known when the image was not done.
        unfinished_s = 0.0 if self._fresh else None
        scouts = self._fresh and shop.routing.scouts(route)
        patience, said = Patience(route.deadline_s), ""
        try:
            for poll in range(POLLS_MAX):
                asked_at = shop.clock.now()
                known = shop.routing.latency(route)
                wait_s = waiting.next_wait_s(known, elapsed_s, poll, scouts=scouts)
                wait_s = LINKS_WAIT_S if patience.is_finished else wait_s
                wait_s *= random.uniform(1 - POLL_SPREAD, 1 + POLL_SPREAD)  # noqa: S311 - no secret
                await shop.clock.sleep(wait_s, unless=wait.over)
                wait.over.clear()
                progress = await self._poll()
                elapsed_s += max((shop.clock.now() - asked_at).total_seconds(), 0.0)
                match progress:
                    case Finished() if progress.links or progress.in_answer:
                        if unfinished_s is not None and shop.routing.observe(
                            route, unfinished_s, elapsed_s, scouts=scouts
                        ):
                            shop.hurry(route.id)
                        shop.traffic.success(route)
                        return progress
                    case Finished():
                        shop.finished.add(task.id)
                    case Running(word) if word != said:
                        said = word
                        self._emit("task_running", "in words: %s", word, level=logging.DEBUG)
                    case Failed():
                        raise of_ending(progress, shop.traffic, route, task)
                unfinished_s = elapsed_s if progress else None
                if failure := patience.after(progress, elapsed_s, wait_s):
                    break
        finally:
            shop.waits.pop(whose, None)
        if failure is Failure.TIMED_OUT:
            shop.traffic.fault(route)
        raise Ended(failure or Failure.TIMED_OUT)

    async def _poll(self) -> Progress | None:
        """
        Ask once how the task goes.

        Returns:
            None: the poll failed; UNUSABLE: the vendor has finished, but gives no usable link.
        """
        task, traffic = self._task, self._shop.traffic
        assert task.provider_task_id is not None
        assert self._provider.poll is not None, "whoever gives no task has none to ask for"
        await traffic.may_poll(self._route)
        try:
            progress = await self._provider.poll(task.provider_task_id, self._fetched())
        except ProviderContractBroken:
            self._emit("poll_unusable", "poll unusable", level=logging.WARNING)
            return UNUSABLE
        except ProviderError as error:
            self._emit("poll_failed", "poll failed: %s", error, level=logging.WARNING)
            self._emit("poll_failed", "in words: %s", error.words, level=logging.DEBUG)
            if isinstance(error, ProviderRefused) and error.moderation:
                # A refusal ends the task, even where it comes as an error of the poll.
                return Failed(moderation=True, retryable=False, vendor_code=type(error).__name__)
            if isinstance(error, ProviderBusy):
                traffic.too_many_polls(self._route, error.retry_after_s)
            return None
        traffic.polled(self._route)
        return progress

    async def _keep(self, finished: Finished) -> Made | None:
        shop, task = self._shop, self._task
        shop.finished.add(task.id)
        image = await self._fetch(finished)
        cost = pricing.final_cost(self._route.price, task.price_ucr, finished.bill)
        allowance, now = shop.house.allowance, shop.clock.now()
        made = await shop.database.keep(steps.stored, allowance, task, image, cost, now)
        emit("task_stored", "image stored", task=task, cost_ucr=cost.amount_ucr)
        return made

    async def _fetch(self, finished: Finished) -> ImageFile:
        """
        Fetch the image in several tries: it is paid, and its vendor keeps it for days and, if it
        has a task, is polled for new links. An image that came inside an answer is only checked.
        """
        path, tries = self._fetched(), Counter[FetchTrouble]()
        waits, spoilt_waits = iter((*RESULT_WAITS_S, None)), iter(SPOILT_WAITS_S)
        while True:
            try:
                if finished.in_answer:
                    return named(await self._shop.fetcher.check(path, RESULT_LIMITS))
                link = finished.links[0]
                return named(await self._shop.fetcher.fetch(link, path, RESULT_LIMITS))
            except UnusableImage as error:
                may_pass = error.flaw in SPOILT and not finished.in_answer
                wait_s = next(spoilt_waits, None) if may_pass else None
                if wait_s is None:
                    self._emit("result_unusable", "result unusable: %s", error, level=logging.ERROR)
                    raise Ended(Failure.BAD_RESULT) from error
                self._emit("not_fetched", "result not fetched: %s", error, level=logging.WARNING)
            except FetchFailed as error:
                self._emit("not_fetched", "result not fetched: %s", error, level=logging.WARNING)
                tries[error.trouble] += 1
                # The vendor keeps the image while somebody makes room on our disk.
                wait_s = DISK_WAIT_S if error.trouble is FetchTrouble.OUR_DISK else next(waits)
                tries_max = TRIES_MAX.get(error.trouble, math.inf)
                if self._task.provider_task_id is None and error.trouble in LINK_TROUBLES:
                    tries_max = 1
                if wait_s is None or tries[error.trouble] >= tries_max:
                    self._emit("result_lost", "result lost", level=logging.ERROR)
                    raise Ended(Failure.RESULT_LOST) from error
            await self._shop.clock.sleep(wait_s)
            if self._task.provider_task_id is not None and not finished.in_answer:
                progress = await self._poll()
                if isinstance(progress, Finished) and progress.links:
                    finished = progress

    def _fetched(self) -> Path:
        return self._shop.folder / f"{self._task.id}{FETCHED}"

    def _emit(self, action: str, message: str, *args: object, level: int = logging.INFO) -> None:
        emit(action, message, *args, level=level, task=self._task)
