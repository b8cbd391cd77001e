"""When a job's progress may be shown again: few updates for all jobs together, and few for each."""


class Pacing:
    """
    Gives turns that keep a fixed distance, however many jobs ask at once.

    Args:
        a_second: turns in a second.
    """

    def __init__(self, a_second: float) -> None:
        self._apart_s = 1 / a_second
        self._free_at_s = 0.0

    def take(self, now_s: float) -> float:
        """Take the next turn; returns the seconds until it comes."""
        turn_s = max(now_s, self._free_at_s)
        self._free_at_s = turn_s + self._apart_s
        return turn_s - now_s


def own_pace_s(
    typical_s: float, elapsed_s: float, *, steps: int, least_s: float, most_s: float
) -> float:
    """
    Seconds between two updates of one job: the longer it takes, the more rarely there is news.

    Args:
        steps: updates of a job that takes as long as usual.
    """
    return min(max(least_s, max(typical_s, elapsed_s) / steps), most_s)
