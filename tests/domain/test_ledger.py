"""Accounts and entries, by example: Ada has an allowance and a grant, Ben has nothing."""

from datetime import UTC, date, datetime, timedelta

import pytest
from msgspec.structs import replace

from bot.domain import ledger
from bot.domain.credits import Microcredits
from bot.domain.ledger import Account, Entry, EntryKind, Period, period_end, period_start
from bot.errors import InsufficientCredits

MONDAY = date(2025, 11, 17)
TUESDAY = MONDAY + timedelta(days=1)
ADA = Account(7, 1, allowance_ucr=100, grant_ucr=50, period_start=MONDAY)
BEN = Account(7, 2, period_start=MONDAY)


def hold(account: Account, amount: int) -> tuple[Account, Entry]:
    after, (held,) = ledger.hold(account, "job", Microcredits(amount))
    return after, held


def parts(change: tuple[Account, tuple[Entry, ...]]) -> tuple[tuple[int, int], list[tuple]]:
    """The balance after a change, and its entries without their owner."""
    account, entries = change
    return (account.allowance_ucr, account.grant_ucr), [
        (entry.kind.value, entry.allowance_ucr, entry.grant_ucr) for entry in entries
    ]


@pytest.mark.parametrize(
    ("amount", "balance", "taken"),
    [
        (60, (40, 50), (-60, 0)),
        (100, (0, 50), (-100, 0)),
        (120, (0, 30), (-100, -20)),
        (150, (0, 0), (-100, -50)),
        (0, (100, 50), (0, 0)),
    ],
)
def test_a_hold_takes_the_allowance_first(
    amount: int, balance: tuple[int, int], taken: tuple[int, int]
) -> None:
    assert parts(ledger.hold(ADA, "job", Microcredits(amount))) == (balance, [("hold", *taken)])


@pytest.mark.parametrize(("account", "amount"), [(ADA, 151), (BEN, 1)])
def test_nobody_holds_more_than_there_is(account: Account, amount: int) -> None:
    with pytest.raises(InsufficientCredits, match=r"credits, needed_ucr \d+, available_ucr \d+"):
        ledger.hold(account, "job", Microcredits(amount))


@pytest.mark.parametrize(
    ("cost", "balance", "back"),
    [
        # Held were 100 of the allowance and 20 of the grant: the allowance pays first.
        (0, (100, 50), (100, 20)),
        (30, (70, 50), (70, 20)),
        (100, (0, 50), (0, 20)),
        (110, (0, 40), (0, 10)),
        (120, (0, 30), (0, 0)),
    ],
)
def test_settling_at_less_gives_back_the_right_parts(
    cost: int, balance: tuple[int, int], back: tuple[int, int]
) -> None:
    after, held = hold(ADA, 120)
    change = ledger.settle(after, held, Microcredits(cost))
    assert parts(change) == (balance, [("settle", *back)])


@pytest.mark.parametrize("cost", [-1, 121])
def test_settling_at_more_than_was_held_is_a_broken_assumption(cost: int) -> None:
    after, held = hold(ADA, 120)
    with pytest.raises(ValueError, match="does not fit the hold of job job"):
        ledger.settle(after, held, Microcredits(cost))


def test_a_release_gives_everything_back() -> None:
    after, held = hold(ADA, 120)
    assert parts(ledger.release(after, held)) == ((100, 50), [("release", 100, 20)])


@pytest.mark.parametrize(
    ("cost", "back"), [(120, (100, 20)), (110, (100, 10)), (30, (30, 0)), (0, (0, 0))]
)
def test_a_refund_gives_back_what_was_charged(cost: int, back: tuple[int, int]) -> None:
    after, held = hold(ADA, 120)
    after, (settled,) = ledger.settle(after, held, Microcredits(cost))
    assert parts(ledger.refund(after, held, settled)) == ((100, 50), [("refund", *back)])


def test_a_refill_expires_what_is_left_of_the_allowance_and_leaves_the_grant() -> None:
    change = ledger.refill(replace(ADA, allowance_ucr=30), Microcredits(100), TUESDAY, TUESDAY)
    assert parts(change) == ((100, 50), [("expire", -30, 0), ("allowance", 100, 0)])
    assert change[0].period_start == TUESDAY
    # Each entry names the period that its allowance belongs to.
    assert [entry.period_start for entry in change[1]] == [MONDAY, TUESDAY]


def test_a_grant_lasts_beyond_the_period() -> None:
    granted, entries = ledger.grant(ADA, Microcredits(25))
    assert parts((granted, entries)) == ((100, 75), [("grant", 0, 25)])
    assert ledger.refill(granted, Microcredits(100), TUESDAY, TUESDAY)[0].grant_ucr == 75


def test_a_correction_takes_or_gives_either_part() -> None:
    assert parts(ledger.correct(ADA, -100, 5)) == ((0, 55), [("correct", -100, 5)])


@pytest.mark.parametrize("amounts", [(-101, 0), (0, -51), (200, -51)])
def test_a_correction_makes_no_part_negative(amounts: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="negative"):
        ledger.correct(ADA, *amounts)


