"""The database's connections, each with its own thread, its transactions and its migrations."""

import asyncio
import logging
import sqlite3
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar
from urllib.parse import unquote

import aiosqlite

from bot.errors import Reason, StartupError, StoreBusy
from bot.store import schema
from bot.store.sql import Transaction, insert

#: the newest revision in bot/store/migrations; tests hold the two together
HEAD_REVISION = "0010"
#: since this revision, deleted data is overwritten
SECURE_SINCE = "0010"
#: milliseconds; how long a transaction waits for another process to finish its own
BUSY_TIMEOUT_MS = 5_000
#: seconds before a step that must be kept is tried again; doubles up to the maximum
KEEP_WAIT_S = 0.1
KEEP_WAIT_S_MAX = 2.0
#: steps in one transaction; while it runs, the first of them waits for the last
TOGETHER_MAX = 16
#: ids in one statement
IDS_MAX = 500
#: mask of the part of an extended result code that says what went wrong (SQLite, "Result Codes")
PRIMARY_CODE = 0xFF
#: errors that may pass: another program holds the database, memory has run out, or the disk is
#: full, broken or gone for a while
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

#: the table in which Alembic keeps the database's revision
VERSION = (
    "CREATE TABLE alembic_version ("
    "version_num VARCHAR(32) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
)
NEW_VERSION = insert("alembic_version", "version_num")
TABLES = "SELECT name FROM sqlite_master WHERE type = 'table'"

log = logging.getLogger(__name__)

T = TypeVar("T")
P = ParamSpec("P")
#: what happens in one transaction: a plain function that waits for nothing outside the database,
#: and changes nothing else, because it may have to run again
Step = Callable[Concatenate[Transaction, P], T]
#: a step with what it is given
Call = Callable[[Transaction], Any]
#: a step's result, or the error that undid it: a value, because a future takes not every error
Outcome = tuple[Any, BaseException | None]


class Lane(aiosqlite.Connection):
    """
    A connection that carries whole transactions to its thread, one after the other. aiosqlite alone
    makes a trip for each statement, and two more to begin and to end the transaction.
    """

    _begin = "BEGIN"

    @property
    def statements(self) -> int:
        return self._transaction.statements

    async def open(self, *, writes: bool) -> None:
        await self
        await self._trip(self._prepare, writes)

    async def run(self, calls: Sequence[Call]) -> list[Outcome]:
        """
        Make one trip: begin, run the steps, commit. If one of several steps fails, all are undone,
        and there are no outcomes: each is to be run again by itself.
        """
        return await self._trip(self._transact, calls)

    async def alone(self, act: Callable[[sqlite3.Connection], T]) -> T:
        """Make one trip outside any transaction, for what cannot run in one, or begins its own."""
        return await self._trip(lambda: act(self._conn))

    async def shut(self) -> None:
        if self._connection is not None:
            await self.close()
        if self._thread.is_alive():
            # If it could not be opened, its thread has yet to answer, while there is a loop.
            await asyncio.to_thread(self._thread.join)

    async def _trip(self, act: Callable[P, T], *args: P.args, **given: P.kwargs) -> T:
        carried: T = await self._execute(act, *args, **given)  # type: ignore[no-untyped-call]
        return carried

    def _transact(self, calls: Sequence[Call]) -> list[Outcome]:
        try:
            self._conn.execute(self._begin)
        except sqlite3.OperationalError as error:
            if not _may_pass(error):
                raise
            # Waiting again for each would take as long; and each caller makes its own StoreBusy.
            return [(None, error)] * len(calls)
        try:
            done: list[Outcome] = [(call(self._transaction), None) for call in calls]
            self._conn.execute("COMMIT")
            return done
        except BaseException as error:
            # Does nothing if SQLite has rolled back by itself, as it does when the disk is full.
            self._conn.rollback()
            return [(None, error)] if len(calls) == 1 else []

    def _prepare(self, writes: bool) -> None:
        raw = self._conn
        # This comes first, so that it also applies to the statements below.
        raw.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
        raw.execute("PRAGMA journal_mode = WAL")
        # In WAL mode, commits survive any death of the process. A power cut may lose the last
        # moments, but leaves entries and balances in agreement.
        raw.execute("PRAGMA synchronous = NORMAL")
        raw.execute("PRAGMA foreign_keys = ON")
        # Erased data must be gone from the file, too; many builds have this on anyway.
        raw.execute("PRAGMA secure_delete = ON")
        if writes:
            # So a transaction that first reads and then writes cannot be refused midway.
            self._begin = "BEGIN IMMEDIATE"
        self._transaction = Transaction(raw)


