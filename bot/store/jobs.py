"""Jobs: accept, claim, end; every step is guarded by the state it starts from."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

from msgspec import Struct

from bot.domain.budgets import limits_of_host
from bot.domain.credits import Microcredits
from bot.domain.jobs import Claimed, Failure, Job, JobState, Made, Problem, Task, TaskState
from bot.domain.ledger import Allowance
from bot.domain.queue import Caps
from bot.domain.requests import Mode, Reference
from bot.domain.settings import Keep
from bot.errors import Facts, StepLost
from bot.store import ledger, queue, tasks
from bot.store.rows import JOB, LAST, find_job, problem_row, read_job
from bot.store.schema import HAS_PARENT, IS_CANCELLED, IS_QUEUED, IS_WORKED_ON
from bot.store.sql import Transaction, among, listed, one_of

#: how many jobs a member is shown at once
HISTORY_SHOWN_MAX = 10
#: cancelled jobs whose members are told again at a start, at most: the latest
CANCELLED_MAX = 50

FIND = f"SELECT {JOB} FROM jobs WHERE id = :job"
#: what a member may look for among their jobs -> its condition; empty: all of them
KINDS: Mapping[str, str] = {
    "": "TRUE",
    "generate": f"mode = '{Mode.GENERATE}'",
    "edit": f"mode = '{Mode.EDIT}'",
    # One that Discord did not take has failed, but its images are kept.
    "pictures": f"(state = '{JobState.DONE}' OR keeps_images)",
    "failed": f"{one_of('state', (JobState.FAILED, JobState.CANCELLED))} AND NOT keeps_images",
    "open": f"""id IN (
        SELECT id FROM jobs WHERE {IS_QUEUED} UNION ALL SELECT id FROM jobs WHERE {IS_WORKED_ON}
    )""",
}


def _history(kind: str) -> str:
    # With a plus, SQLite begins with the few that have not ended.
    plus = "+" if kind == "open" else ""
    return f"""
        SELECT {JOB} FROM jobs
        WHERE {plus}server_id = :server AND {plus}user_id = :user AND {plus}id < :before
            AND NOT removed AND {KINDS[kind]}
        ORDER BY id DESC LIMIT :shown_max
    """


HISTORY = {kind: _history(kind) for kind in KINDS}
CHILDREN = f"SELECT id FROM jobs WHERE {HAS_PARENT} AND parent_id = :parent ORDER BY id"
#: not while the job is being delivered: its result may be on its way to Discord; nor once its
#: member has all of theirs erased: nothing is kept for them to get
STOP_WATCHING = f"""
    UPDATE jobs SET unwatched = TRUE
    WHERE id = :job AND {one_of("state", (JobState.QUEUED, JobState.RUNNING))}
        AND NOT EXISTS (
            SELECT 1 FROM erasures
            WHERE erasures.user_id = jobs.user_id AND erasures.erased_id IS NOT NULL
        )
    RETURNING {JOB}
"""
FORGET_MESSAGE = """
    UPDATE jobs SET message_id = NULL
    WHERE id = :job AND message_id = :message AND finished_at IS NOT NULL
"""
#: a job whose data was erased since has no token, so its member cannot be told by it
CANCELLED_SINCE = f"""
    SELECT {JOB} FROM jobs
    WHERE {IS_CANCELLED} AND failure = '{Failure.CANCELLED}' AND token != ''
        AND finished_at >= :since
    ORDER BY finished_at DESC LIMIT {CANCELLED_MAX}
"""
ENDED = f"SELECT id FROM jobs WHERE id IN {among('ids')} AND finished_at IS NOT NULL"
WITHOUT_USE = f"{ENDED} AND NOT keeps_images"
#: if this process's lease ran out meanwhile, the job's lease now is somebody else's
_IS_OWN = f"{IS_QUEUED} AND lease_owner = :owner"
#: a late answer takes nothing from a job that was delivered meanwhile, and brings nothing back to
#: one whose member was erased
HAND_OVER = f"""
    UPDATE jobs SET
        message_id = coalesce(message_id, :message),
        lease_owner = CASE WHEN {_IS_OWN} THEN NULL ELSE lease_owner END,
        lease_until = CASE WHEN {_IS_OWN} THEN NULL ELSE lease_until END
    WHERE id = :job AND user_id > 0
