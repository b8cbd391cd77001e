"""
What a member's allowance should be, told without balances, entries or returns.

The model knows what each job took, when, and since which refill. What is left is what the member's
role gives, less what counts of that: since the last refill where there are periods, of the last
day where it rolls.
"""

from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

DAY = timedelta(days=1)


def first_day(period: str, now: datetime) -> date:
    """Of the day, the ISO week or the month."""
    if period == "week":
        year, week, _ = now.isocalendar()
        return date.fromisocalendar(year, week, 1)
    return date(now.year, now.month, 1) if period == "month" else date(now.year, now.month, now.day)


def next_day(period: str, first: date) -> datetime:
    """When the period ends that begins on this day, or in whose midst it lies."""
    midnight = datetime(first.year, first.month, first.day, tzinfo=UTC)
    if period == "week":
        return midnight + timedelta(days=7)
    if period == "month":
        year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
        return datetime(year, month, 1, tzinfo=UTC)
    return midnight + DAY


@dataclass
class ModelJob:
    #: None: what it takes was counted otherwise, or was forgiven
    pot: int | None
    allowance: int
    grant: int
    #: None: it is held
    settled_at: datetime | None = None
    #: None: a day after it was settled
    back_at: datetime | None = None

    def is_back(self, now: datetime) -> bool:
        at = self.back_at or (self.settled_at and self.settled_at + DAY)
        return at is not None and at <= now


@dataclass
class ModelAllowance:
    #: day, week, month or rolling; "" before the first job
    period: str = ""
    #: first day of the period; None: it rolls
    begun: date | None = None
    #: when it rolls: the day on which it was found that it is to have periods
    leaving: date | None = None
    #: grows with each refill
    pot: int = 0
    jobs: list[ModelJob] = field(default_factory=list)
    granted: int = 0

    def meet(self, period: str, now: datetime) -> None:
        """A command is given where allowances refill so."""
        if not self.period:
            self.period = period
            self.begun = None if period == "rolling" else first_day(period, now)
        elif self.period == "rolling":
            self._meet_rolling(period, now)
        elif period == "rolling":
            self._begin_to_roll(now)
        else:
            self.period = period
            self._turn(now)

    def keep_up(self, now: datetime) -> None:
        """A worker writes to the account."""
        if self.period != "rolling":
            self._turn(now)

    def _turn(self, now: datetime) -> None:
        assert self.begun is not None
        start = first_day(self.period, now)
        if start > self.begun:
            self.begun = start
            self.pot += 1

    def _meet_rolling(self, period: str, now: datetime) -> None:
        if period == "rolling":
            self.leaving = None
        elif self.leaving is None:
            self.leaving = now.date()
        elif now.date() > self.leaving:
            self.period, self.begun, self.leaving = period, now.date(), None
            self.pot += 1

    def _begin_to_roll(self, now: datetime) -> None:
        assert self.begun is not None
        ends_at = next_day(self.period, self.begun)
        self.period, self.begun = "rolling", None
        if ends_at <= now:
            self.pot += 1
            return
        for job in self.jobs:
            if job.pot == self.pot and job.settled_at is None:
                # What it holds comes back by itself, and nothing comes of its end.
                back_at = min(ends_at, now + DAY)
                self.jobs.append(ModelJob(self.pot, job.allowance, 0, now, back_at))
                job.pot = None

    def counts(self, now: datetime) -> int:
        of_pot = [job for job in self.jobs if job.pot == self.pot]
        if self.period == "rolling":
            of_pot = [job for job in of_pot if not job.is_back(now)]
        return sum(job.allowance for job in of_pot)

    def left(self, amount: int, now: datetime) -> tuple[int, int]:
        """
        Args:
            amount: what the member's role gives.
        """
        granted = self.granted - sum(job.grant for job in self.jobs)
        return max(amount - self.counts(now), 0), granted

    def settle(self, job: ModelJob, cost: int, now: datetime) -> None:
        job.grant = cost - min(cost, job.allowance)
        job.allowance = min(cost, job.allowance)
        job.settled_at = now

    def give_back(self, job: ModelJob, now: datetime) -> None:
        """Released, or refunded."""
        job.grant = 0
        if self.period != "rolling" or not job.is_back(now):
            job.allowance = 0