class Database:
    """
    One database file. SQLite has one writer, so one connection writes, and steps wait for it in the
    order in which they came; those that wait already are committed together. A second connection
    reads.
    """

    def __init__(self, writer: Lane, reader: Lane) -> None:
        self._writer = writer
        self._reader = reader
        #: to a connection's thread and back; each carries one transaction, or a `fold`
        self.trips = 0
        #: steps to write, each with the future of its result
        self._waiting: deque[tuple[Call, asyncio.Future[Outcome]]] = deque()
        self._committing: asyncio.Task[None] | None = None

    async def write(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        """
        Run the step in a writing transaction.

        Raises:
            StoreBusy: another program holds the database, or the disk is full; nothing is written.
        """
        written: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self._waiting.append((lambda tx: step(tx, *args, **given), written))
        if self._committing is None:
            self._committing = asyncio.create_task(self._commit())
        try:
            done: T = _result(await written)
        except sqlite3.OperationalError as error:
            if not _may_pass(error):
                raise
            raise StoreBusy(Reason.STORE_BUSY) from error
        return done

    async def _commit(self) -> None:
        while self._waiting:
            number = min(len(self._waiting), TOGETHER_MAX)
            together = [self._waiting.popleft() for _ in range(number)]
            if not await self._carry(together):
                # Each is told as soon as its own is committed.
                for alone in together:
                    await self._carry([alone])
        self._committing = None

    async def _carry(self, together: Sequence[tuple[Call, asyncio.Future[Outcome]]]) -> bool:
        """Make one trip, and tell whoever waits; False: all is undone, and nobody is told."""
        self.trips += 1
        try:
            outcomes = await self._writer.run([call for call, _ in together])
        except Exception as error:
            # Each is to have an error of its own, on which `about` notes what it was about.
            outcomes = [(None, error)] if len(together) == 1 else []
        for (_, written), outcome in zip(together, outcomes, strict=False):
            # Whoever waited for it may have been cancelled.
            if not written.done():
                written.set_result(outcome)
        return bool(outcomes)

    async def finish(self) -> None:
        """Commit what still waits, though whoever asked for it may be gone."""
        if self._committing is not None:
            await self._committing

    async def keep(self, step: Step[P, T], *args: P.args, **given: P.kwargs) -> T:
        """
        Write a step that records something done outside that cannot be undone, such as an order
        that a vendor took or a message in Discord, or a step without which a job cannot go on.
        While another program holds the database, or the disk is full, this tries again until it
        commits or the process ends.
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
        """Run a step that only reads, on one consistent view; never waits for a writer."""
        self.trips += 1
        [outcome] = await self._reader.run([lambda tx: step(tx, *args, **given)])
        done: T = _result(outcome)
        return done

    async def read_of(self, step: Step[[list[str]], set[str]], ids: Collection[str]) -> set[str]:
        """Of these ids, those that the step finds; in pieces, between which others may read."""
        found: set[str] = set()
        wanted = sorted(ids)
        for start in range(0, len(wanted), IDS_MAX):
            found |= await self.read(step, wanted[start : start + IDS_MAX])
        return found

    async def fold(self) -> bool:
        """
        Write the write-ahead log into the database file and empty the log, so that it holds no
        older state of a page.

        Returns:
            False: another connection was reading or writing; it can be tried again.
        Raises:
            StoreBusy: another program holds the database.
        """
        self.trips += 1
        try:
            row = await self._writer.alone(
                lambda raw: raw.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
            )
        except sqlite3.OperationalError as error:
            if not _may_pass(error):
                raise
            raise StoreBusy(Reason.STORE_BUSY) from error
        return not row[0]

    @property
    def statements(self) -> int:
        """How many statements ran, not counting those that begin and end a transaction."""
        return self._writer.statements + self._reader.statements

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
        # Imported here because it takes 20 MiB, and is needed once per release.
        from bot.store.migrations.apply import upgrade

        _expect_known(revision)
        if revision is not None and revision < SECURE_SINCE:
            # Before Easel asked for it, not every build of SQLite overwrote what it deleted. This
            # comes first: if there is no room for it, the next start tries again.
            await self._writer.alone(lambda raw: raw.execute("VACUUM"))
        await self._writer.alone(upgrade)
        return True


def _result(outcome: Outcome) -> Any:
    """The step's result; raises the error that undid it."""
    result, failure = outcome
    if failure is not None:
        raise failure
    return result


def _may_pass(error: sqlite3.OperationalError) -> bool:
    """Whether the step may work later, because nothing is wrong with its statements."""
    # An error that Python's module raises by itself has no SQLite code.
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR)
    return code & PRIMARY_CODE in PASSING_CODES


