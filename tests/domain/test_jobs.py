"""The step tables: which states there are, and how one follows another."""

from collections.abc import Mapping
from enum import StrEnum

import pytest

from bot.domain.jobs import JOB_STEPS, OPEN_TASK_STATES, TASK_STEPS, JobState, TaskState

Steps = Mapping[StrEnum, frozenset[StrEnum]]

of_jobs_and_tasks = pytest.mark.parametrize(
    ("states", "steps", "finals"),
    [
        (JobState, JOB_STEPS, {JobState.DONE, JobState.FAILED, JobState.CANCELLED}),
        (TaskState, TASK_STEPS, {TaskState.STORED, TaskState.FAILED}),
    ],
    ids=["jobs", "tasks"],
)


@of_jobs_and_tasks
def test_only_finals_have_no_steps(states: type[StrEnum], steps: Steps, finals: set) -> None:
    assert set(steps) == set(states)
    assert {state for state in states if not steps[state]} == finals


@of_jobs_and_tasks
def test_every_state_is_reachable_and_leads_to_a_final(
    states: type[StrEnum], steps: Steps, finals: set
) -> None:
    first = next(iter(states))
    assert reachable(steps, first) == set(states)
    assert all(reachable(steps, state) & finals for state in states)


def test_a_task_is_sent_again_only_from_submitting() -> None:
    """Once a provider's task id is known there is no way back to a second submit."""
    before = {state for state, steps in TASK_STEPS.items() if TaskState.PENDING in steps}
    assert before == {TaskState.SUBMITTING}
    assert set(OPEN_TASK_STATES) == {
        TaskState.PENDING,
        TaskState.SUBMITTING,
        TaskState.SUBMITTED,
    }


def test_a_job_whose_hold_has_ended_is_not_cancelled() -> None:
    before = {state for state, steps in JOB_STEPS.items() if JobState.CANCELLED in steps}
    assert before == {JobState.QUEUED, JobState.RUNNING}


def reachable(steps: Steps, first: StrEnum) -> set[StrEnum]:
    found, new = set(), {first}
    while new:
        found |= new
        new = {after for state in new for after in steps[state]} - found
    return found
