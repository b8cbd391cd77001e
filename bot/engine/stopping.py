"""Waits that end at once when the process is asked to stop."""

import asyncio

from bot.domain.ports import Clock


class Stopped(Exception):
    """The process stops; a job that waits stays as it was committed, for the next start."""


class StoppableClock:
    """A clock whose sleepers are woken by `stop`."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.now = clock.now
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        self._stopped.set()

    def go_on(self) -> None:
        """
        Raises:
            Stopped: the process stops.
        """
        if self._stopped.is_set():
            raise Stopped

    async def sleep(self, seconds: float, unless: asyncio.Event | None = None) -> None:
        """
        Args:
            unless: an event that also ends the sleep.
        Raises:
            Stopped: the process stops.
        """
        waits = [self._clock.sleep(seconds), self._stopped.wait()]
        if unless is not None:
            waits.append(unless.wait())
        tasks = [asyncio.ensure_future(wait) for wait in waits]
        try:
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in tasks:
                task.cancel()
        self.go_on()
