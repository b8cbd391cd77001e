"""What moderators and the operator do to a member's credits, and shares of a server's budget."""

from datetime import datetime
from enum import StrEnum

from msgspec import Struct

from bot.domain import ledger, rolling
from bot.domain.credits import UCR_PER_CREDIT, Microcredits
from bot.domain.ledger import Account, Change

#: largest amount that a moderator may type
AMOUNT_MAX_UCR = Microcredits(100_000 * UCR_PER_CREDIT)
REASON_CHARS_MAX = 200
#: roles of a server that can have an allowance
ROLES_MAX = 25
#: percent of a server's budget; when each is reached, the moderators are told
SHARES = (50, 80, 100)


class Amend(StrEnum):
    """What is done, as `acts` stores it."""

    #: gives credits that do not expire
    GRANT = "grant"
    #: takes back what was granted
    REVOKE = "revoke"
    #: gives or takes to set right what was wrong
    CORRECT = "correct"


class Amendment(Struct, frozen=True):
    action: Amend
    server_id: int
    user_id: int
    #: signed for a correction, else positive
    amount_ucr: int
    #: the moderator's id; 0: the operator
    by_id: int
    reason: str


def amend(account: Account, amendment: Amendment, now: datetime) -> Change:
    """
    Raises:
        ValueError: the account has less than is to be taken; nothing is changed.
    """
    amount = Microcredits(amendment.amount_ucr)
    match amendment.action:
        case Amend.GRANT:
            changed = ledger.grant(account, amount)
        case Amend.REVOKE:
            changed = ledger.revoke(account, amount)
        case Amend.CORRECT:
            changed = rolling.correct(account, amount, now)
    return ledger.signed(changed, amendment.by_id, amendment.reason)


def share_reached(budget_ucr: int, spent_ucr: int, least_ucr: int) -> int:
    """
    The highest of SHARES that was spent; 0: none.

    Args:
        least_ucr: what a plain image costs; a rest that does not pay for one counts as spent.
    """
    if spent_ucr + max(least_ucr, 1) > budget_ucr:
        return SHARES[-1]
    return max((each for each in SHARES if spent_ucr * 100 >= budget_ucr * each), default=0)
