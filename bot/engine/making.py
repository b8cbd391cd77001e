"""One image from pending to stored or failed: submit, wait, fetch, or on to the next route."""

import asyncio
import logging
import random
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from bot.domain import pricing, waiting
from bot.domain.catalog import Catalog, Route
from bot.domain.jobs import Failure, Job, Task, TaskState
from bot.domain.ports import (
    Failed,
    Finished,
    ImageFetcher,
    ImageFile,
    ImageLimits,
    Jobs,
    LinkRefresher,
    Order,
    Progress,
    Provider,
)
from bot.engine.images import FETCHED
from bot.engine.references import Ended, References, fetch, retry_wait_s
from bot.engine.routing import Routing
from bot.engine.stopping import StoppableClock
from bot.errors import (
    FetchFailed,
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
    Refusal,
    UnusableImage,
)

log = logging.getLogger(__name__)

#: polls are spread by this share, so that jobs begun together do not poll together
POLL_SPREAD = 0.05
#: polls of one task; its deadline comes first
POLLS_MAX = 10_000
#: a task is sent at most so often, and only again when it was surely not accepted
SUBMITS_MAX = 3
#: a wish to wait, not a fault
TOO_MANY_REQUESTS = 429
#: some vendors say "finished" a little before the links are there
EMPTY_POLLS_MAX = 4
#: a 4K PNG of the noisiest kind stays below
RESULT_LIMITS = ImageLimits(size_bytes_max=50_000_000, pixels_max=40_000_000)


@dataclass(frozen=True, slots=True)
class Way:
    """A route and the provider that speaks to its vendor."""

    route: Route
    provider: Provider


