"""Rows of `jobs` and `tasks` as domain values, and back."""

import json
from dataclasses import asdict
from typing import Any

import sqlalchemy as sa

from bot.domain.jobs import Failure, Job, JobState, Problem, Reply, Task, TaskState
from bot.domain.requests import ImageRequest, Mode, Reference

Row = sa.Row[tuple[Any, ...]]


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
    }


def read_job(row: Row) -> Job:
    return Job(
        id=row.id,
        server_id=row.server_id,
        channel_id=row.channel_id,
        user_id=row.user_id,
        request=_request(row.request),
        state=JobState(row.state),
        quote_ucr=row.quote_ucr,
        cost_ucr=row.cost_ucr,
        nsfw_checker=row.nsfw_checker,
        spoiler=row.spoiler,
        reply=Reply(row.application_id, row.token, row.token_expires_at, row.file_bytes_max),
        created_at=row.created_at,
        interaction_id=row.interaction_id,
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
    del values["failure"], values["detail"]
    return Task(**values | {"state": TaskState(row.state), "problem": problem})


def _problem(row: Row) -> Problem | None:
    return Problem(Failure(row.failure), row.detail) if row.failure else None


def _request(text: str) -> ImageRequest:
    values = json.loads(text)
    values["mode"] = Mode(values["mode"])
    values["references"] = tuple(Reference(**entry) for entry in values["references"])
    if values["mask"]:
        values["mask"] = Reference(**values["mask"])
    return ImageRequest(**values)
