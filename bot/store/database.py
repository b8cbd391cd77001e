"""The connections, a thread to each, what a transaction is, and the schema's migrations."""

import asyncio
import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Concatenate, ParamSpec, TypeVar

import aiosqlite
import sqlalchemy as sa
from sqlalchemy.engine import make_url
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.pool import StaticPool

from bot.errors import Reason, StartupError, StoreBusy
from bot.store.schema import metadata

MIGRATIONS = Path(__file__).parent / "migrations"
#: the newest revision in MIGRATIONS; tests hold the two together
HEAD_REVISION = "0010"
#: the revision since which what is deleted is overwritten
SECURE_SINCE = "0010"
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

#: the table in which Alembic keeps where a database stands
VERSION = sa.text(
    "CREATE TABLE alembic_version ("
    "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")
#: what happens in one transaction: a plain function, which waits for nothing outside the database
Step = Callable[Concatenate[sa.Connection, P], T]


class Lane(aiosqlite.Connection):
    """
    A connection that carries whole transactions to its thread, one after the other: aiosqlite
    itself makes a trip of each statement, and two more to begin and to end.
    """

    _core: sa.Connection | None = None
    _begin = "BEGIN"

    @property
    def core(self) -> sa.Connection:
        assert self._core is not None, "not open"
        return self._core

    async def open(self, *, writes: bool) -> None:
        await self
        await self._trip(self._prepare, writes)

    async def run(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        """One trip: begin, the step, commit; an error undoes all of it."""
        return await self._trip(lambda: self._transact(step, *args, **given))

    async def fold(self) -> bool:
        """See Database.fold."""
        row = await self._trip(
            lambda: self._conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        )
        return not row[0]

    async def rewrite(self) -> None:
        """Write the whole file anew, without what was deleted from it before."""
        await self._trip(lambda: self._conn.execute("VACUUM"))

    async def shut(self) -> None:
        if self._connection is None:
            # It was never opened.
            return
        if self._core is not None:
            await self._trip(self._core.close)
        await self.close()

    async def _trip(self, act: Callable[P, T], *args: P.args, **given: P.kwargs) -> T:
        carried: T = await self._execute(act, *args, **given)  # type: ignore[no-untyped-call]
        return carried

    def _transact(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        # Not by a listener of SQLAlchemy's: one is enough to make it look for others at each step
        # of each statement.
        self._conn.execute(self._begin)
        with self.core.begin():
            return step(self.core, *args, **given)

    def _prepare(self, writes: bool) -> None:
        raw = self._conn
        # First, so that it holds for the others.
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        raw.execute("PRAGMA journal_mode = WAL")
        # In WAL mode this survives any death of the process; a power cut may take the last moments
        # with it but leaves entries and balances in agreement.
        raw.execute("PRAGMA synchronous = NORMAL")
        raw.execute("PRAGMA foreign_keys = ON")
        # What is erased is to be gone from the file, too; many builds have this on anyway.
        raw.execute("PRAGMA secure_delete = ON")
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: raw,
            poolclass=StaticPool,
            # An error that quotes a statement must quote no prompt and no token with it.
            hide_parameters=True,
        )
        if writes:
            # What first reads and then writes cannot be refused midway.
            self._begin = "BEGIN IMMEDIATE"
        self._core = engine.connect()


@dataclass(slots=True)
class Counts:
    """What the database was asked for."""

    #: to a connection's thread and back; each carries one transaction
    trips: int = 0
    #: beside those that begin and end a transaction; counted within `Database.counted` alone
    statements: int = 0


class Database:
    """
    One database file. SQLite has one writer, so one connection writes, and those who wait for it
    stand in the order in which they came; the other one reads.
    """

    def __init__(self, writer: Lane, reader: Lane) -> None:
        self._writer = writer
        self._reader = reader
        self.counts = Counts()

    async def write(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        """
        Do the step in a writing transaction.

        Raises:
            StoreBusy: another program holds the database, or the disk is full; nothing is written.
        """
        self.counts.trips += 1
        try:
            return await self._writer.run(step, *args, **given)
        except (OperationalError, sqlite3.OperationalError) as error:
            # A transaction that cannot begin fails without SQLAlchemy.
            cause = error.orig if isinstance(error, OperationalError) else error
            if not _may_pass(cause):
                raise
            raise StoreBusy(Reason.STORE_BUSY) from cause

    async def keep(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        """
        Write a step that tells of something done outside, which cannot be undone: an order that a
        vendor took, a message that stands in Discord. While another program holds the database, or
        the disk is full, it is tried again; only a commit, or the end of the process, ends that.
        """
        wait_s = KEEP_WAIT_S
        while True:
            try:
                return await self.write(step, *args, **given)
            except StoreBusy as error:
                log.warning(
                    "%s waits for the database: %s",
                    getattr(step, "__name__", step),
                    error.__cause__,
                    extra={"action": "commit_waits"},
                )
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, KEEP_WAIT_S_MAX)

    async def read(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        """Do the step, which only reads, on one consistent view; never waits for a writer."""
        self.counts.trips += 1
        return await self._reader.run(step, *args, **given)

    async def fold(self) -> bool:
        """
        Write what the write-ahead log holds into the database file, and cut the log to nothing, so
        that no older state of a page lies in it.

        Returns:
            False: another program reads an older state; it can be tried again.
        Raises:
            StoreBusy: another program holds the database.
        """
        self.counts.trips += 1
        try:
            return await self._writer.fold()
        except sqlite3.OperationalError as error:
            if not _may_pass(error):
                raise
            raise StoreBusy(Reason.STORE_BUSY) from error

    @contextmanager
    def counted(self) -> Iterator[Counts]:
        """Count trips and statements for as long as this lasts."""
        before, self.counts = self.counts, Counts()

        def count(*_: object) -> None:
            self.counts.statements += 1

        engines = [lane.core.engine for lane in (self._writer, self._reader)]
        for engine in engines:
            sa.event.listen(engine, "before_cursor_execute", count)
        try:
            yield self.counts
        finally:
            for engine in engines:
                sa.event.remove(engine, "before_cursor_execute", count)
            before.trips += self.counts.trips
            self.counts = before

    async def revision(self) -> str | None:
        """The schema's revision; None before the first migration."""
        return await self.read(_revision)

    async def migrate(self) -> bool:
        """
        Bring the schema up to date; returns whether anything changed.

        Raises:
            StartupError: the schema is newer than this program.
        """
        revision = await self.revision()
        if revision == HEAD_REVISION:
            return False
        if revision is None and await self.write(_create):
            return True
        # Imported here: alembic takes a third of the start-up time and is needed once a release.
        from bot.store.migrations.apply import revisions, upgrade

        if revision is not None and revision not in revisions():
            raise StartupError(
                f"The database has schema {revision}, which this version of Easel does not know:"
                " it was written by a newer one."
            )
        await self.write(upgrade)
        if revision is not None and revision < SECURE_SINCE:
            # Not every build of SQLite overwrote what it deleted before that was asked for.
            await self._writer.rewrite()
        return True


def _may_pass(cause: BaseException | None) -> bool:
    """Whether the same statements may work later, for nothing is wrong with them."""
    code: int = getattr(cause, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & PRIMARY_CODE in PASSING_CODES


def _create(tx: sa.Connection) -> bool:
    """The schema at once in an empty database, as all migrations would make it; else nothing."""
    if sa.inspect(tx).get_table_names():
        return False
    metadata.create_all(tx)
    tx.execute(VERSION)
    tx.execute(sa.text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD_REVISION})
    return True


def _revision(tx: sa.Connection) -> str | None:
    if not sa.inspect(tx).has_table("alembic_version"):
        return None
    found: str | None = tx.scalar(sa.text("SELECT version_num FROM alembic_version"))
    return found


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
    async with AsyncExitStack() as stack:
        try:
            database = await stack.enter_async_context(_connected(path))
            if migrate:
                await database.migrate()
            else:
                await _expect_head(database)
        except (SQLAlchemyError, sqlite3.Error) as error:
            reason = str(getattr(error, "orig", error))
            raise StartupError(f"The database {url} cannot be used: {reason}.") from error
        yield database


@asynccontextmanager
async def _connected(path: Path) -> AsyncIterator[Database]:
    async with AsyncExitStack() as stack:
        lanes = []
        for writes in (True, False):
            lane = Lane(lambda: sqlite3.connect(path, isolation_level=None), iter_chunk_size=1)
            stack.push_async_callback(lane.shut)
            await lane.open(writes=writes)
            lanes.append(lane)
        yield Database(*lanes)


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
