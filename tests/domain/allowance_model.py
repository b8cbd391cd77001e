"""
What a member's allowance should be, told without balances, entries or returns.

The model knows what each job took, and when. What is left is what the member's role gives, less
what counts of that: since the period's first day where there are periods, of the last day where it
rolls.
"""

from datetime import UTC, date, datetime, timedelta

from msgspec import Struct, field

DAY = timedelta(days=1)


def first_day(period: str, now: datetime) -> date:
    """Of the day, the ISO week or the month."""
    if period == "week":
        year, week, _ = now.isocalendar()
        return date.fromisocalendar(year, week, 1)
    return date(now.year, now.month, 1) if period == "month" else date(now.year, now.month, now.day)


def next_day(period: str, first: date) -> datetime:
    """When the period ends that begins on this day, or in whose midst it lies."""
    if period == "week":
        return midnight(first) + timedelta(days=7)
    if period == "month":
        year, month = (first.year + 1, 1) if first.month == 12 else (first.year, first.month + 1)
        return datetime(year, month, 1, tzinfo=UTC)
    return midnight(first) + DAY


class ModelJob(Struct):
    asked_at: datetime
    allowance: int
    grant: int
    #: None: it is held
    settled_at: datetime | None = None
    #: of an allowance that began to roll while it was held: what comes back by itself, and when
    rolled: tuple[int, datetime] | None = None

    def counts_rolling(self, now: datetime) -> int:
        amount, back_at = self.rolled or (self.allowance, self.settled_at and self.settled_at + DAY)
        return amount if back_at is None or now < back_at else 0


class ModelAllowance(Struct):
    #: day, week, month or rolling; "" before the first job
    period: str = ""
    #: first day of the period; None: it rolls
    begun: date | None = None
    #: when it rolls: the day on which it was found that it is to have periods
    leaving: date | None = None
    #: jobs that were asked for since then count
    since: datetime = datetime(1970, 1, 1, tzinfo=UTC)
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
        elif period != self.period:
            self._begin(period, now)
        else:
            self._turn(now)

    def keep_up(self, now: datetime) -> None:
        """A worker writes to the account."""
        if self.period != "rolling":
            self._turn(now)

    def _turn(self, now: datetime) -> None:
        assert self.begun is not None
        if first_day(self.period, now) > self.begun:
            self._begin(self.period, now)

    def _begin(self, period: str, now: datetime) -> None:
        """What was asked for since the period's first day counts, in whichever period that was."""
        self.period, self.begun, self.leaving = period, first_day(period, now), None
        self.since = midnight(self.begun)
        for job in self.jobs:
            job.rolled = None

    def _meet_rolling(self, period: str, now: datetime) -> None:
        if period == "rolling":
            self.leaving = None
        elif self.leaving is None:
            self.leaving = now.date()
        elif now.date() > self.leaving:
            self._begin(period, now)

    def _begin_to_roll(self, now: datetime) -> None:
        assert self.begun is not None
        ends_at = next_day(self.period, self.begun)
        self.period, self.begun = "rolling", None
        if ends_at <= now:
            self.since = now
        for job in self.jobs:
            if job.settled_at is None:
                # What it holds comes back by itself, and nothing comes of its end.
                job.rolled = (job.allowance, min(ends_at, now + DAY))

    def recent(self) -> list[ModelJob]:
        return [job for job in self.jobs if job.asked_at >= self.since]

    def counts(self, now: datetime) -> int:
        if self.period == "rolling":
            return sum(job.counts_rolling(now) for job in self.recent())
        return sum(job.allowance for job in self.recent())

    def spent_since(self, first: date) -> int:
        """What a period that begins anew on this day counts."""
        return sum(job.allowance for job in self.jobs if job.asked_at >= midnight(first))

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
        job.allowance = job.grant = 0
        job.settled_at = job.settled_at or now


def midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)
