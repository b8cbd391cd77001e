"""What members, jobs and turns should look like, told without entries, turn numbers or SQL."""

from collections.abc import Callable, Collection, Sequence
from datetime import date, datetime, timedelta

from msgspec import Struct, field

from bot.domain.jobs import Failure
from tests.store.bench import NOW

LEASE_S = 60
DAY_S = 86_400
#: server id, 0 for direct messages, and user id
Member = tuple[int, int]


class ModelTask(Struct):
    id: str
    state: str = "pending"
    submits: int = 0
    provider_task_id: str | None = None
    cost: int | None = None
    failure: str | None = None


class ModelJob(Struct):
    id: str
    member: Member
    route: str
    quote: int
    tasks: list[ModelTask]
    #: whoever works on it, or has yet to hand it over, and until when in seconds; None: nobody
    owner: str | None
    lease_until: int | None
    day: date
    held_allowance: int
    held_grant: int
    #: in which it was asked for
    month: date
    state: str = "queued"
    claims: int = 0
    message_id: int | None = None
    cost: int | None = None
    failure: str | None = None
    refunded: bool = False
    #: when it was charged, in seconds
    charged_s: int | None = None
    #: what is not the member's: the whole hold, then the cost, then nothing
    away: tuple[int, int] = (0, 0)
    #: what was refunded, but stays spent: of the budget of all together, and of its server's
    lost: tuple[int, int] = (0, 0)

    @property
    def is_open(self) -> bool:
        """Whether its hold has not ended yet."""
        return self.state in ("queued", "running")

    @property
    def can_be_cancelled(self) -> bool:
        return self.is_open and all(task.state == "pending" for task in self.tasks)

    def charge(self, cost: int) -> None:
        """Allowance first, as it was held."""
        from_allowance = min(cost, self.held_allowance)
        self.away = (from_allowance, cost - from_allowance)


class ModelMember(Struct):
    #: of the current allowance; None: never had one
    day: date | None = None
    allowance_given: int = 0
    grants_given: int = 0
    #: when its account was last written, in seconds
    seen_s: int = 0


