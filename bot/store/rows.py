"""Rows of `jobs` and `tasks` as domain values, and back; requests and references as JSON."""

import json
import logging
from collections.abc import Mapping
from typing import Any, TypeVar

from msgspec import convert
from msgspec.structs import asdict

from bot.domain.jobs import Failure, Job, Problem, Reply, Task
from bot.domain.requests import UNREADABLE, ImageRequest, Reference
from bot.store.sql import Given, Row, Transaction, read_as, read_facts, write_facts

log = logging.getLogger(__name__)

T = TypeVar("T")

#: comes after the id of every job, which is a number in hexadecimal
LAST = "z"

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
        **asdict(job),
        **asdict(job.reply),
        "request": write_json(job.request),
        "parent_id": job.request.parent_id or None,
        "mode": job.request.mode,
    }


def read_job(row: Row) -> Job:
    return read_as(
        row,
        Job,
        request=read_request(row.request, job_id=row.id) or UNREADABLE,
        spoiler=row.spoiler or row.covered,
        reply=Reply(row.application_id, row.token, row.token_expires_at, row.file_bytes_max),
        problem=_problem(row),
        # None once its place is not kept any more.
        interaction_id=row.interaction_id or 0,
    )


def find_job(tx: Transaction, statement: str, given: Given) -> Job | None:
    """The job in the first row of a statement that has the columns JOB; None: there is no row."""
    row = tx.one_or_none(statement, given)
    return read_job(row) if row else None


def read_task(row: Row) -> Task:
    return read_as(row, Task, problem=_problem(row))


def problem_row(problem: Problem | None) -> dict[str, Any]:
    """The columns of a job's problem, or a task's."""
    facts = problem.facts if problem else {}
    return {"failure": problem and problem.failure, "facts": write_facts(facts)}


def _problem(row: Row) -> Problem | None:
    if not row.failure:
        return None
    failure = read_failure(row.failure)
    facts = {} if failure is Failure.INTERNAL else read_facts(row.facts)
    return Problem(failure, facts)


def read_failure(name: str) -> Failure:
    """INTERNAL where another version of Easel wrote it."""
    return Failure(name) if name in set(Failure) else Failure.INTERNAL


def read_request(text: str, **whose: object) -> ImageRequest | None:
    """
    A stored request; None: this version cannot read it. That is logged and not raised, so that one
    such row does not keep the others from being read.

    Args:
        whose: what the log says about a request that cannot be read.
    """
    return _read(text, ImageRequest, "request", whose)


def read_reference(text: str) -> Reference | None:
    """None: this version cannot read it."""
    return _read(text, Reference, "reference", {})


def _read(text: str, kind: type[T], name: str, whose: Mapping[str, object]) -> T | None:
    try:
        return convert(json.loads(text), kind)
    except (ValueError, RecursionError) as error:
        log.error(
            "%s unreadable: %s",
            name,
            type(error).__name__,
            extra={**whose, "action": f"{name}_unreadable"},
        )
        return None


def write_json(value: ImageRequest | Reference) -> str:
    text = json.dumps(value, ensure_ascii=False, default=asdict)
    try:
        text.encode()
    except UnicodeEncodeError:
        # It has half of a surrogate pair, which no database takes as a character.
        return json.dumps(value, default=asdict)
    return text
