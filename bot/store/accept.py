"""Accepts a job in one transaction: checks its bounds, holds its quote and inserts its rows."""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta

from bot.domain import budgets, policy, rolling
from bot.domain import ledger as rules
from bot.domain.jobs import Job, Offer
from bot.domain.ledger import EVERYBODY, NOBODY, Account, Allowance, Change
from bot.domain.settings import UNDECIDED, ServerSettings
from bot.errors import Busy, InsufficientCredits, Reason, Refusal, Repeated
from bot.store import ledger, members, oversight, queue, settings, tasks
from bot.store.jobs import House
from bot.store.rows import job_row
from bot.store.sql import Transaction, insert

#: an account or a budget brought up to now, what it is refilled to, and the reason of a refusal if
#: it has too little
Purse = tuple[Change, Allowance, Reason]

#: reasons that no form could mend: it changes neither who asks nor whose pictures these are, nor
#: whether the image is private
FINAL = frozenset(
    {Reason.DRAFT_USED, Reason.BLOCKED, Reason.PRIVATE_NOT_ALLOWED, Reason.PICTURE_NOT_ALLOWED}
)
_WAITING = f"SELECT coalesce(sum(waiting), 0) FROM queue WHERE {queue.WAITING} AND user_id ="
#: what may keep a job from being accepted, besides its credits and its server's settings
BEFORE = f"""
    SELECT
        (SELECT id FROM jobs WHERE interaction_id = :interaction) AS repeats,
        ({_WAITING} {queue.PARTY}) AS queued,
        ({_WAITING} :user) AS own,
        {oversight.BLOCKED_COLUMNS},
        EXISTS (
            SELECT 1 FROM erasures WHERE user_id = :user AND erased_id IS NOT NULL
        ) AS erasing
"""
NEW_JOB = insert(
    "jobs",
    *("id", "server_id", "channel_id", "user_id", "party_id", "route_id", "state", "request"),
    *("quote_ucr", "nsfw_checker", "spoiler", "application_id", "token", "token_expires_at"),
    *("file_bytes_max", "created_at", "lease_owner", "lease_until", "interaction_id", "locale"),
    *("parent_id", "mode"),
)


def accept(
    tx: Transaction,
    house: House,
    draft: Job,
    role_ids: Collection[int],
    offers: Callable[[ServerSettings], Sequence[Offer]],
    *,
    draft_id: str = "",
) -> tuple[Offer, tuple[int, int]]:
    """
    Refill the account if that is due, hold a quote and insert the job, or do none of it.

    This process has the job's lease until `hand_over`, so that nobody works on the job before its
    member has an answer.

    Args:
        draft: who asks for what, where and when.
        role_ids: the member's.
        offers: returns the job at each quote that it may be held at, the dearest first; the first
            quote that the account covers is held. A pure function.
        draft_id: id of the kept draft that this job uses up; empty: there is none.
    Returns:
        What was accepted; how many jobs are ahead of it, and how many of those are the member's.
    Raises:
        Repeated: the interaction has a job already; nothing is held.
        NotAllowed: the member is blocked.
        Busy: the queue is full, or the member's part of it.
        InsufficientCredits: the account or a budget covers no quote, or all are above the ceiling.
        Refusal: from `offers`; or the kept draft is gone, or the member's data is being erased.
    """
    given = {
        "interaction": draft.interaction_id,
        "server": draft.server_id,
        "user": draft.user_id,
        "now": draft.created_at,
    }
    before = tx.one(BEFORE, given)
    if before.repeats is not None:
        raise Repeated(f"interaction {draft.interaction_id} is job {before.repeats} already")
    oversight.refuse_blocked(before)
    if before.erasing:
        raise Refusal(Reason.ERASING)
    if draft_id and members.draft(tx, draft_id, draft.user_id) is None:
        raise Refusal(Reason.DRAFT_USED)
    decided = settings.of_server(tx, draft.server_id)
    offered = policy.within_ceiling(decided, offers(decided))
    if before.queued >= house.caps.queued_max:
        raise Busy(Reason.QUEUE_FULL)
    if before.own >= house.caps.queued_per_user_max:
        raise Busy(Reason.OWN_QUEUE_FULL, waiting=before.own)
    whose = (draft.server_id, draft.user_id)
    purses = purses_of(tx, house, whose, role_ids, decided, draft.created_at)
    offer, changes = _hold_first(purses, offered, draft.created_at)
    if draft_id:
        members.use_draft(tx, draft_id, draft.user_id)
    now = draft.created_at
    row = job_row(offer.job) | {
        "party_id": queue.party_of(draft.server_id, draft.user_id),
        "route_id": offer.tasks[0].route_id,
        "lease_owner": house.owner,
        "lease_until": now + timedelta(seconds=queue.LEASE_S),
    }
    tx.execute(NEW_JOB, row)
    tasks.insert(tx, offer.tasks)
    for of_account in changes:
        ledger.apply(tx, *of_account, now=now)
    return offer, queue.enqueue(tx, offer.job, others=before.queued)


