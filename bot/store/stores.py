"""What the engine and the chat call: each method carries one step to the database's thread."""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from bot.domain.jobs import Failure, Job, Problem, Task
from bot.domain.ledger import Account
from bot.domain.policy import NsfwMode, SettingChange
from bot.domain.ports import ImageFile
from bot.domain.pricing import Cost
from bot.domain.queue import QueuePlace
from bot.domain.stored import Accepted, Claimed, Offer
from bot.domain.waiting import Latency
from bot.errors import Refusal
from bot.store import jobs, learned, ledger, queue, settings, tasks
from bot.store.database import Database
from bot.store.jobs import House
from bot.store.ledger import Allowance

#: ids in one statement
IDS_MAX = 500


class JobStore:
    """The engine's port `Jobs`, which documents its methods: on the database."""

    def __init__(self, database: Database, house: House) -> None:
        self._database = database
        self._house = house

    async def accept(
        self,
        server_id: int,
        user_id: int,
        interaction_id: int,
        offers: Mapping[NsfwMode, Sequence[Offer] | Refusal],
    ) -> Accepted:
        return await self._database.write(
            jobs.accept, self._house, server_id, user_id, interaction_id, offers
        )

    async def hand_over(self, job_id: str, message_id: int | None) -> None:
        await self._database.keep(jobs.hand_over, self._house, job_id, message_id)

    async def cancel(self, job_id: str, now: datetime, failure: Failure = Failure.CANCELLED) -> Job:
        return await self._database.keep(jobs.cancel, self._house, job_id, now, failure)

    async def claim(self, now: datetime, jobs_max: int) -> Claimed:
        return await self._database.write(jobs.claim, self._house, now, jobs_max)

    async def queue(self) -> list[tuple[str, QueuePlace]]:
        return await self._database.read(queue.list_queue, self._house.caps)

    async def history(self, server_id: int, user_id: int) -> list[Job]:
        return await self._database.read(jobs.history, server_id, user_id)

    async def renew_leases(self, job_ids: Sequence[str], now: datetime) -> None:
        if job_ids:
            await self._database.write(jobs.renew_leases, self._house, job_ids, now)

    async def free_leases(self) -> int:
        """At start, where this is the database's only process: whoever held one is dead."""
        return await self._database.write(jobs.free_leases)

    async def find(self, job_id: str) -> Job | None:
        return await self._database.read(jobs.find, job_id)

    async def job(self, job_id: str) -> Job:
        return await self._database.read(jobs.job_of, job_id)

    async def tasks(self, job_id: str) -> list[Task]:
        return await self._database.read(tasks.of_job, job_id)

    async def look(self, job_id: str) -> tuple[Job, list[Task]]:
        return await self._database.read(jobs.look, job_id)

    async def to_deliver(self, job: Job, now: datetime) -> tuple[list[Task], Account]:
        return await self._database.read(jobs.to_deliver, self._house, job, now)

    async def begin_submit(self, task: Task) -> Task:
        return await self._database.write(tasks.begin_submit, task)

    async def not_accepted(self, task: Task) -> Task:
        return await self._database.keep(tasks.not_accepted, task)

    async def submitted(self, task: Task, provider_task_id: str, now: datetime) -> Task:
        return await self._database.keep(tasks.submitted, task, provider_task_id, now)

    async def fall_back(self, task: Task, problem: Problem, onto: Task) -> Task:
        return await self._database.keep(tasks.fall_back, task, problem, onto)

    async def stored(self, task: Task, image: ImageFile, cost: Cost, now: datetime) -> Job:
        return await self._database.keep(
            tasks.stored, self._house.allowance, task, image, cost, now
        )

    async def failed(self, task: Task, problem: Problem, now: datetime) -> Job:
        return await self._database.keep(tasks.failed, self._house.allowance, task, problem, now)

    async def finish(
        self, job: Job, message_id: int | None, now: datetime, *, keeps_images: bool = False
    ) -> Job:
        return await self._database.keep(jobs.finish, job.id, message_id, now, keeps_images)

    async def cancelled_since(self, since: datetime) -> list[Job]:
        return await self._database.read(jobs.cancelled_since, since)

    async def without_use(self, job_ids: Collection[str]) -> set[str]:
        return await self._in_pieces(jobs.without_use, job_ids)

    async def ended(self, job_ids: Collection[str]) -> set[str]:
        return await self._in_pieces(jobs.ended, job_ids)

    async def _in_pieces(
        self, step: Callable[[sa.Connection, list[str]], set[str]], job_ids: Collection[str]
    ) -> set[str]:
        found = set()
        ids = sorted(job_ids)
        for start in range(0, len(ids), IDS_MAX):
            found |= await self._database.read(step, ids[start : start + IDS_MAX])
        return found

    async def refund(self, job: Job, problem: Problem, now: datetime) -> Job:
        return await self._database.keep(jobs.refund, self._house, job, problem, now)


class AccountStore:
    """The engine's port `Accounts`, on the database."""

    def __init__(self, database: Database, allowance: Allowance) -> None:
        self._database = database
        self._allowance = allowance

    async def show(self, server_id: int, user_id: int, now: datetime) -> Account:
        return await self._database.read(ledger.show, server_id, user_id, self._allowance, now)


class ServerStore:
    """The port `Servers`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def nsfw_mode(self, server_id: int) -> NsfwMode:
        return await self._database.read(settings.nsfw_mode, server_id)

    async def set_nsfw_mode(
        self, server_id: int, user_id: int, mode: NsfwMode, now: datetime
    ) -> NsfwMode:
        return await self._database.write(settings.set_nsfw_mode, server_id, user_id, mode, now)

    async def changes(self, server_id: int) -> list[SettingChange]:
        return await self._database.read(settings.changes, server_id)


class SyncStore:
    """The memory of which servers have commands of their own on Discord."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def servers(self, application: str) -> set[int]:
        return await self._database.read(settings.synced_servers, application)

    async def remember(self, application: str, server_ids: Collection[int]) -> None:
        if server_ids != await self.servers(application):
            await self._database.write(settings.remember_servers, application, server_ids)


class LatencyStore:
    """The engine's port `Latencies`, on the database."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def load(self) -> dict[str, Latency]:
        return await self._database.read(learned.load)

    async def save(self, known: Mapping[str, Latency]) -> None:
        await self._database.write(learned.save, known)
