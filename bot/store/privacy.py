"""
What is stored of a member, and how it is erased: in pieces, between which others may write.

At each commit the books balance. The entries of an account move one piece after the other to the
account of a random negative id that stands for nobody; what they add up to stays behind as one
entry, and its opposite goes with them. So in the end the member still has what they had left, no
more and no less, and nothing says how they came by it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from bot.domain.ledger import Allowance, EntryKind, period_end
from bot.domain.requests import UNREADABLE, emptied
from bot.store import ledger, queue, schema
from bot.store.rows import read_request, write_request
from bot.store.schema import (
    HAS_AUTHOR,
    IS_QUEUED,
    IS_WORKED_ON,
    accounts,
    acts,
    blocks,
    entries,
    erasures,
    jobs,
    returns,
    setting_changes,
    tasks,
)

#: jobs, and entries, that one transaction changes
JOBS_AT_ONCE = 100
ENTRIES_AT_ONCE = 500
#: erased ids have fewer bits than any id of Discord's, so that no member in direct messages, whose
#: party is minus their id, is taken for one
ERASED_ID_MAX = 2**48

_user: sa.BindParameter[int] = sa.bindparam("user")
_erased: sa.BindParameter[int] = sa.bindparam("erased")
_server: sa.BindParameter[int] = sa.bindparam("server")
_ids: sa.BindParameter[Any] = sa.bindparam("ids", expanding=True)

# Members have accounts in few servers, and servers are few beside members: so leap from one server
# to the next by the key, which begins with it.
_first = sa.select(sa.func.min(accounts.c.server_id).label("id")).cte("servers", recursive=True)
_servers = _first.union_all(
    sa.select(
        sa.select(sa.func.min(accounts.c.server_id))
        .where(accounts.c.server_id > _first.c.id)
        .scalar_subquery()
    ).where(_first.c.id.is_not(None))
)
SERVERS = sa.select(_servers.c.id).where(
    sa.exists().where(accounts.c.server_id == _servers.c.id, accounts.c.user_id == _user)
)
UNDER_WAY = sa.union_all(
    *(
        sa.select(jobs.c.id).where(sa.text(f"jobs.{condition}"), jobs.c.user_id == _user)
        for condition in (IS_QUEUED, IS_WORKED_ON)
    )
)

ERASURE = sa.select(erasures.c.erased_id).where(erasures.c.user_id == _user)
NEW_ERASURE = sa.insert(erasures)
AGAIN = (
    sa.update(erasures)
    .where(erasures.c.user_id == _user)
    .values(erased_id=_erased, asked_at=sa.bindparam("now"))
)
PENDING = sa.select(erasures.c.user_id, erasures.c.erased_id).where(
    erasures.c.erased_id.is_not(None)
)
WATCHED = sa.select(erasures.c.user_id).where(erasures.c.erased_id.is_(None))
DONE = sa.update(erasures).where(erasures.c.user_id == _user).values(erased_id=None)
FORGET = sa.delete(erasures).where(erasures.c.user_id == _user)

_jobs_here = sa.and_(jobs.c.server_id == _server, jobs.c.user_id == _user)
JOBS = sa.select(jobs.c.id, jobs.c.request).where(_jobs_here).order_by(jobs.c.id)
IMAGES = sa.select(tasks.c.image_name).where(
    tasks.c.job_id.in_(_ids), tasks.c.image_name.is_not(None)
)
#: what a job's row holds beside what the ledger needs, and so of its member and their words
WITHOUT_WORDS: dict[str, Any] = {
    "request": sa.bindparam("text"),
    "token": "",
    "facts": {},
}
WITHOUT_PLACE: dict[str, Any] = {
    "channel_id": 0,
    "message_id": None,
    "interaction_id": None,
    "locale": "en-US",
}
ERASE_JOB = (
    sa.update(jobs)
    .where(jobs.c.id == sa.bindparam("of_job"))
    .values(
        user_id=_erased,
        party_id=sa.case((jobs.c.server_id == 0, _erased), else_=jobs.c.party_id),
        keeps_images=sa.false(),
        **WITHOUT_WORDS,
        **WITHOUT_PLACE,
    )
)
EMPTY_TASKS = sa.update(tasks).where(tasks.c.job_id.in_(_ids)).values(facts={})
ERASE_TASKS = EMPTY_TASKS.values(provider_task_id=None)

_of_account = sa.and_(entries.c.server_id == _server, entries.c.user_id == _user)
_not_carried = entries.c.by_id.is_(None) | (entries.c.by_id != _erased)
ENTRIES = (
    sa.select(entries.c.id, entries.c.allowance_ucr, entries.c.grant_ucr)
    .where(_of_account, _not_carried)
    .order_by(entries.c.id)
    .limit(ENTRIES_AT_ONCE)
)
MOVE = (
    sa.update(entries)
    .where(_of_account, _not_carried, entries.c.id <= sa.bindparam("last"))
    .values(user_id=_erased, reason=None)
)
CARRIED_ON = (
    sa.update(entries)
    .where(_of_account, entries.c.by_id == _erased, entries.c.kind == EntryKind.CORRECT)
    .values(
        allowance_ucr=entries.c.allowance_ucr + sa.bindparam("allowance"),
        grant_ucr=entries.c.grant_ucr + sa.bindparam("grant"),
    )
)
CARRIED = sa.insert(entries)
CARRIED_NOTHING = sa.delete(entries).where(
    _of_account,
    entries.c.by_id == _erased,
    entries.c.allowance_ucr == 0,
    entries.c.grant_ucr == 0,
)
CARRIED_TO_THE_END = (
    sa.update(entries).where(_of_account, entries.c.by_id == _erased).values(by_id=None)
)
#: entries of others that the member wrote as a moderator
WROTE = (
    sa.select(entries.c.id)
    .where(sa.text(f"entries.{HAS_AUTHOR}"), entries.c.by_id == _user)
    .limit(ENTRIES_AT_ONCE)
)
WROTE_NOTHING = sa.update(entries).where(entries.c.id.in_(_ids)).values(by_id=_erased, reason=None)

THEIRS = [
    sa.delete(table).where(table.c.user_id == _user)
    for table in (schema.preferences, schema.drafts, schema.basket, schema.presets)
]
#: what moderators did to them, and what they did as one; a block stays, by which it is erased too
TRAIL = [
    sa.update(acts).where(acts.c.user_id == _user).values(user_id=_erased, reason=""),
    sa.update(acts).where(acts.c.by_id == _user).values(by_id=_erased, reason=""),
    sa.update(blocks).where(blocks.c.by_id == _user).values(by_id=_erased),
    sa.update(setting_changes).where(setting_changes.c.user_id == _user).values(user_id=_erased),
]
LINE = sa.delete(schema.queue).where(
    schema.queue.c.party_id == sa.bindparam("party"), schema.queue.c.user_id.in_(_ids)
)

RETURNS = sa.select(sa.func.count()).where(
    returns.c.server_id == _server, returns.c.user_id == _user
)
LATEST_KINDS = sa.select(entries.c.kind).where(_of_account).limit(2)
REMOVE_ENTRIES = sa.delete(entries).where(_of_account)
REMOVE_ACCOUNT = sa.delete(accounts).where(
    accounts.c.server_id == _server, accounts.c.user_id == _user
)


@dataclass(frozen=True, slots=True)
class Erasure:
    user_id: int
    #: what stands in the place of their id
    erased_id: int


def servers_of(tx: sa.Connection, user_id: int) -> list[int]:
    """Where the member has an account, and so jobs; 0 is direct messages."""
    return list(tx.scalars(SERVERS, {"user": user_id}))


def begin(tx: sa.Connection, user_id: int, erased_id: int, now: datetime) -> list[str]:
    """
    From now on no job of the member's is accepted, until `finish`; asked again, nothing changes.

    Args:
        erased_id: random and negative, above -ERASED_ID_MAX.
    Returns:
        The ids of their jobs under way.
    """
    row = tx.execute(ERASURE, {"user": user_id}).one_or_none()
    if row is None:
        new = {"user_id": user_id, "erased_id": erased_id, "asked_at": now}
        tx.execute(NEW_ERASURE, new)
    elif row.erased_id is None:
        tx.execute(AGAIN, {"user": user_id, "erased": erased_id, "now": now})
    return under_way(tx, user_id)


def under_way(tx: sa.Connection, user_id: int) -> list[str]:
    """The ids of the member's jobs that have not ended, in whichever server."""
    return list(tx.scalars(UNDER_WAY, {"user": user_id}))


