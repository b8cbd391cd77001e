"""What moderators and the operator do to a member's credits."""

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
