"""
When to poll: from how long a route has taken before, so that polls are few and the wait is short.

A route's latency is taken as log-normal; its two parameters are learned with forgetting. Polls are
about `POLL_WORTH / sqrt(hazard rate)` apart: for a given number of polls, no other spacing notices
a finished image sooner. (Minimise the mean of half a spacing plus a price for each poll: with
survival S and density f, the best spacing is the root of S/f, up to that price.)

A route that has become much faster would be noticed only at first polls, which come late by what is
known. So a few of its tasks are scouts, which are polled early.
"""

import math
from statistics import NormalDist

from msgspec import Struct

#: weight of the newest image; those before it share the rest
FORGETTING = 0.03
#: standard deviation of the logarithm of a latency; none is taken for smaller or larger than this
SPREAD_MIN = 0.1
SPREAD_MAX = 1.0
#: the same, of what the catalog says of a route that has made nothing yet
PRIOR_SPREAD = 0.8
#: in square roots of a second; the larger, the fewer polls
POLL_WORTH = 0.68
#: seconds between two polls; the first may come sooner, where images are done sooner
WAIT_S_MIN = 1.0
WAIT_S_MAX = 15.0
#: share of images that may be finished before the first poll
FIRST_POLL_QUANTILE = 0.03
#: of so many tasks of a route, one is a scout
SCOUT_EVERY = 32
#: when a scout is polled, in shares of the time to a first poll
SCOUTING = (1 / 8, 1 / 4)
#: a scout's image that is done before this share of the time to a first poll shows that the route
#: has become faster
FASTER = 1 / 2
#: seconds; resolution of the sum over the hazard rate, and the least that a latency counts as
STEP_S = 0.1

_NORMAL = NormalDist()


class Latency(Struct, frozen=True):
    """What is known of a route's latency: mean and variance of the logarithm of its seconds."""

    #: that it was learned from; the catalog's word counts as one
    images: int
    mean: float
    variance: float

    @classmethod
    def expected(cls, typical_s: float) -> "Latency":
        """What is taken of a route's latency before it has made an image."""
        return cls(1, math.log(max(typical_s, STEP_S)), PRIOR_SPREAD**2)

    def observe(self, after_s: float, by_s: float) -> "Latency":
        """
        Learn from an image that was done at this poll (`by_s`) but not at the last (`after_s`).
        """
        value = math.log(max((after_s + by_s) / 2, STEP_S))
        # The first images count alike; later, the weight of the newest stays the same.
        weight = max(1 / (self.images + 1), FORGETTING)
        off = value - self.mean
        return Latency(
            self.images + 1,
            self.mean + weight * off,
            (1 - weight) * (self.variance + weight * off * off),
        )

    def is_outdated_by(self, done_s: float) -> bool:
        """Whether what is known holds no longer, because a scout's image was done so soon."""
        return done_s < FASTER * self.first_poll_s

    @property
    def first_poll_s(self) -> float:
        """Seconds from a submit to the first poll."""
        return max(self.quantile_s(FIRST_POLL_QUANTILE), STEP_S)

    @property
    def spread(self) -> float:
        return min(max(math.sqrt(self.variance), SPREAD_MIN), SPREAD_MAX)

    def hazard(self, elapsed_s: float) -> float:
        """The share of the images not done by then that is done within the next second."""
        # The wall clock may have been set back since the submit.
        elapsed_s = max(elapsed_s, STEP_S)
        z = (math.log(elapsed_s) - self.mean) / self.spread
        density = _NORMAL.pdf(z) / (elapsed_s * self.spread)
        # Far out, both go to zero, and their quotient approaches the tail's own approximation.
        survival = _NORMAL.cdf(-z)
        return density / survival if z < 6 else z / (elapsed_s * self.spread)

    def quantile_s(self, share: float) -> float:
        return math.exp(self.mean + self.spread * _NORMAL.inv_cdf(share))


def next_wait_s(latency: Latency, elapsed_s: float, polls: int, *, scouts: bool = False) -> float:
    """
    Seconds from now to the next poll.

    Args:
        elapsed_s: since the submit.
        polls: made so far.
        scouts: whether the task is a scout.
    """
    begins = (*SCOUTING, 1.0) if scouts else (1.0,)
    if polls < len(begins):
        return max(begins[polls] * latency.first_poll_s - elapsed_s, STEP_S)
    due, wait_s = 0.0, 0.0
    while due < POLL_WORTH and wait_s < WAIT_S_MAX:
        wait_s += STEP_S
        due += math.sqrt(latency.hazard(elapsed_s + wait_s)) * STEP_S
    return max(wait_s, WAIT_S_MIN)
