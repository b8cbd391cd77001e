"""When the next call to a vendor may be made, for all jobs that share its key; knows no vendor."""

from collections import deque
from datetime import datetime, timedelta

from bot.domain.catalog import Rate

#: seconds; the wait after the first "too many" that names none, doubled by each further one
WAIT_S = 5.0
WAIT_S_MAX = 60.0
#: between two calls after a wait that the vendor asked for: not all come back at once
SPACING = timedelta(seconds=0.5)


class Gate:
    """
    Args:
        rate: None: the vendor names no limit.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._window = timedelta(seconds=rate.seconds if rate else 0)
        #: when the latest calls were made, or will be; as many as fit into the window
        self._slots: deque[datetime] = deque(maxlen=rate.calls if rate else 1)
        self._not_before: datetime | None = None
        self._wait_s = WAIT_S

    def reserve(self, now: datetime) -> datetime:
        """The moment at which the call may be made; later ones come after it."""
        slot = now
        last = self._slots[-1] if self._slots else now
        if self._not_before is not None and self._not_before > now:
            slot = self._not_before if last < self._not_before else last + SPACING
        slot = max(slot, last)
        if len(self._slots) == self._slots.maxlen:
            slot = max(slot, self._slots[0] + self._window)
        self._slots.append(slot)
        return slot

    def holds(self, slot: datetime) -> bool:
        """Whether a slot still stands: the vendor has not asked for a longer wait since."""
        return self._not_before is None or slot >= self._not_before

    def close(self, now: datetime, retry_after_s: float | None) -> None:
        """
        The vendor said "too many".

        Args:
            retry_after_s: when it wants to hear from us again; None: it did not say.
        """
        if retry_after_s is None:
            if self._not_before is not None and self._not_before > now:
                # Sent before the wait that is on already.
                return
            retry_after_s = self._wait_s
            self._wait_s = min(self._wait_s * 2, WAIT_S_MAX)
        until = now + timedelta(seconds=retry_after_s)
        self._not_before = until if self._not_before is None else max(self._not_before, until)

    def open(self) -> None:
        """The vendor took a call."""
        self._wait_s = WAIT_S
