"""
Random histories of several accounts, held against a model that knows no entries.

The model keeps each job's parts and computes a balance anew from all of them: what was given,
less what jobs hold or were charged. The ledger must agree after every step.
"""

from datetime import UTC, date, datetime, time, timedelta

import pytest
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, rule
from msgspec import Struct, field

from bot.domain import ledger
from bot.domain.credits import Microcredits
from bot.domain.ledger import Account, Allowance, Change, Entry, EntryKind, Period
from bot.errors import InsufficientCredits

SERVER = 7
#: Ada has credits, Ben has what corrections leave him, Cleo is a moderator
ADA, BEN, CLEO = 1, 2, 3
FIRST_DAY = date(2025, 12, 25)

users = st.sampled_from([ADA, BEN, CLEO])
amounts = st.integers(min_value=0, max_value=300)


class ModelJob(Struct):
    user: int
    day: int | None
    held_allowance: int
    held_grant: int
    #: what is not the member's: the whole hold, then the cost, then nothing
    away_allowance: int
    away_grant: int


class ModelMember(Struct):
    #: days since FIRST_DAY; None before the first refill
    day: int | None = None
    refilled_to: int = 0
    allowance_given: int = 0
    grants_given: int = 0
    jobs: list[ModelJob] = field(default_factory=list)

    @property
    def allowance(self) -> int:
        away = sum(job.away_allowance for job in self.jobs if job.day == self.day)
        return self.allowance_given - away

    @property
    def grant(self) -> int:
        return self.grants_given - sum(job.away_grant for job in self.jobs)


