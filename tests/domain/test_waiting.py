"""Polling: the prior, the learning, and how near it comes to the best that can be had."""

import math
import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.waiting import SCOUTING, STEP_S, WAIT_S_MAX, WAIT_S_MIN, Latency, next_wait_s
from tests.benchmarks.waiting import SPREAD, VENDORS_WAITS_S, run_fixed, run_learned


def learned(median_s: float, images: int = 50) -> Latency:
    latency = Latency.expected(median_s)
    chance = random.Random(3)
    for _ in range(images):
        done_s = median_s * math.exp(chance.gauss(0, SPREAD))
        latency = latency.observe(done_s, done_s)
    return latency


@pytest.mark.parametrize("typical_s", [12, 48, 192])
def test_a_new_route_is_polled_by_what_the_catalog_says_until_it_knows_better(
    typical_s: int,
) -> None:
    assert next_wait_s(Latency.expected(typical_s), 0, 0) < typical_s / 4
    chance = random.Random(7)
    runs = [
        run_learned([48 * math.exp(chance.gauss(0, SPREAD)) for _ in range(20)], typical_s)
        for _ in range(50)
    ]
    assert mean(run[0].lag_s for run in runs) < 12
    assert mean(run[0].polls for run in runs) < 30
    assert mean(run[19].lag_s for run in runs) < 3
    assert mean(run[19].polls for run in runs) < 12


def test_images_that_are_done_at_once_are_seen_at_once() -> None:
    outcomes = run_learned([0.05] * 10, typical_s=2)
    assert outcomes[-1].lag_s < 0.2
    assert sum(outcome.polls for outcome in outcomes) <= 12


def test_a_known_route_is_first_polled_when_the_first_images_are_done() -> None:
    assert 15 < next_wait_s(learned(48), 0, 0) < 30
    assert next_wait_s(learned(4), 0, 0) < 4


def test_what_is_learned_is_near_what_is_true() -> None:
    latency = learned(48, 500)
    assert latency.quantile_s(0.5) == pytest.approx(48, rel=0.15)
    assert latency.spread == pytest.approx(SPREAD, rel=0.3)


def test_a_route_that_shifts_is_learned_anew() -> None:
    latency = learned(48)
    for _ in range(100):
        latency = latency.observe(118, 122)
    assert latency.quantile_s(0.5) == pytest.approx(120, rel=0.1)


def test_an_image_that_is_done_far_too_soon_shows_that_what_was_known_is_outdated() -> None:
    known = learned(48)
    first_s = known.first_poll_s

    assert not known.is_outdated_by(first_s * 0.6)
    assert known.is_outdated_by(first_s * 0.3)


def test_a_scout_is_polled_early_and_then_as_others_are() -> None:
    known = learned(48)
    polled_s = [share * known.first_poll_s for share in (*SCOUTING, 1)]

    elapsed_s = 0.0
    for polls, at_s in enumerate(polled_s):
        elapsed_s += next_wait_s(known, elapsed_s, polls, scouts=True)
        assert elapsed_s == pytest.approx(at_s)
    others = next_wait_s(known, elapsed_s, 1)
    assert next_wait_s(known, elapsed_s, len(polled_s), scouts=True) == others
    assert all(known.is_outdated_by(at_s * 1.1) for at_s in polled_s[:-1])


def test_where_the_tail_is_approximated_it_goes_on_from_where_it_is_known() -> None:
    latency = Latency(50, math.log(48), 0.2**2)
    edge_s = 48 * math.exp(6 * 0.2)
    known, approximated = (latency.hazard(edge_s * off) for off in (0.999, 1.001))
    assert approximated == pytest.approx(known, rel=0.05)


@given(
    st.floats(0.2, 3_000),
    st.floats(0, 3_600),
    st.integers(0, 500),
    st.integers(1, 1_000),
    st.booleans(),
)
def test_every_wait_is_bounded(
    median_s: float, elapsed_s: float, polls: int, images: int, scouts: bool
) -> None:
    latency = Latency(images, math.log(median_s), 0.2)
    wait_s = next_wait_s(latency, elapsed_s, polls, scouts=scouts)
    if polls > scouts * len(SCOUTING):
        assert WAIT_S_MIN <= wait_s <= WAIT_S_MAX + 0.2
    else:
        assert STEP_S <= wait_s <= max(median_s, STEP_S)


def test_a_learned_route_lags_two_seconds_at_nine_and_a_half_polls() -> None:
    chance = random.Random(11)
    latencies_s = [48 * math.exp(chance.gauss(0, SPREAD)) for _ in range(2_000)]
    outcomes = run_learned(latencies_s)[50:]
    vendor = run_fixed(latencies_s, VENDORS_WAITS_S)

    assert mean(outcome.lag_s for outcome in outcomes) <= 2.0
    assert mean(outcome.polls for outcome in outcomes) <= 9.5
    assert mean(outcome.lag_s for outcome in vendor) > 6
