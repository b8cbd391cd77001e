"""
Which job is next, and how many are ahead of a job: the rule of bot/domain/queue.py, from counts.

The counts are read and changed in one transaction, and SQLite's one writer keeps transactions
apart. A database with several writers would have to lock the rows it chooses from (FOR UPDATE).
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any

from msgspec import Struct, field

from bot.domain.jobs import OPEN_TASK_STATES, Job, JobState
from bot.domain.queue import Caps, Turns, Waiting, fair_order
from bot.store.schema import IS_QUEUED, IS_WAITING, IS_WORKED_ON
from bot.store.sql import Transaction, among, listed, one_of

#: seconds; a job whose owner has not renewed its lease for so long is free for anyone
LEASE_S = 60
#: where the turns of those who were never served begin
NEWCOMER = -(2**40)
#: in place of a user's id: the party as a whole
PARTY = 0

WAITING = f"queue.{IS_WAITING}"

_ARRIVAL = f"(SELECT coalesce(max(turn), {NEWCOMER}) + 1 FROM queue WHERE turn < 0)"
ENQUEUE = f"""
    INSERT INTO queue (party_id, user_id, waiting, turn) VALUES (:party, :line, 1, {_ARRIVAL})
    ON CONFLICT (party_id, user_id) DO UPDATE SET
        waiting = queue.waiting + 1,
        -- Whoever left unserved and comes back is new again.
        turn = CASE WHEN queue.waiting = 0 AND queue.turn < 0 THEN excluded.turn ELSE queue.turn END
    RETURNING waiting, turn
"""
_OF_BOTH = f"WHERE party_id = :party AND user_id IN ({PARTY}, :user)"
LEAVE = f"UPDATE queue SET waiting = waiting - 1 {_OF_BOTH}"
TAKE_TURN = f"""
    UPDATE queue SET
        waiting = waiting - 1,
        turn = (SELECT CASE WHEN max(turn) > 0 THEN max(turn) + 1 ELSE 1 END FROM queue)
    {_OF_BOTH}
"""
#: how many jobs are ahead of a job that has `rounds` full rounds before it and the turn `turn`
_AHEAD = f"""
    SELECT coalesce(sum(
        CASE
            WHEN waiting <= :rounds THEN waiting
            WHEN turn < :turn THEN :rounds + 1
            ELSE :rounds
        END
    ), 0)
    FROM queue WHERE {WAITING}
"""
MEMBERS_AHEAD = f"{_AHEAD} AND party_id = :party AND user_id NOT IN ({PARTY}, :user)"
PARTIES_AHEAD = f"{_AHEAD} AND user_id = {PARTY} AND party_id != :party"

#: nobody holds the job; a lease that ends later than any can is from a clock that was ahead
_IS_FREE = "(lease_until IS NULL OR lease_until < :now OR lease_until > :latest)"
_CLAIMABLE = f"jobs.{IS_QUEUED} AND {_IS_FREE} AND jobs.route_id NOT IN {among('full_routes')}"
NEXT_PARTY = f"""
    SELECT party_id FROM queue
    WHERE {WAITING} AND user_id = {PARTY} AND party_id NOT IN {among("full_parties")}
        AND EXISTS (
            SELECT 1 FROM jobs
            WHERE jobs.party_id = queue.party_id
                AND jobs.user_id NOT IN {among("full_users")}
                AND {_CLAIMABLE}
        )
    ORDER BY turn LIMIT 1
"""
NEXT_MEMBER = f"""
    SELECT user_id FROM queue
    WHERE {WAITING} AND party_id = :party
        AND user_id != {PARTY} AND user_id NOT IN {among("full_users")}
        AND EXISTS (
            SELECT 1 FROM jobs
            WHERE jobs.party_id = queue.party_id AND jobs.user_id = queue.user_id
                AND {_CLAIMABLE}
        )
    ORDER BY turn LIMIT 1
"""
OLDEST = f"""
    SELECT id FROM jobs
    WHERE party_id = :party AND user_id = :user AND {_CLAIMABLE}
    ORDER BY created_at, id LIMIT 1
"""
#: the jobs under way, each with the routes of its open tasks
WORKED_ON = f"""
    SELECT jobs.id, jobs.party_id, jobs.user_id, {_IS_FREE} AS is_free, tasks.route_id
    FROM jobs LEFT JOIN tasks
        ON tasks.job_id = jobs.id AND jobs.state = '{JobState.RUNNING}'
        AND {one_of("tasks.state", OPEN_TASK_STATES)}
    WHERE jobs.{IS_WORKED_ON}
    ORDER BY jobs.created_at, jobs.id
"""
ANYBODY = f"SELECT EXISTS (SELECT 1 FROM queue WHERE {WAITING} AND user_id = {PARTY})"
QUEUED = f"""
    SELECT id, party_id, user_id, route_id, lease_owner FROM jobs
    WHERE jobs.{IS_QUEUED} ORDER BY created_at, id
"""
NOT_ENDED = " UNION ALL ".join(
    f"SELECT state, count(*) AS jobs, min(created_at) AS oldest_at FROM jobs WHERE {its}"
    " GROUP BY state"
    for its in (IS_QUEUED, IS_WORKED_ON)
)
#: CROSS JOIN: SQLite begins with the jobs under way, and not with all tasks there ever were
ON_ROUTES = f"""
    SELECT tasks.route_id, count(*) AS images FROM jobs CROSS JOIN tasks
    WHERE tasks.job_id = jobs.id
        AND jobs.{IS_WORKED_ON} AND {one_of("tasks.state", OPEN_TASK_STATES)}
    GROUP BY tasks.route_id