"""
CANCEL = f"""
    UPDATE jobs SET
        state = '{JobState.CANCELLED}', failure = :failure, facts = :facts, finished_at = :now
    WHERE id = :job AND {one_of("state", (JobState.QUEUED, JobState.RUNNING))}
        AND NOT EXISTS (
            SELECT 1 FROM tasks WHERE job_id = jobs.id AND tasks.state != '{TaskState.PENDING}'
        )
    RETURNING {JOB}
"""
_LEASED = "lease_owner = :owner, lease_until = :until"
RESUME = f"UPDATE jobs SET claims = claims + 1, {_LEASED} WHERE id = :job RETURNING {JOB}"
CLAIM = f"""
    UPDATE jobs SET
        state = '{JobState.RUNNING}', started_at = :now, claims = claims + 1, {_LEASED}
    WHERE id = ({queue.OLDEST})
    RETURNING {JOB}
"""
RENEW = f"""
    UPDATE jobs SET lease_until = :until WHERE lease_owner = :owner AND id IN {among("ids")}
"""
FREE_LEASES = [
    f"""
    UPDATE jobs SET lease_owner = NULL, lease_until = NULL
    WHERE {condition} AND lease_owner IS NOT NULL
    """
    for condition in (IS_QUEUED, IS_WORKED_ON)
]
_DELIVERING = f"id = :job AND state = '{JobState.DELIVERING}'"
#: not if a moderator has decided something about the job that its process does not know of yet
FINISH = f"""
    UPDATE jobs SET
        state = CASE
            WHEN failure IS NULL THEN '{JobState.DONE}' ELSE '{JobState.FAILED}'
        END,
        finished_at = :now,
        message_id = coalesce(:message, message_id),
        keeps_images = :keeps AND NOT removed
    WHERE {_DELIVERING} AND removed = :removed AND covered = :covered
    RETURNING {JOB}
"""
IN_SERVER = f"""
    SELECT id FROM jobs WHERE {IS_QUEUED} AND party_id = :server
    UNION ALL
    SELECT id FROM jobs WHERE {IS_WORKED_ON} AND +server_id = :server
"""
CHARGED = f"SELECT cost_ucr FROM jobs WHERE {_DELIVERING}"
#: an erased member's job has nobody to pay back
PAID = "SELECT cost_ucr FROM jobs WHERE id = :job AND finished_at IS NOT NULL AND user_id > 0"
UNPAID = "UPDATE jobs SET cost_ucr = 0 WHERE id = :job"
REFUND = f"""
    UPDATE jobs SET failure = :failure, facts = :facts, cost_ucr = 0 WHERE {_DELIVERING}
    RETURNING {JOB}
"""


class House(Struct, frozen=True):
    """The host's rules, and which process this is."""

    caps: Caps
    allowance: Allowance
    #: what each server may spend in a month; None: as much as its members may
    budget_ucr: Microcredits | None
    #: what all servers and direct messages together may spend in a month; None: no limit
    total_budget_ucr: Microcredits | None
    #: the name on this process's leases
    owner: str
    keep: Keep

    def lease(self, now: datetime) -> dict[str, object]:
        return {"owner": self.owner, "until": now + timedelta(seconds=queue.LEASE_S)}


def hand_over(tx: Transaction, house: House, answered: Mapping[str, int | None]) -> None:
    """
    Free the jobs' leases: their members have the status messages, so anyone may work on them now.

    Args:
        answered: a job's id -> its status message's; None: that is not known.
    """
    given = {"owner": house.owner}
    tx.executemany(
        HAND_OVER, [given | {"job": job_id, "message": it} for job_id, it in answered.items()]
    )


