"""What the current asyncio task works on, for its log lines. Imports no other part of the bot."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_fields: ContextVar[Mapping[str, object]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Set fields for as long as this lasts, also for asyncio tasks that begin in it."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def fields() -> Mapping[str, object]:
    return _fields.get()


def short(whole: str) -> str:
    """The last six characters of an id: members are shown them, and they find it in the log."""
    return f"#{whole[-6:]}"
