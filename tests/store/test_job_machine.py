"""
Random histories of jobs on a real database, held against a model of plain lists and numbers.

The model (job_model.py) knows no entries, no turn numbers and no SQL: it computes a balance anew
from what was given and what each job took, and whose turn it is from who was served when. After
every step the database must show what the model shows, and nothing else.
"""

from collections import Counter
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from bot.domain.credits import Microcredits
from bot.domain.jobs import Task, TaskState
from bot.domain.pricing import Cost
from bot.errors import StepLost
from tests.store.bench import MODERATION, OTHER_SERVER, ROUTE, SERVER, image
from tests.store.job_model import DAY_S, Member, ModelJob, ModelTask
from tests.store.job_play import (
    MEMBERS,
    OWNERS,
    PER_ROUTE,
    PER_SERVER,
    PER_USER,
    ROUTES,
    JobPlay,
)

#: which of those that can be chosen: taken modulo their number
picks = st.integers(0, 999)
owners = st.sampled_from(OWNERS)
members = st.sampled_from(MEMBERS)
routes = st.sampled_from(ROUTES)
#: None: none
budgets = st.sampled_from([None, None, 0, 400, 1_000, 2_500, 100_000])

#: the steps that a task's value offers, by its state
STEPS = {
    TaskState.PENDING: ("begin_submit", "failed"),
    TaskState.SUBMITTING: ("not_accepted", "submitted", "failed"),
    TaskState.SUBMITTED: ("stored", "failed"),
    TaskState.STORED: (),
    TaskState.FAILED: (),
}


