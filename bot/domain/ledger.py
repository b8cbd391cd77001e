"""
Accounts and entries: how credits are refilled, held, settled, released and refunded.

Each function takes an account and returns it changed, with the entries that explain the change.
The sum of an account's entries is always its balance.
"""

from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.credits import Microcredits
from bot.errors import InsufficientCredits, Reason

#: in place of a member's id: the server as a whole
NOBODY = 0
#: (server id, user id) of the account of all servers and direct messages together
EVERYBODY = (0, NOBODY)
#: two clocks that are set right differ by less than this
CLOCK_AHEAD_MAX = timedelta(hours=1)


class Period(StrEnum):
    """How often the allowance refills; periods begin at midnight UTC, weeks on Monday."""

    DAY = "day"
    WEEK = "week"
    MONTH = "month"
    #: each part comes back a day after it was spent: see bot/domain/rolling.py
    ROLLING = "rolling"


class EntryKind(StrEnum):
    ALLOWANCE = "allowance"
    GRANT = "grant"
    HOLD = "hold"
    SETTLE = "settle"
    RELEASE = "release"
    REFUND = "refund"
    EXPIRE = "expire"
    CORRECT = "correct"


class Allowance(Struct, frozen=True):
    """What an account is refilled to, and how often."""

    amount_ucr: Microcredits
    period: Period

    def refills_at(self, now: datetime) -> datetime:
        day = period_end(period_start(now, self.period), self.period)
        return datetime.combine(day, time(), UTC)


class Return(Struct, frozen=True):
    """A part of a rolling allowance that was spent, and when it comes back."""

    amount_ucr: int
    due_at: datetime
    #: of its stored row; None: it is not stored yet
    id: int | None = None


class Account(Struct, frozen=True):
    """
    One member's credits in one server, or what a server has left of its budget. Its two parts are
    never negative.
    """

    server_id: int
    #: NOBODY: the server's budget
    user_id: int
    allowance_ucr: int = 0
    grant_ucr: int = 0
    #: first day of the period that the allowance belongs to; None before the first refill. If the
    #: account rolls: None, or the day on which it was found that it is to have periods again
    period_start: date | None = None
    #: the allowance of that period; None: the account is new, or older than this field
    refilled_to: Allowance | None = None
    #: what is to come back, if the account rolls
    returns: tuple[Return, ...] = ()
    #: ids of the stored returns
    written: tuple[int, ...] = ()

    @property
    def available_ucr(self) -> int:
        return self.allowance_ucr + self.grant_ucr

    @property
    def rolls(self) -> bool:
        return self.refilled_to is not None and self.refilled_to.period is Period.ROLLING

    @property
    def room_ucr(self) -> int:
        """What is neither left nor to come back in an account that rolls: what jobs hold."""
        given = self.refilled_to.amount_ucr if self.refilled_to else 0
        return max(0, given - self.allowance_ucr - sum(each.amount_ucr for each in self.returns))

    @property
    def entered(self) -> date | None:
        """The period as entries name it; an allowance that rolls has none."""
        return None if self.rolls else self.period_start


class Spending(Struct, frozen=True):
    """What one of a member's jobs was charged."""

    asked_at: datetime
    cost_ucr: int


class Statement(Struct, frozen=True):
    account: Account
    #: of the allowance in force, of which the account may have had more
    amount_ucr: Microcredits
    #: what jobs under way hold
    held_ucr: int
    #: the latest spendings, newest first
    spendings: tuple[Spending, ...]
    #: id of the role that the allowance comes from; None: from the server, or the operator
    role_id: int | None = None
    #: the latest entries that moved something and when they were written, newest first
    latest: tuple[tuple[datetime, "Entry"], ...] = ()
    #: the latest of them that do not make up a job's cost
    latest_others: tuple[tuple[datetime, "Entry"], ...] = ()
    #: what the budgets leave for everybody together; None: there is no budget
    budget_left_ucr: int | None = None
    #: whether the server has a part in the allowance that comes from no role
    by_server: bool = False