class Model(Struct):
    allowance: int
    per_user: int
    per_server: int
    per_route: dict[str, int]
    members: dict[Member, ModelMember]
    #: what servers may spend in a month by their own decision; None: nothing is decided
    decided: dict[int, int | None] = field(default_factory=dict)
    #: what each server may spend by the host's, and all together
    of_host: int | None = None
    total: int | None = None
    #: oldest first
    jobs: dict[str, ModelJob] = field(default_factory=dict)
    #: who had their turn, in order
    served: list[Member] = field(default_factory=list)
    #: of each party and member that waits and was never served, when it came
    arrivals: dict[tuple[str, Member], int] = field(default_factory=dict)
    #: seconds since NOW
    now_s: int = 0
    #: whether what is spent of an allowance comes back a day later, in the place of periods
    rolls: bool = False

    @property
    def now(self) -> datetime:
        return NOW + timedelta(seconds=self.now_s)

    def refill(self, member: Member) -> None:
        it = self.members[member]
        it.seen_s = self.now_s
        if it.day != self.today:
            it.day, it.allowance_given = self.today, self.allowance

    @property
    def today(self) -> date:
        """What rolls has one day without an end."""
        return NOW.date() if self.rolls else self.now.date()

    @property
    def this_month(self) -> date:
        return self.now.date().replace(day=1)

    def budget(self, server: int) -> int | None:
        """What a server may spend in a month; of server 0, all together may."""
        if not server:
            return self.total
        amounts = [self.decided.get(server), self.of_host]
        return min((each for each in amounts if each is not None), default=None)

    def left(self, server: int) -> int | None:
        """
        Of a budget: less what jobs hold or cost that were asked for this month, whether or not
        there was a budget then.
        """
        amount = self.budget(server)
        jobs = [job for job in self.jobs.values() if server in (0, job.member[0])]
        jobs = [job for job in jobs if job.month == self.this_month]
        gone = sum(sum(job.away) + job.lost[1 if server else 0] for job in jobs)
        return None if amount is None else max(amount - gone, 0)

    def covers(self, server: int, quote: int) -> bool:
        """Whether the budgets do."""
        lefts = [self.left(each) for each in {server, 0}]
        return all(left is None or quote <= left for left in lefts)

    def balance(self, member: Member, at_s: int | None = None) -> tuple[int, int]:
        """
        Allowance and grant: what was given, less what is away; older days' allowance is gone.

        Args:
            at_s: in seconds; None: when its account was last written.
        """
        it = self.members[member]
        seen_s = it.seen_s if at_s is None else at_s
        jobs = [job for job in self.jobs.values() if job.member == member]
        away = [job for job in jobs if job.day == it.day and not self.is_back(job, seen_s)]
        return (
            it.allowance_given - sum(job.away[0] for job in away),
            it.grants_given - sum(job.away[1] for job in jobs),
        )

    def is_back(self, job: ModelJob, at_s: int) -> bool:
        """Whether what it was charged of an allowance that rolls has come back."""
        return self.rolls and job.charged_s is not None and at_s >= job.charged_s + DAY_S

    def available(self, member: Member) -> int:
        """What a command given now can spend."""
        allowance, grant = self.balance(member, self.now_s)
        turned = self.members[member].day != self.today
        return (self.allowance if turned else allowance) + grant

    def accept(
        self, job_id: str, member: Member, route: str, price: int, count: int, owner: str
    ) -> None:
        self.refill(member)
        quote = price * count
        from_allowance = min(quote, self.balance(member)[0])
        job = ModelJob(
            id=job_id,
            member=member,
            route=route,
            quote=quote,
            tasks=[ModelTask(f"{job_id}-{index}") for index in range(count)],
            owner=owner,
            lease_until=self.now_s + LEASE_S,
            day=self.today,
            held_allowance=from_allowance,
            held_grant=quote - from_allowance,
            month=self.this_month,
        )
        job.charge(quote)
        self.arrive(job)
        self.jobs[job_id] = job

    def arrive(self, job: ModelJob) -> None:
        """Whoever waits for nothing yet comes anew."""
        for level, of in LEVELS:
            mine = of(job.member)
            if all(of(other.member) != mine for other in self.in_state("queued")):
                self.arrivals[level, mine] = len(self.jobs)

    def in_state(self, *states: str) -> list[ModelJob]:
        return [job for job in self.jobs.values() if job.state in states]

    def queue(self) -> list[str]:
        """The order of turns among all who wait."""
        waiting, served, order = self.in_state("queued"), list(self.served), []
        while waiting:
            job = self.next_in_turn(waiting, served)
            waiting.remove(job)
            served.append(job.member)
            order.append(job.id)
        return order

    def next_claim(self) -> ModelJob | None:
        free = [
            job
            for job in self.jobs.values()
            if job.lease_until is None or job.lease_until < self.now_s
        ]
        resumable = [job for job in free if job.state in ("running", "delivering")]
        if resumable:
            return resumable[0]
        waiting = [job for job in free if job.state == "queued" and self.is_under_caps(job)]
        return self.next_in_turn(waiting, self.served) if waiting else None

    def next_in_turn(self, waiting: Sequence[ModelJob], served: Sequence[Member]) -> ModelJob:
        """Of the party that waits longest the member who does, and of theirs the oldest."""

        def rank(job: ModelJob) -> list[tuple[int, int]]:
            return [
                (
                    last([of(each) for each in served], of(job.member)),
                    self.arrivals[level, of(job.member)],
                )
                for level, of in LEVELS
            ]

        # min() takes the first of equals, and they stand oldest first.
        return min(waiting, key=rank)

    def is_under_caps(self, job: ModelJob) -> bool:
        taken = [other.member for other in self.in_state("running", "delivering")]
        # A route is full of images, not of jobs.
        routes = [
            other.route
            for other in self.in_state("running")
            for task in other.tasks
            if task.state not in ("stored", "failed")
        ]
        server, user = job.member
        return (
            [other for _, other in taken].count(user) < self.per_user
            and (server == 0 or [other for other, _ in taken].count(server) < self.per_server)
            and routes.count(job.route) < self.per_route[job.route]
        )

    def claim(self, job: ModelJob, owner: str) -> None:
        if job.state == "queued":
            job.state = "running"
            self.served.append(job.member)
        job.claims += 1
        job.owner, job.lease_until = owner, self.now_s + LEASE_S

    def cancel(self, job: ModelJob) -> None:
        self.refill(job.member)
        job.state, job.failure, job.away = "cancelled", Failure.CANCELLED, (0, 0)
        for task in job.tasks:
            task.state, task.failure = "failed", Failure.CANCELLED

    def end_making(self, job: ModelJob) -> None:
        """With its last task, the job goes on to delivery and is charged for its images."""
        if any(task.state not in ("stored", "failed") for task in job.tasks):
            return
        self.refill(job.member)
        job.state = "delivering"
        job.charged_s = self.now_s
        job.cost = sum(task.cost or 0 for task in job.tasks)
        if all(task.state == "failed" for task in job.tasks):
            job.failure = job.tasks[0].failure
        job.charge(job.cost)

    def refund(self, job: ModelJob, failure: str, counting: Collection[int]) -> None:
        """
        Args:
            counting: the servers whose budgets count the job's month by now; 0: that of all does.
        """
        if job.cost:
            self.refill(job.member)
            of_server = self.of_host is not None and job.member[0] in counting
            job.lost = (job.cost if 0 in counting else 0, job.cost if of_server else 0)
        job.cost, job.failure, job.away, job.refunded = 0, failure, (0, 0), True


def party(member: Member) -> Member:
    """Those who take turns as one: a server, or one member's direct messages."""
    server, user = member
    return (server, 0) if server else (0, user)


def last(sequence: Sequence[object], wanted: object) -> int:
    """The last place of something; -1 where it is nowhere."""
    return max((place for place, each in enumerate(sequence) if each == wanted), default=-1)


LEVELS: Sequence[tuple[str, Callable[[Member], Member]]] = (
    ("party", party),
    ("member", lambda member: member),
)
