"""How often the jobs of one process show how they go: counts, on a clock of the test's own."""

import heapq
from collections import Counter, defaultdict
from itertools import pairwise

import pytest

from bot.engine.pacing import Pacing
from bot.engine.runner import PROGRESS_AFTER_S, UPDATES_A_SECOND_MAX, own_pace_s

#: edits of one answer that Discord takes within so many seconds, and those that are no update: the
#: place in the queue, and the result
EDITS_MAX, WINDOW_S = 5, 5.0
OTHER_EDITS = 2


def played(jobs: int, typical_s: float, seconds: float) -> dict[int, list[float]]:
    """When each job's updates are made, of jobs that all begin at once, as after a restart."""
    pacing = Pacing(UPDATES_A_SECOND_MAX)
    asking = [(PROGRESS_AFTER_S, job) for job in range(jobs)]
    made: dict[int, list[float]] = defaultdict(list)
    while asking:
        asked_s, job = heapq.heappop(asking)
        turn_s = asked_s + pacing.take(asked_s)
        if turn_s < seconds:
            made[job].append(turn_s)
            heapq.heappush(asking, (turn_s + own_pace_s(typical_s, turn_s), job))
    return made


@pytest.mark.parametrize("jobs", [1, 30, 300, 3_000])
@pytest.mark.parametrize("typical_s", [2.0, 48.0, 120.0])
def test_however_many_jobs_there_are_their_updates_are_few(jobs: int, typical_s: float) -> None:
    made = played(jobs, typical_s, 120)
    a_second = Counter(int(at_s) for updates in made.values() for at_s in updates)
    assert max(a_second.values()) <= UPDATES_A_SECOND_MAX + 1


def test_of_three_hundred_jobs_each_has_its_turn_within_twenty_seconds() -> None:
    made = played(300, 48.0, 120)
    assert len(made) == 300
    gaps_s = [b - a for times in made.values() for a, b in pairwise(times)]
    assert max(gaps_s) <= 300 / UPDATES_A_SECOND_MAX + 1
    assert min(gaps_s) >= own_pace_s(48.0, 0.0)


@pytest.mark.parametrize("typical_s", [0.5, 6.0, 48.0])
def test_no_answer_is_edited_more_often_than_discord_takes(typical_s: float) -> None:
    [times] = played(1, typical_s, 600).values()
    within = [sum(at <= each < at + WINDOW_S for each in times) for at in times]
    assert max(within) <= EDITS_MAX - OTHER_EDITS


@pytest.mark.parametrize(("typical_s", "updates"), [(12.0, 6), (48.0, 6), (60.0, 6), (3.0, 2)])
def test_an_image_that_takes_as_long_as_usual_has_about_six(typical_s: float, updates: int) -> None:
    [times] = played(1, typical_s, PROGRESS_AFTER_S + typical_s).values()
    assert len(times) == pytest.approx(updates, abs=1)


def test_one_that_never_ends_is_updated_more_and_more_rarely() -> None:
    [times] = played(1, 6.0, 600).values()
    assert len(times) < 80