def pending(tx: sa.Connection) -> list[Erasure]:
    """What was begun, and is not finished."""
    return [Erasure(row.user_id, row.erased_id) for row in tx.execute(PENDING)]


def next_jobs(tx: sa.Connection, user_id: int, server_id: int) -> tuple[list[str], list[str]]:
    """Of those that are not erased yet, the ids of some jobs, and the names of their images."""
    found = tx.execute(JOBS.limit(JOBS_AT_ONCE), {"server": server_id, "user": user_id})
    ids = [row.id for row in found]
    return ids, list(tx.scalars(IMAGES, {"ids": ids}))


def erase_jobs(tx: sa.Connection, erasure: Erasure, server_id: int) -> None:
    """The same jobs: words, references, places and the member are gone; what they cost stays."""
    given = {"server": server_id, "user": erasure.user_id}
    found = tx.execute(JOBS.limit(JOBS_AT_ONCE), given).all()
    if not found:
        return
    tx.execute(
        ERASE_JOB,
        [
            {"of_job": row.id, "erased": erasure.erased_id, "text": without_words(row.request)}
            for row in found
        ],
    )
    tx.execute(ERASE_TASKS, {"ids": [row.id for row in found]})


def move_entries(tx: sa.Connection, erasure: Erasure, server_id: int, now: datetime) -> bool:
    """Move some entries to the account of nobody; False: there were none left."""
    whose = {"server": server_id, "user": erasure.user_id, "erased": erasure.erased_id}
    moved = tx.execute(ENTRIES, whose).all()
    if not moved:
        return False
    opened = {"server": server_id, "user": erasure.erased_id}
    if tx.execute(ledger.ACCOUNT, opened).one_or_none() is None:
        tx.execute(
            ledger.NEW_ACCOUNT,
            {
                "server_id": server_id,
                "user_id": erasure.erased_id,
                "allowance_ucr": 0,
                "grant_ucr": 0,
                "period_start": None,
                "refilled_to_ucr": None,
                "refill_period": None,
            },
        )
    tx.execute(MOVE, whose | {"last": moved[-1].id})
    allowance = sum(row.allowance_ucr for row in moved)
    granted = sum(row.grant_ucr for row in moved)
    _carry(tx, erasure, server_id, erasure.user_id, (allowance, granted), now)
    _carry(tx, erasure, server_id, erasure.erased_id, (-allowance, -granted), now)
    return True


