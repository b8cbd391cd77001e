"""One task from pending to stored or failed: references, submit, wait, fetch."""

import asyncio
import logging
import random
from collections.abc import Coroutine, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, TypeVar

from bot.domain.catalog import Catalog, Route
from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Job, Problem, Task, TaskState
from bot.domain.ports import (
    Clock,
    Failed,
    Finished,
    ImageFetcher,
    ImageFile,
    ImageLimits,
    Jobs,
    Order,
    Provider,
)
from bot.domain.requests import REFERENCE_BYTES_MAX, REFERENCE_PIXELS_MAX
from bot.engine.images import FETCHED
from bot.errors import (
    FetchFailed,
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
    UnusableImage,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

#: seconds; apimodels-skill's own pacing, then the last one for ever. Each is spread by a tenth
#: so that jobs begun together do not poll together.
POLL_WAITS_S = (3, 3, 5, 5, 5, 8, 8, 10, 15)
POLL_SPREAD = 0.1
#: a task is sent at most so often, and only again when it was surely not accepted
SUBMITS_MAX = 3
#: seconds; before such another submit, unless the provider says how long
RESUBMIT_WAIT_S = 5.0
RESUBMIT_WAIT_S_MAX = 60.0
#: some vendors say "finished" a little before the links are there
EMPTY_POLLS_MAX = 4
#: tries at one link, or one upload
TRANSFERS_MAX = 3
TRANSFER_WAIT_S = 2.0
#: references of one job that are fetched or uploaded at a time
TRANSFERS_AT_ONCE = 4
#: a 4K PNG of the noisiest kind stays below
RESULT_LIMITS = ImageLimits(size_bytes_max=50_000_000, pixels_max=40_000_000)
REFERENCE_LIMITS = ImageLimits(size_bytes_max=REFERENCE_BYTES_MAX, pixels_max=REFERENCE_PIXELS_MAX)


class Ended(Exception):
    """
    The task ends here with a problem; raised and caught in this module only.

    Args:
        task: as it was last committed, where that was since `carry` began.
    """

    def __init__(self, failure: Failure, detail: str = "", task: Task | None = None) -> None:
        super().__init__(failure)
        self.problem = Problem(failure, detail)
        self.task = task


class Making:
    """
    Makes the images of jobs.

    Args:
        folder: images and references in flight.
    """

    def __init__(
        self,
        jobs: Jobs,
        providers: Mapping[str, Provider],
        catalog: Catalog,
        fetcher: ImageFetcher,
        clock: Clock,
        folder: Path,
    ) -> None:
        self._jobs = jobs
        self._providers = providers
        self._catalog = catalog
        self._fetcher = fetcher
        self._clock = clock
        self._folder = folder

    def references(self, job: Job) -> "References":
        return References(job, self._fetcher, self._clock, self._folder)

    async def carry(self, job: Job, task: Task, references: "References") -> Job:
        """
        Carry a task on from its committed state to its end; returns the job as it stands then.

        Raises:
            StepLost: somebody else works on it.
        """
        try:
            route, provider = self._route(task)
            if task.state is TaskState.SUBMITTING:
                # A process died between sending and hearing the answer.
                raise Ended(Failure.OUTCOME_UNKNOWN)
            if task.state is TaskState.PENDING:
                links = await references.links(provider)
                task = await self._submit(job, task, route, provider, links)
            finished = await self._wait(task, route, provider)
            image = await self._store(task, finished)
        except Ended as ended:
            log.warning(
                "task failed: %s", ended.problem.failure, extra=_fields(job, task, "task_failed")
            )
            return await self._jobs.failed(ended.task or task, ended.problem, self._clock.now())
        cost = task.price_ucr if finished.cost_ucr is None else finished.cost_ucr
        # The member was quoted the price and is never charged more.
        cost = Microcredits(min(cost, task.price_ucr))
        log.info("image stored", extra=_fields(job, task, "task_stored"))
        return await self._jobs.stored(task, image, cost, self._clock.now())

    def _route(self, task: Task) -> tuple[Route, Provider]:
        route = self._catalog.route(task.route_id)
        provider = self._providers.get(route.provider) if route else None
        if route is None or provider is None:
            # The operator took the route away while the job was under way.
            raise Ended(Failure.PROVIDER_MISCONFIGURED)
        return route, provider

    async def _submit(
        self, job: Job, task: Task, route: Route, provider: Provider, links: Sequence[str]
    ) -> Task:
        order = Order(
            task_id=task.id,
            route=route,
            mode=job.request.mode,
            prompt=job.request.prompt,
            aspect_ratio=job.request.aspect_ratio,
            resolution=job.request.resolution,
            quality=job.request.quality,
            nsfw_checker=job.nsfw_checker,
            reference_links=tuple(links),
        )
        while True:
            task = await self._jobs.begin_submit(task)
            try:
                provider_task_id = await provider.submit(order)
            except (ProviderBusy, ProviderUnreachable) as error:
                _log_provider(job, task, error)
                task = await self._jobs.not_accepted(task)
                if task.submits >= SUBMITS_MAX:
                    raise Ended(Failure.PROVIDER_DOWN, task=task) from error
                await self._clock.sleep(_wait_s(error))
            except ProviderError as error:
                _log_provider(job, task, error)
                raise Ended(_submit_failure(error), task=task) from error
            else:
                log.info("task submitted", extra=_fields(job, task, "task_submitted"))
                return await self._jobs.submitted(task, provider_task_id, self._clock.now())

    async def _wait(self, task: Task, route: Route, provider: Provider) -> Finished:
        """Poll until the provider is finished; an unknown state, or a fault, means not yet."""
        assert task.provider_task_id is not None
        assert task.submitted_at is not None
        deadline = task.submitted_at + timedelta(seconds=route.deadline_s)
        empty_polls = 0
        for poll in range(route.deadline_s):
            await self._clock.sleep(_poll_wait_s(poll))
            retry_after_s = None
            try:
                progress = await provider.poll(task.provider_task_id)
            except ProviderError as error:
                log.warning("poll failed: %s", error, extra={"task_id": task.id})
                retry_after_s = error.retry_after_s if isinstance(error, ProviderBusy) else None
            else:
                match progress:
                    case Finished(links=links) if links:
                        return progress
                    case Finished():
                        empty_polls += 1
                        if empty_polls >= EMPTY_POLLS_MAX:
                            raise Ended(Failure.RESULT_LOST)
                    case Failed(moderation=True):
                        raise Ended(Failure.MODERATION)
                    case Failed():
                        log.warning("provider gave up: %s", progress.vendor_code)
                        raise Ended(Failure.PROVIDER_FAILED)
            if self._clock.now() >= deadline:
                break
            if retry_after_s:
                await self._clock.sleep(min(retry_after_s, RESUBMIT_WAIT_S_MAX))
        raise Ended(Failure.TIMED_OUT)

    async def _store(self, task: Task, finished: Finished) -> ImageFile:
        path = self._folder / f"{task.id}{FETCHED}"
        try:
            image = await _fetch(self._fetcher, self._clock, finished.links[0], path, RESULT_LIMITS)
        except UnusableImage as error:
            log.error("result unusable: %s", error.problem, extra={"task_id": task.id})
            raise Ended(Failure.BAD_RESULT) from error
        except FetchFailed as error:
            log.error("result not fetched: %s", error, extra={"task_id": task.id})
            raise Ended(Failure.RESULT_LOST) from error
        return replace(image, path=path.rename(path.with_suffix(f".{image.format}")))


class References:
    """
    A job's references: fetched from Discord and uploaded to a provider once, for all its tasks.

    Whoever asks first does the work; the files are removed as soon as they are uploaded.
    """

    def __init__(self, job: Job, fetcher: ImageFetcher, clock: Clock, folder: Path) -> None:
        self._job = job
        self._fetcher = fetcher
        self._clock = clock
        self._folder = folder
        self._working = asyncio.Lock()
        self._at_once = asyncio.Semaphore(TRANSFERS_AT_ONCE)
        self._links: dict[str, list[str]] = {}

    async def links(self, provider: Provider) -> Sequence[str]:
        """
        Links that this provider can read, in the member's order.

        Raises:
            Ended: one of them is no image we take, or cannot be fetched or uploaded.
        """
        async with self._working:
            if provider.name not in self._links:
                count = len(self._job.request.references)
                self._links[provider.name] = await all_of(
                    [self._transfer(provider, index) for index in range(count)]
                )
            return self._links[provider.name]

    async def _transfer(self, provider: Provider, index: int) -> str:
        reference = self._job.request.references[index]
        path = self._folder / f"{self._job.id}-reference{index + 1}{FETCHED}"
        async with self._at_once:
            try:
                image = await _fetch(
                    self._fetcher, self._clock, reference.url, path, REFERENCE_LIMITS
                )
                return await self._upload(provider, image)
            except UnusableImage as error:
                detail = f"Reference {index + 1} {error.problem}."
                raise Ended(Failure.REFERENCE, detail) from error
            except FetchFailed as error:
                log.warning("reference not fetched: %s", error, extra={"job_id": self._job.id})
                detail = f"Reference {index + 1} could not be fetched from Discord."
                raise Ended(Failure.REFERENCE, detail) from error
            finally:
                path.unlink(missing_ok=True)

    async def _upload(self, provider: Provider, image: ImageFile) -> str:
        """An upload costs nothing, so a doubtful one is repeated."""
        for attempt in range(1, TRANSFERS_MAX + 1):
            try:
                return await provider.upload(image)
            except ProviderMisconfigured as error:
                log.error("upload refused: %s", error, extra={"job_id": self._job.id})
                raise Ended(Failure.PROVIDER_MISCONFIGURED) from error
            except ProviderRefused as error:
                log.warning("upload refused: %s", error, extra={"job_id": self._job.id})
                raise Ended(Failure.NOT_ACCEPTED) from error
            except ProviderError as error:
                log.warning("upload failed: %s", error, extra={"job_id": self._job.id})
                if attempt == TRANSFERS_MAX:
                    raise Ended(Failure.PROVIDER_DOWN) from error
                await self._clock.sleep(_wait_s(error))
        raise AssertionError("unreachable")


async def all_of(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Wait for all of them, then raise the first error, so that none is left running unseen."""
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]


async def _fetch(
    fetcher: ImageFetcher, clock: Clock, url: str, path: Path, limits: ImageLimits
) -> ImageFile:
    for attempt in range(1, TRANSFERS_MAX + 1):
        try:
            return await fetcher.fetch(url, path, limits)
        except FetchFailed as error:
            if not error.retryable or attempt == TRANSFERS_MAX:
                raise
            await clock.sleep(TRANSFER_WAIT_S * attempt)
    raise AssertionError("unreachable")


def _submit_failure(error: ProviderError) -> Failure:
    """A submit that may have been accepted is not repeated, whatever came back."""
    match error:
        case ProviderRefused(moderation=True):
            return Failure.MODERATION
        case ProviderRefused():
            return Failure.NOT_ACCEPTED
        case ProviderMisconfigured():
            return Failure.PROVIDER_MISCONFIGURED
        case _:
            return Failure.OUTCOME_UNKNOWN


def _poll_wait_s(poll: int) -> float:
    wait_s = POLL_WAITS_S[min(poll, len(POLL_WAITS_S) - 1)]
    return wait_s * random.uniform(1 - POLL_SPREAD, 1 + POLL_SPREAD)  # noqa: S311 - no secret


def _wait_s(error: ProviderError) -> float:
    retry_after_s = error.retry_after_s if isinstance(error, ProviderBusy) else None
    return min(retry_after_s or RESUBMIT_WAIT_S, RESUBMIT_WAIT_S_MAX)


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
