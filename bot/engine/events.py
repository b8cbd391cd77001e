"""Reports what happens to jobs, in one place: as log lines, and as counts for `/metrics`."""

import logging
from collections import Counter

from bot.domain.jobs import Task
from bot.errors import ProviderError, ProviderMisconfigured

log = logging.getLogger("bot.engine")

#: (action, route's id) -> how often it has happened in this process; empty: it is not of a task
happened: Counter[tuple[str, str]] = Counter()
#: route's id -> micro-credits that the images cost which this process has stored
cost_ucr_of_routes: Counter[str] = Counter()


def emit(
    action: str,
    message: str,
    *args: object,
    level: int = logging.INFO,
    task: Task | None = None,
    cost_ucr: int | None = None,
    trace: bool = False,
    **fields: object,
) -> None:
    """
    Args:
        action: a fixed name by which a search finds the event, whatever the message says.
        message: with places for `args`, as logging takes it.
        task: the task that it happened to; `bot.about` adds the job.
        cost_ucr: what the task's image cost.
        trace: add the traceback of the exception that is being handled.
    """
    if level > logging.DEBUG:
        # At DEBUG, an event that is told already is told again in the vendor's words.
        happened[action, task.route_id if task else ""] += 1
    if task is not None:
        fields = {
            "job_id": task.job_id,
            "task_id": task.id,
            "route": task.route_id,
            "provider_task_id": task.provider_task_id,
            **fields,
        }
        if cost_ucr is not None:
            cost_ucr_of_routes[task.route_id] += cost_ucr
            fields["cost_ucr"] = cost_ucr
    log.log(level, message, *args, exc_info=trace, extra={"action": action, **fields})


def emit_refused(action: str, message: str, error: ProviderError, task: Task | None = None) -> None:
    """A vendor did not take what it was sent; a fault that the operator can mend is an error."""
    level = logging.ERROR if isinstance(error, ProviderMisconfigured) else logging.WARNING
    emit(action, f"{message}: %s", error, level=level, task=task)
    emit(action, "in words: %s", error.words, level=logging.DEBUG, task=task)