def settle_up(tx: sa.Connection, erasure: Erasure) -> None:
    """All entries have moved: what was carried is an entry like any other."""
    for server_id in servers_of(tx, erasure.user_id):
        for user_id in (erasure.user_id, erasure.erased_id):
            whose = {"server": server_id, "user": user_id, "erased": erasure.erased_id}
            tx.execute(CARRIED_NOTHING, whose)
            tx.execute(CARRIED_TO_THE_END, whose)


def erase_authorship(tx: sa.Connection, erasure: Erasure) -> bool:
    """Of entries that the member wrote as a moderator, some; False: there were none left."""
    ids = list(tx.scalars(WROTE, {"user": erasure.user_id}))
    if ids:
        tx.execute(WROTE_NOTHING, {"ids": ids, "erased": erasure.erased_id})
    return bool(ids)


def finish(tx: sa.Connection, erasure: Erasure) -> None:
    """The rest, which is little; from now on the member may begin afresh."""
    whose = {"user": erasure.user_id, "erased": erasure.erased_id}
    for statement in THEIRS:
        tx.execute(statement, {"user": erasure.user_id})
    for change in TRAIL:
        tx.execute(change, whose)
    for server_id in servers_of(tx, erasure.user_id):
        party = queue.party_of(server_id, erasure.user_id)
        lines = [erasure.user_id] if server_id else [erasure.user_id, queue.PARTY]
        tx.execute(LINE, {"party": party, "ids": lines})
    tx.execute(DONE, {"user": erasure.user_id})


def forget_accounts(tx: sa.Connection, default: Allowance, now: datetime) -> None:
    """
    Remove what was left of the accounts of members whose data was erased, once it would be refilled
    anyway: until then, it kept the erasure from being a refill.
    """
    for user_id in list(tx.scalars(WATCHED)):
        waits = [_waits(tx, server, user_id, default, now) for server in servers_of(tx, user_id)]
        if not any(waits):
            tx.execute(FORGET, {"user": user_id})


def without_words(text: str) -> str:
    """
    Args:
        text: a request, as JSON.
    """
    return write_request(emptied(read_request(text) or UNREADABLE))


def _waits(
    tx: sa.Connection, server_id: int, user_id: int, default: Allowance, now: datetime
) -> bool:
    """Whether the account is still to go; one that has run out goes, one that is in use stays."""
    whose = {"server": server_id, "user": user_id}
    account = ledger.read(tx, server_id, user_id)
    kinds = list(tx.scalars(LATEST_KINDS, whose))
    if account.grant_ucr or kinds not in ([], [EntryKind.CORRECT]):
        return False
    period = (account.refilled_to or default).period
    runs = account.period_start and now.date() < period_end(account.period_start, period)
    if runs or tx.scalar(RETURNS, whose):
        return True
    tx.execute(REMOVE_ENTRIES, whose)
    tx.execute(REMOVE_ACCOUNT, whose)
    return False


def _carry(
    tx: sa.Connection,
    erasure: Erasure,
    server_id: int,
    user_id: int,
    amounts: Sequence[int],
    now: datetime,
) -> None:
    allowance, granted = amounts
    whose = {"server": server_id, "user": user_id, "erased": erasure.erased_id}
    added = {"allowance": allowance, "grant": granted}
    if tx.execute(CARRIED_ON, whose | added).rowcount:
        return
    tx.execute(
        CARRIED,
        {
            "server_id": server_id,
            "user_id": user_id,
            "kind": EntryKind.CORRECT,
            "allowance_ucr": allowance,
            "grant_ucr": granted,
            "by_id": erasure.erased_id,
            "created_at": now,
        },
    )
