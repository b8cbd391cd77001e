"""Removes what is too old: the words of jobs, and what the ledger does not need of their rows."""

from collections.abc import Collection

from bot.domain.requests import UNREADABLE
from bot.store.privacy import EMPTY_TASKS, WITHOUT_PLACE, WITHOUT_WORDS, without_words
from bot.store.rows import write_json
from bot.store.sql import Row, Transaction, among, listed, upsert

#: jobs that one transaction looks at
JOBS_AT_ONCE = 200
#: names of the sweeps; each remembers how far it has come
PROMPTS = "prompts"
JOBS = "jobs"

REACHED = "SELECT reached FROM sweeps WHERE name = :sweep"
REACH = upsert("sweeps", ("name",), "reached")
NEXT = f"""
    SELECT id, request, finished_at FROM jobs
    WHERE id > :after AND id < :until
    ORDER BY id LIMIT {JOBS_AT_ONCE}
"""
EMPTY = f"UPDATE jobs SET {WITHOUT_WORDS} WHERE id = :of_job"
REDUCE = f"""
    UPDATE jobs SET
        keeps_images = FALSE,
        parent_id = NULL,
        {WITHOUT_WORDS},
        {WITHOUT_PLACE}
    WHERE id = :of_job
"""
REMOVE_TASKS = f"DELETE FROM tasks WHERE job_id IN {among('ids')}"
KNOWN = f"SELECT id FROM jobs WHERE id IN {among('ids')}"


def empty_some(tx: Transaction, until: str) -> bool:
    """
    Take words and references out of some ended jobs, the oldest first.

    Args:
        until: only jobs whose ids come before this; see `id_at`.
    Returns:
        Whether there may be more.
    """
    found = _next(tx, PROMPTS, until)
    if found:
        tx.executemany(
            EMPTY, [{"of_job": row.id, "text": without_words(row.request)} for row in found]
        )
        tx.execute(EMPTY_TASKS, {"ids": listed(row.id for row in found)})
    return len(found) == JOBS_AT_ONCE


def reduce_some(tx: Transaction, until: str) -> bool:
    """The same, but leave only what the ledger needs: whose job it was, when, and its cost."""
    found = _next(tx, JOBS, until)
    if found:
        text = write_json(UNREADABLE)
        tx.executemany(REDUCE, [{"of_job": row.id, "text": text} for row in found])
        tx.execute(REMOVE_TASKS, {"ids": listed(row.id for row in found)})
    return len(found) == JOBS_AT_ONCE


def known(tx: Transaction, job_ids: Collection[str]) -> set[str]:
    """Which of these ids are ids of jobs."""
    return set(tx.scalars(KNOWN, {"ids": listed(job_ids)}))


def _next(tx: Transaction, sweep: str, until: str) -> list[Row]:
    """The next jobs of a sweep, which then count as looked at; it stops at a job under way."""
    reached = tx.scalar(REACHED, {"sweep": sweep})
    found: list[Row] = []
    for row in tx.rows(NEXT, {"after": reached or "", "until": until}):
        if row.finished_at is None:
            break
        found.append(row)
    if found:
        tx.execute(REACH, {"name": sweep, "reached": found[-1].id})
    return found
