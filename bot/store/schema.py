"""Reads the tables from schema.sql, and holds the conditions of its indexes."""

import re
from pathlib import Path

from bot.domain.jobs import JobState
from bot.domain.ledger import EntryKind
from bot.store.sql import one_of

SCHEMA = Path(__file__).with_name("schema.sql")

# SQLite uses an index with a condition only for a statement that repeats the condition word for
# word: a bound value proves nothing. So each condition stands in its index and in the statements.
# It prefers an index on the server, though that leads to all jobs there ever were: statements on
# jobs under way keep it from that by a plus before the column.
IS_QUEUED = "state = 'queued'"
IS_WORKED_ON = one_of("state", (JobState.RUNNING, JobState.DELIVERING))
IS_CANCELLED = "state = 'cancelled'"
IS_WAITING = "waiting > 0"
HAS_PARENT = "parent_id IS NOT NULL"
IS_REPORT = "action = 'report'"
HAS_AUTHOR = "by_id IS NOT NULL"
#: kinds that an account has at most once for a job
OF_A_JOB = one_of("kind", (EntryKind.HOLD, EntryKind.SETTLE, EntryKind.RELEASE, EntryKind.REFUND))


def statements() -> list[str]:
    """The statements that make Easel's tables in an empty database, in order."""
    # A migration that copies a table parses the table's stored text, and knows no comments.
    bare = re.sub(r"^ *--.*\n", "", SCHEMA.read_text("utf-8"), flags=re.MULTILINE)
    return bare.split(";\n")
