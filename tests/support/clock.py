"""A clock that waits for nothing and moves only when told to, or with real time."""

import asyncio
from datetime import UTC, datetime, timedelta


class InstantClock:
    """Sleeps end at once; `advance` moves the time that is read."""

    def __init__(self) -> None:
        self._ahead = timedelta()
        #: how long each sleep was to last, in seconds
        self.naps: list[float] = []

    def now(self) -> datetime:
        return datetime.now(UTC) + self._ahead

    async def sleep(self, seconds: float) -> None:
        self.naps.append(seconds)
        # Yields, so that a loop of waits leaves room for what it waits for.
        await asyncio.sleep(0)

    def advance(self, seconds: float) -> None:
        self._ahead += timedelta(seconds=seconds)