class Entry(Struct, frozen=True):
    """
    One change of one account. Entries are only added; nothing but an erasure moves them. Amounts
    are signed and add up to the balance.
    """

    server_id: int
    user_id: int
    kind: EntryKind
    allowance_ucr: int
    grant_ucr: int
    #: the allowance's period when this was written; what a hold took from an older one expires
    period_start: date | None
    job_id: str | None = None
    #: id of the moderator, or of the operator (0), who gave or took it; None: nobody is named
    by_id: int | None = None
    reason: str | None = None
    #: None: it is not stored yet
    written_on: date | None = None


Change = tuple[Account, tuple[Entry, ...]]


def period_start(now: datetime, period: Period) -> date:
    today = now.date()
    match period:
        case Period.DAY | Period.ROLLING:
            return today
        case Period.WEEK:
            return today - timedelta(days=today.weekday())
        case Period.MONTH:
            return today.replace(day=1)


def period_end(start: date, period: Period) -> date:
    """The first day of the next period; a changed period may have begun in a month's midst."""
    match period:
        case Period.DAY | Period.ROLLING:
            return start + timedelta(days=1)
        case Period.WEEK:
            return start + timedelta(days=7)
        case Period.MONTH:
            return (start.replace(day=1) + timedelta(days=31)).replace(day=1)


def latest_day(now: datetime) -> date:
    """The last day that a correct clock may show; a period that begins later is a mistake."""
    return (now + CLOCK_AHEAD_MAX).date()


def refill(account: Account, allowance: Microcredits, start: date, latest: date) -> Change:
    """
    Begin the period `start`, unless the account is in it already; what is left expires.

    Args:
        latest: see `latest_day`. An account whose period begins after it, because a clock was
            ahead, begins the period `start` as well.
    """
    if account.period_start is not None and start <= account.period_start <= latest:
        return account, ()
    expired, taken = give_or_take(account, -account.allowance_ucr)
    refilled, given = give_or_take(replace(expired, period_start=start), allowance)
    return refilled, taken + given


def renew(account: Account, allowance: Allowance, now: datetime) -> Change:
    """
    Refill the account if its period is over. Within a period, give or take the difference of a
    changed allowance. What is spent already is not taken, so that a change there and back gives
    nothing.
    """
    start = period_start(now, allowance.period)
    before = account.refilled_to
    changed, entries = refill(account, allowance.amount_ucr, start, latest_day(now))
    if before is None or changed.period_start != account.period_start:
        return replace(changed, refilled_to=allowance), entries
    return adjust(changed, allowance)


def begin(account: Account, allowance: Allowance, spent_ucr: int, now: datetime) -> Change:
    """
    Begin with another kind of period, in which what was spent since its first day counts. It then
    is as if there had been no other, and nothing is given twice.

    Args:
        spent_ucr: what is gone of the allowance since then.
    """
    given_ucr = Microcredits(max(allowance.amount_ucr, spent_ucr))
    begun = replace(
        account,
        period_start=period_start(now, allowance.period),
        refilled_to=replace(allowance, amount_ucr=given_ucr),
    )
    return give_or_take(begun, given_ucr - spent_ucr - account.allowance_ucr)


def adjust(account: Account, allowance: Allowance) -> Change:
    """
    Give the difference of a raised allowance at once; take the difference of a lowered one at once,
    as far as it is left.
    """
    before = account.refilled_to.amount_ucr if account.refilled_to else 0
    more = max(allowance.amount_ucr - before, -account.allowance_ucr)
    given = Allowance(Microcredits(before + more), allowance.period)
    return give_or_take(replace(account, refilled_to=given), more)


def give_or_take(account: Account, amount_ucr: int) -> Change:
    """Give so much more of the allowance, or take it if it is negative."""
    if not amount_ucr:
        return account, ()
    kind = EntryKind.ALLOWANCE if amount_ucr > 0 else EntryKind.EXPIRE
    return change(account, kind, amount_ucr, 0)


def grant(account: Account, amount: Microcredits) -> Change:
    """Give credits that do not expire."""
    return change(account, EntryKind.GRANT, 0, amount)


def revoke(account: Account, amount: Microcredits) -> Change:
    """
    Take back what was granted.

    Raises:
        ValueError: less than that is left of it.
    """
    if amount > account.grant_ucr:
        raise ValueError("no more can be taken back than is left of what was granted")
    return change(account, EntryKind.GRANT, 0, -amount)


