"""When the next call to a vendor may be made, for all jobs that share its key; knows no vendor."""

from collections import deque
from datetime import datetime, timedelta

from bot.domain.catalog import Rate

#: seconds; the wait after the first "too many" that names none, doubled by each further one
WAIT_S = 5.0
WAIT_S_MAX = 60.0
#: of that wait, what is kept at least where the vendor names a shorter one, or none at all
WAIT_SHARE_MIN = 0.2
#: between two calls after a wait that the vendor asked for: not all come back at once
SPACING = timedelta(seconds=0.5)
#: no call is put off for longer; a slot further ahead comes of a clock that was set back
AHEAD_MAX = timedelta(minutes=30)


class Gate:
    """
    Args:
        rate: None: the vendor names no limit.
    """

    def __init__(self, rate: Rate | None) -> None:
        self._window = timedelta(seconds=rate.seconds) if rate else None
        #: when the latest calls were made, or will be; as many as fit into the window
        self._slots: deque[datetime] = deque(maxlen=rate.calls if rate else 1)
        self._not_before: datetime | None = None
        self._wait_s = WAIT_S

    def reserve(self, now: datetime, before: datetime) -> datetime | None:
        """The moment at which the call may be made; None: it would not come before that time."""
        ahead = [*self._slots, self._not_before or now]
        if max(ahead) > now + AHEAD_MAX:
            self._slots.clear()
            self._not_before = None
        closed = self._is_closed(now)
        if not closed and self._window is None:
            return now
        slot, last = now, self._slots[-1] if self._slots else now
        if closed and self._not_before is not None:
            slot = self._not_before if last < self._not_before else last + SPACING
        slot = max(slot, last)
        if self._window is not None and len(self._slots) == self._slots.maxlen:
            slot = max(slot, self._slots[0] + self._window)
        if slot > before:
            return None
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
        closed = self._is_closed(now)
        if closed and retry_after_s is None:
            # Sent before the wait that is on already.
            return
        wait_s = self._wait_s
        if retry_after_s is not None:
            wait_s = max(retry_after_s, self._wait_s * WAIT_SHARE_MIN)
        if not closed:
            self._wait_s = min(self._wait_s * 2, WAIT_S_MAX)
        until = now + timedelta(seconds=wait_s)
        self._not_before = until if self._not_before is None else max(self._not_before, until)

    def open(self) -> None:
        """The vendor took a call."""
        self._wait_s = WAIT_S

    def _is_closed(self, now: datetime) -> bool:
        return self._not_before is not None and self._not_before > now