class JobMachine(RuleBasedStateMachine):
    #: a migrated database file
    schema: ClassVar[Path]
    #: whether allowances roll, in the place of days
    rolls: ClassVar[bool] = False

    def __init__(self) -> None:
        super().__init__()
        self.play = JobPlay(self.schema, rolls=self.rolls)
        self.model = self.play.model

    def teardown(self) -> None:
        self.play.close()

    # Time, credits and the queue

    @rule(seconds=st.sampled_from([0, 1, 30, 60, 61, DAY_S, 11 * DAY_S]))
    def time_passes(self, seconds: int) -> None:
        self.model.now_s += seconds

    @rule(member=members, amount=st.integers(1, 500))
    def grant(self, member: Member, amount: int) -> None:
        self.play.grant(member, amount)

    @rule(server=st.sampled_from([SERVER, OTHER_SERVER]), amount=budgets)
    def decide_a_budget(self, server: int, amount: int | None) -> None:
        """Set it, set it higher or lower, or take it away."""
        self.play.decide_budget(server, amount)

    @rule(of_host=budgets, total=budgets)
    def restart(self, of_host: int | None, total: int | None) -> None:
        self.play.restart(of_host, total)

    @rule(member=members, price=st.integers(0, 400), count=st.integers(1, 3), route=routes)
    def accept(self, member: Member, price: int, count: int, route: str) -> None:
        job = self.play.accept(member, price, count, route, OWNERS[0])
        if job is not None:
            self.play.hand_over(job, OWNERS[0])

    @rule(member=members, price=st.integers(0, 400), route=routes, owner=owners)
    def accept_without_an_answer(self, member: Member, price: int, route: str, owner: str) -> None:
        self.play.accept(member, price, 1, route, owner)

    @precondition(lambda self: self.untold())
    @rule(pick=picks, owner=owners)
    def hand_over(self, pick: int, owner: str) -> None:
        """Also by somebody who does not hold it any more."""
        self.play.hand_over(chosen(self.untold(), pick), owner)

    @precondition(lambda self: self.model.in_state("queued"))
    @rule(owner=owners)
    def claim(self, owner: str) -> None:
        self.play.claim(owner)

    @rule(owner=owners)
    def claim_even_if_nobody_waits(self, owner: str) -> None:
        self.play.claim(owner)

    @rule(owner=owners)
    def renew_leases(self, owner: str) -> None:
        self.play.renew_leases(owner)

    @precondition(lambda self: any(job.is_open for job in self.model.jobs.values()))
    @rule(pick=picks)
    def cancel(self, pick: int) -> None:
        """In time or too late."""
        self.play.cancel(chosen([job for job in self.model.jobs.values() if job.is_open], pick))

    @precondition(lambda self: any(not job.is_open for job in self.model.jobs.values()))
    @rule(pick=picks)
    def cancel_what_has_ended(self, pick: int) -> None:
        self.play.cancel(chosen([job for job in self.model.jobs.values() if not job.is_open], pick))

    # A task's steps

    @precondition(lambda self: self.tasks_in("pending"))
    @rule(pick=picks, fails=st.sampled_from([False, False, False, True]))
    def go_on_from_pending(self, pick: int, fails: bool) -> None:
        job, task = chosen(self.tasks_in("pending"), pick)
        if fails:
            self.play.failed(job, task)
        else:
            self.play.begin_submit(task)

    @precondition(lambda self: self.tasks_in("submitting"))
    @rule(pick=picks, ending=st.sampled_from(["submitted", "submitted", "not_accepted", "failed"]))
    def go_on_from_submitting(self, pick: int, ending: str) -> None:
        job, task = chosen(self.tasks_in("submitting"), pick)
        if ending == "failed":
            self.play.failed(job, task)
        else:
            getattr(self.play, ending)(task)

    @precondition(lambda self: self.tasks_in("submitted"))
    @rule(pick=picks, share=st.integers(0, 100), fails=st.sampled_from([False, False, True]))
    def go_on_from_submitted(self, pick: int, share: int, fails: bool) -> None:
        job, task = chosen(self.tasks_in("submitted"), pick)
        if fails:
            self.play.failed(job, task)
        else:
            self.play.stored(job, task, share)

    @precondition(lambda self: self.model.in_state("running"))
    @rule(pick=picks, share=st.integers(0, 100))
    def go_on_to_delivery(self, pick: int, share: int) -> None:
        job = chosen(self.model.in_state("running"), pick)
        for task in job.tasks:
            if task.state == "pending":
                self.play.begin_submit(task)
            if task.state == "submitting":
                self.play.submitted(task)
            if task.state == "submitted":
                self.play.stored(job, task, share)

    def tasks_in(self, state: str) -> list[tuple[ModelJob, ModelTask]]:
        return [
            (job, task)
            for job in self.model.in_state("running")
            for task in job.tasks
            if task.state == state
        ]

    # The job's end

    @precondition(lambda self: self.model.in_state("delivering"))
    @rule(pick=picks)
    def finish(self, pick: int) -> None:
        self.play.finish(chosen(self.model.in_state("delivering"), pick))

    @precondition(lambda self: self.model.in_state("delivering"))
    @rule(pick=picks)
    def refund(self, pick: int) -> None:
        """Also one that was refunded before."""
        self.play.refund(chosen(self.model.in_state("delivering"), pick))

    # Whoever comes late

    @precondition(lambda self: self.stale_tasks())
    @rule(pick=picks, step=picks)
    def take_a_step_from_an_old_task(self, pick: int, step: int) -> None:
        value = chosen(self.stale_tasks(), pick)
        with pytest.raises(StepLost):
            self.play.run(self.step(value, chosen(STEPS[value.state], step)))

    @precondition(lambda self: self.model.in_state("queued"))
    @rule(pick=picks)
    def submit_before_the_turn(self, pick: int) -> None:
        job = chosen(self.model.in_state("queued"), pick)
        with pytest.raises(StepLost):
            self.play.run(self.play.jobs.begin_submit(self.play.latest[job.tasks[0].id]))

    @precondition(lambda self: self.play.job_values)
    @rule(pick=picks, refunds=st.booleans())
    def end_a_job_that_was_read_long_ago(self, pick: int, refunds: bool) -> None:
        """What counts is how the row stands, not how it stood when it was read."""
        value = chosen(self.play.job_values, pick)
        end = self.play.refund if refunds else self.play.finish
        end(self.model.jobs[value.id], value)

    def untold(self) -> list[ModelJob]:
        return [job for job in self.model.jobs.values() if job.message_id is None]

    def stale_tasks(self) -> list[Task]:
        values, latest = self.play.task_values, self.play.latest
        return [value for value in values if STEPS[value.state] and value != latest[value.id]]

    def step(self, value: Task, step: str) -> Coroutine[Any, Any, object]:
        jobs, now = self.play.jobs, self.model.now
        match step:
            case "begin_submit" | "not_accepted":
                act: Callable[[Task], Coroutine[Any, Any, object]] = getattr(jobs, step)
                return act(value)
            case "submitted":
                return jobs.submitted(value, "another", now)
            case "stored":
                return jobs.stored(value, image(value), Cost(Microcredits(0), known=True), now)
            case _:
                return jobs.failed(value, MODERATION, now)

    # What must hold after every step

    @invariant()
    def jobs_and_tasks_are_those_of_the_model(self) -> None:
        self.play.compare_jobs()

    @invariant()
    def balances_are_those_of_the_model_and_the_sums_of_their_entries(self) -> None:
        self.play.compare_balances()

    @invariant()
    def budgets_are_less_what_was_asked_for_this_month(self) -> None:
        self.play.compare_budgets()

    @invariant()
    def each_hold_ends_exactly_once(self) -> None:
        self.play.compare_holds()

    @invariant()
    def the_queue_stands_in_its_fair_order(self) -> None:
        self.play.compare_queue()

    @invariant()
    def nothing_runs_beyond_its_caps(self) -> None:
        taken = [job.member for job in self.model.in_state("running", "delivering")]
        users = Counter(user for _, user in taken)
        servers = Counter(server for server, _ in taken if server)
        running = Counter(job.route for job in self.model.in_state("running"))
        assert max(users.values(), default=0) <= PER_USER
        assert max(servers.values(), default=0) <= PER_SERVER
        assert running[ROUTE] <= PER_ROUTE


def chosen(those: Any, pick: int) -> Any:
    return those[pick % len(those)]


@pytest.fixture(autouse=True, scope="module")
def from_the_migrated_schema(schema: Path) -> None:
    JobMachine.schema = schema


@pytest.mark.timeout(3_600)
class TestJobs(JobMachine.TestCase):
    # A fifth of what the profile asks for: a step here takes some milliseconds.
    settings = settings(max_examples=max(1, settings.default.max_examples // 5))


class RollingJobMachine(JobMachine):
    """The same, where each part of an allowance comes back a day after it was spent."""

    rolls = True


@pytest.mark.timeout(3_600)
class TestRollingJobs(RollingJobMachine.TestCase):
    settings = settings(max_examples=max(1, settings.default.max_examples // 10))
