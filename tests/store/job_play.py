"""Each act on jobs, done to a real database and to the model at once, and their comparison."""

import asyncio
import shutil
import sqlite3
import tempfile
from collections import Counter, defaultdict
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from bot.domain import ledger
from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Job, JobState, Made, Problem, Task, id_at
from bot.domain.ledger import EVERYBODY, NOBODY, Allowance, Period
from bot.domain.pricing import Cost
from bot.errors import Busy, InsufficientCredits, StepLost
from bot.store import ledger as store
from bot.store import quota, settings
from bot.store.database import open_database
from bot.store.sql import Transaction
from tests.store.bench import (
    ADA,
    BEN,
    CLEO,
    MODERATION,
    OTHER_SERVER,
    ROUTE,
    SERVER,
    Bench,
    image,
    lay,
    make_job,
)
from tests.store.job_model import (
    DAY_S,
    LEASE_S,
    Member,
    Model,
    ModelJob,
    ModelMember,
    ModelTask,
)

#: server 0 stands for direct messages
MEMBERS = [(SERVER, ADA), (SERVER, BEN), (OTHER_SERVER, ADA), (OTHER_SERVER, CLEO), (0, CLEO)]
OWNERS = ("first", "second")
ROUTES = (ROUTE, "other/route")
ALLOWANCE = 1_000
#: of SERVER alone, a month
BUDGET = 2_500
QUEUED_MAX = 5
PER_USER, PER_SERVER, PER_ROUTE = 2, 3, 3
UNDELIVERABLE = Problem(Failure.UNDELIVERABLE)


