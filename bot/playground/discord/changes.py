"""Tells waiting code and subscribers that something changed; must not know what changed."""

import asyncio
from collections.abc import Callable
from typing import Literal, Self, TypeVar

from msgspec import Struct

from bot.playground.discord.world import Message

T = TypeVar("T")

#: how long a wait lasts by default
WAIT_S = 10.0
#: A listener that falls this far behind loses the oldest events.
EVENTS_WAITING_MAX = 1_000

EventKind = Literal[
    "message_created",
    "message_updated",
    "message_deleted",
    "interaction_answered",
    "modal_opened",
    "commands_synced",
    "channel_deleted",
]


class Event(Struct, frozen=True):
    """A change that members would see."""

    kind: EventKind
    channel_id: int | None = None
    message: Message | None = None
    interaction_id: int | None = None


class Events:
    """
    An async iterator over the events since the subscription; `close` ends it.

    Use it in a `with` block, or close it, so that no events pile up unread.
    """

    def __init__(self, subscribers: set["Events"]) -> None:
        self._subscribers = subscribers
        self._queue: asyncio.Queue[Event | None] = asyncio.Queue(EVENTS_WAITING_MAX)
        subscribers.add(self)

    def put(self, event: Event | None) -> None:
        """Hand over an event without waiting."""
        if self._queue.full():
            self._queue.get_nowait()
        self._queue.put_nowait(event)

    def close(self) -> None:
        """Unsubscribe."""
        self._subscribers.discard(self)
        self.put(None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> Event:
        event = await self._queue.get()
        if event is None:
            raise StopAsyncIteration
        return event


class Changes:
    """Wakes waiting code after every change."""

    def __init__(self) -> None:
        self._changed = asyncio.Event()
        self._subscribers: set[Events] = set()

    def subscribe(self) -> Events:
        """Start collecting events."""
        return Events(self._subscribers)

    def notify(self, event: Event | None = None) -> None:
        """Report a change, with its event if members would see it."""
        self._changed.set()
        self._changed = asyncio.Event()
        if event is not None:
            for subscriber in self._subscribers:
                subscriber.put(event)

    def close(self) -> None:
        """End all subscriptions."""
        for subscriber in list(self._subscribers):
            subscriber.close()

    async def wait_for(
        self, look: Callable[[], T | None], what: str, instead: Callable[[], str], timeout_s: float
    ) -> T:
        """
        Call `look` after every change until it returns something.

        Raises:
            TimeoutError: its message names what was waited for, and what was there instead.
        """
        try:
            async with asyncio.timeout(timeout_s):
                while (found := look()) is None:
                    await self._changed.wait()
        except TimeoutError:
            raise TimeoutError(f"no {what} within {timeout_s} s; instead: {instead()}") from None
        return found
