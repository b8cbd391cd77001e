"""The playground's clock, which can run ahead of real time; knows nothing of what expires."""

import time
from datetime import UTC, datetime


class Clock:
    """Follows real time, ahead of it by the seconds added with `advance`."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now_s(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time() + self._ahead_s

    def now(self) -> datetime:
        """Return an aware UTC time."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def advance(self, seconds: float) -> None:
        """Move time forward at once, also for tokens, nonces, links and the three-second rule."""
        self._ahead_s += seconds
