"""What happens to jobs, told in one place: as a log line, which a metric can be counted beside."""

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
        action: what a search finds, whatever the words are.
        message: with places for `args`, as logging takes it.
        task: that it happened to; the job is known from `bot.about`.
        trace: of the exception that is being handled.
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
