"""Polling: the prior, the learning, and how near it comes to the best that can be had."""

import math
import random
from statistics import mean

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.domain.waiting import (
    LEARNED_MIN,
    PRIOR_WAITS_S,
    WAIT_S_MAX,
    WAIT_S_MIN,
    Latency,
    next_wait_s,
)
from tests.benchmarks.waiting import SPREAD, run_fixed, run_learned


def learned(median_s: float, images: int = 50) -> Latency:
    latency = Latency()
    chance = random.Random(3)
    for _ in range(images):
        done_s = median_s * math.exp(chance.gauss(0, SPREAD))
        latency = latency.observe(done_s, done_s)
    return latency


def test_an_unknown_route_is_polled_as_its_vendor_does() -> None:
    assert [next_wait_s(Latency(), 0, poll) for poll in range(10)] == [*PRIOR_WAITS_S, 15]
    assert next_wait_s(learned(48, LEARNED_MIN - 1), 0, 0) == PRIOR_WAITS_S[0]
    assert next_wait_s(learned(48, LEARNED_MIN), 0, 0) > PRIOR_WAITS_S[0]


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


def test_where_the_tail_is_approximated_it_goes_on_from_where_it_is_known() -> None:
    latency = Latency(50, math.log(48), 0.2**2)
    edge_s = 48 * math.exp(6 * 0.2)
    known, approximated = (latency.hazard(edge_s * off) for off in (0.999, 1.001))
    assert approximated == pytest.approx(known, rel=0.05)


@given(
    st.floats(0.2, 3_000),
    st.floats(0, 3_600),
    st.integers(1, 500),
    st.integers(LEARNED_MIN, 1_000),
)
def test_every_wait_is_bounded(median_s: float, elapsed_s: float, polls: int, images: int) -> None:
    latency = Latency(images, math.log(median_s), 0.2)
    assert WAIT_S_MIN <= next_wait_s(latency, elapsed_s, polls) <= WAIT_S_MAX + 0.2


def test_a_learned_route_lags_two_seconds_at_nine_and_a_half_polls() -> None:
    chance = random.Random(11)
    latencies_s = [48 * math.exp(chance.gauss(0, SPREAD)) for _ in range(2_000)]
    outcomes = run_learned(latencies_s)[50:]
    vendor = run_fixed(latencies_s, PRIOR_WAITS_S)

    assert mean(outcome.lag_s for outcome in outcomes) <= 2.0
    assert mean(outcome.polls for outcome in outcomes) <= 9.5
    assert mean(outcome.lag_s for outcome in vendor) > 6
