"""Rows of `jobs` and `tasks` as domain values, and back; requests and references as JSON."""

import json
import logging
from typing import Any

from msgspec import ValidationError, convert
from msgspec.structs import asdict

from bot.domain.jobs import Failure, Job, JobState, Problem, Reply, Task, TaskState
from bot.domain.requests import UNREADABLE, ImageRequest, Reference
from bot.store.sql import Row, read_facts, read_time, write_facts

log = logging.getLogger(__name__)

#: comes after the id of every job, which is a number in hexadecimal
LAST = "z"
#: what reading another version's JSON may raise
UNREADABLE_FOR = (ValueError, ValidationError, RecursionError)

#: the columns that `read_job` needs
JOB = (
    "id, server_id, channel_id, user_id, state, request, quote_ucr, cost_ucr, nsfw_checker,"
    " spoiler, application_id, token, token_expires_at, file_bytes_max, message_id, failure, facts,"
    " created_at, started_at, finished_at, keeps_images, claims, interaction_id, locale, unwatched,"
    " covered, removed"
)
#: the columns that `read_task` needs
TASK = (
    "id, job_id, image_index, route_id, price_ucr, state, submits, provider_task_id, submitted_at,"
    " image_name, width_px, height_px, size_bytes, cost_ucr, cost_known, failure, facts"
)


def job_row(job: Job) -> dict[str, Any]:
    """The columns of a job that is being accepted, without those that only later steps write."""
    return {
        "id": job.id,
        "server_id": job.server_id,
        "channel_id": job.channel_id,
        "user_id": job.user_id,
        "state": job.state,
        "request": write_request(job.request),
        "parent_id": job.request.parent_id or None,
        "mode": job.request.mode,
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
        request=read_request(row.request, job_id=row.id) or UNREADABLE,
        state=JobState(row.state),
        quote_ucr=row.quote_ucr,
        cost_ucr=row.cost_ucr,
        nsfw_checker=bool(row.nsfw_checker),
        spoiler=bool(row.spoiler or row.covered),
        reply=Reply(
            row.application_id, row.token, read_time(row.token_expires_at), row.file_bytes_max
        ),
        created_at=read_time(row.created_at),
        interaction_id=row.interaction_id,
        locale=row.locale,
        started_at=read_time(row.started_at),
        message_id=row.message_id,
        problem=_problem(row),
        claims=row.claims,
        finished_at=read_time(row.finished_at),
        keeps_images=bool(row.keeps_images),
        unwatched=bool(row.unwatched),
        covered=bool(row.covered),
        removed=bool(row.removed),
    )


def read_task(row: Row) -> Task:
    values = row._asdict() | {
        "state": TaskState(row.state),
        "submitted_at": read_time(row.submitted_at),
        "cost_known": bool(row.cost_known),
        "problem": _problem(row),
    }
    del values["failure"], values["facts"]
    return Task(**values)


def problem_row(problem: Problem | None) -> dict[str, Any]:
    """The columns of a job's problem, or a task's."""
    facts = problem.facts if problem else {}
    return {"failure": problem and problem.failure, "facts": write_facts(facts)}


def _problem(row: Row) -> Problem | None:
    if not row.failure:
        return None
    try:
        return Problem(Failure(row.failure), read_facts(row.facts))
    except ValueError:
        # Another version of Easel wrote it.
        return Problem(Failure.INTERNAL)


def write_request(request: ImageRequest) -> str:
    return _write(request)


def read_request(text: str, **whose: object) -> ImageRequest | None:
    """
    A stored request; None: this version cannot read it. That is logged and not raised, so that one
    such row does not keep the others from being read.

    Args:
        whose: what the log says about a request that cannot be read.
    """
    try:
        return convert(json.loads(text), ImageRequest)
    except UNREADABLE_FOR as error:
        log.error(
            "request unreadable: %s",
            type(error).__name__,
            extra={**whose, "action": "request_unreadable"},
        )
        return None


def write_reference(reference: Reference) -> str:
    return _write(reference)


def read_reference(text: str) -> Reference | None:
    """None: this version cannot read it."""
    try:
        return convert(json.loads(text), Reference)
    except UNREADABLE_FOR as error:
        log.error(
            "reference unreadable: %s",
            type(error).__name__,
            extra={"action": "reference_unreadable"},
        )
        return None


def _write(value: ImageRequest | Reference) -> str:
    text = json.dumps(value, ensure_ascii=False, default=asdict)
    try:
        text.encode()
    except UnicodeEncodeError:
        # It has half of a surrogate pair, which no database takes as a character.
        return json.dumps(value, default=asdict)
    return text