def cancel(
    tx: Transaction,
    house: House,
    job_id: str,
    now: datetime,
    failure: Failure = Failure.CANCELLED,
    facts: Facts | None = None,
) -> Job:
    """
    End a job of which nothing was submitted, and release its hold.

    Args:
        facts: of the problem that the job ends with.
    Raises:
        StepLost: it is too late; or it was cancelled before.
    """
    problem = Problem(failure, facts or {})
    job = find_job(tx, CANCEL, {"job": job_id, "now": now} | problem_row(problem))
    if job is None:
        raise StepLost(f"job {job_id} was submitted, or has ended")
    tasks.cancel(tx, job_id, failure)
    if job.started_at is None:
        queue.leave(tx, job)
    ledger.end_hold(tx, house.allowance, job, None, now)
    return job


def claim(tx: Transaction, house: House, now: datetime, jobs_max: int) -> Claimed:
    """
    Take jobs whose owners died, then queued jobs in turn, as long as their members, servers and
    routes are under their caps. A queued job becomes running; a resumed one keeps its state.
    """
    choice = queue.Choice(house.caps, now)
    choice.look(tx)
    given = house.lease(now)
    claimed = []
    for job_id in choice.left[:jobs_max]:
        job = read_job(tx.one(RESUME, given | {"job": job_id}))
        claimed.append((job, tasks.of_job(tx, job_id)))
    while len(claimed) < jobs_max and (turn := choice.next_turn(tx)):
        job = read_job(tx.one(CLAIM, given | turn))
        its_tasks = tasks.of_job(tx, job.id)
        choice.images.update(task.route_id for task in its_tasks)
        claimed.append((job, its_tasks))
        if not queue.is_anybody_waiting(tx):
            return Claimed(tuple(claimed), others_wait=False)
    return Claimed(tuple(claimed), others_wait=queue.is_anybody_waiting(tx))


def history(
    tx: Transaction,
    server_id: int,
    user_id: int,
    *,
    before: str = "",
    kind: str = "",
    limit: int = HISTORY_SHOWN_MAX,
) -> list[Job]:
    """
    A member's jobs, newest first.

    Args:
        before: a job's id: only older ones; empty: from the latest on.
        kind: one of KINDS.
    """
    given = {"server": server_id, "user": user_id, "before": before or LAST, "shown_max": limit}
    return [read_job(row) for row in tx.rows(HISTORY[kind], given)]


def children(tx: Transaction, job_id: str) -> list[str]:
    """The ids of the jobs that go on from this job's result, oldest first."""
    return tx.scalars(CHILDREN, {"parent": job_id})


def stop_watching(tx: Transaction, job_id: str) -> Job | None:
    """
    Record that the member no longer waits for the job: its images are kept, and nothing is posted.

    Returns:
        None: it has ended or is being delivered, its member is being erased, or there is no such
        job.
    """
    return find_job(tx, STOP_WATCHING, {"job": job_id})


def forget_message(tx: Transaction, job_id: str, message_id: int) -> None:
    """Record that the message that showed the result was deleted, if it was this one."""
    tx.execute(FORGET_MESSAGE, {"job": job_id, "message": message_id})


def renew_leases(tx: Transaction, house: House, job_ids: Sequence[str], now: datetime) -> None:
    tx.execute(RENEW, house.lease(now) | {"ids": listed(job_ids)})


def free_leases(tx: Transaction) -> int:
    """Free all leases, at the start of the database's only process: their owners are dead."""
    return sum(tx.execute(statement) for statement in FREE_LEASES)


def find(tx: Transaction, job_id: str) -> Job | None:
    """The job, for an id that came from outside."""
    return find_job(tx, FIND, {"job": job_id})


