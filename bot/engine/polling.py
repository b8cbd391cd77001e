"""Waits for a task that a vendor works on: when to ask, what the answers mean, when to give up."""

import asyncio
import logging
import random
from pathlib import Path

from bot.domain import waiting
from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Task
from bot.domain.ports import Failed, Finished, Progress
from bot.engine.ended import Ended, task_fields
from bot.engine.routing import Routing, Way
from bot.engine.stopping import StoppableClock
from bot.errors import ProviderBusy, ProviderContractBroken, ProviderError, ProviderRefused

log = logging.getLogger(__name__)

#: polls are spread by this share, so that jobs begun together do not poll together
POLL_SPREAD = 0.05
#: polls of one task; its deadline comes first
POLLS_MAX = 10_000
#: polls that fail after a task's deadline, before it is given up unheard
OVERDUE_POLLS_MAX = 20
#: seconds; some vendors say "finished" a good while before the links are there, and the image is
#: paid by then
LINKS_PATIENCE_S = 300.0
#: seconds between two polls meanwhile
LINKS_WAIT_S = 5.0
#: polls that say "finished" and name what is no link, before the image is given up
UNUSABLE_POLLS_MAX = 3
UNUSABLE = Finished()


class Patience:
    """How long a task is waited for: until its deadline, or until its links are there."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        #: seconds since the vendor said "finished"; None: it has not
        self._finished_s: float | None = None
        self._overdue = self._unusable = 0

    @property
    def is_finished(self) -> bool:
        return self._finished_s is not None

    def after(self, progress: Progress | None, elapsed_s: float, wait_s: float) -> Failure | None:
        """
        Args:
            progress: of the last poll; None: it failed.
            elapsed_s: since the submit.
            wait_s: before the last poll.
        Returns:
            Why to wait no longer; None: go on.
        """
        self._unusable = self._unusable + 1 if progress is UNUSABLE else 0
        if self._unusable >= UNUSABLE_POLLS_MAX:
            return Failure.RESULT_LOST
        if self._finished_s is not None:
            self._finished_s += wait_s
            return Failure.NO_IMAGE if self._finished_s >= LINKS_PATIENCE_S else None
        if isinstance(progress, Finished):
            self._finished_s = 0.0
        elif elapsed_s >= self._deadline_s:
            # An image that is done is not to be lost to a poll that failed.
            self._overdue += 1
            if progress or self._overdue > OVERDUE_POLLS_MAX:
                return Failure.TIMED_OUT
        return None


class Polling:
    def __init__(self, routing: Routing, clock: StoppableClock) -> None:
        self._routing = routing
        self._clock = clock
        #: provider's task id -> set when its vendor called back
        self._hints: dict[str, asyncio.Event] = {}
        #: ids of tasks that their vendors have finished, and whose images are not here yet
        self.finished: set[str] = set()

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
        hint = self._hints.setdefault(task.provider_task_id, asyncio.Event())
        # A clock that stood ahead is set right at any time: what seems to go back has not passed.
        elapsed_s = max(0.0, (self._clock.now() - task.submitted_at).total_seconds())
        # Where it is not known when the image was not done yet, there is nothing to learn.
        unfinished_s = None if resumed else 0.0
        patience = Patience(way.route.deadline_s)
        try:
            for poll in range(POLLS_MAX):
                asked_at = self._clock.now()
                wait_s = await self._pause(way.route, elapsed_s, poll, hint, patience)
                progress = await self.ask(task, way, result_path)
                passed_s = (self._clock.now() - asked_at).total_seconds()
                elapsed_s += max(passed_s, 0.0)
                match progress:
                    case Finished() if progress.links or progress.in_answer:
                        self.finished.add(task.id)
                        if unfinished_s is not None:
                            self._routing.observe(way.route, unfinished_s, elapsed_s)
                        self._routing.success(way.route)
                        return progress
                    case Finished():
                        self.finished.add(task.id)
                    case Failed():
                        raise gave_up(self._routing, way.route, task, progress)
                unfinished_s = elapsed_s if progress else None
                if failure := patience.after(progress, elapsed_s, wait_s):
                    break
        finally:
            del self._hints[task.provider_task_id]
        if failure is Failure.TIMED_OUT:
            self._routing.fault(way.route)
        raise Ended(failure or Failure.TIMED_OUT, task=task)

    async def _pause(
        self,
        route: Route,
        elapsed_s: float,
        poll: int,
        hint: asyncio.Event,
        patience: "Patience",
    ) -> float:
        """Returns the seconds that were to pass."""
        wait_s = waiting.next_wait_s(self._routing.latency(route), elapsed_s, poll)
        if patience.is_finished:
            wait_s = LINKS_WAIT_S
        wait_s *= random.uniform(1 - POLL_SPREAD, 1 + POLL_SPREAD)  # noqa: S311 - no secret
        await self._clock.sleep(wait_s, unless=hint)
        hint.clear()
        return wait_s

    async def ask(self, task: Task, way: Way, result_path: Path) -> Progress | None:
        """
        Make one poll.

        Returns:
            None: it could not be learned this time; UNUSABLE: finished with what is no link.
        """
        assert task.provider_task_id is not None
        await self._routing.poll_turn(way.route)
        try:
            progress = await way.provider.poll(task.provider_task_id, result_path)
        except ProviderContractBroken:
            log.warning("poll unusable", extra=task_fields(task, "poll_unusable"))
            return UNUSABLE
        except ProviderError as error:
            log.warning("poll failed: %s", error, extra=task_fields(task, "poll_failed"))
            log.debug("in words: %s", error.words, extra=task_fields(task, "poll_failed"))
            if isinstance(error, ProviderRefused) and error.moderation:
                # A refusal that comes as an error of the poll is the task's end all the same.
                return Failed(moderation=True, retryable=False, vendor_code=type(error).__name__)
            if isinstance(error, ProviderBusy):
                self._routing.too_many_polls(way.route, error.retry_after_s)
            return None
        self._routing.polled(way.route)
        return progress


def gave_up(routing: Routing, route: Route, task: Task, failed: Failed) -> Ended:
    """The vendor ended a task without an image."""
    if failed.moderation:
        return Ended(Failure.MODERATION, task=task)
    log.warning("provider gave up", extra=task_fields(task, "provider_gave_up"))
    log.debug("in words: %s", failed.vendor_code, extra=task_fields(task, "provider_gave_up"))
    if failed.retryable:
        # Else it may be the request's own fault.
        routing.fault(route)
    return Ended(Failure.PROVIDER_FAILED, task=task, elsewhere=failed.retryable)
