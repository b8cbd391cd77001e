"""The table of a task's steps: which states there are, and how one follows another."""

from bot.domain.jobs import OPEN_TASK_STATES, TASK_STEPS, TaskState

FINALS = {TaskState.STORED, TaskState.FAILED}


def test_only_finals_have_no_steps() -> None:
    assert set(TASK_STEPS) == set(TaskState)
    assert {state for state in TaskState if not TASK_STEPS[state]} == FINALS


def test_every_state_is_reachable_and_leads_to_a_final() -> None:
    assert reachable(TaskState.PENDING) == set(TaskState)
    assert all(reachable(state) & FINALS for state in TaskState)


def test_a_task_is_sent_again_only_from_submitting() -> None:
    """Once a provider's task id is known there is no way back to a second submit."""
    before = {state for state, steps in TASK_STEPS.items() if TaskState.PENDING in steps}
    assert before == {TaskState.SUBMITTING}
    assert set(OPEN_TASK_STATES) == {
        TaskState.PENDING,
        TaskState.SUBMITTING,
        TaskState.SUBMITTED,
    }


def reachable(first: TaskState) -> set[TaskState]:
    found, new = set(), {first}
    while new:
        found |= new
        new = {after for state in new for after in TASK_STEPS[state]} - found
    return found
