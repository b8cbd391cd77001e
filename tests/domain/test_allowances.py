"""
A hundred members with five roles through turns of periods, against a model of what counts.

Periods change among day, week, month and rolling, roles change what they give and whom they belong
to, and jobs are under way all the while; the times are those at which clocks and calendars jump.
"""

from datetime import UTC, date, datetime, timedelta
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec import Struct, field
from msgspec.structs import replace

from bot.domain import ledger, policy, rolling
from bot.domain.credits import Microcredits
from bot.domain.ledger import Account, Allowance, Change, Entry, EntryKind, Period
from bot.domain.rolling import Charge
from bot.domain.settings import ServerSettings
from tests.domain.allowance_model import ModelAllowance, ModelJob, first_day

SERVER = 7
MEMBERS = 100
ROLES = (501, 502, 503, 504, 505)
AMOUNTS = (0, 60, 100, 250, 1_000)
#: shortly before clocks and calendars jump
JUMPS = (
    datetime(2026, 3, 29, 0, 59, tzinfo=UTC),  # summer time begins in Europe
    datetime(2026, 10, 25, 0, 59, tzinfo=UTC),  # and ends
    datetime(2026, 11, 1, 5, 59, tzinfo=UTC),  # in America, and at a month's first day
    datetime(2028, 2, 28, 23, 58, tzinfo=UTC),  # before a leap day
    datetime(2028, 2, 29, 23, 58, tzinfo=UTC),  # which ends a month
    datetime(2027, 2, 28, 23, 58, tzinfo=UTC),  # where there is none
    datetime(2026, 12, 31, 23, 59, tzinfo=UTC),  # a year, in the midst of a week
    datetime(2026, 11, 29, 23, 59, tzinfo=UTC),  # a Sunday
)
STEPS_S = (1, 59, 60, 61, 600, 3_600, 7_199, 43_200, 86_399, 86_400, 86_401, 172_800, 700_000)


class Member(Struct):
    account: Account
    model: ModelAllowance = field(default_factory=ModelAllowance)
    entries: list[Entry] = field(default_factory=list)
    #: under way: its hold
    open: list[tuple[Entry, ModelJob]] = field(default_factory=list)
    #: that can be refunded: hold, settlement and when that was
    settled: list[tuple[Entry, Entry, ModelJob, datetime]] = field(default_factory=list)
    roles: tuple[int, ...] = ()

    def apply(self, changed: Change) -> tuple[Entry, ...]:
        self.account, entries = changed
        self.entries += entries
        return entries

    def of_late(self) -> list[Charge]:
        """As the store finds it in the entries."""
        jobs = [job for job in self.model.recent() if job.allowance]
        return [Charge(job.allowance, job.settled_at) for job in jobs]

    def check(self, expected: tuple[int, int] | None = None) -> None:
        account = self.account
        has = (account.allowance_ucr, account.grant_ucr)
        assert expected is None or has == expected
        assert min(has) >= 0
        assert sum(each.allowance_ucr for each in self.entries) == account.allowance_ucr
        assert sum(each.grant_ucr for each in self.entries) == account.grant_ucr
        if account.rolls:
            to_come = sum(each.amount_ucr for each in account.returns)
            assert account.allowance_ucr + to_come <= account.refilled_to.amount_ucr
            assert all(each.amount_ucr > 0 for each in account.returns)
        else:
            assert account.returns == ()


def command(member: Member, decided: ServerSettings, chance: Random, now: datetime) -> None:
    """A member asks for an image, and gets it if there is enough."""
    default = Allowance(Microcredits(80), Period.DAY)
    allowance = policy.allowance(decided, member.roles, default)
    amounts = [decided.role_allowances_ucr.get(role, -1) for role in member.roles]
    amount = max(amounts, default=-1)
    if amount < 0:
        amount = 80 if decided.allowance_ucr is None else decided.allowance_ucr
    late = member.of_late()
    period = str(decided.allowance_period or "day")
    spent_ucr = 0 if period == "rolling" else member.model.spent_since(first_day(period, now))
    member.model.meet(period, now)
    member.apply(rolling.renew(member.account, allowance, now, of_late=late, spent_ucr=spent_ucr))
    left, granted = member.model.left(amount, now)
    member.check((left, granted))
    wanted = chance.choice((10, 60, 60, 130))
    if wanted > left + granted:
        return
    (held,) = member.apply(
        ledger.hold(member.account, f"job{len(member.model.jobs)}", Microcredits(wanted))
    )
    of_allowance = min(wanted, left)
    job = ModelJob(now, of_allowance, wanted - of_allowance)
    assert (held.allowance_ucr, held.grant_ucr) == (-job.allowance, -job.grant)
    member.model.jobs.append(job)
    member.open.append((replace(held, written_on=now.date()), job))