def correct(account: Account, allowance_ucr: int, grant_ucr: int) -> Change:
    """
    Correct what was found wrong, by signed amounts.

    Raises:
        ValueError: a part would become negative.
    """
    if account.allowance_ucr + allowance_ucr < 0 or account.grant_ucr + grant_ucr < 0:
        raise ValueError("a correction cannot make a balance negative")
    return change(account, EntryKind.CORRECT, allowance_ucr, grant_ucr)


def signed(changed: Change, by_id: int, reason: str) -> Change:
    """The change, with its author and reason on each entry."""
    account, entries = changed
    return account, tuple(replace(each, by_id=by_id, reason=reason) for each in entries)


def hold(account: Account, job_id: str, amount: Microcredits) -> Change:
    """
    Reserve an amount for a job, from the allowance first.

    Raises:
        InsufficientCredits: the account does not cover the amount.
    """
    if amount > account.available_ucr:
        raise InsufficientCredits(
            Reason.CREDITS, needed_ucr=amount, available_ucr=account.available_ucr
        )
    from_allowance = min(amount, account.allowance_ucr)
    return change(account, EntryKind.HOLD, -from_allowance, -(amount - from_allowance), job_id)


def settle(account: Account, held: Entry, cost: Microcredits) -> Change:
    """
    Charge what the job cost, to the allowance first, and give back the rest of the hold.

    Raises:
        ValueError: the cost is more than was held.
    """
    from_allowance, from_grant = -held.allowance_ucr, -held.grant_ucr
    if not 0 <= cost <= from_allowance + from_grant:
        raise ValueError(f"a cost of {cost} does not fit the hold of job {held.job_id}")
    charged = min(cost, from_allowance)
    granted = cost - charged
    return _give_back(
        account, EntryKind.SETTLE, held, from_allowance - charged, from_grant - granted
    )


def release(account: Account, held: Entry) -> Change:
    """Give the whole hold back."""
    return _give_back(account, EntryKind.RELEASE, held, -held.allowance_ucr, -held.grant_ucr)


def refund(account: Account, held: Entry, settled: Entry) -> Change:
    """Give back what a settled job was charged."""
    charged, granted = charged_of(held, settled)
    return _give_back(account, EntryKind.REFUND, held, charged, granted)


def charged_of(held: Entry, settled: Entry) -> tuple[int, int]:
    """What a job was charged, of the allowance and of what was granted."""
    return -held.allowance_ucr - settled.allowance_ucr, -held.grant_ucr - settled.grant_ucr


def _give_back(
    account: Account, kind: EntryKind, held: Entry, allowance_ucr: int, grant_ucr: int
) -> Change:
    """Give back; what was held from an allowance that was refilled since then expires at once."""
    changed, entries = change(account, kind, allowance_ucr, grant_ucr, held.job_id)
    kept = allowance_ucr if _is_of_period(held, account) else 0
    if account.rolls:
        kept = min(kept, account.room_ucr)
    if kept < allowance_ucr:
        lost = kept - allowance_ucr
        changed, expired = change(changed, EntryKind.EXPIRE, lost, 0, held.job_id)
        entries += expired
    return changed, entries


def _is_of_period(held: Entry, account: Account) -> bool:
    """Whether it was held from the account's period, or within it from one of another kind."""
    first = account.entered
    if held.period_start == first:
        return True
    if first is None or held.written_on is None or account.refilled_to is None:
        return False
    return first <= held.written_on < period_end(first, account.refilled_to.period)


def change(
    account: Account, kind: EntryKind, allowance_ucr: int, grant_ucr: int, job_id: str | None = None
) -> Change:
    """The account with signed amounts added to its parts, and the entry that says so."""
    changed = replace(
        account,
        allowance_ucr=account.allowance_ucr + allowance_ucr,
        grant_ucr=account.grant_ucr + grant_ucr,
    )
    entry = Entry(
        account.server_id, account.user_id, kind, allowance_ucr, grant_ucr, account.entered, job_id
    )
    return changed, (entry,)
