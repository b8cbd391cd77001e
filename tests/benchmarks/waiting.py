"""
Mean lag and polls a job of several ways to poll: `python -m tests.benchmarks.waiting`.

Lag is the time from the end of an image at the provider to the poll that sees it. Latencies are
log-normal with median 48 s and p90 83 s, as API Models' own client measured its image tasks.
"""

import math
import random
from collections.abc import Callable, Sequence
from statistics import mean

from msgspec import Struct

from bot.domain.waiting import Latency, next_wait_s

SPREAD = math.log(83 / 48) / 1.2815515655
#: seconds to each poll, the last for ever: the schedule of API Models' own client, apimodels-skill
VENDORS_WAITS_S: Sequence[float] = (3, 3, 5, 5, 5, 8, 8, 10, 15)
JOBS = 20_000
SEED = 1
#: (name, median in seconds of the n-th job)
ROUTES: Sequence[tuple[str, Callable[[int], float]]] = (
    ("steady", lambda _: 48.0),
    ("twice as slow from the middle", lambda job: 48.0 if job < JOBS / 2 else 96.0),
    ("slower and faster every 100 jobs", lambda job: 30.0 if job // 100 % 2 else 75.0),
)
NEW_ROUTE_JOBS = (1, 2, 5, 10, 50)


class Outcome(Struct, frozen=True):
    lag_s: float
    polls: int
    #: the last poll that saw it unfinished
    before_s: float


Wait = Callable[[float, int], float]


def run_job(latency_s: float, wait: Wait) -> Outcome:
    now_s, before_s, polls = 0.0, 0.0, 0
    while True:
        now_s += wait(now_s, polls)
        polls += 1
        if now_s >= latency_s:
            return Outcome(now_s - latency_s, polls, before_s)
        before_s = now_s


def fixed(waits_s: Sequence[float]) -> Wait:
    return lambda _elapsed_s, polls: waits_s[min(polls, len(waits_s) - 1)]


def run_fixed(latencies_s: Sequence[float], waits_s: Sequence[float]) -> list[Outcome]:
    return [run_job(latency_s, fixed(waits_s)) for latency_s in latencies_s]


def run_learned(latencies_s: Sequence[float], typical_s: float = 48) -> list[Outcome]:
    """
    Args:
        typical_s: seconds of an image, as the catalog has it.
    """
    known = Latency.expected(typical_s)
    outcomes = []
    for latency_s in latencies_s:
        now = known
        outcome = run_job(latency_s, lambda elapsed_s, polls: next_wait_s(now, elapsed_s, polls))  # noqa: B023
        known = known.observe(outcome.before_s, latency_s + outcome.lag_s)
        outcomes.append(outcome)
    return outcomes


def row(name: str, outcomes: Sequence[Outcome]) -> str:
    lag_s = mean(outcome.lag_s for outcome in outcomes)
    polls = mean(outcome.polls for outcome in outcomes)
    return f"  {name:<24}{lag_s:>8.2f} s {polls:>8.1f}"


def main() -> None:
    chance = random.Random(SEED)
    for title, median_s in ROUTES:
        latencies_s = [median_s(job) * math.exp(chance.gauss(0, SPREAD)) for job in range(JOBS)]
        print(f"{title}\n  {'':<24}{'mean lag':>10} {'polls':>8}")
        print(row("vendor's schedule", run_fixed(latencies_s, VENDORS_WAITS_S)))
        print(row("every 5 s", run_fixed(latencies_s, (5,))))
        print(row("every 3 s", run_fixed(latencies_s, (3,))))
        print(row("learned", run_learned(latencies_s)))
    for typical_s in (48, 12, 192):
        print(f"new route, {typical_s} s in the catalog\n  {'':<24}{'mean lag':>10} {'polls':>8}")
        runs = [
            run_learned([48 * math.exp(chance.gauss(0, SPREAD)) for _ in range(50)], typical_s)
            for _ in range(400)
        ]
        for jobs in NEW_ROUTE_JOBS:
            print(row(f"job {jobs}", [run[jobs - 1] for run in runs]))


if __name__ == "__main__":
    main()