def end_a_job(member: Member, chance: Random, now: datetime) -> None:
    held, job = member.open.pop(chance.randrange(len(member.open)))
    member.model.keep_up(now)
    member.apply(rolling.keep_up(member.account, Allowance(Microcredits(80), Period.DAY), now))
    if chance.random() < 0.3:
        member.apply(ledger.release(member.account, held))
        member.model.give_back(job, now)
    else:
        cost = Microcredits(chance.randint(0, job.allowance + job.grant))
        settled, *_ = member.apply(rolling.settle(member.account, held, cost, now))
        member.model.settle(job, cost, now)
        member.settled.append((held, settled, job, now))
    member.check()


def refund_a_job(member: Member, chance: Random, now: datetime) -> None:
    held, settled, job, at = member.settled.pop(chance.randrange(len(member.settled)))
    member.model.keep_up(now)
    member.apply(rolling.keep_up(member.account, Allowance(Microcredits(80), Period.DAY), now))
    member.apply(rolling.refund(member.account, held, settled, at))
    member.model.give_back(job, now)
    member.check()


def decide(decided: dict[str, object], members: list[Member], chance: Random) -> None:
    """Moderators change something, or a member's roles change."""
    match chance.randrange(5):
        case 0:
            decided["allowance_period"] = chance.choice((None, *Period))
        case 1:
            amounts = {role: Microcredits(chance.choice(AMOUNTS)) for role in ROLES}
            for role in chance.sample(ROLES, chance.randrange(3)):
                del amounts[role]
            decided["role_allowances_ucr"] = amounts
        case 2:
            decided["allowance_ucr"] = chance.choice((None, Microcredits(120)))
        case _:
            for member in chance.sample(members, 20):
                member.roles = tuple(chance.sample(ROLES, chance.randrange(4)))


