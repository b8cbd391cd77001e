"""
Which job is next, and how many are ahead of one: the rule of bot/domain/queue.py, from counts.

The counts are read and changed in one transaction, and SQLite's one writer keeps those apart. A
database with several writers would have to lock the rows it chooses from (FOR UPDATE).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa

from bot.domain.jobs import OPEN_TASK_STATES, Job, JobState
from bot.domain.queue import Caps, Turns, Waiting, fair_order
from bot.store.rows import Row
from bot.store.schema import IS_QUEUED, IS_WAITING, IS_WORKED_ON, jobs, queue, tasks

#: seconds; a job whose owner has not renewed its lease for so long is free for anyone
LEASE_S = 60
#: where the numbers of those who were never served begin
NEWCOMER = -(2**40)
#: in the place of a user's id: the party as a whole
PARTY = 0

WAITING = sa.text(f"queue.{IS_WAITING}")
_queued = sa.text(f"jobs.{IS_QUEUED}")

ARRIVAL = sa.select(sa.func.coalesce(sa.func.max(queue.c.turn), NEWCOMER) + 1).where(
    queue.c.turn < 0
)
_next_turn = sa.select(
    sa.case((sa.func.max(queue.c.turn) > 0, sa.func.max(queue.c.turn) + 1), else_=1)
)

_of_line = sa.and_(
    queue.c.party_id == sa.bindparam("of_party"), queue.c.user_id == sa.bindparam("of_line")
)
ENQUEUE = (
    sa.update(queue)
    .where(_of_line)
    .values(
        waiting=queue.c.waiting + 1,
        # Whoever left unserved and comes back is new again.
        turn=sa.case(
            ((queue.c.waiting == 0) & (queue.c.turn < 0), ARRIVAL.scalar_subquery()),
            else_=queue.c.turn,
        ),
    )
    .returning(queue.c.waiting, queue.c.turn)
)
NEW_LINE = (
    sa.insert(queue)
    .values(
        party_id=sa.bindparam("of_party"),
        user_id=sa.bindparam("of_line"),
        waiting=1,
        turn=ARRIVAL.scalar_subquery(),
    )
    .returning(queue.c.waiting, queue.c.turn)
)
LEAVE = (
    sa.update(queue)
    .where(
        queue.c.party_id == sa.bindparam("of_party"),
        queue.c.user_id.in_((PARTY, sa.bindparam("of_user"))),
    )
    .values(waiting=queue.c.waiting - 1)
)
TAKE_TURN = LEAVE.values(turn=_next_turn.scalar_subquery())


def _ahead(*those: sa.ColumnElement[bool]) -> sa.Select[tuple[int]]:
    """Jobs of those lines before one that has so many full rounds before it, and that turn."""
    rounds: sa.BindParameter[int] = sa.bindparam("rounds", type_=sa.Integer)
    before = sa.case(
        (queue.c.waiting <= rounds, queue.c.waiting),
        (queue.c.turn < sa.bindparam("turn"), rounds + 1),
        else_=rounds,
    )
    return sa.select(sa.func.coalesce(sa.func.sum(before), 0)).where(WAITING, *those)


MEMBERS_AHEAD = _ahead(
    queue.c.party_id == sa.bindparam("party"),
    queue.c.user_id.not_in((PARTY, sa.bindparam("user"))),
)
PARTIES_AHEAD = _ahead(queue.c.user_id == PARTY, queue.c.party_id != sa.bindparam("party"))


def _free() -> sa.ColumnElement[bool]:
    """Nobody holds it; a lease that ends later than any is of a clock that stood ahead."""
    until = jobs.c.lease_until
    return until.is_(None) | (until < sa.bindparam("now")) | (until > sa.bindparam("latest"))


_claimable = (
    _queued,
    _free(),
    jobs.c.route_id.not_in(sa.bindparam("full_routes", expanding=True)),
)
NEXT_PARTY = (
    sa.select(queue.c.party_id)
    .where(
        WAITING,
        queue.c.user_id == PARTY,
        queue.c.party_id.not_in(sa.bindparam("full_parties", expanding=True)),
        sa.exists().where(
            jobs.c.party_id == queue.c.party_id,
            jobs.c.user_id.not_in(sa.bindparam("full_users", expanding=True)),
            *_claimable,
        ),
    )
    .order_by(queue.c.turn)
    .limit(1)
)
NEXT_MEMBER = (
    sa.select(queue.c.user_id)
    .where(
        WAITING,
        queue.c.party_id == sa.bindparam("party"),
        queue.c.user_id != PARTY,
        queue.c.user_id.not_in(sa.bindparam("full_users", expanding=True)),
        sa.exists().where(
            jobs.c.party_id == queue.c.party_id, jobs.c.user_id == queue.c.user_id, *_claimable
        ),
    )
    .order_by(queue.c.turn)
    .limit(1)
)
OLDEST = (
    sa.select(jobs.c.id)
    .where(
        jobs.c.party_id == sa.bindparam("party"),
        jobs.c.user_id == sa.bindparam("user"),
        *_claimable,
    )
    .order_by(jobs.c.created_at, jobs.c.id)
    .limit(1)
)
WORKED_ON = (
    sa.select(
        jobs.c.id, jobs.c.party_id, jobs.c.user_id, _free().label("is_free"), tasks.c.route_id
    )
    .outerjoin(
        tasks,
        (tasks.c.job_id == jobs.c.id)
        & (jobs.c.state == JobState.RUNNING)
        & tasks.c.state.in_(OPEN_TASK_STATES),
    )
    .where(sa.text(f"jobs.{IS_WORKED_ON}"))
    .order_by(jobs.c.created_at, jobs.c.id)
)
ANYBODY = sa.select(sa.exists().where(WAITING, queue.c.user_id == PARTY))
QUEUED = (
    sa.select(jobs.c.id, jobs.c.party_id, jobs.c.user_id, jobs.c.route_id, jobs.c.lease_owner)
    .where(_queued)
    .order_by(jobs.c.created_at, jobs.c.id)
)
TURNS = sa.select(queue.c.party_id, queue.c.user_id, queue.c.turn).where(WAITING)


def party_of(server_id: int, user_id: int) -> int:
    """Who shares turns and the cap of a server: a server, or one member in direct messages."""
    return server_id or -user_id


def enqueue(tx: sa.Connection, job: Job, others: int) -> tuple[int, int]:
    """
    Count a job that was inserted.

    Args:
        others: how many wait already.
    Returns:
        How many of them are ahead of it, and how many of those are its member's own.
    """
    party = party_of(job.server_id, job.user_id)
    whole, member = (_count_in(tx, party, line) for line in (PARTY, job.user_id))
    if not others:
        return 0, 0
    own: int = member.waiting - 1
    ahead = own
    if whole.waiting > member.waiting:
        given = {"party": party, "user": job.user_id, "rounds": own, "turn": member.turn}
        ahead += tx.scalar(MEMBERS_AHEAD, given) or 0
    elsewhere = {"party": party, "rounds": ahead, "turn": whole.turn}
    return ahead + (tx.scalar(PARTIES_AHEAD, elsewhere) or 0), own


def _count_in(tx: sa.Connection, party: int, line: int) -> Row:
    given = {"of_party": party, "of_line": line}
    return tx.execute(ENQUEUE, given).one_or_none() or tx.execute(NEW_LINE, given).one()


def leave(tx: sa.Connection, job: Job) -> None:
    """Count a job no more that ended in the queue."""
    tx.execute(LEAVE, {"of_party": party_of(job.server_id, job.user_id), "of_user": job.user_id})


def is_anybody_waiting(tx: sa.Connection) -> bool:
    return bool(tx.scalar(ANYBODY))


@dataclass(slots=True)
class Choice:
    """What may be claimed next in one transaction: first what was left, then whose turn it is."""

    caps: Caps
    now: datetime
    #: ids of jobs taken on before, that nobody works on any more; oldest first
    left: list[str] = field(default_factory=list)
    _running: Counter[tuple[str, int]] = field(default_factory=Counter)
    _images: Counter[str] = field(default_factory=Counter)

    @property
    def lease(self) -> dict[str, datetime]:
        # Nobody takes a lease that ends so late: the clock stood ahead and was set right.
        return {"now": self.now, "latest": self.now + timedelta(seconds=2 * LEASE_S)}

    def look(self, tx: sa.Connection) -> None:
        """Read what is under way."""
        seen = set()
        for row in tx.execute(WORKED_ON, self.lease):
            if row.route_id is not None:
                self._images[row.route_id] += 1
            if row.id in seen:
                continue
            seen.add(row.id)
            self._running["party", row.party_id] += 1
            self._running["user", row.user_id] += 1
            if row.is_free:
                self.left.append(row.id)

    def next_turn(self, tx: sa.Connection) -> dict[str, Any] | None:
        """
        Take the turn of the next member under the caps.

        Returns:
            What OLDEST finds their job with; None: nobody's turn has come.
        """
        given: dict[str, Any] = {
            **self.lease,
            "full_parties": self._full("party", self.caps.running_per_server_max),
            "full_users": self._full("user", self.caps.running_per_user_max),
            "full_routes": [
                route_id
                for route_id, images in self._images.items()
                if images >= self.caps.running_per_route_max.get(route_id, 0)
            ],
        }
        party = tx.scalar(NEXT_PARTY, given)
        if party is None:
            return None
        user: int | None = tx.scalar(NEXT_MEMBER, given | {"party": party})
        assert user is not None, "its party would not have had its turn"
        tx.execute(TAKE_TURN, {"of_party": party, "of_user": user})
        self._running["party", party] += 1
        self._running["user", user] += 1
        return given | {"party": party, "user": user}

    def count_images(self, route_ids: Sequence[str]) -> None:
        """Of the job that was chosen last."""
        self._images.update(route_ids)

    def _full(self, kind: str, running_max: int) -> list[int]:
        return [
            each
            for (of_kind, each), running in self._running.items()
            if of_kind == kind
            and running >= running_max
            # Members in direct messages have their own cap, and no server's.
            and not (kind == "party" and each < 0)
        ]


@dataclass(frozen=True, slots=True)
class Queued:
    job_id: str
    route_id: str
    #: jobs whose turn comes first, and how many of them are the member's own
    ahead: int
    own: int


def list_queue(tx: sa.Connection) -> list[Queued]:
    """The queued jobs whose members have a status message, in their fair order."""
    rows = {row.id: row for row in tx.execute(QUEUED)}
    if not rows:
        return []
    taken = {(row.party_id, row.user_id): row.turn for row in tx.execute(TURNS)}
    order = fair_order(
        [Waiting(row.id, row.party_id, row.user_id) for row in rows.values()],
        Turns(
            servers={party: turn for (party, user), turn in taken.items() if user == PARTY},
            members=taken,
        ),
    )
    queued, own = [], Counter[int]()
    for ahead, each in enumerate(order):
        if rows[each.job_id].lease_owner is None:
            route_id = rows[each.job_id].route_id
            queued.append(Queued(each.job_id, route_id, ahead, own[each.user_id]))
        own[each.user_id] += 1
    return queued
