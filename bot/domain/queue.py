"""Whose turn it is: round-robin over servers, then over a server's members; oldest job first."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct


class Caps(Struct, frozen=True):
    """How many jobs run at once; further ones wait in the queue, as long as that has room."""

    running_per_user_max: int
    running_per_server_max: int
    running_max: int
    queued_max: int
    queued_per_user_max: int
    #: route id -> images under way at once; a job may go a few beyond it
    running_per_route_max: Mapping[str, int]


class Waiting(Struct, frozen=True):
    """A queued job; in direct messages, each member counts as a server of their own."""

    job_id: str
    server_id: int
    user_id: int


class Turns(Struct, frozen=True):
    """
    The turn of each server and member (server id, user id): the number of its last claim, counted
    from 1. Those who were never served have lower numbers, which grow with their arrival.
    """

    servers: Mapping[int, int]
    members: Mapping[tuple[int, int], int]


class QueuePosition(Struct, frozen=True):
    """Where a queued job stands, as its member is told."""

    #: jobs whose turn comes first
    ahead: int
    #: seconds until its turn, roughly
    wait_s: int
    #: how many of those ahead are the member's own
    own: int = 0

    @classmethod
    def after(cls, ahead: int, caps: Caps, typical_s: float, own: int = 0) -> "QueuePosition":
        """
        Args:
            typical_s: seconds that an image usually takes on the job's route.
        """
        return cls(ahead, round((ahead // caps.running_max + 1) * typical_s), own)


def fair_order(waiting: Sequence[Waiting], turns: Turns) -> list[Waiting]:
    """
    The order in which jobs will be claimed if no other is accepted and no cap is reached. In each
    round every server has one turn, and within a server every member, in the order of their turns.

    Args:
        waiting: oldest first; among equal turns, the oldest comes first as well.
    """
    of_member: Counter[tuple[int, int]] = Counter()
    by_server: dict[int, list[tuple[int, int, int, Waiting]]] = defaultdict(list)
    first: dict[tuple[int, int], int] = {}
    for age, job in enumerate(waiting):
        member = (job.server_id, job.user_id)
        turn = turns.members.get(member, 0)
        by_server[job.server_id].append(
            (of_member[member], turn, first.setdefault(member, age), job)
        )
        of_member[member] += 1
    rounds = []
    for server_id, jobs in by_server.items():
        turn = turns.servers.get(server_id, 0)
        jobs.sort(key=lambda each: each[:3])
        rounds += [(number, turn, job) for number, (*_, job) in enumerate(jobs)]
    # Servers stand in the order of their oldest jobs, which sorting keeps among equal turns.
    return [job for *_, job in sorted(rounds, key=lambda each: each[:2])]
