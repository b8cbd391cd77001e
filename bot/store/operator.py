"""What the host sees of all servers, and does to members' credits, with its trail."""

from datetime import date, datetime

from msgspec import Struct

from bot.domain import ledger as rules
from bot.domain.credits import Microcredits
from bot.domain.jobs import ids_of_month
from bot.domain.ledger import Account, Allowance
from bot.domain.oversight import Act, Action
from bot.domain.quota import Amend
from bot.store import jobs, ledger, oversight
from bot.store.sql import Transaction

#: in place of a moderator's id: the operator
OPERATOR = 0

SERVERS = f"""
    WITH RECURSIVE {ledger.SERVERS}
    SELECT id FROM servers WHERE id IS NOT NULL
    UNION
    SELECT server_id FROM server_settings
"""
OF_MONTH = """
    SELECT count(*) AS jobs, coalesce(sum(cost_ucr), 0) AS cost FROM jobs
    WHERE server_id = :server AND id >= :first AND id < :end
"""
DECIDED = "SELECT name, value FROM server_settings WHERE server_id = :server ORDER BY name"


class OfServer(Struct, frozen=True):
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


def of_server(tx: Transaction, server_id: int, of: date) -> OfServer:
    """
    Args:
        of: the month's first day.
    """
    first, end = ids_of_month(of)
    month = tx.one(OF_MONTH, {"server": server_id, "first": first, "end": end})
    decided = tx.rows(DECIDED, {"server": server_id})
    return OfServer(server_id, month.jobs, month.cost, {row.name: row.value for row in decided})


def grant(
    tx: Transaction, server_id: int, user_id: int, amount: Microcredits, now: datetime
) -> Account:
    """Give credits that do not expire; returns the account after."""
    granted = rules.grant(ledger.read(tx, server_id, user_id), amount)
    account = ledger.apply(tx, rules.signed(granted, OPERATOR, ""), now=now)
    oversight.record(tx, Act(server_id, OPERATOR, Amend.GRANT, now, user_id, amount_ucr=amount))
    return account


def refund(
    tx: Transaction, default: Allowance, job_id: str, now: datetime
) -> tuple[Microcredits, Microcredits]:
    """
    Give back what a job was charged; see `jobs.refund_ended`.

    Returns:
        The amount, and what of it the account loses again.
    """
    paid, expired = jobs.refund_ended(tx, default, job_id, now)
    if not paid:
        return paid, expired
    job = jobs.job_of(tx, job_id)
    whose = (job.user_id, job_id, paid)
    oversight.record(tx, Act(job.server_id, OPERATOR, Action.REFUND, now, *whose))
    return paid, Microcredits(expired + oversight.taken_again(tx, default, job, expired))