def accept_or_keep(
    tx: Transaction,
    house: House,
    draft: Job,
    role_ids: Collection[int],
    offers: Callable[[ServerSettings], Sequence[Offer]],
    *,
    draft_id: str = "",
) -> tuple[Offer, tuple[int, int]] | Refusal:
    """
    Accept a job as `accept` does, but return a refusal. The refused request is kept as a draft that
    the refusal names, unless the reason is a FINAL one; the draft that it came from can be ordered
    again.

    Raises:
        Repeated: the interaction has a job already; nothing is held.
    """
    try:
        return accept(tx, house, draft, role_ids, offers, draft_id=draft_id)
    except Refusal as refused:
        if isinstance(refused, InsufficientCredits):
            decided = settings.of_server(tx, draft.server_id)
            whose = (draft.server_id, draft.user_id)
            purses = purses_of(tx, house, whose, role_ids, decided, draft.created_at)
            refused.left_ucr = min(account.available_ucr for (account, _), *_ in purses)
            for renewal, *_ in purses:
                if renewal[0].user_id == NOBODY:
                    # What a month has cost before it had a budget is added up only once.
                    ledger.apply(tx, renewal, now=draft.created_at)
        # Before a refusal, nothing else was written.
        if refused.reason not in FINAL:
            now = draft.created_at
            refused.draft_id = draft_id or members.keep_draft(tx, draft.user_id, draft.request, now)
        return refused


def _hold_first(
    purses: Sequence[Purse], offered: Sequence[Offer], now: datetime
) -> tuple[Offer, list[tuple[Change, Change]]]:
    """
    Find the first offer that the account and the budgets cover.

    Returns:
        The offer; and for the account and each budget, the change that refills it and the change
        that holds the quote.
    """
    refused = None
    for offer in offered:
        changes = []
        for renewal, refill, reason in purses:
            try:
                held = rules.hold(renewal[0], offer.job.id, offer.job.quote_ucr)
            except InsufficientCredits as error:
                refused = _short(reason, error, renewal[0], refill, now)
                break
            changes.append((renewal, held))
        else:
            return offer, changes
    assert refused is not None, "there was no offer"
    raise refused


def purses_of(
    tx: Transaction,
    house: House,
    whose: tuple[int, int],
    role_ids: Collection[int],
    decided: ServerSettings,
    now: datetime,
) -> list[Purse]:
    """
    The account and each budget that a job is held from.

    Args:
        whose: the ids of the job's server and member.
    """
    server_id, user_id = whose
    allowance = policy.allowance(decided, role_ids, house.allowance)
    asked: list[tuple[tuple[int, int], Allowance | None, Reason]]
    asked = [(whose, allowance, Reason.CREDITS)]
    if server_id:
        budget = policy.budget(decided, house.budget_ucr)
        asked.append(((server_id, NOBODY), budget, Reason.BUDGET))
    total = policy.budget(UNDECIDED, house.total_budget_ucr)
    asked.append((EVERYBODY, total, Reason.TOTAL_BUDGET))
    accounts = ledger.read_purses(tx, server_id, user_id, [its for its, *_ in asked])
    found = []
    for account, (_, given, reason) in zip(accounts, asked, strict=True):
        refill = given or budgets.without_end(account, now)
        if refill is not None:
            found.append((ledger.renew(tx, account, refill, now), refill, reason))
    return found


def _short(
    reason: Reason, error: InsufficientCredits, account: Account, refill: Allowance, now: datetime
) -> InsufficientCredits:
    """The refusal, with the time at which the account will have more, if that can be enough."""
    when: dict[str, int] = {}
    if account.rolls:
        reason = Reason.ROLLING_CREDITS
        if back := rolling.next_return(account, refill.amount_ucr):
            when = {"back_ucr": back.amount_ucr, "back_at": int(back.due_at.timestamp())}
    else:
        refilled_ucr = refill.amount_ucr + account.grant_ucr
        if reason is not Reason.CREDITS or refilled_ucr >= int(str(error.facts["needed_ucr"])):
            when = {"refills_at": int(refill.refills_at(now).timestamp())}
    return InsufficientCredits(reason, **error.facts, **when)