class JobPlay:
    """
    Args:
        schema: a migrated database file, to be copied.
        rolls: whether allowances roll, in the place of days.
    """

    def __init__(self, schema: Path, *, rolls: bool = False) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="easel-machine-"))
        path = self._folder / "easel.db"
        shutil.copy(schema, path)
        self._loop = asyncio.new_event_loop()
        self._stack = AsyncExitStack()
        opening = self._stack.enter_async_context(open_database(f"sqlite:///{path}"))
        self.database = self.run(opening)
        caps = {"per_user": PER_USER, "per_server": PER_SERVER, "per_route": PER_ROUTE}
        period = Period.ROLLING if rolls else Period.DAY
        given = {"allowance": ALLOWANCE, "period": period, "queued": QUEUED_MAX}
        self.benches: dict[str, Bench] = {
            owner: lay(self.database, owner=owner, **given, **caps) for owner in OWNERS
        }
        self.jobs = self.benches["first"].jobs
        # Read around the store, by the driver alone.
        self._reader = sqlite3.connect(path)
        self._reader.row_factory = sqlite3.Row
        self.model = Model(
            ALLOWANCE,
            PER_USER,
            PER_SERVER,
            dict(zip(ROUTES, (PER_ROUTE, 100), strict=True)),
            {member: ModelMember() for member in MEMBERS},
            rolls=rolls,
        )
        self.decide_budget(SERVER, BUDGET)
        #: every value that the store ever gave away
        self.task_values: list[Task] = []
        self.job_values: list[Job] = []
        #: each task's newest
        self.latest: dict[str, Task] = {}
        self._queue_seen: tuple[object, ...] = ()

    def close(self) -> None:
        self._reader.close()
        self.run(self._stack.aclose())
        self._loop.close()
        shutil.rmtree(self._folder)

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self._loop.run_until_complete(work)

    # The job as a whole

    def grant(self, member: Member, amount: int) -> None:
        def give(tx: Transaction) -> None:
            refills, now = self.benches["first"].refills, self.model.now
            refill = store.renew(tx, store.read(tx, *member), refills, now)
            granted = ledger.grant(refill[0], Microcredits(amount))
            store.apply(tx, refill, granted, now=self.model.now)

        self.run(self.database.write(give))
        self.model.refill(member)
        self.model.members[member].grants_given += amount

    def decide_budget(self, server: int, amount: int | None) -> None:
        """A server's moderators set a budget, or take it away."""
        given = (server, lambda _: {"budget_ucr": amount}, CLEO, self.model.now)
        self.run(self.database.write(settings.change, *given))
        self.model.decided[server] = amount

    def restart(self, of_host: int | None, total: int | None) -> None:
        """With other budgets of the host."""
        for bench in self.benches.values():
            house = bench.jobs.house
            bench.jobs.house = replace(house, budget_ucr=of_host, total_budget_ucr=total)
        self.model.of_host, self.model.total = of_host, total

    def accept(
        self, member: Member, price: int, count: int, route: str, owner: str
    ) -> ModelJob | None:
        """None: it was refused, and had to be."""
        model = self.model
        server, user = member
        job_id = f"{id_at(model.now)}{len(model.jobs):03}"
        job, tasks = make_job(job_id, user, server, price, count, at=model.now, route=route)
        accepting = self.benches[owner].take(job, tasks)
        refusal = None
        if len(model.in_state("queued")) >= QUEUED_MAX:
            refusal = Busy
        elif price * count > model.available(member) or not model.covers(server, price * count):
            refusal = InsufficientCredits
        if refusal:
            with pytest.raises(refusal):
                self.run(accepting)
            return None
        ahead = self.run(accepting)
        model.accept(job_id, member, route, price, count, owner)
        assert ahead == model.queue().index(job_id)
        self._reload_tasks(model.jobs[job_id])
        return model.jobs[job_id]

    def hand_over(self, job: ModelJob, owner: str) -> None:
        job.message_id = 1_000 + list(self.model.jobs).index(job.id)
        self.run(self.benches[owner].jobs.hand_over({job.id: job.message_id}))
        if job.state == "queued" and job.owner == owner:
            job.owner = job.lease_until = None

    def claim(self, owner: str) -> None:
        expected = self.model.next_claim()
        claimed = self.run(self.benches[owner].claim(self.model.now))
        assert (claimed and claimed.id) == (expected and expected.id)
        if expected is not None:
            self.model.claim(expected, owner)
            assert claimed.state == expected.state
            self.job_values.append(claimed)

    def renew_leases(self, owner: str) -> None:
        held = [job for job in self.model.jobs.values() if job.owner == owner]
        ids = [job.id for job in held]
        self.run(self.benches[owner].jobs.renew_leases(ids, self.model.now))
        for job in held:
            job.lease_until = self.model.now_s + LEASE_S

    def cancel(self, job: ModelJob) -> None:
        cancelling = self.jobs.cancel(job.id, self.model.now)
        if not job.can_be_cancelled:
            with pytest.raises(StepLost):
                self.run(cancelling)
            return
        self.job_values.append(self.run(cancelling))
        self.model.cancel(job)
        self._reload_tasks(job)

    def finish(self, job: ModelJob, value: Job | None = None) -> None:
        value = value or self._read(job)
        finishing = self.jobs.finish(value, None, self.model.now)
        if job.state != "delivering":
            with pytest.raises(StepLost):
                self.run(finishing)
            return
        self.job_values.append(self.run(finishing))
        job.state = "failed" if job.failure else "done"

    def refund(self, job: ModelJob, value: Job | None = None) -> None:
        value = value or self._read(job)
        refunding = self.jobs.refund(value, UNDELIVERABLE, self.model.now)
        if job.state != "delivering":
            with pytest.raises(StepLost):
                self.run(refunding)
            return
        is_budget = f"user_id = {NOBODY} AND period_start = '{job.month}'"
        counting = self._rows(f"SELECT server_id FROM accounts WHERE {is_budget}")
        self.job_values.append(self.run(refunding))
        self.model.refund(job, UNDELIVERABLE.failure, {row["server_id"] for row in counting})

    # A task's steps

    def begin_submit(self, task: ModelTask) -> None:
        self._keep(self.run(self.jobs.begin_submit(self.latest[task.id])))
        task.state, task.submits = "submitting", task.submits + 1

    def not_accepted(self, task: ModelTask) -> None:
        self._keep(self.run(self.jobs.not_accepted(self.latest[task.id])))
        task.state = "pending"

    def submitted(self, task: ModelTask) -> None:
        task.state, task.provider_task_id = "submitted", f"vendor-{task.id}"
        value, now = self.latest[task.id], self.model.now
        self._keep(self.run(self.jobs.submitted(value, task.provider_task_id, now)))

    def stored(self, job: ModelJob, task: ModelTask, share: int) -> None:
        """
        Args:
            share: what it cost, in hundredths of its price.
        """
        value = self.latest[task.id]
        cost = Microcredits(value.price_ucr * share // 100)
        task.state, task.cost = "stored", cost
        bill = Cost(cost, known=True)
        self._ended(job, self.run(self.jobs.stored(value, image(value), bill, self.model.now)))

    def failed(self, job: ModelJob, task: ModelTask) -> None:
        task.state, task.failure = "failed", MODERATION.failure
        value = self.latest[task.id]
        self._ended(job, self.run(self.jobs.failed(value, MODERATION, self.model.now)))

    def _ended(self, job: ModelJob, made: Made | None) -> None:
        self.model.end_making(job)
        value = self._read(job)
        self._reload_tasks(job)
        assert (made is None) == (value.state is JobState.RUNNING)
        if made:
            assert made == self.run(self.jobs.to_deliver(job.id, self.model.now))

    def _read(self, job: ModelJob) -> Job:
        value: Job = self.run(self.jobs.job(job.id))
        self.job_values.append(value)
        return value

    def _reload_tasks(self, job: ModelJob) -> None:
        for task in self.run(self.jobs.tasks(job.id)):
            self._keep(task)

    def _keep(self, task: Task) -> None:
        if task != self.latest.get(task.id):
            self.latest[task.id] = task
            self.task_values.append(task)

    # The comparison

    def compare_jobs(self) -> None:
        start_ms = round((self.model.now.timestamp() - self.model.now_s) * 1_000)
        columns = "id, state, claims, cost_ucr, failure, message_id, lease_owner, lease_until"
        assert [tuple(row) for row in self._rows(f"SELECT {columns} FROM jobs ORDER BY id")] == [
            (
                job.id,
                job.state,
                job.claims,
                job.cost,
                job.failure,
                job.message_id,
                job.owner,
                job.lease_until if job.lease_until is None else start_ms + job.lease_until * 1_000,
            )
            for job in self.model.jobs.values()
        ]
        columns = "id, state, submits, provider_task_id, cost_ucr, failure"
        assert [tuple(row) for row in self._rows(f"SELECT {columns} FROM tasks ORDER BY id")] == [
            (task.id, task.state, task.submits, task.provider_task_id, task.cost, task.failure)
            for job in self.model.jobs.values()
            for task in job.tasks
        ]

    def compare_balances(self) -> None:
        shown = {
            (row["server_id"], row["user_id"]): (row["allowance_ucr"], row["grant_ucr"])
            for row in self._rows("SELECT * FROM accounts")
        }
        assert shown == {
            member: self.model.balance(member)
            for member, it in self.model.members.items()
            if it.day is not None
        } | {whose: parts for whose, parts in shown.items() if whose[1] == NOBODY}
        assert all(part >= 0 for parts in shown.values() for part in parts)
        self._compare_returns()
        sums = self._rows(
            "SELECT server_id, user_id, sum(allowance_ucr), sum(grant_ucr) FROM entries"
            " GROUP BY server_id, user_id"
        )
        assert {(row[0], row[1]): (row[2], row[3]) for row in sums} == shown

    def compare_budgets(self) -> None:
        """What a command given now would find of each."""
        house, model = self.jobs.house, self.model
        for server in (SERVER, OTHER_SERVER):
            _, budget = self.run(self.database.read(quota.of_server, house, server, model.now))
            assert (budget and budget.allowance_ucr) == model.left(server)

        def all_together(tx: Transaction) -> int:
            amount = Allowance(Microcredits(model.total or 0), Period.MONTH)
            return store.renew(tx, store.read(tx, *EVERYBODY), amount, model.now)[0].allowance_ucr

        assert self.run(self.database.read(all_together)) == (model.left(0) or 0)

    def _compare_returns(self) -> None:
        """What is to come back stands there once, and is what members do not have."""
        start_ms = round((self.model.now.timestamp() - self.model.now_s) * 1_000)
        expected = sorted(
            (*job.member, job.away[0], start_ms + (job.charged_s + DAY_S) * 1_000)
            for job in self.model.jobs.values()
            if self.model.rolls and job.charged_s is not None and job.away[0]
            if not self.model.is_back(job, self.model.members[job.member].seen_s)
        )
        columns = "server_id, user_id, amount_ucr, due_at"
        rows = self._rows(f"SELECT {columns} FROM returns")
        assert sorted(tuple(row) for row in rows) == expected

    def compare_holds(self) -> None:
        kinds: dict[tuple[str, bool], Counter[str]] = defaultdict(Counter)
        for row in self._rows("SELECT job_id, user_id, kind FROM entries WHERE job_id IS NOT NULL"):
            kinds[row["job_id"], row["user_id"] == NOBODY][row["kind"]] += 1
        for job in self.model.jobs.values():
            for found in (kinds[job.id, False], kinds[job.id, True]):
                # It may be held from the member, a budget and that of all together, or from less.
                budgets = found is kinds[job.id, True]
                assert found["hold"] in ((0, 1, 2) if budgets else (1,))
                ended = found["settle"] + found["release"]
                assert ended == (0 if job.is_open else found["hold"])
                assert found["refund"] <= (found["hold"] if job.refunded else 0)

    def compare_queue(self) -> None:
        order = self.model.queue()
        answered = {job.id for job in self.model.in_state("queued") if job.owner is None}
        seen = (*order, len(self.model.served), frozenset(answered))
        if seen == self._queue_seen:
            return
        self._queue_seen = seen
        assert [(each.job_id, each.ahead) for each in self.run(self.jobs.queue())] == [
            (job_id, ahead) for ahead, job_id in enumerate(order) if job_id in answered
        ]

    def _rows(self, query: str) -> list[sqlite3.Row]:
        return self._reader.execute(query).fetchall()
