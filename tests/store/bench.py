"""A migrated database with the stores on it, and a member's jobs to put in."""

import zlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Job, JobState, Problem, Reply, Task, TaskState
from bot.domain.ledger import Entry, Period
from bot.domain.ports import ImageFile, ImageFormat
from bot.domain.pricing import Cost
from bot.domain.requests import ImageRequest, Mode
from bot.store.accounts import AccountStore, audit, list_entries
from bot.store.database import Database
from bot.store.jobs import JobStore
from bot.store.queue import Caps

#: Ada has credits, Ben has none, Cleo is a moderator
ADA, BEN, CLEO = 1, 2, 3
SERVER, OTHER_SERVER = 7, 8
NOW = datetime(2025, 11, 20, 12, 0, tzinfo=UTC)
TOMORROW = NOW + timedelta(days=1)
ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000
LANTERN = ImageRequest(Mode.GENERATE, "a paper lantern 🏮", "gpt-image-2-beta")
ROUTE = "apimodels/gpt-image-2-beta"
MODERATION = Problem(Failure.MODERATION, "the second word")


@dataclass
class Bench:
    database: Database
    jobs: JobStore
    accounts: AccountStore

    async def accept(self, job_id: str = "lantern", **given: Any) -> Job:
        """Accept a job, and tell its member: it is free to be claimed."""
        job, tasks = make_job(job_id, **given)
        await self.jobs.accept(job, tasks)
        await self.jobs.hand_over(job_id, None)
        return job

    async def running(self, job_id: str = "lantern", **given: Any) -> tuple[Job, list[Task]]:
        await self.accept(job_id, **given)
        job = await self.jobs.claim(given.get("at", NOW))
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
        job, tasks = await self.running(count=len(costs), price=price, **given)
        for task, cost in zip(tasks, costs, strict=True):
            if cost is None:
                job = await self.jobs.failed(task, MODERATION, at)
            else:
                job = await self.store(await self.submit(task), cost, at)
        return job

    async def store(self, task: Task, cost: int = PRICE_UCR, at: datetime = NOW) -> Job:
        paid = Cost(Microcredits(cost), known=True)
        return await self.jobs.stored(task, image(task), paid, at)

    async def balance(self, user_id: int = ADA, at: datetime = NOW) -> int:
        return (await self.accounts.show(SERVER, user_id, at)).available_ucr

    async def entries(self) -> list[Entry]:
        return [entry for _, entry in await list_entries(self.database)]

    async def moves(self) -> list[tuple[str, int]]:
        """The ledger in short: kind and amount."""
        return [
            (entry.kind.value, entry.allowance_ucr + entry.grant_ucr)
            for entry in await self.entries()
        ]

    async def rows(self, query: str) -> list[tuple[Any, ...]]:
        async with self.database.reading() as connection:
            return [tuple(row) for row in await connection.execute(sa.text(query))]

    async def write(self, statement: str) -> None:
        async with self.database.transaction() as connection:
            await connection.execute(sa.text(statement))

    async def differences(self) -> list[str]:
        return await audit(self.database)


def lay(
    database: Database,
    *,
    owner: str = "first",
    allowance: int = ALLOWANCE_UCR,
    period: Period = Period.DAY,
    per_user: int = 100,
    per_server: int = 100,
    queued: int = 10_000,
    per_route: int = 100,
) -> Bench:
    """Lay the stores on a database; the caps are out of the way unless a test sets them."""
    accounts = AccountStore(database, Microcredits(allowance), period)
    caps = Caps(
        running_per_user_max=per_user,
        running_per_server_max=per_server,
        running_max=10,
        queued_max=queued,
        running_per_route_max={ROUTE: per_route, "other/route": 100},
        typical_s={ROUTE: 48, "other/route": 20}.__getitem__,
    )
    return Bench(database, JobStore(database, accounts, caps, owner), accounts)


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
