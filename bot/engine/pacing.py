"""When a job's progress may be shown again, so that all jobs together have few updates."""


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
