"""One image from pending to stored or failed: submit, wait, fetch, or on to the next route."""

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from bot.domain import pricing
from bot.domain.catalog import Catalog, Route
from bot.domain.jobs import Failure, Job, Task, TaskState
from bot.domain.ports import (
    Failed,
    Finished,
    ImageFetcher,
    ImageFile,
    ImageLimits,
    LinkRefresher,
    Order,
    Provider,
)
from bot.domain.stored import Jobs
from bot.engine.ended import Ended, task_fields
from bot.engine.gates import AHEAD_MAX
from bot.engine.images import FETCHED
from bot.engine.polling import Polling, gave_up
from bot.engine.references import RETRY_WAIT_S, Given, References
from bot.engine.routing import Routing, Way
from bot.engine.stopping import StoppableClock
from bot.errors import (
    FetchFailed,
    FetchTrouble,
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
    Refusal,
    UnusableImage,
)

log = logging.getLogger(__name__)

#: tries to send a task, each further one only when it was surely not accepted
SUBMITS_MAX = 3
#: a wish to wait, not a fault
TOO_MANY_REQUESTS = 429
#: how often a vendor may say so to one task, with waits from 5 s to a minute or what it asks for
LIMITS_MAX = 12
#: seconds; what has to wait for longer goes to another route where there is one
PATIENCE_S = 60.0
#: seconds between two tries to fetch a result
RESULT_WAITS_S = (2.0, 4.0, 8.0, 15.0, 30.0, 60.0, 60.0, 60.0, 60.0)
#: of them, those at links of a kind: the vendor is asked for another one before each further try
TRIES_MAX = {FetchTrouble.GONE: 4, FetchTrouble.NEVER: 2, FetchTrouble.OUR_DISK: 5_760}
#: of which another link may be free
LINK_TROUBLES = frozenset({FetchTrouble.REFUSED, FetchTrouble.GONE, FetchTrouble.NEVER})
#: seconds between two tries while our disk is full
DISK_WAIT_S = 15.0
#: a 4K PNG of the noisiest kind stays below
RESULT_LIMITS = ImageLimits(size_bytes_max=50_000_000, pixels_max=40_000_000)


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
        polling: Polling,
        fetcher: ImageFetcher,
        refresher: LinkRefresher,
        clock: StoppableClock,
        folder: Path,
    ) -> None:
        self._jobs = jobs
        self._providers = providers
        self._catalog = catalog
        self._routing = routing
        self._polling = polling
        self._fetcher = fetcher
        self._refresher = refresher
        self._clock = clock
        self._folder = folder

    @property
    def finished(self) -> Collection[str]:
        """Ids of tasks whose images are finished and being fetched."""
        return self._polling.finished

    def references(self, job: Job) -> References:
        return References(job, self._fetcher, self._refresher, self._clock, self._folder)

    async def carry(self, job: Job, task: Task, references: References, sent: asyncio.Event) -> Job:
        """
        Carry an image on from its task's committed state to its end, over the next routes if need
        be.

        Args:
            sent: is set once an order goes to a vendor.
        Returns:
            The job as this task's end left it.
        Raises:
            StepLost: somebody else works on it.
        """
        while True:
            try:
                return await self._carry_task(job, task, references, sent)
            except Ended as ended:
                self._polling.finished.discard(task.id)
                task = ended.task or task
                log.warning(
                    "task failed: %s",
                    ended.problem.failure,
                    extra=task_fields(task, "task_failed"),
                )
                onto = await self._next_task(job, task) if ended.elsewhere else None
                if onto is None:
                    return await self._jobs.failed(task, ended.problem, self._clock.now())
                task = await self._jobs.fall_back(task, ended.problem, onto)
                log.info("next route", extra=task_fields(task, "task_fell_back"))

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

    async def _carry_task(
        self, job: Job, task: Task, references: References, sent: asyncio.Event
    ) -> Job:
        way = self._way(task)
        if task.state is TaskState.SUBMITTING:
            # A process died between sending and hearing the answer.
            raise Ended(Failure.OUTCOME_UNKNOWN)
        if task.state is TaskState.SUBMITTED:
            sent.set()
            async with self._routing.place_if_free(way.route):
                finished = await self._polling.wait(task, way, self._fetched(task), resumed=True)
                return await self._keep(task, way, finished)
        async with self._routing.place(way.route):
            self._clock.go_on()
            if not self._routing.lets_through(way.route) and await self._next_task(job, task):
                # The route failed others since this job was accepted.
                raise Ended(Failure.PROVIDER_DOWN, elsewhere=True)
            task, at_once = await self._submit(job, task, way, references, sent)
            finished = at_once or await self._polling.wait(task, way, self._fetched(task))
            return await self._keep(task, way, finished)

    async def _keep(self, task: Task, way: Way, finished: Finished) -> Job:
        image = await self._store(task, way, finished)
        cost = pricing.final_cost(way.route.price, task.price_ucr, finished.bill)
        job = await self._jobs.stored(task, image, cost, self._clock.now())
        self._polling.finished.discard(task.id)
        log.info("image stored", extra=task_fields(task, "task_stored"))
        return job

    def _way(self, task: Task) -> Way:
        route = self._catalog.route(task.route_id)
        provider = self._providers.get(route.provider) if route else None
        if route is None or provider is None:
            # The operator took the route away while the job was under way.
            raise Ended(Failure.PROVIDER_MISCONFIGURED, elsewhere=task.state is TaskState.PENDING)
        return Way(route, provider)

    async def _submit(
        self, job: Job, task: Task, way: Way, references: References, sent: asyncio.Event
    ) -> tuple[Task, Finished | None]:
        """The ending is there at once where the vendor answers only when it is done."""
        given = await self._give(references, way)
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
        waits_since = self._clock.now()
        faults = limits = 0
        while True:
            await self._turn(job, task, way.route, waits_since)
            task = await self._jobs.begin_submit(task)
            sent.set()
            sent_at = self._clock.now()
            try:
                answer = await way.provider.submit(order)
            except (ProviderBusy, ProviderUnreachable) as error:
                _log_provider(task, error)
                task = await self._jobs.not_accepted(task)
                wait_s = error.retry_after_s if isinstance(error, ProviderBusy) else None
                if error.status == TOO_MANY_REQUESTS:
                    limits += 1
                    self._routing.too_many(way.route, wait_s)
                else:
                    faults += 1
                    self._routing.fault(way.route)
                if limits >= LIMITS_MAX or faults >= SUBMITS_MAX:
                    raise Ended(Failure.PROVIDER_DOWN, task=task, elsewhere=True) from error
                hopeless = not self._routing.lets_through(way.route) or (wait_s or 0) > PATIENCE_S
                if hopeless and await self._next_task(job, task):
                    raise Ended(Failure.PROVIDER_DOWN, task=task, elsewhere=True) from error
                if error.status != TOO_MANY_REQUESTS:
                    await self._clock.sleep(wait_s or RETRY_WAIT_S)
            except ProviderError as error:
                _log_provider(task, error)
                raise self._submit_failed(way.route, task, error) from error
            else:
                return await self._submitted(task, way.route, answer, sent_at)

    async def _turn(self, job: Job, task: Task, route: Route, waits_since: datetime) -> None:
        """Wait for the route's turn, but not for long where there is another one."""
        if await self._routing.turn(route, waits_since + timedelta(seconds=PATIENCE_S)):
            return
        if await self._next_task(job, task):
            raise Ended(Failure.PROVIDER_DOWN, task=task, elsewhere=True)
        if not await self._routing.turn(route, waits_since + AHEAD_MAX):
            raise Ended(Failure.PROVIDER_DOWN, task=task)

    async def _give(self, references: References, way: Way) -> Given:
        try:
            return await references.given_to(way.provider, way.route)
        except Ended as ended:
            if ended.problem.failure in (Failure.PROVIDER_DOWN, Failure.PROVIDER_MISCONFIGURED):
                misconfigured = ended.problem.failure is Failure.PROVIDER_MISCONFIGURED
                self._routing.fault(way.route, misconfigured=misconfigured)
            raise

    async def _submitted(
        self,
        task: Task,
        route: Route,
        answer: str | Finished | Failed,
        sent_at: datetime,
    ) -> tuple[Task, Finished | None]:
        log.info("task submitted", extra=task_fields(task, "task_submitted"))
        self._routing.accepted(route)
        match answer:
            case str():
                return await self._jobs.submitted(task, answer, self._clock.now()), None
            case Finished(links=(), in_answer=False):
                raise Ended(Failure.NO_IMAGE, task=task)
            case Finished():
                took_s = (self._clock.now() - sent_at).total_seconds()
                self._routing.observe(route, took_s, took_s)
                self._routing.success(route)
                return task, answer
            case Failed():
                raise gave_up(self._routing, route, task, answer)

    def _submit_failed(self, route: Route, task: Task, error: ProviderError) -> Ended:
        """A submit that may have been accepted is not repeated anywhere, whatever came back."""
        match error:
            case ProviderRefused(moderation=True):
                return Ended(Failure.MODERATION, task=task)
            case ProviderRefused():
                return Ended(Failure.NOT_ACCEPTED, task=task, elsewhere=True)
            case ProviderMisconfigured():
                self._routing.fault(route, misconfigured=True)
                return Ended(Failure.PROVIDER_MISCONFIGURED, task=task, elsewhere=True)
            case _:
                self._routing.fault(route)
                return Ended(Failure.OUTCOME_UNKNOWN, task=task)

    async def _store(self, task: Task, way: Way, finished: Finished) -> ImageFile:
        path = self._fetched(task)
        try:
            if finished.in_answer:
                image = await self._fetcher.check(path, RESULT_LIMITS)
            else:
                image = await self._fetch(task, way, finished, path)
        except UnusableImage as error:
            log.error("result unusable: %s", error, extra=task_fields(task, "result_unusable"))
            raise Ended(Failure.BAD_RESULT, task=task) from error
        return replace(image, path=path.rename(path.with_suffix(f".{image.format}")))

    async def _fetch(self, task: Task, way: Way, finished: Finished, path: Path) -> ImageFile:
        """
        The image is paid, and lies with the vendor for days, so it is not given up soon. Whoever
        has a task is asked for its links anew, but not for ever for one that is never there.
        """
        tries: Counter[FetchTrouble] = Counter()
        waits = iter((*RESULT_WAITS_S, None))
        while True:
            try:
                return await self._fetcher.fetch(finished.links[0], path, RESULT_LIMITS)
            except FetchFailed as error:
                log.warning("result not fetched: %s", error, extra=task_fields(task, "not_fetched"))
                tries[error.trouble] += 1
                # The image is there for as long as it takes to make room for it.
                wait_s = DISK_WAIT_S if error.trouble is FetchTrouble.OUR_DISK else next(waits)
                tries_max = TRIES_MAX.get(error.trouble, math.inf)
                if task.provider_task_id is None and error.trouble in LINK_TROUBLES:
                    tries_max = 1
                if wait_s is None or tries[error.trouble] >= tries_max:
                    log.error("result lost", extra=task_fields(task, "result_lost"))
                    raise Ended(Failure.RESULT_LOST, task=task) from error
            await self._clock.sleep(wait_s)
            if task.provider_task_id is not None:
                progress = await self._polling.ask(task, way, path)
                if isinstance(progress, Finished) and progress.links:
                    finished = progress

    def _fetched(self, task: Task) -> Path:
        return self._folder / f"{task.id}{FETCHED}"


def _log_provider(task: Task, error: ProviderError) -> None:
    # Our key or our money is the operator's to mend; the rest heals, or is the member's.
    level = logging.ERROR if isinstance(error, ProviderMisconfigured) else logging.WARNING
    log.log(level, "submit failed: %s", error, extra=task_fields(task, "submit_failed"))
    log.debug("in words: %s", error.words, extra=task_fields(task, "submit_failed"))