def makers(tx: Transaction, pictures: Sequence[Reference]) -> dict[str, Job]:
    """Name of a picture's file -> the job that made it, of those pictures that are a job's."""
    jobs = {job_id: find(tx, job_id) for job_id in {each.job_id for each in pictures} - {""}}
    return {each.kept_as: job for each in pictures if (job := jobs.get(each.job_id))}


def job_of(tx: Transaction, job_id: str) -> Job:
    return read_job(tx.one(FIND, {"job": job_id}))


def look(tx: Transaction, job_id: str) -> tuple[Job, list[Task]]:
    """The job and its tasks at one moment."""
    return job_of(tx, job_id), tasks.of_job(tx, job_id)


def to_deliver(tx: Transaction, house: House, job_id: str, now: datetime) -> Made:
    """A job in delivery as it is now."""
    job = job_of(tx, job_id)
    account, _ = ledger.keep_up(tx, job.server_id, job.user_id, house.allowance, now)
    return Made(job, tasks.of_job(tx, job_id), account.available_ucr)


def finish(
    tx: Transaction, job: Job, message_id: int | None, now: datetime, *, keeps_images: bool = False
) -> Job:
    """
    End a job whose member has been told: it is done, or failed.

    Args:
        job: as its process knows it.
    Returns:
        The job; it is still in delivery if a moderator has removed or covered it meanwhile.
    """
    given = {"job": job.id, "message": message_id, "now": now, "keeps": keeps_images}
    if ended := find_job(tx, FINISH, given | {"removed": job.removed, "covered": job.covered}):
        return ended
    found = job_of(tx, job.id)
    if found.state is not JobState.DELIVERING:
        raise StepLost(f"job {job.id} is no longer {JobState.DELIVERING}")
    return found


def cancelled_since(tx: Transaction, since: datetime) -> list[Job]:
    """The latest jobs that their members, or moderators, have cancelled since then."""
    return [read_job(row) for row in tx.rows(CANCELLED_SINCE, {"since": since})]


def under_way_in(tx: Transaction, server_id: int) -> list[str]:
    """The ids of a server's jobs that have not ended."""
    return tx.scalars(IN_SERVER, {"server": server_id})


def without_use(tx: Transaction, job_ids: Collection[str]) -> set[str]:
    """Of these jobs, those that have ended and keep no images."""
    return set(tx.scalars(WITHOUT_USE, {"ids": listed(job_ids)}))


def ended(tx: Transaction, job_ids: Collection[str]) -> set[str]:
    """Of these jobs, those that have ended."""
    return set(tx.scalars(ENDED, {"ids": listed(job_ids)}))


def refund(tx: Transaction, house: House, job: Job, problem: Problem, now: datetime) -> Job:
    """Give back what a job in delivery was charged; the problem is then delivered instead."""
    cost = tx.scalar(CHARGED, {"job": job.id})
    if cost is None:
        raise StepLost(f"job {job.id} is no longer {JobState.DELIVERING}")
    if cost:
        stays_spent = limits_of_host(house.budget_ucr, job.server_id)
        ledger.pay_back(tx, house.allowance, job.id, cost, now, stays_spent)
    return read_job(tx.one(REFUND, {"job": job.id} | problem_row(problem)))


def refund_ended(
    tx: Transaction,
    default: Allowance,
    job_id: str,
    now: datetime,
    stays_spent: Collection[tuple[int, int]] = (),
) -> tuple[Microcredits, Microcredits]:
    """
    Give back what an ended job was charged.

    Args:
        default: the allowance of an account that does not remember one.
        stays_spent: see `ledger.pay_back`.
    Returns:
        The amount; 0: there is no such job, it is under way, or it has cost nothing. And what of it
        expired at once.
    """
    cost = Microcredits(tx.scalar(PAID, {"job": job_id}) or 0)
    if not cost:
        return cost, cost
    expired = ledger.pay_back(tx, default, job_id, cost, now, stays_spent)
    tx.execute(UNPAID, {"job": job_id})
    return cost, expired
