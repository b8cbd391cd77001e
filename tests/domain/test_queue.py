"""Turns: nobody starves, nobody delays others by asking for much, and everybody is told so."""

from collections import Counter, defaultdict

from hypothesis import given
from hypothesis import strategies as st

from bot.domain.queue import Caps, QueuePosition, Turns, Waiting, fair_order

NOBODY_YET = Turns(servers={}, members={})

servers = st.integers(1, 3)
users = st.integers(1, 4)
#: who asked, oldest first
crowds = st.lists(st.tuples(servers, users), max_size=30)


@st.composite
def histories(draw: st.DrawFn) -> Turns:
    """The turns of any past, numbered as they were taken."""
    taken = draw(crowds)
    return Turns(
        servers={server: turn for turn, (server, _) in enumerate(taken, start=1)},
        members={member: turn for turn, member in enumerate(taken, start=1)},
    )


def waiting(crowd: list[tuple[int, int]]) -> list[Waiting]:
    return [Waiting(f"job{n}", server, user) for n, (server, user) in enumerate(crowd)]


def members_of(order: list[Waiting]) -> list[tuple[int, int]]:
    return [(job.server_id, job.user_id) for job in order]


def test_an_empty_queue_has_no_order() -> None:
    assert fair_order([], NOBODY_YET) == []


def test_turns_go_round_servers_then_members() -> None:
    crowd = [(1, 1), (1, 1), (1, 1), (1, 2), (2, 3), (2, 3)]
    assert members_of(fair_order(waiting(crowd), NOBODY_YET)) == [
        (1, 1), (2, 3), (1, 2), (2, 3), (1, 1), (1, 1),
    ]  # fmt: skip


def test_who_was_just_served_comes_last() -> None:
    past = Turns(servers={1: 9, 2: 8}, members={(1, 1): 9, (1, 2): 5, (2, 3): 8})
    crowd = [(1, 1), (1, 2), (2, 3)]
    assert members_of(fair_order(waiting(crowd), past)) == [(2, 3), (1, 2), (1, 1)]


def test_who_was_never_served_comes_first_and_of_those_the_oldest() -> None:
    past = Turns(servers={1: 1}, members={(1, 1): 1})
    crowd = [(1, 1), (1, 4), (2, 2), (3, 3), (2, 5)]
    assert members_of(fair_order(waiting(crowd), past)) == [
        (2, 2), (3, 3), (1, 4), (2, 5), (1, 1),
    ]  # fmt: skip


@given(crowds, histories())
def test_everybody_who_waits_has_one_turn_for_each_job(
    crowd: list[tuple[int, int]], past: Turns
) -> None:
    jobs = waiting(crowd)
    assert Counter(fair_order(jobs, past)) == Counter(jobs)


@given(crowds, histories())
def test_a_members_own_jobs_keep_their_order(crowd: list[tuple[int, int]], past: Turns) -> None:
    own = defaultdict(list)
    for job in fair_order(waiting(crowd), past):
        own[job.server_id, job.user_id].append(int(job.job_id.removeprefix("job")))
    assert all(numbers == sorted(numbers) for numbers in own.values())


@given(crowds, histories())
def test_between_two_turns_of_one_nobody_else_has_two(
    crowd: list[tuple[int, int]], past: Turns
) -> None:
    """Holds of servers among each other, and of members within their server."""
    order = members_of(fair_order(waiting(crowd), past))
    assert_round_robin([server for server, _ in order])
    for server in {server for server, _ in order}:
        assert_round_robin([user for place, user in order if place == server])


def assert_round_robin(turns: list[int]) -> None:
    """While somebody waits, each other one has at most one turn before theirs comes again."""
    for each in set(turns):
        since: Counter[int] = Counter()
        for turn in turns[: len(turns) - turns[::-1].index(each)]:
            if turn == each:
                since.clear()
                continue
            since[turn] += 1
            assert since[turn] <= 1, turns


@given(crowds, histories())
def test_the_order_is_that_of_claiming_one_by_one(
    crowd: list[tuple[int, int]], past: Turns
) -> None:
    """What a member is told comes true, if nobody else comes."""
    left, claimed = waiting(crowd), []
    order = fair_order(left, past)
    turns, members = dict(past.servers), dict(past.members)
    while left:
        first = fair_order(left, Turns(turns, members))[0]
        left.remove(first)
        claimed.append(first)
        turn = max(turns.values(), default=0) + 1
        turns[first.server_id] = members[first.server_id, first.user_id] = turn
    assert claimed == order


@given(st.integers(0, 50), st.tuples(servers, users), st.tuples(servers, users), histories())
def test_fifty_jobs_of_one_delay_anothers_first_by_one_at_most(
    many: int, hoarder: tuple[int, int], other: tuple[int, int], past: Turns
) -> None:
    """Whatever the past: the other one is new here, so their turn is the next but one."""
    if hoarder == other or other in past.members:
        return
    order = members_of(fair_order(waiting([hoarder] * many + [other]), past))
    assert order.index(other) <= 1


def wait_s(ahead: int, running_max: int, typical_s: int) -> int:
    caps = Caps(1, 1, running_max, 1, 1, {})
    return QueuePosition.after(ahead, caps, typical_s).wait_s


def test_the_wait_is_told_in_rounds_of_what_runs_at_once() -> None:
    assert [wait_s(ahead, 2, 48) for ahead in range(5)] == [48, 48, 96, 96, 144]


@given(st.integers(0, 1_000), st.integers(1, 64), st.integers(1, 600))
def test_the_wait_never_shrinks_with_more_jobs_ahead(
    ahead: int, running_max: int, typical_s: int
) -> None:
    waits_s = wait_s(ahead, running_max, typical_s)
    assert waits_s >= typical_s
    assert waits_s <= wait_s(ahead + 1, running_max, typical_s)
