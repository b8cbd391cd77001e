"""Whose turn it is: round-robin over servers, then over a server's members; oldest job first."""

import heapq
from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Waiting:
    """A queued job; in direct messages, each member counts as a server of their own."""

    job_id: str
    server_id: int
    user_id: int


@dataclass(frozen=True, slots=True)
class Turns:
    """
    The last turn of each server and member (server id, user id).

    Turns are numbered from 1 in the order in which jobs were claimed; no number means never.
    """

    servers: Mapping[int, int]
    members: Mapping[tuple[int, int], int]


@dataclass(frozen=True, slots=True)
class QueuePlace:
    """Where a queued job stands, as its member is told."""

    #: jobs whose turn comes first
    ahead: int
    #: seconds until its turn, about
    wait_s: int


def fair_order(waiting: Sequence[Waiting], turns: Turns) -> list[Waiting]:
    """
    The order in which jobs will be claimed if no other is accepted and no cap is reached.

    Args:
        waiting: oldest first.
    """
    jobs: dict[int, dict[int, deque[Waiting]]] = defaultdict(lambda: defaultdict(deque))
    age = {job.job_id: number for number, job in enumerate(waiting)}
    for job in waiting:
        jobs[job.server_id][job.user_id].append(job)
    # Heaps of (last turn, age of the oldest job, id): never served comes first, then the oldest.
    servers = []
    members: dict[int, list[tuple[int, int, int]]] = {}
    for server_id, of_server in jobs.items():
        members[server_id] = [
            (turns.members.get((server_id, user_id), 0), age[of_user[0].job_id], user_id)
            for user_id, of_user in of_server.items()
        ]
        heapq.heapify(members[server_id])
        servers.append((turns.servers.get(server_id, 0), members[server_id][0][1], server_id))
    heapq.heapify(servers)

    order: list[Waiting] = []
    latest = max(turns.servers.values(), default=0)
    while servers:
        server_id = heapq.heappop(servers)[2]
        user_id = heapq.heappop(members[server_id])[2]
        of_user = jobs[server_id][user_id]
        order.append(of_user.popleft())
        turn = latest + len(order)
        if of_user:
            heapq.heappush(members[server_id], (turn, age[of_user[0].job_id], user_id))
        if members[server_id]:
            heapq.heappush(servers, (turn, members[server_id][0][1], server_id))
    return order


def expected_wait_s(ahead: int, running_max: int, typical_s: float) -> int:
    """Seconds until a job with so many ahead of it begins, when all slots are busy."""
    return round((ahead // running_max + 1) * typical_s)
