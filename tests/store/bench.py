"""A migrated database with the stores on it, and a member's jobs to put in."""

import inspect
import sqlite3
import zlib
from collections.abc import Collection, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Job, JobState, Made, Offer, Problem, Reply, Task, TaskState
from bot.domain.ledger import Account, Allowance, Entry, Period
from bot.domain.ports import ImageFile, ImageFormat
from bot.domain.pricing import Cost
from bot.domain.queue import Caps
from bot.domain.requests import ImageRequest, Mode
from bot.domain.settings import Keep
from bot.store import accept, jobs, queue, quota, tasks
from bot.store.database import Database
from bot.store.jobs import House
from bot.store.ledger import audit, list_entries
from bot.store.migrations.apply import upgrade
from bot.store.sql import Transaction

#: Ada has credits, Ben has none, Cleo is a moderator
ADA, BEN, CLEO = 1, 2, 3
SERVER, OTHER_SERVER = 7, 8
NOW = datetime(2025, 11, 20, 12, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000
LANTERN = ImageRequest(Mode.GENERATE, "a paper lantern 🏮", "gpt-image-2-beta")
ROUTE = "apimodels/gpt-image-2-beta"
MODERATION = Problem(Failure.MODERATION, {"option": "reference2", "filename": "b.png"})


class Steps:
    """The store's steps as methods, each a transaction; the house is given to those that ask."""

    NAMES: ClassVar = {"job": "job_of", "tasks": "of_job", "queue": "list_queue"}

    def __init__(self, database: Database, house: House) -> None:
        self.database = database
        self.house = house

    def __getattr__(self, name: str) -> Any:
        name = self.NAMES.get(name, name)
        step = next(
            getattr(each, name) for each in (accept, jobs, tasks, queue) if hasattr(each, name)
        )
        asked = inspect.signature(step).parameters
        first = [self.house] if "house" in asked else []
        first += [self.house.allowance] if "allowance" in asked or "default" in asked else []

        async def run(*args: Any, **given: Any) -> Any:
            return await self.database.write(step, *first, *args, **given)

        return run


class Accounts(Struct):
    database: Database
    house: House

    async def show(
        self, server_id: int, user_id: int, now: datetime, role_ids: Collection[int] = ()
    ) -> Account:
        told = await self.database.read(
            quota.statement, self.house, server_id, user_id, role_ids, now
        )
        return told.account


class Bench(Struct):
    database: Database
    jobs: Steps
    accounts: Accounts
    refills: Allowance

    async def accept(self, job_id: str = "lantern", **given: Any) -> Job:
        """Accept a job, and tell its member: it is free to be claimed."""
        job, tasks = make_job(job_id, **given)
        await self.take(job, tasks)
        await self.jobs.hand_over({job_id: None})
        return job

    async def take(self, job: Job, tasks: Sequence[Task], role_ids: Collection[int] = ()) -> int:
        """Accept a job at this one quote; returns how many are ahead of it."""
        _, (ahead, _own) = await self.jobs.accept(
            job, role_ids, lambda _: [Offer(job, tuple(tasks))]
        )
        return ahead

    async def claim(self, now: datetime = NOW) -> Job | None:
        claimed = (await self.jobs.claim(now, 1)).jobs
        return claimed[0][0] if claimed else None

    async def running(self, job_id: str = "lantern", **given: Any) -> tuple[Job, list[Task]]:
        await self.accept(job_id, **given)
        job = await self.claim(given.get("at", NOW))
        assert job is not None
        assert job.id == job_id
        return job, await self.jobs.tasks(job_id)

    async def submit(self, task: Task) -> Task:
        task = await self.jobs.begin_submit(task)
        return await self.jobs.submitted(task, f"vendor-{task.id}", NOW)

    async def delivering(
        self, *costs: int | None, price: int = PRICE_UCR, at: datetime = NOW, **given: Any
    ) -> Job:
        """A job of one image for each cost; None is an image that failed."""
        _, tasks = await self.running(count=len(costs), price=price, **given)
        made = None
        for task, cost in zip(tasks, costs, strict=True):
            if cost is None:
                made = await self.jobs.failed(task, MODERATION, at)
            else:
                made = await self.store(await self.submit(task), cost, at)
        assert made is not None
        return made.job

    async def store(self, task: Task, cost: int = PRICE_UCR, at: datetime = NOW) -> Made | None:
        paid = Cost(Microcredits(cost), known=True)
        return await self.jobs.stored(task, image(task), paid, at)

    async def balance(self, user_id: int = ADA, at: datetime = NOW) -> int:
        return (await self.accounts.show(SERVER, user_id, at)).available_ucr

    async def entries(self) -> list[Entry]:
        return [entry for _, entry in await self.database.read(list_entries)]

    async def moves(self) -> list[tuple[str, int]]:
        """The ledger in short: kind and amount."""
        return [
            (entry.kind.value, entry.allowance_ucr + entry.grant_ucr)
            for entry in await self.entries()
        ]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        return await self.database.read(rows, query)

    async def write(self, statement: str) -> None:
        await self.database.write(lambda tx: tx.execute(statement))

    async def differences(self) -> list[str]:
        return await self.database.read(audit)


def lay(
    database: Database,
    *,
    owner: str = "first",
    allowance: int = ALLOWANCE_UCR,
    period: Period = Period.DAY,
    budget: int | None = None,
    total: int | None = None,
    per_user: int = 100,
    per_server: int = 100,
    queued: int = 10_000,
    queued_per_user: int = 10_000,
    per_route: int = 100,
) -> Bench:
    """Lay the stores on a database; the caps are out of the way unless a test sets them."""
    refills = Allowance(Microcredits(allowance), period)
    caps = Caps(
        running_per_user_max=per_user,
        running_per_server_max=per_server,
        running_max=10,
        queued_max=queued,
        queued_per_user_max=queued_per_user,
        running_per_route_max={ROUTE: per_route, "other/route": 100},
    )
    budget_ucr = None if budget is None else Microcredits(budget)
    total_ucr = None if total is None else Microcredits(total)
    keep = Keep(results_days=7, results_bytes_max=10**9, prompts_days=0, jobs_days=0)
    house = House(caps, refills, budget_ucr, total_ucr, owner, keep)
    return Bench(database, Steps(database, house), Accounts(database, house), refills)


@contextmanager
def at_revision(path: Path, revision: str) -> Iterator[sqlite3.Connection]:
    """A database as the migrations up to this one made it; what is written is committed."""
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        upgrade(raw, revision)
        yield raw


def rows(tx: Transaction, query: str) -> list[tuple[Any, ...]]:
    return [tuple(row) for row in tx.rows(query)]


def make_job(
    job_id: str = "lantern",
    user: int = ADA,
    server: int = SERVER,
    price: int = PRICE_UCR,
    count: int = 1,
    at: datetime = NOW,
    request: ImageRequest = LANTERN,
    route: str = ROUTE,
) -> tuple[Job, Sequence[Task]]:
    job = Job(
        id=job_id,
        server_id=server,
        channel_id=70,
        user_id=user,
        request=replace(request, count=count),
        state=JobState.QUEUED,
        quote_ucr=Microcredits(price * count),
        cost_ucr=None,
        nsfw_checker=True,
        spoiler=False,
        reply=Reply(5, "token", at + timedelta(minutes=15), 10_485_760),
        created_at=at,
        interaction_id=zlib.crc32(job_id.encode()),
    )
    return job, [
        Task(
            id=f"{job_id}-{index}",
            job_id=job_id,
            image_index=index,
            route_id=route,
            price_ucr=Microcredits(price),
            state=TaskState.PENDING,
        )
        for index in range(count)
    ]


def image(task: Task) -> ImageFile:
    return ImageFile(Path(f"images/{task.id}.png"), ImageFormat.PNG, 1024, 768, 200_000)
