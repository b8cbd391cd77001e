"""The engine, its pragmas, `transaction()` and the schema's migrations."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from functools import wraps
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import sqlalchemy as sa
from sqlalchemy.engine import URL, make_url
from sqlalchemy.engine.interfaces import DBAPIConnection
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.errors import StartupError, StoreBusy

MIGRATIONS = Path(__file__).parent / "migrations"
#: the newest revision in MIGRATIONS; tests hold the two together
HEAD_REVISION = "0002"
#: milliseconds; how long a transaction waits for another process to finish its own
BUSY_TIMEOUT_MS = 5_000
#: seconds before a step that must be kept is tried again; doubles up to the maximum
KEEP_WAIT_S = 0.1
KEEP_WAIT_S_MAX = 2.0
#: of an extended result code, the part that says what went wrong (SQLite, "Result Codes")
PRIMARY_CODE = 0xFF
#: held by another program, out of memory, or a disk that is full, broken or not there for a while
PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_NOMEM,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_PROTOCOL,
    }
)

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")
Step = Callable[P, Coroutine[Any, Any, T]]


def kept(step: Step[P, T]) -> Step[P, T]:
    """
    A step that tells of something done outside, which cannot be undone: an order that a vendor
    took, a message that stands in Discord. While another program holds the database, or the disk
    is full, it is tried again; only a commit, or the end of the process, ends that.
    """

    @wraps(step)
    async def tried(*args: P.args, **given: P.kwargs) -> T:
        wait_s = KEEP_WAIT_S
        while True:
            try:
                return await step(*args, **given)
            except StoreBusy as error:
                log.warning(
                    "%s waits for the database: %s",
                    step.__name__,
                    error.__cause__,
                    extra={"action": "commit_waits"},
                )
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, KEEP_WAIT_S_MAX)

    return tried


def _may_pass(error: OperationalError) -> bool:
    """Whether the same statements may work later, for nothing is wrong with them."""
    code: int = getattr(error.orig, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & PRIMARY_CODE in PASSING_CODES


class Database:
    """One database file, its connections and its writer's turn."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        # SQLite has one writer. Waiting here is fair and wakes at once; SQLite's own waiting
        # sleeps and starves.
        self._turn = asyncio.Lock()

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[AsyncConnection]:
        """
        A writing transaction. Nothing outside the database is awaited inside it.

        Raises:
            StoreBusy: another program holds the database, or the disk is full; nothing is written.
        """
        try:
            async with self._turn, self._engine.begin() as connection:
                yield connection
        except OperationalError as error:
            if not _may_pass(error):
                raise
            raise StoreBusy(
                "My database is busy at the moment. Please try again in a minute."
            ) from error.orig

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """One consistent view; never waits for a writer."""
        async with self._engine.connect() as connection:
            await connection.execution_options(easel_reading=True)
            yield connection

    async def revision(self) -> str | None:
        """The schema's revision; None before the first migration."""
        async with self.reading() as connection:
            known = await connection.run_sync(
                lambda sync: sa.inspect(sync).has_table("alembic_version")
            )
            if not known:
                return None
            found: str | None = await connection.scalar(
                sa.text("SELECT version_num FROM alembic_version")
            )
            return found

    async def migrate(self) -> bool:
        """
        Bring the schema up to date; returns whether anything changed.

        Raises:
            StartupError: the schema is newer than this program.
        """
        revision = await self.revision()
        if revision == HEAD_REVISION:
            return False
        # Imported here: alembic takes a third of the start-up time and is needed once a release.
        from bot.store.migrations.apply import revisions, upgrade

        if revision is not None and revision not in revisions():
            raise StartupError(
                f"The database has schema {revision}, which this version of Easel does not know:"
                " it was written by a newer one."
            )
        async with self.transaction() as connection:
            await connection.run_sync(upgrade)
        return True


@asynccontextmanager
async def open_database(url: str, *, migrate: bool = True) -> AsyncIterator[Database]:
    """
    Open the database.

    Args:
        migrate: make it if it is missing, and bring its schema up to date; if not, it is taken as
            it stands, which also does no harm beside a running bot.
    Raises:
        StartupError: it cannot be opened, or its schema is not this program's.
    """
    path = database_path(url)
    if migrate:
        try:
            _make_file(path)
        except OSError as error:
            raise StartupError(f"The database {url} cannot be used: {error.strerror}.") from error
    elif not path.is_file():
        raise StartupError(
            f"There is no database at {path.absolute()}: DATABASE_URL names another,"
            " or the bot has never run.",
            usage=True,
        )
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        # An error that quotes a statement must quote no prompt and no token with it.
        hide_parameters=True,
    )
    sa.event.listen(engine.sync_engine, "connect", _prepare)
    sa.event.listen(engine.sync_engine, "begin", _begin)
    try:
        database = Database(engine)
        try:
            if migrate:
                await database.migrate()
            else:
                await _expect_head(database)
        except SQLAlchemyError as error:
            reason = str(getattr(error, "orig", error))
            raise StartupError(f"The database {url} cannot be used: {reason}.") from error
        yield database
    finally:
        await engine.dispose()


def database_path(url: str) -> Path:
    return Path(make_url(url).database or "")


async def _expect_head(database: Database) -> None:
    revision = await database.revision()
    if revision != HEAD_REVISION:
        raise StartupError(
            f"The database has schema {revision or 'none'}, this version of Easel needs"
            f" {HEAD_REVISION}: `easel migrate` brings an older one up to date."
        )


def _make_file(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()


def _prepare(connection: DBAPIConnection, _record: object) -> None:
    # The driver must not begin transactions by itself: `_begin` does, as IMMEDIATE.
    connection.isolation_level = None
    cursor = connection.cursor()
    # First, so that it holds for the others.
    cursor.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    cursor.execute("PRAGMA journal_mode = WAL")
    # In WAL mode this survives any death of the process; a power cut may take the last moments
    # with it but leaves entries and balances in agreement.
    cursor.execute("PRAGMA synchronous = NORMAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    """Begin IMMEDIATE: a transaction that first reads and then writes cannot be refused midway."""
    reading = connection.get_execution_options().get("easel_reading", False)
    connection.exec_driver_sql("BEGIN" if reading else "BEGIN IMMEDIATE")
