"""Rows of `jobs` and `tasks` as domain values, and back."""

import json
import logging
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from bot.domain.jobs import Failure, Job, JobState, Problem, Reply, Task, TaskState
from bot.domain.requests import UNREADABLE, ImageRequest, Mode, Reference
from bot.store.schema import jobs

log = logging.getLogger(__name__)

Row = sa.Row[tuple[Any, ...]]

#: the columns that `read_job` needs
JOB = tuple(
    column
    for column in jobs.c
    if column.name not in ("party_id", "route_id", "lease_owner", "lease_until")
)


def job_row(job: Job) -> dict[str, Any]:
    """A job as it is accepted; what only later steps write is left out."""
    return {
        "id": job.id,
        "server_id": job.server_id,
        "channel_id": job.channel_id,
        "user_id": job.user_id,
        "state": job.state,
        "request": json.dumps(asdict(job.request), ensure_ascii=False),
        "quote_ucr": job.quote_ucr,
        "nsfw_checker": job.nsfw_checker,
        "spoiler": job.spoiler,
        "application_id": job.reply.application_id,
        "token": job.reply.token,
        "token_expires_at": job.reply.token_expires_at,
        "file_bytes_max": job.reply.file_bytes_max,
        "created_at": job.created_at,
        "interaction_id": job.interaction_id,
        "locale": job.locale,
    }


def read_job(row: Row) -> Job:
    return Job(
        id=row.id,
        server_id=row.server_id,
        channel_id=row.channel_id,
        user_id=row.user_id,
        request=_request(row.id, row.request),
        state=JobState(row.state),
        quote_ucr=row.quote_ucr,
        cost_ucr=row.cost_ucr,
        nsfw_checker=row.nsfw_checker,
        spoiler=row.spoiler,
        reply=Reply(row.application_id, row.token, row.token_expires_at, row.file_bytes_max),
        created_at=row.created_at,
        interaction_id=row.interaction_id,
        locale=row.locale,
        started_at=row.started_at,
        message_id=row.message_id,
        problem=_problem(row),
        claims=row.claims,
        finished_at=row.finished_at,
        keeps_images=row.keeps_images,
    )


def task_row(task: Task) -> dict[str, Any]:
    """A task as it is accepted; what only later steps write is left out."""
    return {
        "id": task.id,
        "job_id": task.job_id,
        "image_index": task.image_index,
        "route_id": task.route_id,
        "price_ucr": task.price_ucr,
        "state": task.state,
    }


def read_task(row: Row) -> Task:
    values = dict(row._mapping)
    problem = _problem(row)
    del values["failure"], values["facts"]
    return Task(**values | {"state": TaskState(row.state), "problem": problem})


def _problem(row: Row) -> Problem | None:
    if not row.failure:
        return None
    try:
        return Problem(Failure(row.failure), row.facts)
    except ValueError:
        # Of another version of Easel.
        return Problem(Failure.INTERNAL)


def _request(job_id: str, text: str) -> ImageRequest:
    """One row that this version cannot read must not keep all others from being read."""
    try:
        values = json.loads(text)
        values["mode"] = Mode(values["mode"])
        values["references"] = tuple(Reference(**entry) for entry in values["references"])
        if values["mask"]:
            values["mask"] = Reference(**values["mask"])
        return ImageRequest(**values)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        log.error(
            "request unreadable: %s",
            type(error).__name__,
            extra={"job_id": job_id, "action": "request_unreadable"},
        )
        return UNREADABLE
