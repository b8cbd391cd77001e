"""
Erases what is stored of a member, in pieces, between which others may write.

At each commit the books balance. An account's entries move, piece by piece, to the account of a
random negative id that stands for nobody. One entry with their sum stays behind, and one with the
opposite goes with them. So in the end the member has exactly what they had left, and nothing says
how they came by it.
"""

from datetime import datetime

from msgspec import Struct
from msgspec.structs import asdict, replace

from bot.domain.ledger import Allowance, Entry, EntryKind, period_end
from bot.domain.oversight import Action
from bot.domain.requests import UNREADABLE, emptied
from bot.store import ledger, queue
from bot.store.rows import read_request, write_json
from bot.store.schema import HAS_AUTHOR, IS_QUEUED, IS_WORKED_ON
from bot.store.sql import Transaction, among, listed, upsert

#: jobs, and entries, that one transaction changes
JOBS_AT_ONCE = 100
ENTRIES_AT_ONCE = 500
#: jobs that one transaction looks through for the member's id in others' requests
JOBS_LOOKED_AT = 2_000
#: erased ids have fewer bits than Discord's ids, so that none is the party of a member in direct
#: messages, which is minus the member's id
ERASED_ID_MAX = 2**48

SERVERS = f"""
    WITH RECURSIVE {ledger.SERVERS}
    SELECT id FROM servers
    WHERE EXISTS (
        SELECT 1 FROM accounts WHERE accounts.server_id = servers.id AND accounts.user_id = :user
    )
"""
UNDER_WAY = f"""
    SELECT id FROM jobs WHERE {IS_QUEUED} AND user_id = :user
    UNION ALL
    SELECT id FROM jobs WHERE {IS_WORKED_ON} AND user_id = :user
"""

_ASKED_FOR = upsert("erasures", ("user_id",), "erased_id", "asked_at")
BEGIN = f"{_ASKED_FOR} WHERE erasures.erased_id IS NULL"
PENDING = "SELECT user_id, erased_id FROM erasures WHERE erased_id IS NOT NULL"
WATCHED = "SELECT user_id FROM erasures WHERE erased_id IS NULL"
DONE = "UPDATE erasures SET erased_id = NULL WHERE user_id = :user"
FORGET = "DELETE FROM erasures WHERE user_id = :user"

_HERE = "server_id = :server AND user_id = :user"
JOBS = f"SELECT id, request FROM jobs WHERE {_HERE} ORDER BY id LIMIT :at_once"
IMAGES = f"""
    SELECT image_name FROM tasks
    WHERE job_id IN {among("ids")} AND image_name IS NOT NULL
"""
#: these empty what the ledger does not need of a job's row: the member's words, and the place
WITHOUT_WORDS = "request = :text, token = '', facts = '{}'"
WITHOUT_PLACE = "channel_id = 0, message_id = NULL, interaction_id = NULL, locale = 'en-US'"
ERASE_JOB = f"""
    UPDATE jobs SET
        user_id = :erased,
        party_id = CASE WHEN server_id = 0 THEN :erased ELSE party_id END,
        keeps_images = FALSE,
        {WITHOUT_WORDS},
        {WITHOUT_PLACE}
    WHERE id = :of_job
"""
EMPTY_TASKS = f"UPDATE tasks SET facts = '{{}}' WHERE job_id IN {among('ids')}"
ERASE_TASKS = f"""
    UPDATE tasks SET facts = '{{}}', provider_task_id = NULL
    WHERE job_id IN {among("ids")}
"""


def _unnamed(table: str, column: str) -> str:
    """
    Put the erased id in the place of the member's where a stored request or reference of another
    member names them as a picture's author. Of the JSON, a number ends with a comma or a bracket.
    """
    value = column
    for end in ",}":
        value = f"replace({value}, :named || '{end}', :unnamed || '{end}')"
    return f"UPDATE {table} SET {column} = {value} WHERE {column} LIKE '%' || :named || '%'"


LAST_LOOKED_AT = f"""
    SELECT max(id) FROM (
        SELECT id FROM jobs WHERE id > :after ORDER BY id LIMIT {JOBS_LOOKED_AT}
    ) AS looked_at
"""
UNNAMED_JOBS = f"{_unnamed('jobs', 'request')} AND id > :after AND id <= :last"
UNNAMED_KEEPSAKES = [
    _unnamed(table, column)
    for table, column in (("drafts", "request"), ("presets", "request"), ("basket", "reference"))
]

