"""What moderators change of members' credits and allowances, each in one transaction."""

from collections.abc import Collection
from datetime import datetime

from msgspec.structs import asdict, replace

from bot.domain import policy, quota
from bot.domain.ledger import NOBODY, Account, Allowance, Statement
from bot.domain.oversight import Act, Done
from bot.domain.quota import Amendment
from bot.domain.settings import ServerSettings
from bot.store import ledger, oversight, settings
from bot.store.accept import purses_of
from bot.store.jobs import House
from bot.store.sql import Transaction


def statement(
    tx: Transaction,
    house: House,
    server_id: int,
    user_id: int,
    role_ids: Collection[int],
    now: datetime,
) -> Statement:
    """The account as a command given now would find it, and the budgets; writes nothing."""
    decided = settings.of_server(tx, server_id)
    purses = purses_of(tx, house, (server_id, user_id), role_ids, decided, now)
    ((account, _), allowance, _), *budgets = purses
    told = ledger.statement(tx, account, allowance.amount_ucr, policy.best_role(decided, role_ids))
    left = min((budget.available_ucr for (budget, _), *_ in budgets), default=None)
    return replace(told, budget_left_ucr=left, by_server=policy.decides_allowance(decided))


def amend(
    tx: Transaction,
    default: Allowance,
    amendment: Amendment,
    role_ids: Collection[int],
    now: datetime,
) -> tuple[Account, Done | None]:
    """
    Change a member's account, with the entry and the act that say who did it and why.

    Args:
        role_ids: the member's.
    Returns:
        The account after, and what was done; None: it has less than is to be taken.
    """
    decided = settings.of_server(tx, amendment.server_id)
    allowance = policy.allowance(decided, role_ids, default)
    before = ledger.read(tx, amendment.server_id, amendment.user_id)
    renewal = ledger.renew(tx, before, allowance, now)
    try:
        amended = quota.amend(renewal[0], amendment, now)
    except ValueError:
        return renewal[0], None
    account = ledger.apply(tx, renewal, amended, now=now)
    act = oversight.record(tx, Act(**asdict(amendment), created_at=now))
    return account, Done(act, decided.log_channel_id)


def of_server(
    tx: Transaction, house: House, server_id: int, now: datetime
) -> tuple[ServerSettings, Account | None]:
    """What a server has decided, and its budget's account as it is now; None: it has no budget."""
    decided = settings.of_server(tx, server_id)
    budget = policy.budget(decided, house.budget_ucr)
    if budget is None:
        return decided, None
    account = ledger.read(tx, server_id, NOBODY)
    return decided, ledger.renew(tx, account, budget, now)[0]
