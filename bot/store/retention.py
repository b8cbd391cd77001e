"""What is kept for so long and no longer: the words of jobs, and their rows but for the ledger."""

from collections.abc import Collection
from typing import Any

import sqlalchemy as sa

from bot.domain.requests import UNREADABLE
from bot.store.privacy import EMPTY_TASKS, WITHOUT_PLACE, WITHOUT_WORDS, without_words
from bot.store.rows import write_request
from bot.store.schema import jobs, sweeps, tasks

#: jobs that one transaction looks at
JOBS_AT_ONCE = 200
#: names of the sweeps, each of which remembers how far it came
PROMPTS = "prompts"
JOBS = "jobs"

_this = sweeps.c.name == sa.bindparam("sweep")
REACHED = sa.select(sweeps.c.reached).where(_this)
REACH = sa.update(sweeps).where(_this).values(reached=sa.bindparam("to"))
NEW_SWEEP = sa.insert(sweeps)
NEXT = (
    sa.select(jobs.c.id, jobs.c.request, jobs.c.finished_at)
    .where(jobs.c.id > sa.bindparam("after"), jobs.c.id < sa.bindparam("until"))
    .order_by(jobs.c.id)
    .limit(JOBS_AT_ONCE)
)
_of_job = jobs.c.id == sa.bindparam("of_job")
EMPTY = sa.update(jobs).where(_of_job).values(**WITHOUT_WORDS)
REDUCE = EMPTY.values(keeps_images=sa.false(), parent_id=None, **WITHOUT_PLACE)
REMOVE_TASKS = sa.delete(tasks).where(tasks.c.job_id.in_(sa.bindparam("ids", expanding=True)))
KNOWN = sa.select(jobs.c.id).where(jobs.c.id.in_(sa.bindparam("ids", expanding=True)))


def empty_some(tx: sa.Connection, until: str) -> bool:
    """
    Take words and references out of some ended jobs, the oldest first.

    Args:
        until: the jobs whose ids come before it; see `id_at`.
    Returns:
        Whether there may be more.
    """
    found = _next(tx, PROMPTS, until)
    if found:
        tx.execute(EMPTY, [{"of_job": row.id, "text": without_words(row.request)} for row in found])
        tx.execute(EMPTY_TASKS, {"ids": [row.id for row in found]})
    return len(found) == JOBS_AT_ONCE


def reduce_some(tx: sa.Connection, until: str) -> bool:
    """The same, and what stays is what the ledger needs: whose job it was, when, and its cost."""
    found = _next(tx, JOBS, until)
    if found:
        text = write_request(UNREADABLE)
        tx.execute(REDUCE, [{"of_job": row.id, "text": text} for row in found])
        tx.execute(REMOVE_TASKS, {"ids": [row.id for row in found]})
    return len(found) == JOBS_AT_ONCE


def known(tx: sa.Connection, job_ids: Collection[str]) -> set[str]:
    """Of these ids, those of jobs."""
    return set(tx.scalars(KNOWN, {"ids": list(job_ids)}))


def _next(tx: sa.Connection, sweep: str, until: str) -> list[Any]:
    """The next jobs of a sweep, which has looked at them with this; none behind one under way."""
    reached = tx.scalar(REACHED, {"sweep": sweep})
    found: list[Any] = []
    for row in tx.execute(NEXT, {"after": reached or "", "until": until}):
        if row.finished_at is None:
            break
        found.append(row)
    if found and reached is None:
        tx.execute(NEW_SWEEP, {"name": sweep, "reached": found[-1].id})
    elif found:
        tx.execute(REACH, {"sweep": sweep, "to": found[-1].id})
    return found
