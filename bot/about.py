"""What the current task works on: fields that each of its log lines carries; sees no other part."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

_fields: ContextVar[Mapping[str, object]] = ContextVar("fields", default=MappingProxyType({}))


@contextmanager
def about(**fields: object) -> Iterator[None]:
    """For as long as this lasts, and in the tasks that begin in it."""
    token = _fields.set({**_fields.get(), **fields})
    try:
        yield
    finally:
        _fields.reset(token)


def fields() -> Mapping[str, object]:
    return _fields.get()


def short(whole: str) -> str:
    """The last six characters of an id: members are shown it, and it finds the id in the log."""
    return f"#{whole[-6:]}"