def _create(tx: Transaction) -> bool:
    """Create the schema in an empty database, as all migrations would; False: it is not empty."""
    if tx.scalars(TABLES):
        return False
    for statement in schema.statements():
        tx.execute(statement)
    tx.execute(VERSION)
    tx.execute(NEW_VERSION, {"version_num": HEAD_REVISION})
    return True


def _revision(tx: Transaction) -> str | None:
    if "alembic_version" not in tx.scalars(TABLES):
        return None
    found: str | None = tx.scalar("SELECT version_num FROM alembic_version")
    return found


@asynccontextmanager
async def open_database(url: str, *, migrate: bool = True) -> AsyncIterator[Database]:
    """
    Open the database.

    Args:
        migrate: create the database if it is missing, and bring its schema up to date. False: use
            it as it stands, which is also safe beside a running bot.
    Raises:
        StartupError: it cannot be opened, or its schema is not this program's.
    """
    path = database_path(url)
    try:
        if migrate:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        elif not path.is_file():
            raise StartupError(
                f"There is no database at {path.absolute()}: DATABASE_URL names another,"
                " or the bot has never run.",
                usage=True,
            )
    except OSError as error:
        raise StartupError(f"The database {url} cannot be used: {error.strerror}.") from error
    async with AsyncExitStack() as stack:
        try:
            writer = await _lane(path, stack, writes=True)
            database = Database(writer, await _lane(path, stack, writes=False))
            stack.push_async_callback(database.finish)
            if migrate:
                await database.migrate()
            else:
                await _expect_head(database)
        except (sqlite3.Error, StoreBusy) as error:
            why = error.__cause__ if isinstance(error, StoreBusy) else error
            raise StartupError(f"The database {url} cannot be used: {why}.") from error
        yield database


async def _lane(path: Path, stack: AsyncExitStack, *, writes: bool) -> Lane:
    lane = Lane(lambda: sqlite3.connect(path, isolation_level=None), iter_chunk_size=1)
    stack.push_async_callback(lane.shut)
    await lane.open(writes=writes)
    return lane


def database_path(url: str) -> Path:
    return Path(unquote(url.removeprefix("sqlite:///").partition("?")[0]))


def _expect_known(revision: str | None) -> None:
    from bot.store.migrations.apply import revisions

    if revision is not None and revision not in revisions():
        raise StartupError(
            f"The database has schema {revision}, which this version of Easel does not know:"
            " it was written by a newer one."
        )


async def _expect_head(database: Database) -> None:
    revision = await database.revision()
    if revision != HEAD_REVISION:
        _expect_known(revision)
        raise StartupError(
            f"The database has schema {revision or 'none'}, this version of Easel needs"
            f" {HEAD_REVISION}: `easel migrate` brings an older one up to date."
        )