_NOT_CARRIED = "(by_id IS NULL OR by_id != :erased)"
ENTRIES = f"""
    SELECT id, allowance_ucr, grant_ucr FROM entries
    WHERE {_HERE} AND {_NOT_CARRIED}
    ORDER BY id LIMIT {ENTRIES_AT_ONCE}
"""
MOVE = f"""
    UPDATE entries SET user_id = :erased, reason = NULL
    WHERE {_HERE} AND {_NOT_CARRIED} AND id <= :last
"""
CARRIED_ON = f"""
    UPDATE entries SET
        allowance_ucr = allowance_ucr + :allowance_ucr,
        grant_ucr = grant_ucr + :grant_ucr
    WHERE server_id = :server_id AND user_id = :user_id AND by_id = :by_id
        AND kind = '{EntryKind.CORRECT}'
"""
CARRIED_NOTHING = f"""
    DELETE FROM entries
    WHERE {_HERE} AND by_id = :erased AND allowance_ucr = 0 AND grant_ucr = 0
"""
CARRIED_TO_THE_END = f"UPDATE entries SET by_id = NULL WHERE {_HERE} AND by_id = :erased"
#: entries of other accounts that the member wrote as a moderator
WROTE = f"SELECT id FROM entries WHERE {HAS_AUTHOR} AND by_id = :user LIMIT {ENTRIES_AT_ONCE}"
WROTE_NOTHING = f"UPDATE entries SET by_id = :erased, reason = NULL WHERE id IN {among('ids')}"

THEIRS = [
    f"DELETE FROM {table} WHERE user_id = :user"
    for table in ("preferences", "drafts", "basket", "presets")
]
#: what moderators did to the member, and what the member did as one. A block of the member stays;
#: one by the member stays without its author
TRAIL = [
    # Why they cancelled another member's job stands in that job, too.
    f"""
        UPDATE jobs SET facts = '{{}}' WHERE id IN (
            SELECT job_id FROM acts WHERE by_id = :user AND action = '{Action.CANCEL}'
        )
    """,
    "UPDATE acts SET user_id = :erased, reason = '' WHERE user_id = :user",
    "UPDATE acts SET by_id = :erased, reason = '' WHERE by_id = :user",
    "UPDATE blocks SET by_id = :erased WHERE by_id = :user",
    "UPDATE setting_changes SET user_id = :erased WHERE user_id = :user",
]
LINE = f"DELETE FROM queue WHERE party_id = :party AND user_id IN {among('ids')}"

TO_COME = f"SELECT count(*) FROM returns WHERE {_HERE} AND due_at > :now"
REMOVE_RETURNS = f"DELETE FROM returns WHERE {_HERE}"
LATEST_KINDS = f"SELECT kind FROM entries WHERE {_HERE} LIMIT 2"
REMOVE_ENTRIES = f"DELETE FROM entries WHERE {_HERE}"
REMOVE_ACCOUNT = f"DELETE FROM accounts WHERE {_HERE}"


class Erasure(Struct, frozen=True):
    user_id: int
    #: takes the place of the member's id
    erased_id: int


def servers_of(tx: Transaction, user_id: int) -> list[int]:
    """Ids of the servers where the member has an account, and so jobs; 0 is direct messages."""
    return tx.scalars(SERVERS, {"user": user_id})


def begin(tx: Transaction, user_id: int, erased_id: int, now: datetime) -> list[str]:
    """
    Begin an erasure: no job of the member is accepted until `finish`. If one is under way already,
    nothing changes.

    Args:
        erased_id: random and negative, not below -ERASED_ID_MAX.
    Returns:
        The ids of their jobs under way.
    """
    tx.execute(BEGIN, {"user_id": user_id, "erased_id": erased_id, "asked_at": now})
    return under_way(tx, user_id)


def under_way(tx: Transaction, user_id: int) -> list[str]:
    """The ids of the member's jobs that have not ended, in all servers."""
    return tx.scalars(UNDER_WAY, {"user": user_id})


def pending(tx: Transaction) -> list[Erasure]:
    """The erasures that have begun and are not finished."""
    return tx.values(Erasure, PENDING)


def next_jobs(tx: Transaction, user_id: int, server_id: int) -> tuple[list[str], list[str]]:
    """The ids of some jobs that are not erased yet, and the names of their images' files."""
    given = {"server": server_id, "user": user_id, "at_once": JOBS_AT_ONCE}
    ids = tx.scalars(JOBS, given)
    return ids, tx.scalars(IMAGES, {"ids": listed(ids)})


def erase_jobs(tx: Transaction, erasure: Erasure, server_id: int) -> None:
    """Remove words, references, places and the member from the same jobs; their cost stays."""
    given = {"server": server_id, "user": erasure.user_id, "at_once": JOBS_AT_ONCE}
    found = list(tx.rows(JOBS, given))
    if not found:
        return
    tx.executemany(
        ERASE_JOB,
        [
            {"of_job": row.id, "erased": erasure.erased_id, "text": without_words(row.request)}
            for row in found
        ],
    )
    tx.execute(ERASE_TASKS, {"ids": listed(row.id for row in found)})