"""
TURNS = f"SELECT party_id, user_id, turn FROM queue WHERE {WAITING}"


def party_of(server_id: int, user_id: int) -> int:
    """The id of those who share turns: a server, or in direct messages one member (negative)."""
    return server_id or -user_id


def enqueue(tx: Transaction, job: Job, others: int) -> tuple[int, int]:
    """
    Count a new job as waiting.

    Args:
        others: how many wait already.
    Returns:
        How many of them are ahead of it, and how many of those are its member's own.
    """
    party = party_of(job.server_id, job.user_id)
    lines = ({"party": party, "line": line} for line in (PARTY, job.user_id))
    whole, member = (tx.one(ENQUEUE, line) for line in lines)
    if not others:
        return 0, 0
    own: int = member.waiting - 1
    ahead = own
    if whole.waiting > member.waiting:
        given = {"party": party, "user": job.user_id, "rounds": own, "turn": member.turn}
        ahead += tx.scalar(MEMBERS_AHEAD, given)
    elsewhere = {"party": party, "rounds": ahead, "turn": whole.turn}
    return ahead + tx.scalar(PARTIES_AHEAD, elsewhere), own


def leave(tx: Transaction, job: Job) -> None:
    """Stop counting a job that has ended in the queue."""
    tx.execute(LEAVE, {"party": party_of(job.server_id, job.user_id), "user": job.user_id})


def is_anybody_waiting(tx: Transaction) -> bool:
    return bool(tx.scalar(ANYBODY))


class Choice(Struct):
    """Chooses what one transaction claims: jobs that were left, then those whose turn it is."""

    caps: Caps
    now: datetime
    #: ids of jobs that were claimed before and that nobody works on any more, oldest first
    left: list[str] = field(default_factory=list)
    #: images under way by route; the caller adds those of each job that it claims
    images: Counter[str] = field(default_factory=Counter)
    #: jobs under way by party and by member
    _of_parties: Counter[int] = field(default_factory=Counter)
    _of_users: Counter[int] = field(default_factory=Counter)

    @property
    def lease(self) -> dict[str, datetime]:
        # No lease ends later than this, unless the clock was ahead when it was taken.
        return {"now": self.now, "latest": self.now + timedelta(seconds=2 * LEASE_S)}

    def look(self, tx: Transaction) -> None:
        """Read which jobs are under way."""
        parties, users, images = self._of_parties, self._of_users, self.images
        last = None
        for job_id, party, user, is_free, route_id in tx.rows(WORKED_ON, self.lease):
            if route_id is not None:
                images[route_id] = images.get(route_id, 0) + 1
            if job_id == last:
                continue
            last = job_id
            parties[party] = parties.get(party, 0) + 1
            users[user] = users.get(user, 0) + 1
            if is_free:
                self.left.append(job_id)

    def next_turn(self, tx: Transaction) -> dict[str, Any] | None:
        """
        Take the turn of the next member under the caps.

        Returns:
            The parameters with which OLDEST finds the member's job; None: it is nobody's turn.
        """
        given: dict[str, Any] = {
            **self.lease,
            # A member in direct messages has a cap of their own, and no server's.
            "full_parties": listed(
                party
                for party in _full(self._of_parties, self.caps.running_per_server_max)
                if party > 0
            ),
            "full_users": listed(_full(self._of_users, self.caps.running_per_user_max)),
            "full_routes": listed(
                route_id
                for route_id, images in self.images.items()
                if images >= self.caps.running_per_route_max.get(route_id, 0)
            ),
        }
        party = tx.scalar(NEXT_PARTY, given)
        if party is None:
            return None
        user = tx.scalar(NEXT_MEMBER, given | {"party": party})
        assert user is not None, "its party would not have had its turn"
        tx.execute(TAKE_TURN, {"party": party, "user": user})
        self._of_parties[party] += 1
        self._of_users[user] += 1
        return given | {"party": party, "user": user}


def _full(running: Counter[int], running_max: int) -> Iterator[int]:
    return (each for each, jobs in running.items() if jobs >= running_max)


class Backlog(Struct, frozen=True):
    """What has not ended."""

    #: state -> jobs
    jobs: Mapping[str, int]
    #: route's id -> images that a provider is asked for, or will be
    images: Mapping[str, int]
    #: when the oldest job was asked for that is queued; None: none is
    oldest_queued_at: datetime | None


def backlog(tx: Transaction) -> Backlog:
    rows = list(tx.rows(NOT_ENDED))
    [oldest] = [row.oldest_at for row in rows if row.state == JobState.QUEUED] or [None]
    return Backlog(
        {row.state: row.jobs for row in rows},
        {row.route_id: row.images for row in tx.rows(ON_ROUTES)},
        oldest,
    )


class Queued(Struct, frozen=True):
    job_id: str
    route_id: str
    #: jobs whose turn comes first, and how many of them are the member's own
    ahead: int
    own: int


def list_queue(tx: Transaction) -> list[Queued]:
    """The queued jobs whose members have a status message, in their fair order."""
    rows = {row.id: row for row in tx.rows(QUEUED)}
    if not rows:
        return []
    taken = {(row.party_id, row.user_id): row.turn for row in tx.rows(TURNS)}
    order = fair_order(
        [Waiting(row.id, row.party_id, row.user_id) for row in rows.values()],
        Turns(
            servers={party: turn for (party, user), turn in taken.items() if user == PARTY},
            members=taken,
        ),
    )
    queued, own = [], Counter[tuple[int, int]]()
    for ahead, each in enumerate(order):
        row = rows[each.job_id]
        whose = (row.party_id, row.user_id)
        if row.lease_owner is None:
            queued.append(Queued(each.job_id, row.route_id, ahead, own[whose]))
        own[whose] += 1
    return queued
