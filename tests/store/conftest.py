"""A database file of each test's own, as the migrations left it."""

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bot.store.database import Database, open_database
from tests.store.bench import Bench, lay


@pytest.fixture
def url(tmp_path: Path, schema: Path) -> str:
    shutil.copy(schema, tmp_path / "easel.db")
    return f"sqlite:///{tmp_path / 'easel.db'}"


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    async with open_database(url) as database:
        yield database


@pytest.fixture
def bench(database: Database) -> Bench:
    return lay(database)