def move_entries(tx: Transaction, erasure: Erasure, server_id: int, now: datetime) -> bool:
    """Move some entries to the account of the erased id; False: there were none left."""
    whose = {"server": server_id, "user": erasure.user_id, "erased": erasure.erased_id}
    moved = list(tx.rows(ENTRIES, whose))
    if not moved:
        return False
    ledger.open_empty(tx, server_id, erasure.erased_id)
    tx.execute(MOVE, whose | {"last": moved[-1].id})
    allowance = sum(row.allowance_ucr for row in moved)
    granted = sum(row.grant_ucr for row in moved)
    stays = Entry(server_id, erasure.user_id, EntryKind.CORRECT, allowance, granted, None)
    goes = Entry(server_id, erasure.erased_id, EntryKind.CORRECT, -allowance, -granted, None)
    for carried in (stays, goes):
        _carry(tx, replace(carried, by_id=erasure.erased_id), now)
    return True


def settle_up(tx: Transaction, erasure: Erasure) -> None:
    """Once all entries have moved: make carried sums entries like any other, and remove zeros."""
    for server_id in servers_of(tx, erasure.user_id):
        for user_id in (erasure.user_id, erasure.erased_id):
            whose = {"server": server_id, "user": user_id, "erased": erasure.erased_id}
            tx.execute(CARRIED_NOTHING, whose)
            tx.execute(CARRIED_TO_THE_END, whose)


def erase_authorship(tx: Transaction, erasure: Erasure) -> bool:
    """Remove the author from some entries that the member wrote; False: there were none left."""
    ids = tx.scalars(WROTE, {"user": erasure.user_id})
    if ids:
        tx.execute(WROTE_NOTHING, {"ids": listed(ids), "erased": erasure.erased_id})
    return bool(ids)


def erase_named(tx: Transaction, erasure: Erasure, after: str) -> str:
    """
    Remove the member from the next jobs of others that work from the member's pictures.

    Args:
        after: id of the last job that was looked at; empty: from the first on.
    Returns:
        The id of the last job that was looked at now; empty: there were none left.
    """
    last = tx.scalar(LAST_LOOKED_AT, {"after": after})
    if last is not None:
        tx.execute(UNNAMED_JOBS, _names(erasure) | {"after": after, "last": last})
    return last or ""


def _names(erasure: Erasure) -> dict[str, object]:
    """How a stored picture names its author, and how it does once the member is erased."""
    named, unnamed = (f'"author_id": {each}' for each in (erasure.user_id, erasure.erased_id))
    return {"named": named, "unnamed": unnamed}


def finish(tx: Transaction, erasure: Erasure) -> None:
    """Erase the rest, which is little; from now on the member may begin afresh."""
    whose = {"user": erasure.user_id, "erased": erasure.erased_id}
    for statement in UNNAMED_KEEPSAKES:
        tx.execute(statement, _names(erasure))
    for statement in THEIRS:
        tx.execute(statement, {"user": erasure.user_id})
    for change in TRAIL:
        tx.execute(change, whose)
    for server_id in servers_of(tx, erasure.user_id):
        party = queue.party_of(server_id, erasure.user_id)
        lines = [erasure.user_id] if server_id else [erasure.user_id, queue.PARTY]
        tx.execute(LINE, {"party": party, "ids": listed(lines)})
    tx.execute(DONE, {"user": erasure.user_id})


def forget_accounts(tx: Transaction, default: Allowance, now: datetime) -> None:
    """
    Remove what is left of erased members' accounts, once they would be refilled anyway. Until then,
    what is left keeps an erasure from being a refill.
    """
    for user_id in tx.scalars(WATCHED):
        waits = [_waits(tx, server, user_id, default, now) for server in servers_of(tx, user_id)]
        if not any(waits):
            tx.execute(FORGET, {"user": user_id})


def without_words(text: str) -> str:
    """A request, as JSON, without its words and references."""
    return write_json(emptied(read_request(text) or UNREADABLE))


def _waits(
    tx: Transaction, server_id: int, user_id: int, default: Allowance, now: datetime
) -> bool:
    """Remove the account if it is unused and its period is over; True: its period is not over."""
    whose = {"server": server_id, "user": user_id}
    account = ledger.read(tx, server_id, user_id)
    kinds = tx.scalars(LATEST_KINDS, whose)
    if account.grant_ucr or kinds not in ([], [EntryKind.CORRECT]):
        return False
    period = (account.refilled_to or default).period
    runs = account.period_start and now.date() < period_end(account.period_start, period)
    if runs or tx.scalar(TO_COME, whose | {"now": now}):
        return True
    tx.execute(REMOVE_RETURNS, whose)
    tx.execute(REMOVE_ENTRIES, whose)
    tx.execute(REMOVE_ACCOUNT, whose)
    return False


def _carry(tx: Transaction, carried: Entry, now: datetime) -> None:
    """Add to the entry that carries the account's sums, or make it."""
    if not tx.execute(CARRIED_ON, asdict(carried)):
        ledger.add_entry(tx, carried, now)
