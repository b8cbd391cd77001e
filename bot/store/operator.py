"""What the host sees of all servers, and does to members everywhere."""

from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from bot.store.schema import accounts, acts, blocks, jobs, server_settings

#: in the place of a server's id: everywhere
EVERYWHERE = 0
#: in the place of a moderator's id
OPERATOR = 0

_server = sa.bindparam("server", type_=sa.BigInteger)
# A server has many accounts: so leap from one server to the next by the key.
_first = sa.select(sa.func.min(accounts.c.server_id).label("id")).cte("known", recursive=True)
_with_accounts = _first.union_all(
    sa.select(
        sa.select(sa.func.min(accounts.c.server_id))
        .where(accounts.c.server_id > _first.c.id)
        .scalar_subquery()
    ).where(_first.c.id.is_not(None))
)
SERVERS = sa.union(
    sa.select(_with_accounts.c.id).where(_with_accounts.c.id.is_not(None)),
    sa.select(server_settings.c.server_id),
)
OF_MONTH = sa.select(
    sa.func.count().label("jobs"), sa.func.coalesce(sa.func.sum(jobs.c.cost_ucr), 0).label("cost")
).where(
    jobs.c.server_id == _server,
    jobs.c.id >= sa.bindparam("first"),
    jobs.c.id < sa.bindparam("end"),
)
DECIDED = (
    sa.select(server_settings.c.name, server_settings.c.value)
    .where(server_settings.c.server_id == _server)
    .order_by(server_settings.c.name)
)
_this_block = sa.and_(blocks.c.server_id == _server, blocks.c.user_id == sa.bindparam("user"))
UNBLOCK = sa.delete(blocks).where(_this_block)
BLOCK = sa.insert(blocks)
ACT = sa.insert(acts)


@dataclass(frozen=True, slots=True)
class OfServer:
    """0 is direct messages."""

    server_id: int
    #: of the month
    jobs: int
    cost_ucr: int
    #: what its moderators have decided, as it is kept
    settings: dict[str, str]


def servers(tx: sa.Connection) -> list[int]:
    """Those that the database knows, direct messages (0) among them."""
    return sorted(tx.scalars(SERVERS))


def of_server(tx: sa.Connection, server_id: int, first: str, end: str) -> OfServer:
    """
    Args:
        first, end: how ids begin at the month's beginning and at its end; see `id_at`.
    """
    month = tx.execute(OF_MONTH, {"server": server_id, "first": first, "end": end}).one()
    decided = tx.execute(DECIDED, {"server": server_id})
    return OfServer(server_id, month.jobs, month.cost, {row.name: row.value for row in decided})


def block(tx: sa.Connection, server_id: int, user_id: int, reason: str, now: datetime) -> None:
    """
    From now on the member's commands are not taken, until `unblock`; again, it has a new reason.

    Args:
        server_id: EVERYWHERE or one.
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


def unblock(tx: sa.Connection, server_id: int, user_id: int, now: datetime) -> bool:
    """False: the member was not blocked there."""
    if not tx.execute(UNBLOCK, {"server": server_id, "user": user_id}).rowcount:
        return False
    _record(tx, "unblock", server_id, user_id, "", now)
    return True


def _record(
    tx: sa.Connection, action: str, server_id: int, user_id: int, reason: str, now: datetime
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
