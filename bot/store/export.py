"""Reads what is stored for an export: plain values for JSON, in pieces that hold nobody up."""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from bot.domain.oversight import Action
from bot.store.sql import Row, Transaction, among, listed, read_facts

JOBS_AT_ONCE = 200
ENTRIES_AT_ONCE = 1_000

#: a job's columns, except those that only serve to answer it or to work on it, and a copy (mode)
_OF_JOB = """
    id, server_id, channel_id, user_id, party_id, route_id, state, request, quote_ucr, cost_ucr,
    nsfw_checker, spoiler, file_bytes_max, message_id, failure, facts, created_at, started_at,
    finished_at, keeps_images, claims, interaction_id, locale, parent_id, unwatched, covered,
    removed
"""
_jobs_in = f"SELECT {_OF_JOB} FROM jobs WHERE server_id = :server AND id > :after"
_in_pieces = f"ORDER BY id LIMIT {JOBS_AT_ONCE}"
JOBS_IN = f"{_jobs_in} {_in_pieces}"
JOBS_OF = f"{_jobs_in} AND user_id = :user {_in_pieces}"
IMAGES = f"""
    SELECT job_id, image_name FROM tasks
    WHERE job_id IN {among("ids")} AND image_name IS NOT NULL
    ORDER BY id
"""
ENTRIES_OF = f"""
    SELECT * FROM entries
    WHERE server_id = :server AND user_id = :user AND id > :after
    ORDER BY id LIMIT {ENTRIES_AT_ONCE}
"""
ACCOUNTS_IN = "SELECT * FROM accounts WHERE server_id = :server"
#: name in the export -> what is read of a member, and below of a server
OF_MEMBER = {
    "preferences": "SELECT value FROM preferences WHERE user_id = :user",
    "presets": "SELECT name, request, saved_at FROM presets WHERE user_id = :user",
    "basket": "SELECT reference, added_at FROM basket WHERE user_id = :user",
    "drafts": "SELECT request, created_at FROM drafts WHERE user_id = :user",
    "blocks": "SELECT server_id, reason, created_at, until FROM blocks WHERE user_id = :user",
}
#: the same of a member's account in one server
OF_ACCOUNT = {
    "accounts": f"{ACCOUNTS_IN} AND user_id = :user",
    "returns": """
        SELECT id, server_id, amount_ucr, due_at FROM returns
        WHERE server_id = :server AND user_id = :user
        ORDER BY due_at
    """,
}
OF_SERVER = {
    "accounts": ACCOUNTS_IN,
    "settings": "SELECT name, value FROM server_settings WHERE server_id = :server",
    "blocks": "SELECT * FROM blocks WHERE server_id = :server",
    "returns": "SELECT * FROM returns WHERE server_id = :server ORDER BY user_id, due_at",
    "notices": "SELECT period_start, percent FROM notices WHERE server_id = :server",
}
#: what was done by moderators and to members, which may be much: read in pieces, by ids
_in_trail = f"id > :after ORDER BY id LIMIT {ENTRIES_AT_ONCE}"
TRAIL_OF_MEMBER = {
    # Not by whom. What members report of each other is for moderators alone.
    "acts_to_you": f"""
        SELECT id, server_id, action, job_id, amount_ucr, reason, created_at FROM acts
        WHERE user_id = :user AND action != '{Action.REPORT}' AND {_in_trail}
    """,
    "acts_by_you": f"""
        SELECT id, server_id, action, user_id, job_id, amount_ucr, reason, created_at FROM acts
        WHERE by_id = :user AND {_in_trail}
    """,
    "setting_changes": f"""
        SELECT id, server_id, setting, old, new, created_at FROM setting_changes
        WHERE user_id = :user AND {_in_trail}
    """,
}
TRAIL_OF_SERVER = {
    "setting_changes": f"SELECT * FROM setting_changes WHERE server_id = :server AND {_in_trail}",
    "acts": f"SELECT * FROM acts WHERE server_id = :server AND {_in_trail}",
}
#: columns that hold JSON
_JSON = frozenset({"request", "reference"})
#: columns that are true or false
_BOOLEAN = frozenset({"nsfw_checker", "spoiler", "keeps_images", "unwatched", "covered", "removed"})

Values = dict[str, Any]


def some_jobs(
    tx: Transaction, server_id: int, after: str, user_id: int | None = None
) -> list[Values]:
    """
    The next jobs of a server, or of a member in it, oldest first, with the names of their images.

    Args:
        after: id of the last job before them; empty: from the first on.
    """
    given = {"server": server_id, "user": user_id, "after": after}
    told = [_told(row) for row in tx.rows(JOBS_IN if user_id is None else JOBS_OF, given)]
    images: dict[str, list[str]] = {job["id"]: [] for job in told}
    for row in tx.rows(IMAGES, {"ids": listed(images)}):
        images[row.job_id].append(row.image_name)
    return [job | {"images": images[job["id"]]} for job in told]


def some_rows(
    tx: Transaction, statement: str, whose: Mapping[str, int], after: int
) -> list[Values]:
    """
    The next entries, or the next of what was done, oldest first.

    Args:
        statement: ENTRIES_OF, or one of TRAIL_OF_MEMBER or TRAIL_OF_SERVER.
        whose: as for `rest`.
        after: a row's id; 0: from the first on.
    """
    return [_told(row) for row in tx.rows(statement, {**whose, "after": after})]


def rest(
    tx: Transaction, statements: Mapping[str, str], whose: Mapping[str, int]
) -> dict[str, list[Values]]:
    """
    What is stored beside jobs, entries and the trail, by its name in the export.

    Args:
        statements: OF_MEMBER, OF_ACCOUNT or OF_SERVER.
        whose: the ids that these take: `user`, `server` or both.
    """
    return {
        name: [_told(row) for row in tx.rows(statement, whose)]
        for name, statement in statements.items()
    }


def _told(row: Row) -> Values:
    return {name: _plain(name, value) for name, value in row._asdict().items()}


def _plain(name: str, value: Any) -> Any:
    if value is None:
        return None
    if isinstance(value, datetime):
        return value.isoformat()
    if name in _BOOLEAN:
        return bool(value)
    if name == "facts":
        return read_facts(value)
    if name in _JSON:
        try:
            return json.loads(value)
        except (ValueError, RecursionError):
            # Another version of Easel wrote it.
            return value
    return value
