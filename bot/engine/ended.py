"""How the carrying of a task ends early, and what a log says of a task."""

from bot.domain.jobs import Failure, Problem, Task
from bot.errors import Facts


class Ended(Exception):
    """
    A task ends with a problem; caught in bot/engine/making.py.

    Args:
        task: as it was last committed, where that was since its carrying began.
        elsewhere: another route may still make the image.
    """

    def __init__(
        self,
        failure: Failure,
        facts: Facts | None = None,
        *,
        task: Task | None = None,
        elsewhere: bool = False,
    ) -> None:
        super().__init__(failure)
        self.problem = Problem(failure, facts or {})
        self.task = task
        self.elsewhere = elsewhere


def task_fields(task: Task, action: str) -> dict[str, object]:
    return {
        "job_id": task.job_id,
        "task_id": task.id,
        "route": task.route_id,
        "provider_task_id": task.provider_task_id,
        "action": action,
    }