@pytest.mark.parametrize("start", [MONDAY, MONDAY - timedelta(days=1)])
def test_a_period_is_refilled_once_even_when_the_clock_goes_back(start: date) -> None:
    assert ledger.refill(ADA, Microcredits(100), start, MONDAY) == (ADA, ())


def test_a_period_from_a_clock_that_stood_ahead_is_brought_back() -> None:
    ahead = replace(ADA, allowance_ucr=30, period_start=MONDAY + timedelta(days=400))
    change = ledger.refill(ahead, Microcredits(100), MONDAY, MONDAY)
    assert parts(change) == ((100, 50), [("expire", -30, 0), ("allowance", 100, 0)])
    assert change[0].period_start == MONDAY


@pytest.mark.parametrize(
    ("now", "latest"),
    [
        (datetime(2025, 12, 1, 22, 59, tzinfo=UTC), 1),
        (datetime(2025, 12, 1, 23, 1, tzinfo=UTC), 2),
    ],
)
def test_only_a_clock_that_is_minutes_ahead_may_have_begun_the_next_day(
    now: datetime, latest: int
) -> None:
    assert ledger.latest_day(now) == date(2025, 12, latest)


def test_the_first_refill_of_an_account_expires_nothing() -> None:
    change = ledger.refill(Account(7, 3), Microcredits(100), MONDAY, MONDAY)
    assert parts(change) == ((100, 0), [("allowance", 100, 0)])


@pytest.mark.parametrize(
    ("ending", "kind", "back", "expired"),
    [
        (ledger.release, "release", (100, 20), 100),
        (lambda account, held: ledger.settle(account, held, Microcredits(30)), "settle",
         (70, 20), 70),
        (lambda account, held: ledger.settle(account, held, Microcredits(110)), "settle",
         (0, 10), 0),
    ],
)  # fmt: skip
def test_what_comes_back_to_an_allowance_that_was_refilled_since_expires(
    ending, kind: str, back: tuple[int, int], expired: int
) -> None:
    after, held = hold(ADA, 120)
    refilled, _ = ledger.refill(after, Microcredits(100), TUESDAY, TUESDAY)
    entries = [(kind, *back)] + ([("expire", -expired, 0)] if expired else [])
    assert parts(ending(refilled, held)) == ((100, 30 + back[1]), entries)


def test_a_refund_after_the_period_turned_gives_back_the_grants_part_only() -> None:
    after, held = hold(ADA, 120)
    after, (settled,) = ledger.settle(after, held, Microcredits(110))
    refilled, _ = ledger.refill(after, Microcredits(100), TUESDAY, TUESDAY)
    change = ledger.refund(refilled, held, settled)
    assert parts(change) == ((100, 50), [("refund", 100, 10), ("expire", -100, 0)])


def test_entries_name_account_and_job() -> None:
    after, held = hold(ADA, 120)
    _, (released,) = ledger.release(after, held)
    assert held == Entry(7, 1, EntryKind.HOLD, -100, -20, MONDAY, "job")
    assert released == Entry(7, 1, EntryKind.RELEASE, 100, 20, MONDAY, "job")


@pytest.mark.parametrize(
    ("period", "now", "start", "end"),
    [
        (Period.DAY, (2025, 12, 31, 23, 59), (2025, 12, 31), (2026, 1, 1)),
        (Period.DAY, (2028, 2, 28, 0, 0), (2028, 2, 28), (2028, 2, 29)),
        # Weeks begin on Monday, also across the year's end.
        (Period.WEEK, (2025, 11, 17, 0, 0), (2025, 11, 17), (2025, 11, 24)),
        (Period.WEEK, (2025, 11, 23, 23, 59), (2025, 11, 17), (2025, 11, 24)),
        (Period.WEEK, (2026, 1, 1, 0, 0), (2025, 12, 29), (2026, 1, 5)),
        (Period.MONTH, (2025, 12, 31, 23, 59), (2025, 12, 1), (2026, 1, 1)),
        (Period.MONTH, (2026, 1, 1, 0, 0), (2026, 1, 1), (2026, 2, 1)),
        (Period.MONTH, (2027, 2, 28, 12, 0), (2027, 2, 1), (2027, 3, 1)),
    ],
)
def test_periods_begin_at_midnight_on_their_first_day(
    period: Period, now: tuple[int, ...], start: tuple[int, int, int], end: tuple[int, int, int]
) -> None:
    first = period_start(datetime(*now, tzinfo=UTC), period)
    assert (first, period_end(first, period)) == (date(*start), date(*end))


@pytest.mark.parametrize("period", Period)
def test_each_day_lies_between_its_periods_start_and_end(period: Period) -> None:
    day = datetime(2027, 12, 1, tzinfo=UTC)
    for _ in range(500):
        start = period_start(day, period)
        assert start <= day.date() < period_end(start, period)
        assert period_start(day + timedelta(days=1), period) in (start, period_end(start, period))
        day += timedelta(days=1)