class Making:
    """
    Makes the images of jobs.

    Args:
        refresher: for links to references that have aged.
        folder: images and references in flight.
    """

    def __init__(
        self,
        jobs: Jobs,
        providers: Mapping[str, Provider],
        catalog: Catalog,
        routing: Routing,
        fetcher: ImageFetcher,
        refresher: LinkRefresher,
        clock: StoppableClock,
        folder: Path,
    ) -> None:
        self._jobs = jobs
        self._providers = providers
        self._catalog = catalog
        self._routing = routing
        self._fetcher = fetcher
        self._refresher = refresher
        self._clock = clock
        self._folder = folder
        #: provider's task id -> set when its vendor called back
        self._hints: dict[str, asyncio.Event] = {}

    def references(self, job: Job) -> References:
        return References(job, self._fetcher, self._refresher, self._clock, self._folder)

    def hint(self, provider_task_id: str) -> None:
        """A vendor says that this task has ended: ask it now. An id that is not ours is nothing."""
        if event := self._hints.get(provider_task_id):
            event.set()

    async def carry(self, job: Job, task: Task, references: References) -> None:
        """
        Carry an image on from its task's committed state to its end, over the next routes if need
        be.

        Raises:
            StepLost: somebody else works on it.
        """
        while True:
            try:
                await self._carry_task(job, task, references)
                return
            except Ended as ended:
                task = ended.task or task
                log.warning(
                    "task failed: %s",
                    ended.problem.failure,
                    extra=_fields(job, task, "task_failed"),
                )
                onto = await self._next_task(job, task) if ended.elsewhere else None
                if onto is None:
                    await self._jobs.failed(task, ended.problem, self._clock.now())
                    return
                task = await self._jobs.fall_back(task, ended.problem, onto)
                log.info("next route", extra=_fields(job, task, "task_fell_back"))

    async def _next_task(self, job: Job, task: Task) -> Task | None:
        """A task on the best route that has not been tried for this image, within the hold."""
        # From the rows, so that routes tried before a restart count.
        its_tasks = await self._jobs.tasks(job.id)
        tried = {each.route_id for each in its_tasks if each.image_index == task.image_index}
        try:
            routes = self._routing.candidates(
                job.request, nsfw_checker=job.nsfw_checker, tried=tried
            )
        except Refusal:
            return None
        held = job.quote_ucr // job.request.count
        affordable = [route for route in routes if route.quote(job.request) <= held]
        if not affordable:
            return None
        route = affordable[0]
        return Task(
            id=f"{job.id}-{task.image_index}-{len(tried)}",
            job_id=job.id,
            image_index=task.image_index,
            route_id=route.id,
            price_ucr=route.quote(job.request),
            state=TaskState.PENDING,
        )

    async def _carry_task(self, job: Job, task: Task, references: References) -> None:
        way = self._way(task)
        if task.state is TaskState.SUBMITTING:
            # A process died between sending and hearing the answer.
            raise Ended(Failure.OUTCOME_UNKNOWN)
        finished = None
        if task.state is TaskState.PENDING:
            if not self._routing.lets_through(way.route):
                # The route failed others since this job was accepted.
                raise Ended(Failure.PROVIDER_DOWN, elsewhere=True)
            task, finished = await self._submit(job, task, way, references)
        if finished is None:
            finished = await self._wait(job, task, way)
        try:
            image = await self._store(task, finished)
        except Ended as ended:
            raise Ended(ended.problem.failure, task=task) from ended
        cost = pricing.final_cost(way.route.price, task.price_ucr, finished.bill)
        await self._jobs.stored(task, image, cost, self._clock.now())
        log.info("image stored", extra=_fields(job, task, "task_stored"))

    def _way(self, task: Task) -> Way:
        route = self._catalog.route(task.route_id)
        provider = self._providers.get(route.provider) if route else None
        if route is None or provider is None:
            # The operator took the route away while the job was under way.
            raise Ended(Failure.PROVIDER_MISCONFIGURED, elsewhere=task.state is TaskState.PENDING)
        return Way(route, provider)

    async def _submit(
        self, job: Job, task: Task, way: Way, references: References
    ) -> tuple[Task, Finished | None]:
        """The ending is there at once where the vendor answers only when it is done."""
        given = await references.given_to(way.provider, way.route)
        order = Order(
            task_id=task.id,
            route=way.route,
            mode=job.request.mode,
            prompt=job.request.prompt,
            aspect_ratio=job.request.aspect_ratio,
            resolution=job.request.resolution,
            quality=job.request.quality,
            nsfw_checker=job.nsfw_checker,
            result_path=self._fetched(task),
            reference_links=given.links,
            references=given.files,
            mask=given.mask,
        )
        while True:
            await self._routing.turn(way.route)
            task = await self._jobs.begin_submit(task)
            try:
                answer = await way.provider.submit(order)
            except (ProviderBusy, ProviderUnreachable) as error:
                _log_provider(job, task, error)
                if error.status != TOO_MANY_REQUESTS:
                    self._routing.fault(way.route)
                task = await self._jobs.not_accepted(task)
                if task.submits >= SUBMITS_MAX or not self._routing.lets_through(way.route):
                    raise Ended(Failure.PROVIDER_DOWN, task=task, elsewhere=True) from error
                if isinstance(error, ProviderBusy) and error.retry_after_s:
                    self._routing.busy(way.route, retry_wait_s(error))
                else:
                    await self._clock.sleep(retry_wait_s(error))
            except ProviderError as error:
                _log_provider(job, task, error)
                raise self._submit_failed(way.route, task, error) from error
            else:
                return await self._submitted(job, task, way.route, answer)

    async def _submitted(
        self, job: Job, task: Task, route: Route, answer: str | Finished | Failed
    ) -> tuple[Task, Finished | None]:
        log.info("task submitted", extra=_fields(job, task, "task_submitted"))
        match answer:
            case str():
                self._routing.accepted(route)
                return await self._jobs.submitted(task, answer, self._clock.now()), None
            case Finished():
                self._routing.accepted(route)
                return task, answer
            case Failed():
                raise self._gave_up(route, task, answer)

    def _submit_failed(self, route: Route, task: Task, error: ProviderError) -> Ended:
        """A submit that may have been accepted is not repeated anywhere, whatever came back."""
        match error:
            case ProviderRefused(moderation=True):
                self._routing.accepted(route)
                return Ended(Failure.MODERATION, task=task)
            case ProviderRefused():
                self._routing.accepted(route)
                return Ended(Failure.NOT_ACCEPTED, task=task, elsewhere=True)
            case ProviderMisconfigured():
                self._routing.fault(route, misconfigured=True)
                return Ended(Failure.PROVIDER_MISCONFIGURED, task=task, elsewhere=True)
            case _:
                self._routing.fault(route)
                return Ended(Failure.OUTCOME_UNKNOWN, task=task)

    def _gave_up(self, route: Route, task: Task, failed: Failed) -> Ended:
        if failed.moderation:
            return Ended(Failure.MODERATION, task=task)
        log.warning("provider gave up: %s", failed.vendor_code, extra={"task_id": task.id})
        self._routing.fault(route)
        return Ended(Failure.PROVIDER_FAILED, task=task, elsewhere=failed.retryable)

    async def _wait(self, job: Job, task: Task, way: Way) -> Finished:
        """Poll until the provider is finished; an unknown state, or a fault, means not yet."""
        assert task.provider_task_id is not None
        assert task.submitted_at is not None
        deadline = task.submitted_at + timedelta(seconds=way.route.deadline_s)
        hint = self._hints.setdefault(task.provider_task_id, asyncio.Event())
        empty_polls, unfinished_s = 0, 0.0
        try:
            for poll in range(POLLS_MAX):
                await self._pause(task, way.route, poll, hint)
                elapsed_s = (self._clock.now() - task.submitted_at).total_seconds()
                progress = await self._poll(job, task, way)
                match progress:
                    case Finished() if progress.links or progress.in_answer:
                        self._routing.observe(way.route, unfinished_s, elapsed_s)
                        return progress
                    case Finished():
                        empty_polls += 1
                        if empty_polls >= EMPTY_POLLS_MAX:
                            raise Ended(Failure.RESULT_LOST, task=task)
                    case Failed():
                        raise self._gave_up(way.route, task, progress)
                unfinished_s = elapsed_s
                if self._clock.now() >= deadline:
                    break
        finally:
            del self._hints[task.provider_task_id]
        self._routing.fault(way.route)
        raise Ended(Failure.TIMED_OUT, task=task)

    async def _pause(self, task: Task, route: Route, poll: int, hint: asyncio.Event) -> None:
        assert task.submitted_at is not None
        elapsed_s = (self._clock.now() - task.submitted_at).total_seconds()
        wait_s = waiting.next_wait_s(self._routing.latency(route), elapsed_s, poll)
        spread = random.uniform(1 - POLL_SPREAD, 1 + POLL_SPREAD)  # noqa: S311 - no secret
        await self._clock.sleep(wait_s * spread, unless=hint)
        hint.clear()

    async def _poll(self, job: Job, task: Task, way: Way) -> Progress | None:
        """None: it could not be learned this time; a vendor's wish to wait is followed first."""
        assert task.provider_task_id is not None
        try:
            return await way.provider.poll(task.provider_task_id, self._fetched(task))
        except ProviderError as error:
            log.warning("poll failed: %s", error, extra=_fields(job, task, "poll_failed"))
            if isinstance(error, ProviderBusy) and error.retry_after_s:
                await self._clock.sleep(retry_wait_s(error))
            return None

    async def _store(self, task: Task, finished: Finished) -> ImageFile:
        path = self._fetched(task)
        try:
            if finished.in_answer:
                image = await self._fetcher.check(path, RESULT_LIMITS)
            else:
                link = finished.links[0]
                image = await fetch(self._fetcher, self._clock, link, path, RESULT_LIMITS)
        except UnusableImage as error:
            log.error("result unusable: %s", error.problem, extra={"task_id": task.id})
            raise Ended(Failure.BAD_RESULT) from error
        except FetchFailed as error:
            log.error("result not fetched: %s", error, extra={"task_id": task.id})
            raise Ended(Failure.RESULT_LOST) from error
        return replace(image, path=path.rename(path.with_suffix(f".{image.format}")))

    def _fetched(self, task: Task) -> Path:
        return self._folder / f"{task.id}{FETCHED}"


def _log_provider(job: Job, task: Task, error: ProviderError) -> None:
    # Our key or our money is the operator's to mend; the rest heals, or is the member's.
    level = logging.ERROR if isinstance(error, ProviderMisconfigured) else logging.WARNING
    log.log(level, "submit failed: %s", error, extra=_fields(job, task, "submit_failed"))


def _fields(job: Job, task: Task, action: str) -> dict[str, object]:
    return {
        "job_id": job.id,
        "task_id": task.id,
        "route": task.route_id,
        "provider_task_id": task.provider_task_id,
        "action": action,
    }
