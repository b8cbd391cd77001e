"""How a task ends without an image: what a vendor's answers and silence mean for the task."""

import logging

from msgspec.structs import replace

from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Problem, Task
from bot.domain.ports import Failed, Finished, Progress
from bot.engine.events import emit
from bot.engine.traffic import Traffic
from bot.errors import Facts, ProviderError, ProviderMisconfigured, ProviderRefused

#: failed polls after a task's deadline, before it is given up without an answer
OVERDUE_POLLS_MAX = 20
#: seconds that links are waited for; some vendors say "finished" long before they give the links,
#: and the image is paid by then
LINKS_PATIENCE_S = 300.0
#: polls in a row that say "finished" but give no usable link, before the image is given up
UNUSABLE_POLLS_MAX = 3
UNUSABLE = Finished()

#: failures after which the same may be asked for again once a route is open
DOWN = frozenset({Failure.PROVIDER_DOWN, Failure.PROVIDER_MISCONFIGURED})


class Ended(Exception):
    """
    A task gives no image.

    Args:
        elsewhere: whether another route may still make the image.
    """

    def __init__(
        self, failure: Failure, facts: Facts | None = None, *, elsewhere: bool = False
    ) -> None:
        super().__init__(failure)
        self.problem = Problem(failure, facts or {})
        self.elsewhere = elsewhere


class Patience:
    """How long a task is waited for: until its deadline or, once it is finished, for its links."""

    def __init__(self, deadline_s: float) -> None:
        self._deadline_s = deadline_s
        #: seconds waited since the vendor said "finished"; None: it has not said so
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
            # The image may be done, so a poll that failed does not end the wait.
            self._overdue += 1
            if progress or self._overdue > OVERDUE_POLLS_MAX:
                return Failure.TIMED_OUT
        return None


def dated(problem: Problem, traffic: Traffic) -> Problem:
    """The problem, with the time at which to ask again, where it is known."""
    again_at = traffic.reopens_at() if problem.failure in DOWN else None
    if again_at is None:
        return problem
    return replace(problem, facts={**problem.facts, "again_at": int(again_at.timestamp())})


def of_submit(error: ProviderError, traffic: Traffic, route: Route) -> Ended:
    """The end after a failed submit; one that may have been accepted goes to no other route."""
    match error:
        case ProviderRefused(moderation=True):
            return Ended(Failure.MODERATION, error.facts)
        case ProviderRefused():
            if error.transparency:
                traffic.is_opaque(route)
            return Ended(Failure.NOT_ACCEPTED, elsewhere=True)
        case ProviderMisconfigured():
            traffic.fault(route, misconfigured=True)
            return Ended(Failure.PROVIDER_MISCONFIGURED, elsewhere=True)
        case _:
            traffic.fault(route)
            return Ended(Failure.OUTCOME_UNKNOWN)


def of_ending(failed: Failed, traffic: Traffic, route: Route, task: Task) -> Ended:
    """The end of a task that its vendor gave up."""
    if failed.moderation:
        return Ended(Failure.MODERATION)
    gave_up = "provider_gave_up"
    emit(gave_up, "provider gave up", task=task, level=logging.WARNING)
    emit(gave_up, "in words: %s", failed.vendor_code, task=task, level=logging.DEBUG)
    if failed.retryable:
        # Without `retryable`, the cause may be the request itself.
        traffic.fault(route)
    return Ended(Failure.PROVIDER_FAILED, elsewhere=failed.retryable)
