"""Waits for a task that a vendor works on: when to ask, what the answers mean, when to give up."""

import asyncio
import logging
import random
from datetime import timedelta
from pathlib import Path

from bot.domain import waiting
from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Task
from bot.domain.ports import Failed, Finished, Progress
from bot.engine.ended import Ended, task_fields
from bot.engine.routing import Routing, Way
from bot.engine.stopping import StoppableClock
from bot.errors import ProviderBusy, ProviderError, ProviderRefused

log = logging.getLogger(__name__)

#: polls are spread by this share, so that jobs begun together do not poll together
POLL_SPREAD = 0.05
#: polls of one task; its deadline comes first
POLLS_MAX = 10_000
#: polls that fail after a task's deadline, before it is given up unheard
OVERDUE_POLLS_MAX = 20
#: some vendors say "finished" a little before the links are there
EMPTY_POLLS_MAX = 4


class Polling:
    def __init__(self, routing: Routing, clock: StoppableClock) -> None:
        self._routing = routing
        self._clock = clock
        #: provider's task id -> set when its vendor called back
        self._hints: dict[str, asyncio.Event] = {}

    def hint(self, provider_task_id: str) -> None:
        """A vendor says that this task has ended: ask it now. An id that is not ours is nothing."""
        if event := self._hints.get(provider_task_id):
            event.set()

    async def wait(
        self, task: Task, way: Way, result_path: Path, *, resumed: bool = False
    ) -> Finished:
        """
        Poll until the provider is finished; an unknown state, or a fault, means not yet.

        Args:
            resumed: submitted by a process before this one.
        Raises:
            Ended: it gave up, or its time is over.
        """
        assert task.provider_task_id is not None
        assert task.submitted_at is not None
        deadline = task.submitted_at + timedelta(seconds=way.route.deadline_s)
        hint = self._hints.setdefault(task.provider_task_id, asyncio.Event())
        empty_polls = overdue_polls = 0
        # Where it is not known when the image was not done yet, there is nothing to learn.
        unfinished_s = None if resumed else 0.0
        try:
            for poll in range(POLLS_MAX):
                await self._pause(task, way.route, poll, hint)
                progress = await self.ask(task, way, result_path)
                elapsed_s = (self._clock.now() - task.submitted_at).total_seconds()
                match progress:
                    case Finished() if progress.links or progress.in_answer:
                        if unfinished_s is not None:
                            self._routing.observe(way.route, unfinished_s, elapsed_s)
                        self._routing.success(way.route)
                        return progress
                    case Finished():
                        empty_polls += 1
                        if empty_polls >= EMPTY_POLLS_MAX:
                            raise Ended(Failure.RESULT_LOST, task=task)
                    case Failed():
                        raise gave_up(self._routing, way.route, task, progress)
                unfinished_s = elapsed_s if progress else None
                if self._clock.now() >= deadline:
                    # An image that is done is not to be lost to a poll that failed.
                    if progress or overdue_polls >= OVERDUE_POLLS_MAX:
                        break
                    overdue_polls += 1
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

    async def ask(self, task: Task, way: Way, result_path: Path) -> Progress | None:
        """Make one poll; None: it could not be learned this time."""
        assert task.provider_task_id is not None
        await self._routing.poll_turn(way.route)
        try:
            progress = await way.provider.poll(task.provider_task_id, result_path)
        except ProviderError as error:
            # The vendor's words may quote the prompt.
            log.debug("poll failed: %s", error, extra=task_fields(task, "poll_failed"))
            name = type(error).__name__
            log.warning(
                "poll failed: %s %s", name, error.status, extra=task_fields(task, "poll_failed")
            )
            if isinstance(error, ProviderRefused) and error.moderation:
                # A refusal that comes as an error of the poll is the task's end all the same.
                return Failed(moderation=True, retryable=False, vendor_code=name)
            if isinstance(error, ProviderBusy):
                self._routing.too_many_polls(way.route, error.retry_after_s)
            return None
        self._routing.polled(way.route)
        return progress


def gave_up(routing: Routing, route: Route, task: Task, failed: Failed) -> Ended:
    """The vendor ended a task without an image."""
    if failed.moderation:
        return Ended(Failure.MODERATION, task=task)
    log.warning("provider gave up: %s", failed.vendor_code, extra={"task_id": task.id})
    if failed.retryable:
        # Else it may be the request's own fault.
        routing.fault(route)
    return Ended(Failure.PROVIDER_FAILED, task=task, elsewhere=failed.retryable)
