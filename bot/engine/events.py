"""Reports what happens to jobs as log lines, in one place, where metrics could be counted too."""

import logging

from bot.domain.jobs import Task

log = logging.getLogger("bot.engine")


def emit(
    action: str,
    message: str,
    *args: object,
    level: int = logging.INFO,
    task: Task | None = None,
    trace: bool = False,
    **fields: object,
) -> None:
    """
    Args:
        action: a fixed name by which a search finds the event, whatever the message says.
        message: with places for `args`, as logging takes it.
        task: the task that it happened to; `bot.about` adds the job.
        trace: add the traceback of the exception that is being handled.
    """
    if task is not None:
        fields = {
            "job_id": task.job_id,
            "task_id": task.id,
            "route": task.route_id,
            "provider_task_id": task.provider_task_id,
            **fields,
        }
    log.log(level, message, *args, exc_info=trace, extra={"action": action, **fields})
