"""What is stored, as it is given out: plain values for JSON, in pieces that hold nobody up."""

import json
from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

import sqlalchemy as sa

from bot.store.schema import (
    accounts,
    acts,
    basket,
    blocks,
    drafts,
    entries,
    jobs,
    preferences,
    presets,
    server_settings,
    setting_changes,
    tasks,
)

JOBS_AT_ONCE = 200
ENTRIES_AT_ONCE = 1_000

_user: sa.BindParameter[int] = sa.bindparam("user")
_server: sa.BindParameter[int] = sa.bindparam("server")
#: a job's columns but for what only lets us answer, or is a copy of another
_OF_JOB = tuple(
    column
    for column in jobs.c
    if column.name
    not in ("application_id", "token", "token_expires_at", "lease_owner", "lease_until", "mode")
)
_jobs = sa.select(*_OF_JOB).where(jobs.c.server_id == _server, jobs.c.id > sa.bindparam("after"))
JOBS_IN = _jobs.order_by(jobs.c.id).limit(JOBS_AT_ONCE)
JOBS_OF = _jobs.where(jobs.c.user_id == _user).order_by(jobs.c.id).limit(JOBS_AT_ONCE)
IMAGES = (
    sa.select(tasks.c.job_id, tasks.c.image_name)
    .where(tasks.c.job_id.in_(sa.bindparam("ids", expanding=True)), tasks.c.image_name.is_not(None))
    .order_by(tasks.c.id)
)
ENTRIES_OF = (
    sa.select(entries)
    .where(
        entries.c.server_id == _server,
        entries.c.user_id == _user,
        entries.c.id > sa.bindparam("after"),
    )
    .order_by(entries.c.id)
    .limit(ENTRIES_AT_ONCE)
)
ACCOUNTS_IN = sa.select(accounts).where(accounts.c.server_id == _server)
#: a table's name in what is given out -> what it says of a member, or of a server
OF_MEMBER = {
    "preferences": sa.select(preferences.c.value).where(preferences.c.user_id == _user),
    "presets": sa.select(presets.c.name, presets.c.request, presets.c.saved_at).where(
        presets.c.user_id == _user
    ),
    "basket": sa.select(basket.c.reference, basket.c.added_at).where(basket.c.user_id == _user),
    "drafts": sa.select(drafts.c.request, drafts.c.created_at).where(drafts.c.user_id == _user),
    "blocks": sa.select(
        blocks.c.server_id, blocks.c.reason, blocks.c.created_at, blocks.c.until
    ).where(blocks.c.user_id == _user),
}
OF_SERVER = {
    "settings": sa.select(server_settings.c.name, server_settings.c.value).where(
        server_settings.c.server_id == _server
    ),
    "setting_changes": sa.select(setting_changes)
    .where(setting_changes.c.server_id == _server)
    .order_by(setting_changes.c.id),
    "acts": sa.select(acts).where(acts.c.server_id == _server).order_by(acts.c.id),
    "blocks": sa.select(blocks).where(blocks.c.server_id == _server),
}
#: columns that hold JSON
_JSON = frozenset({"request", "reference"})

Values = dict[str, Any]


def some_jobs(
    tx: sa.Connection, server_id: int, after: str, user_id: int | None = None
) -> list[Values]:
    """
    The next jobs of a server, or of a member in it, oldest first, with the names of their images.

    Args:
        after: the last job's id; empty: from the first on.
    """
    given: Values = {"server": server_id, "after": after}
    if user_id is None:
        found = tx.execute(JOBS_IN, given)
    else:
        found = tx.execute(JOBS_OF, given | {"user": user_id})
    told = [_told(row) for row in found]
    images: dict[str, list[str]] = {job["id"]: [] for job in told}
    for row in tx.execute(IMAGES, {"ids": list(images)}):
        images[row.job_id].append(row.image_name)
    return [job | {"images": images[job["id"]]} for job in told]


def some_entries(tx: sa.Connection, server_id: int, user_id: int, after: int) -> list[Values]:
    """The next entries of an account, oldest first; after 0: from the first on."""
    given = {"server": server_id, "user": user_id, "after": after}
    return [_told(row) for row in tx.execute(ENTRIES_OF, given)]


def accounts_in(tx: sa.Connection, server_id: int) -> list[Values]:
    return [_told(row) for row in tx.execute(ACCOUNTS_IN, {"server": server_id})]


def rest_of_member(tx: sa.Connection, user_id: int) -> Mapping[str, list[Values]]:
    """All that is stored of a member beside jobs and entries, by its kind."""
    return _rest(tx, OF_MEMBER, {"user": user_id})


def rest_of_server(tx: sa.Connection, server_id: int) -> Mapping[str, list[Values]]:
    """The same of a server."""
    return _rest(tx, OF_SERVER, {"server": server_id})


def _rest(
    tx: sa.Connection, statements: Mapping[str, sa.Select[Any]], given: Values
) -> Mapping[str, list[Values]]:
    return {
        name: [_told(row) for row in tx.execute(statement, given)]
        for name, statement in statements.items()
    }


def _told(row: sa.Row[Any]) -> Values:
    return {name: _plain(name, value) for name, value in row._mapping.items()}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if name in _JSON:
        try:
            return json.loads(value)
        except ValueError:
            # Of another version of Easel.
            return value
    return value
