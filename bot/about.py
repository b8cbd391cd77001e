"""What the current asyncio task works on, for its log lines. Imports no other part of the bot."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

#: an error's attribute that holds the fields
ABOUT = "about"
_fields: ContextVar[Mapping[str, object]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """Set fields for as long as this lasts, also for asyncio tasks that begin in it."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    except Exception as error:
        # The innermost knows best what it was about.
        vars(error).setdefault(ABOUT, _fields.get())
        raise
    finally:
        _fields.reset(token)


def fields() -> Mapping[str, object]:
    return _fields.get()


def fields_at(error: Exception) -> Mapping[str, object]:
    """The fields that were set where an error was raised, for whoever tells of it outside."""
    found: Mapping[str, object] = vars(error).get(ABOUT, {})
    return found


def short(whole: str) -> str:
    """The last six characters of an id: members are shown them, and they find it in the log."""
    return f"#{whole[-6:]}"
