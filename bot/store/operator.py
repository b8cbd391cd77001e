"""What the host sees of all servers, and the host's blocks of members."""

from dataclasses import dataclass
from datetime import datetime

from bot.store.sql import Transaction, insert

#: in place of a server's id: everywhere
EVERYWHERE = 0
#: in place of a moderator's id: the operator
OPERATOR = 0

# A server has many accounts, so this leaps from one server to the next by the key.
SERVERS = """
    WITH RECURSIVE known (id) AS (
        SELECT min(server_id) FROM accounts
        UNION ALL
        SELECT (SELECT min(server_id) FROM accounts WHERE server_id > known.id) FROM known
        WHERE known.id IS NOT NULL
    )
    SELECT id FROM known WHERE id IS NOT NULL
    UNION
    SELECT server_id FROM server_settings
"""
OF_MONTH = """
    SELECT count(*) AS jobs, coalesce(sum(cost_ucr), 0) AS cost FROM jobs
    WHERE server_id = :server AND id >= :first AND id < :end
"""
DECIDED = "SELECT name, value FROM server_settings WHERE server_id = :server ORDER BY name"
UNBLOCK = "DELETE FROM blocks WHERE server_id = :server AND user_id = :user"
BLOCK = insert("blocks", "server_id", "user_id", "by_id", "reason", "created_at")
ACT = insert("acts", "server_id", "by_id", "action", "user_id", "reason", "created_at")


@dataclass(frozen=True, slots=True)
class OfServer:
    """A server and its month; server 0 is direct messages."""

    server_id: int
    #: asked for in the month, and what they cost
    jobs: int
    cost_ucr: int
    #: what its moderators have decided, as it is stored
    settings: dict[str, str]


def servers(tx: Transaction) -> list[int]:
    """Ids of the servers that the database knows; direct messages (0) are among them."""
    return sorted(tx.scalars(SERVERS))


def of_server(tx: Transaction, server_id: int, first: str, end: str) -> OfServer:
    """
    Args:
        first, end: the beginnings of ids at the month's beginning and its end; see `id_at`.
    """
    month = tx.one(OF_MONTH, {"server": server_id, "first": first, "end": end})
    decided = tx.rows(DECIDED, {"server": server_id})
    return OfServer(server_id, month.jobs, month.cost, {row.name: row.value for row in decided})


def block(tx: Transaction, server_id: int, user_id: int, reason: str, now: datetime) -> None:
    """
    Refuse the member's commands until `unblock`; another block in its place has a new reason.

    Args:
        server_id: a server's, or EVERYWHERE.
    """
    tx.execute(UNBLOCK, {"server": server_id, "user": user_id})
    tx.execute(
        BLOCK,
        {
            "server_id": server_id,
            "user_id": user_id,
            "by_id": OPERATOR,
            "reason": reason,
            "created_at": now,
        },
    )
    _record(tx, "block", server_id, user_id, reason, now)


def unblock(tx: Transaction, server_id: int, user_id: int, now: datetime) -> bool:
    """End a block; False: the member was not blocked there."""
    if not tx.execute(UNBLOCK, {"server": server_id, "user": user_id}):
        return False
    _record(tx, "unblock", server_id, user_id, "", now)
    return True


def _record(
    tx: Transaction, action: str, server_id: int, user_id: int, reason: str, now: datetime
) -> None:
    tx.execute(
        ACT,
        {
            "server_id": server_id,
            "by_id": OPERATOR,
            "action": action,
            "user_id": user_id,
            "reason": reason,
            "created_at": now,
        },
    )
