"""Opening and migrating: the schema is that of schema.sql, and what cannot be used is said."""

import asyncio
import re
import resource
import sqlite3
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from alembic.script import ScriptDirectory

from bot.domain.jobs import Failure, Problem
from bot.domain.settings import NsfwMode, ServerSettings
from bot.errors import StartupError
from bot.store import jobs, settings
from bot.store.database import HEAD_REVISION, database_path, open_database
from bot.store.migrations.apply import MIGRATIONS
from bot.store.sql import Transaction
from tests.store.bench import Bench, at_revision, lay, rows

DEFINITIONS = "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"


@pytest.fixture
def migrated(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Brought up step by step, as a database that is as old as Easel."""
    with at_revision(tmp_path / "migrated.db", "head") as raw:
        yield raw


async def test_migrations_make_the_schema_word_for_word(
    migrated: sqlite3.Connection, tmp_path: Path
) -> None:
    """Each table with its columns, checks and defaults, and each index; no more, and no fewer."""
    async with open_database(f"sqlite:///{tmp_path / 'direct.db'}") as database:
        direct = await database.read(rows, DEFINITIONS)
    assert definitions(migrated.execute(DEFINITIONS).fetchall()) == definitions(direct)


#: as a version wrote it that kept words
JOB_OF_BEFORE = (
    "INSERT INTO jobs (id, server_id, channel_id, user_id, state, request, quote_ucr, cost_ucr,"
    " nsfw_checker, spoiler, application_id, token, token_expires_at, file_bytes_max, created_at,"
    " failure, detail)"
    " VALUES ('a', 1, 1, 1, 'delivering', '', 0, 0, 1, 0, 1, '', 0, 1, 0, 'reference', :words)"
)


@pytest.mark.parametrize(
    ("words", "facts"),
    [
        (
            "`reference7` is larger than 50 MB.",
            {
                "option": "reference7",
                "filename": "",
                "flaw": "too_many_bytes",
                "bytes_max": 50_000_000,
            },
        ),
        (
            "The image a `b` is.png has more than 12.3 megapixels; saved as a JPEG, it may have.",
            {
                "option": "",
                "filename": "a `b` is.png",
                "flaw": "too_many_pixels",
                "pixels_max": 12_300_000,
            },
        ),
        ("`mask` is a video.", {"option": "mask", "filename": "", "flaw": "video"}),
        ("Words that nobody knows.", {}),
    ],
)
async def test_words_of_before_become_facts(
    tmp_path: Path, words: str, facts: dict[str, object]
) -> None:
    with at_revision(tmp_path / "easel.db", "0003") as raw:
        raw.execute(JOB_OF_BEFORE, {"words": words})
    async with open_database(f"sqlite:///{tmp_path / 'easel.db'}") as database:
        job = await database.read(jobs.find, "a")
    assert job is not None
    assert job.problem == Problem(Failure.REFERENCE, facts)


async def test_the_filter_of_before_is_a_setting(tmp_path: Path) -> None:
    with at_revision(tmp_path / "easel.db", "0004") as raw:
        raw.execute("INSERT INTO servers VALUES (7, 'age_restricted')")
        raw.execute("INSERT INTO setting_changes VALUES (1, 7, 3, 'nsfw_checker', 'on', 'off', 0)")
    async with open_database(f"sqlite:///{tmp_path / 'easel.db'}") as database:
        decided = await database.read(settings.of_server, 7)
        [change] = await database.read(settings.changes, 7)
    assert decided == ServerSettings(NsfwMode.AGE_RESTRICTED)
    assert (change.user_id, change.old, change.new) == (3, "on", "off")


async def test_a_migration_that_fails_leaves_all_as_it_was_and_quotes_nothing(
    tmp_path: Path,
) -> None:
    path = tmp_path / "easel.db"
    with at_revision(path, "0003") as raw:
        raw.execute(JOB_OF_BEFORE, {"words": "The image surprise party.png is a video."})
        raw.execute(
            "CREATE TRIGGER full BEFORE UPDATE ON jobs BEGIN SELECT RAISE(ABORT, 'no room'); END"
        )
        before = list(raw.iterdump())
    with pytest.raises(StartupError, match=r"cannot be used: no room\.$") as failed:
        async with open_database(f"sqlite:///{path}"):
            pass
    assert "surprise party" not in "".join(traceback.format_exception(failed.value))
    with closing(sqlite3.connect(path)) as raw:
        assert list(raw.iterdump()) == before


async def test_what_was_deleted_before_is_overwritten_even_if_there_was_no_room_at_first(
    tmp_path: Path,
) -> None:
    """Some builds of SQLite leave in the file what is deleted, unless they are asked."""
    path = tmp_path / "easel.db"
    with at_revision(path, "0009") as raw:
        raw.execute("PRAGMA secure_delete = OFF")
        for number, value in enumerate(["surprise party", *["x" * 2_000_000] * 2]):
            raw.execute("INSERT INTO preferences VALUES (?, ?)", (number, value))
        raw.execute("DELETE FROM preferences WHERE user_id < 2")
    assert b"surprise party" in path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, limits[1]))
    try:
        with pytest.raises(StartupError, match="cannot be used: "):
            async with open_database(f"sqlite:///{path}"):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    async with open_database(f"sqlite:///{path}"):
        pass
    assert b"surprise party" not in path.read_bytes()


def definitions(found: list[tuple[str, str]]) -> dict[str, list[str]]:
    """Each table with its parts, whose order means nothing, and each index as it is."""
    return {
        name: sorted(parts(sql)) if sql.startswith("CREATE TABLE") else [sql.replace('"', "")]
        for name, sql in found
    }


def parts(sql: str) -> list[str]:
    """What stands between the commas of the outermost brackets."""
    found, depth = [""], 0
    for letter in " ".join(sql.split()):
        depth += {"(": 1, ")": -1}.get(letter, 0)
        if letter == "," and depth == 1:
            found.append("")
        else:
            found[-1] += letter
    # The last one ends with the bracket that closes all.
    found[-1] = found[-1].strip().removesuffix(")")
    return [re.sub(r'^CREATE TABLE "?\w+"? \(', "", each.strip()).strip() for each in found]


def test_the_head_revision_is_the_newest_one() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_heads() == [HEAD_REVISION]


async def test_a_new_file_is_migrated_once_with_the_folder_above_it(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'folder' / 'easel.db'}"
    async with open_database(url) as database:
        assert await database.revision() == HEAD_REVISION
        assert await database.migrate() is False


@pytest.mark.parametrize("migrate", [True, False])
async def test_a_newer_schema_is_left_alone(url: str, bench: Bench, migrate: bool) -> None:
    await bench.write("UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StartupError, match=r"schema 9999, which this version .* a newer one\.$"):
        async with open_database(url, migrate=migrate):
            pass
    assert await bench.rows("SELECT version_num FROM alembic_version") == [("9999",)]


def below_a_file(path: Path) -> None:
    path.parent.write_text("")


@pytest.mark.parametrize(
    "make",
    [
        lambda path: path.mkdir(),
        lambda path: path.write_text("dear diary " * 100),
        below_a_file,
    ],
    ids=["a folder", "a text", "below a file"],
)
async def test_a_path_that_is_no_database_is_said_in_a_sentence(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    path = tmp_path / "there" / "easel.db"
    if make is not below_a_file:
        path.parent.mkdir()
    make(path)
    with pytest.raises(StartupError) as refused:
        async with open_database(f"sqlite:///{path}"):
            pass
    sentence = rf"The database sqlite:///{re.escape(str(path))} cannot be used: .+\."
    assert re.fullmatch(sentence, str(refused.value))
    # Otherwise aiosqlite's thread would answer a loop that may be closed.
    assert not any("_connection_worker" in thread.name for thread in threading.enumerate())


async def test_a_disk_without_room_for_a_new_database_is_said_in_a_sentence(tmp_path: Path) -> None:
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, limits[1]))
    try:
        with pytest.raises(StartupError, match=r"cannot be used: .+ .+\.$"):
            async with open_database(f"sqlite:///{tmp_path / 'easel.db'}"):
                pass
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


async def test_a_database_that_cannot_be_looked_for_is_said_in_a_sentence() -> None:
    """As one in a folder that another user keeps to themselves."""
    with pytest.raises(StartupError, match=r"cannot be used: File name too long\.$"):
        async with open_database(f"sqlite:///{'long' * 99}/easel.db", migrate=False):
            pass


async def test_a_look_makes_nothing(tmp_path: Path) -> None:
    path = tmp_path / "none" / "easel.db"
    for _ in range(2):
        with pytest.raises(StartupError, match=f"There is no database at {re.escape(str(path))}"):
            async with open_database(f"sqlite:///{path}", migrate=False):
                pass


async def test_a_look_migrates_nothing(tmp_path: Path) -> None:
    path = tmp_path / "easel.db"
    path.touch()
    with pytest.raises(StartupError, match="has schema none, this version of Easel needs"):
        async with open_database(f"sqlite:///{path}", migrate=False):
            pass
    with closing(sqlite3.connect(path)) as raw:
        assert raw.execute("SELECT name FROM sqlite_master").fetchall() == []


async def test_a_look_opens_what_is_up_to_date(url: str, bench: Bench) -> None:
    await bench.write("INSERT INTO server_settings VALUES (7, 'nsfw_checker', 'off')")
    async with open_database(url, migrate=False) as database:
        assert await lay(database).rows("SELECT count(*) FROM server_settings") == [(1,)]


async def test_an_error_quotes_no_value_that_was_to_be_stored(bench: Bench) -> None:
    def insert(tx: Transaction) -> None:
        tx.execute(
            "INSERT INTO server_settings VALUES (7, NULL, :mode)", {"mode": "surprise party"}
        )

    with pytest.raises(sqlite3.IntegrityError) as failed:
        await bench.database.write(insert)
    assert "server_settings.name" in str(failed.value)
    assert "surprise party" not in str(failed.value)


async def test_a_transaction_that_fails_leaves_nothing(bench: Bench) -> None:
    def fail_halfway(tx: Transaction) -> None:
        tx.execute("INSERT INTO server_settings VALUES (7, 'nsfw_checker', 'off')")
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"):
        await bench.database.write(fail_halfway)
    assert await bench.rows("SELECT * FROM server_settings") == []


async def test_a_reader_neither_waits_for_a_writer_nor_sees_half_of_its_work(bench: Bench) -> None:
    written, looked = threading.Event(), threading.Event()

    def write_and_wait(tx: Transaction) -> None:
        tx.execute("INSERT INTO server_settings VALUES (7, 'nsfw_checker', 'off')")
        written.set()
        assert looked.wait(10)

    writing = asyncio.create_task(bench.database.write(write_and_wait))
    await asyncio.to_thread(written.wait, 10)
    assert await bench.rows("SELECT * FROM server_settings") == []
    looked.set()
    await writing
    assert await bench.rows("SELECT * FROM server_settings") == [(7, "nsfw_checker", "off")]


async def test_each_connection_survives_a_crash_and_minds_its_references(bench: Bench) -> None:
    assert await bench.rows("PRAGMA journal_mode") == [("wal",)]
    assert await bench.rows("PRAGMA foreign_keys") == [(1,)]
    assert await bench.database.write(lambda tx: tx.scalar("PRAGMA foreign_keys")) == 1


async def test_a_step_whose_caller_goes_away_is_done_whole(bench: Bench) -> None:
    """As when the process is asked to stop: the thread knows of no cancellation."""
    begun, goes_on = threading.Event(), threading.Event()

    def write(tx: Transaction) -> None:
        begun.set()
        assert goes_on.wait(10)
        tx.execute("INSERT INTO server_settings VALUES (7, 'nsfw_checker', 'off')")

    writing = asyncio.create_task(bench.database.write(write))
    await asyncio.to_thread(begun.wait, 10)
    writing.cancel()
    goes_on.set()
    with pytest.raises(asyncio.CancelledError):
        await writing
    await bench.write("UPDATE server_settings SET value = 'on'")
    assert await bench.rows("SELECT * FROM server_settings") == [(7, "nsfw_checker", "on")]


@pytest.mark.parametrize(
    ("url", "path"),
    [
        ("sqlite:///data/easel.db", "data/easel.db"),
        ("sqlite:////srv/my%20easel.db?timeout=30", "/srv/my easel.db"),
    ],
)
def test_a_url_names_a_file(url: str, path: str) -> None:
    assert database_path(url) == Path(path)
