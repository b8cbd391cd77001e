"""The playground's time: the real one plus what was added; not what expires by it."""

from __future__ import annotations

import time
from datetime import UTC, datetime


class Clock:
    """Follows real time, ahead of it by what was added with `advance`."""

    def __init__(self) -> None:
        self._ahead_s = 0.0

    def now_s(self) -> float:
        """Return seconds since the Unix epoch."""
        return time.time() + self._ahead_s

    def now(self) -> datetime:
        """Return an aware UTC time."""
        return datetime.fromtimestamp(self.now_s(), UTC)

    def advance(self, seconds: float) -> None:
        """Move on at once: tokens, nonces, links and the three-second rule all notice."""
        self._ahead_s += seconds
