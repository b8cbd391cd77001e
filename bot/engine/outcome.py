"""How a task comes to an end without an image: what vendors' answers and silence mean for it."""

import logging
from dataclasses import replace

from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Problem, Task
from bot.domain.ports import Failed, Finished, Progress
from bot.engine.events import emit
from bot.engine.traffic import Traffic
from bot.errors import Facts, ProviderError, ProviderMisconfigured, ProviderRefused

#: polls that fail after a task's deadline, before it is given up unheard
OVERDUE_POLLS_MAX = 20
#: seconds; some vendors say "finished" a good while before the links are there, and the image is
#: paid by then
LINKS_PATIENCE_S = 300.0
#: polls that say "finished" and name what is no link, before the image is given up
UNUSABLE_POLLS_MAX = 3
UNUSABLE = Finished()

#: failures of a service that may be asked again once its route is open
DOWN = frozenset({Failure.PROVIDER_DOWN, Failure.PROVIDER_MISCONFIGURED})


class Ended(Exception):
    """
    A task gives no image.

    Args:
        elsewhere: another route may still make it.
    """

    def __init__(
        self, failure: Failure, facts: Facts | None = None, *, elsewhere: bool = False
    ) -> None:
        super().__init__(failure)
        self.problem = Problem(failure, facts or {})
        self.elsewhere = elsewhere


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


def dated(problem: Problem, traffic: Traffic) -> Problem:
    """With when its service may be asked again, where that is known."""
    again_at = traffic.reopens_at() if problem.failure in DOWN else None
    if again_at is None:
        return problem
    return replace(problem, facts={**problem.facts, "again_at": int(again_at.timestamp())})


def of_submit(error: ProviderError, traffic: Traffic, route: Route) -> Ended:
    """Of a submit that failed for good; one that may have been accepted goes to no other route."""
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
    """Of a task that its vendor gave up."""
    if failed.moderation:
        return Ended(Failure.MODERATION)
    gave_up = "provider_gave_up"
    emit(gave_up, "provider gave up", task=task, level=logging.WARNING)
    emit(gave_up, "in words: %s", failed.vendor_code, task=task, level=logging.DEBUG)
    if failed.retryable:
        # Else it may be the request's own fault.
        traffic.fault(route)
    return Ended(Failure.PROVIDER_FAILED, elsewhere=failed.retryable)
