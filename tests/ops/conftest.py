"""Logging as the program sets it up, and as it was before."""

import logging
from collections.abc import Iterator

import pytest


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("discord", "aiosqlite", "alembic"):
        logging.getLogger(name).setLevel(logging.NOTSET)
    logging.getLogger("aiohttp.server").filters.clear()