@pytest.mark.timeout(3_600)
@settings(max_examples=max(1, settings.default.max_examples // 2))
@given(seed=st.integers(0, 2**32), start=st.sampled_from(JUMPS))
# A day that becomes a month on its 31st, and then rolls.
@example(seed=4577, start=JUMPS[0])
def test_a_hundred_members_have_what_the_model_gives_them(seed: int, start: datetime) -> None:
    seeded = Random(seed)
    members = [Member(Account(SERVER, number)) for number in range(1, MEMBERS + 1)]
    decided: dict[str, object] = {}
    now = start
    for member in members[::3]:
        member.apply(ledger.grant(member.account, Microcredits(90)))
        member.model.granted += 90
    for _ in range(25):
        decide(decided, members, seeded)
        server = ServerSettings(**decided)
        for member in seeded.sample(members, 60):
            if member.open and seeded.random() < 0.6:
                end_a_job(member, seeded, now)
            if member.settled and seeded.random() < 0.1:
                refund_a_job(member, seeded, now)
            if seeded.random() < 0.7:
                command(member, server, seeded, now)
        now += timedelta(seconds=seeded.choice(STEPS_S))
        for member in members:
            # No job lasts for so long.
            while member.open and seeded.random() < 0.9:
                end_a_job(member, seeded, now)


def test_a_release_never_waits_and_a_charge_waits_a_day() -> None:
    now = JUMPS[0]
    rolls = Allowance(Microcredits(100), Period.ROLLING)
    account, _ = rolling.renew(Account(SERVER, 1), rolls, now)
    for amount, cost in ((100, None), (60, 60), (40, 15)):
        account, (held,) = ledger.hold(account, f"job{amount}", Microcredits(amount))
        if cost is None:
            account, _ = ledger.release(account, held)
        else:
            account, _ = rolling.settle(account, held, Microcredits(cost), now)
    assert account.allowance_ucr == 25
    a_day_later = now + timedelta(days=1)
    early, entries = rolling.renew(account, rolls, a_day_later - timedelta(milliseconds=1))
    assert (early.allowance_ucr, entries) == (25, ())
    back, (entry,) = rolling.renew(account, rolls, a_day_later)
    assert back.allowance_ucr == 100
    assert (entry.kind, entry.allowance_ucr) == (EntryKind.ALLOWANCE, 75)
    assert back.returns == ()


@pytest.mark.parametrize("period", [Period.DAY, Period.WEEK, Period.MONTH])
def test_there_and_back_at_once_gives_and_takes_nothing(period: Period) -> None:
    now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    of_period, rolls = (Allowance(Microcredits(100), each) for each in (period, Period.ROLLING))
    account, _ = rolling.renew(Account(SERVER, 1), of_period, now)
    account, (held,) = ledger.hold(account, "job", Microcredits(70))
    account, _ = rolling.settle(account, held, Microcredits(70), now)
    for target in (rolls, of_period, rolls, of_period):
        account, entries = rolling.renew(account, target, now, of_late=[Charge(70, now)])
        assert (account.allowance_ucr, entries) == (30, ())
    tomorrow = datetime(2026, 11, 19, 0, 1, tzinfo=UTC)
    spent = 0 if period is Period.DAY else 70
    account, _ = rolling.renew(account, of_period, tomorrow, spent_ucr=spent)
    assert account.allowance_ucr == 100 - spent
    assert account.returns == ()


def test_a_lowered_rolling_allowance_is_taken_from_what_is_left_and_from_what_comes_back() -> None:
    now = JUMPS[0]
    rolls, less = (Allowance(Microcredits(each), Period.ROLLING) for each in (100, 40))
    account, _ = rolling.renew(Account(SERVER, 1), rolls, now)
    account, (held,) = ledger.hold(account, "job", Microcredits(80))
    account, _ = rolling.settle(account, held, Microcredits(80), now)
    account, (expired,) = rolling.renew(account, less, now)
    assert (account.allowance_ucr, expired.allowance_ucr) == (0, -20)
    account, entries = rolling.renew(account, less, now + timedelta(days=1))
    assert account.allowance_ucr == 40
    assert [(each.kind.value, each.allowance_ucr) for each in entries] == [
        ("allowance", 80),
        ("expire", -40),
    ]


def test_a_clock_that_stood_ahead_keeps_nothing_back() -> None:
    now = JUMPS[0]
    rolls = Allowance(Microcredits(100), Period.ROLLING)
    account, _ = rolling.renew(Account(SERVER, 1), rolls, now)
    account, (held,) = ledger.hold(account, "job", Microcredits(80))
    account, _ = rolling.settle(account, held, Microcredits(80), now + timedelta(days=40))
    assert rolling.renew(account, rolls, now)[0].allowance_ucr == 100


def test_what_a_moderator_takes_of_a_rolling_allowance_comes_back_like_what_was_spent() -> None:
    now = JUMPS[0]
    rolls = Allowance(Microcredits(100), Period.ROLLING)
    account, _ = rolling.renew(Account(SERVER, 1, grant_ucr=10), rolls, now)
    account, (entry,) = rolling.correct(account, -30, now)
    assert (entry.allowance_ucr, entry.grant_ucr) == (-20, -10)
    with pytest.raises(ValueError, match="negative"):
        rolling.correct(account, -81, now)
    a_day_later = now + timedelta(days=1)
    early, _ = rolling.renew(account, rolls, a_day_later - timedelta(milliseconds=1))
    assert early.allowance_ucr == 80
    account, _ = rolling.renew(account, rolls, a_day_later)
    assert (account.allowance_ucr, account.grant_ucr) == (100, 0)


def test_a_refund_of_what_grants_paid_moves_nothing_of_a_rolling_allowance() -> None:
    now = JUMPS[0]
    rolls = Allowance(Microcredits(0), Period.ROLLING)
    account, _ = rolling.renew(Account(SERVER, 1, grant_ucr=70), rolls, now)
    account, (held,) = ledger.hold(account, "job", Microcredits(70))
    account, (settled,) = rolling.settle(account, held, Microcredits(70), now)
    account, entries = rolling.refund(account, held, settled, now)
    assert (account.allowance_ucr, account.grant_ucr) == (0, 70)
    assert [each.kind for each in entries] == [EntryKind.REFUND]


def test_an_account_that_a_clock_ahead_found_with_periods_has_them_from_the_next_midnight() -> None:
    now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    rolls, daily = (Allowance(Microcredits(100), each) for each in (Period.ROLLING, Period.DAY))
    account, _ = rolling.renew(Account(SERVER, 1), rolls, now)
    for found_at in (now + timedelta(days=40), now):
        account, _ = rolling.renew(account, daily, found_at)
        assert account.rolls
    account, _ = rolling.renew(account, daily, now + timedelta(days=1))
    assert not account.rolls


def test_a_hold_from_an_earlier_time_of_rolling_doubles_nothing() -> None:
    """It was forgiven by the refill in between, however long its job takes, and however it ends."""
    now = datetime(2026, 11, 18, 12, tzinfo=UTC)
    rolls, daily = (Allowance(Microcredits(100), each) for each in (Period.ROLLING, Period.DAY))
    account, _ = rolling.renew(Account(SERVER, 1), rolls, now)
    account, (held,) = ledger.hold(account, "job", Microcredits(70))
    account, _ = rolling.renew(account, daily, now)
    account, _ = rolling.renew(account, daily, now + timedelta(days=1))
    account, _ = rolling.renew(account, rolls, now + timedelta(days=1))
    charged, _ = rolling.settle(account, held, Microcredits(70), now + timedelta(days=1))
    assert (charged.allowance_ucr, charged.returns) == (100, ())
    account, entries = ledger.release(account, held)
    assert account.allowance_ucr == 100
    assert [each.allowance_ucr for each in entries] == [70, -70]


@pytest.mark.parametrize("month", range(1, 13))
def test_a_month_ends_on_its_last_day_from_whichever_it_is_counted(month: int) -> None:
    first = date(2026, month, 1)
    ends = ledger.period_end(first, Period.MONTH)
    assert (ends.day, ends.month) == (1, month % 12 + 1)
    days = [first + timedelta(days=n) for n in range((ends - first).days)]
    assert {ledger.period_end(day, Period.MONTH) for day in days} == {ends}