class LedgerMachine(RuleBasedStateMachine):
    open_jobs: Bundle[str] = Bundle("open_jobs")
    settled_jobs: Bundle[str] = Bundle("settled_jobs")

    def __init__(self) -> None:
        super().__init__()
        self.today = 0
        self.accounts = {user: Account(SERVER, user) for user in (ADA, BEN, CLEO)}
        self.entries: list[Entry] = []
        self.model = {user: ModelMember() for user in (ADA, BEN, CLEO)}
        self.jobs: dict[str, ModelJob] = {}

    @rule(days=st.sampled_from([0, 1, 1, 1, 40, -3]))
    def time_passes(self, days: int) -> None:
        """Or the clock stood ahead, and is set right."""
        self.today += days

    @rule(user=st.sampled_from([ADA, CLEO]), allowance=amounts)
    def renew(self, user: int, allowance: int) -> None:
        """A period turned, or the allowance was changed within one."""
        noon = datetime.combine(FIRST_DAY + timedelta(days=self.today), time(12), UTC)
        to = Allowance(Microcredits(allowance), Period.DAY)
        self.apply(ledger.renew(self.accounts[user], to, noon))
        member = self.model[user]
        if member.day != self.today:
            # Of a day that comes twice, what its jobs took the first time is given anew.
            away = sum(job.away_allowance for job in member.jobs if job.day == self.today)
            member.day, member.allowance_given = self.today, allowance + away
            member.refilled_to = allowance
            return
        # What is spent already is not taken.
        more = max(allowance - member.refilled_to, -member.allowance)
        member.allowance_given += more
        member.refilled_to += more

    @rule(user=st.sampled_from([ADA, CLEO]), amount=amounts)
    def grant(self, user: int, amount: int) -> None:
        self.apply(ledger.grant(self.accounts[user], Microcredits(amount)))
        self.model[user].grants_given += amount

    @rule(user=users, allowance=st.integers(-50, 50), grant=st.integers(-50, 50))
    def correct(self, user: int, allowance: int, grant: int) -> None:
        member = self.model[user]
        if member.allowance + allowance < 0 or member.grant + grant < 0:
            with pytest.raises(ValueError, match="cannot make a balance negative"):
                ledger.correct(self.accounts[user], allowance, grant)
            return
        self.apply(ledger.correct(self.accounts[user], allowance, grant))
        member.allowance_given += allowance
        member.grants_given += grant

    @rule(target=open_jobs, user=users, amount=amounts)
    def hold(self, user: int, amount: int) -> str:
        member, job_id = self.model[user], f"job{len(self.jobs)}"
        from_allowance = min(amount, member.allowance)
        from_grant = amount - from_allowance
        if from_grant > member.grant:
            with pytest.raises(InsufficientCredits):
                ledger.hold(self.accounts[user], job_id, Microcredits(amount))
            # A job without a hold, so that the rules below always have a job.
            amount = from_allowance = from_grant = 0
        self.apply(ledger.hold(self.accounts[user], job_id, Microcredits(amount)))
        job = ModelJob(user, member.day, from_allowance, from_grant, from_allowance, from_grant)
        self.jobs[job_id] = job
        member.jobs.append(job)
        return job_id

    @rule(target=settled_jobs, job_id=consumes(open_jobs), share=st.integers(0, 100))
    def settle(self, job_id: str, share: int) -> str:
        job = self.jobs[job_id]
        cost = (job.held_allowance + job.held_grant) * share // 100
        held = self.entry(job_id, EntryKind.HOLD)
        self.apply(ledger.settle(self.accounts[job.user], held, Microcredits(cost)))
        job.away_allowance = min(cost, job.held_allowance)
        job.away_grant = cost - job.away_allowance
        return job_id

    @rule(job_id=open_jobs, excess=st.integers(1, 10))
    def settle_at_more_than_was_held(self, job_id: str, excess: int) -> None:
        job = self.jobs[job_id]
        cost = Microcredits(job.held_allowance + job.held_grant + excess)
        held = self.entry(job_id, EntryKind.HOLD)
        with pytest.raises(ValueError, match="does not fit"):
            ledger.settle(self.accounts[job.user], held, cost)

    @rule(job_id=consumes(open_jobs))
    def release(self, job_id: str) -> None:
        job = self.jobs[job_id]
        self.apply(ledger.release(self.accounts[job.user], self.entry(job_id, EntryKind.HOLD)))
        job.away_allowance = job.away_grant = 0

    @rule(job_id=consumes(settled_jobs))
    def refund(self, job_id: str) -> None:
        job = self.jobs[job_id]
        held, settled = (self.entry(job_id, kind) for kind in (EntryKind.HOLD, EntryKind.SETTLE))
        self.apply(ledger.refund(self.accounts[job.user], held, settled))
        job.away_allowance = job.away_grant = 0

    def apply(self, change: Change) -> None:
        account, entries = change
        self.accounts[account.user_id] = account
        self.entries += entries

    def entry(self, job_id: str, kind: EntryKind) -> Entry:
        (found,) = (
            entry for entry in self.entries if entry.job_id == job_id and entry.kind is kind
        )
        return found

    @invariant()
    def balances_are_those_of_the_model_and_never_negative(self) -> None:
        for user, member in self.model.items():
            account = self.accounts[user]
            assert (account.allowance_ucr, account.grant_ucr) == (member.allowance, member.grant)
            assert account.allowance_ucr >= 0
            assert account.grant_ucr >= 0

    @invariant()
    def entries_add_up_to_balances(self) -> None:
        for user, account in self.accounts.items():
            own = [entry for entry in self.entries if entry.user_id == user]
            assert sum(entry.allowance_ucr for entry in own) == account.allowance_ucr
            assert sum(entry.grant_ucr for entry in own) == account.grant_ucr

    @invariant()
    def a_job_neither_gives_back_more_than_was_held_nor_ends_its_hold_twice(self) -> None:
        for job_id, job in self.jobs.items():
            own = [entry for entry in self.entries if entry.job_id == job_id]
            moved = [entry for entry in own if entry.kind is not EntryKind.EXPIRE]
            kinds = [entry.kind for entry in moved]
            assert kinds in (
                [EntryKind.HOLD],
                [EntryKind.HOLD, EntryKind.RELEASE],
                [EntryKind.HOLD, EntryKind.SETTLE],
                [EntryKind.HOLD, EntryKind.SETTLE, EntryKind.REFUND],
            )
            assert sum(entry.allowance_ucr for entry in moved) == -job.away_allowance
            assert sum(entry.grant_ucr for entry in moved) == -job.away_grant


# Seconds; of the long profile, which is far from the ordinary minute.
TestLedger = pytest.mark.timeout(3_600)(LedgerMachine.TestCase)
