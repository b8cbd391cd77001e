"""What is stored is given out whole: a column that comes to a table comes to the export as well."""

import json
import sqlite3
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from bot.engine.export import Export, Parcel
from bot.store import export
from tests.store.bench import ADA, BEN, CLEO, NOW, OTHER_SERVER, SERVER, Bench
from tests.store.plans import PARAMETER

#: of jobs, what only lets us answer and work, and a copy of what the request says
OURS = {"application_id", "token", "token_expires_at", "lease_owner", "lease_until", "mode"}
#: what is given out -> the table that it is of, what gives it out, and what is left out of it
GIVEN_OUT: dict[str, tuple[str, str, set[str]]] = {
    "a server's jobs": ("jobs", export.JOBS_IN, OURS),
    "a member's jobs": ("jobs", export.JOBS_OF, OURS),
    "entries": ("entries", export.ENTRIES_OF, set()),
    "accounts": ("accounts", export.ACCOUNTS_IN, set()),
    "acts": ("acts", export.TRAIL_OF_SERVER["acts"], set()),
    "a server's blocks": ("blocks", export.OF_SERVER["blocks"], set()),
    # Who blocked a member is the moderators' own affair.
    "a member's blocks": ("blocks", export.OF_MEMBER["blocks"], {"user_id", "by_id"}),
    "a server's returns": ("returns", export.OF_SERVER["returns"], set()),
    "a server's notices": ("notices", export.OF_SERVER["notices"], {"server_id"}),
    "setting changes": ("setting_changes", export.TRAIL_OF_SERVER["setting_changes"], set()),
    # What moderators did is theirs to answer for together; who of them did it is no member's data.
    "acts to a member": ("acts", export.TRAIL_OF_MEMBER["acts_to_you"], {"user_id", "by_id"}),
    "acts by a member": ("acts", export.TRAIL_OF_MEMBER["acts_by_you"], {"by_id"}),
    "changes by a member": (
        "setting_changes",
        export.TRAIL_OF_MEMBER["setting_changes"],
        {"user_id"},
    ),
    "a member's accounts": ("accounts", export.OF_ACCOUNT["accounts"], set()),
    "a member's returns": ("returns", export.OF_ACCOUNT["returns"], {"user_id"}),
    # All of them are of the one who asks, and the ids of rows say nothing of anybody.
    "settings": ("server_settings", export.OF_SERVER["settings"], {"server_id"}),
    "preferences": ("preferences", export.OF_MEMBER["preferences"], {"user_id"}),
    "presets": ("presets", export.OF_MEMBER["presets"], {"user_id"}),
    "drafts": ("drafts", export.OF_MEMBER["drafts"], {"id", "user_id"}),
    "basket": ("basket", export.OF_MEMBER["basket"], {"id", "user_id"}),
}


@pytest.fixture
def stored(schema: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(schema)) as raw:
        yield raw


def types(stored: sqlite3.Connection, table: str) -> dict[str, str]:
    """Of a table's columns."""
    return {name: kind for _, name, kind, *_ in stored.execute(f"PRAGMA table_info({table})")}


@pytest.mark.parametrize("what", GIVEN_OUT)
def test_no_column_is_forgotten(stored: sqlite3.Connection, what: str) -> None:
    table, statement, left_out = GIVEN_OUT[what]
    given = dict.fromkeys(PARAMETER.findall(statement))
    told = {name for name, *_ in stored.execute(statement, given).description}
    assert told | left_out == set(types(stored, table))
    assert not told & left_out


def test_each_statement_of_the_export_is_looked_at() -> None:
    looked_at = {statement for _, statement, _ in GIVEN_OUT.values()}
    assert {
        *export.OF_MEMBER.values(),
        *export.OF_SERVER.values(),
        *export.OF_ACCOUNT.values(),
        *export.TRAIL_OF_MEMBER.values(),
        *export.TRAIL_OF_SERVER.values(),
    } <= looked_at


async def test_a_jobs_values_are_those_of_json(stored: sqlite3.Connection, bench: Bench) -> None:
    job = await bench.delivering(1_000)
    await bench.jobs.finish(job, 700, NOW, keeps_images=True)
    [told] = await bench.database.read(export.some_jobs, SERVER, "", ADA)
    booleans = {name for name, kind in types(stored, "jobs").items() if kind == "BOOLEAN"}
    assert {name: type(told[name]) for name in booleans} == dict.fromkeys(booleans, bool)
    times = {name for name in told if name.endswith("_at")}
    assert {"created_at", "started_at", "finished_at"} <= times
    assert {datetime.fromisoformat(told[name]) for name in times} == {NOW}
    assert told["request"]["prompt"] == job.request.prompt
    assert told["facts"] == {}
    assert told["images"] == ["lantern-0.png"]


@pytest.mark.parametrize("text", ["not JSON", "[" * 100_000])
async def test_what_cannot_be_read_is_given_out_as_it_stands(bench: Bench, text: str) -> None:
    await bench.write(f"INSERT INTO basket VALUES (1, {ADA}, '{text}', 1)")
    told = await bench.database.read(export.rest, export.OF_MEMBER, {"user": ADA})
    assert [each["reference"] for each in told["basket"]] == [text]


#: what is stored of a member, of a server, and of a member in a server; each row names whose it is
OF_A_MEMBER = (
    "INSERT INTO preferences VALUES ({user}, 'of {user}')",
    "INSERT INTO presets VALUES ({user}, 'of {user}', '', 1)",
    "INSERT INTO drafts VALUES ('{user}', {user}, 'of {user}', 1)",
    "INSERT INTO basket VALUES ({user}, {user}, 'of {user}', 1)",
)
OF_A_SERVER = (
    "INSERT INTO server_settings VALUES ({server}, 'of', '{server}')",
    "INSERT INTO notices VALUES ({server}, '2025-11-01', {server})",
)
OF_AN_ACCOUNT = (
    "INSERT INTO blocks VALUES ({server}, {user}, {cleo}, 'of {user}', 1, 2)",
    "INSERT INTO setting_changes (server_id, user_id, setting, old, new, created_at)"
    " VALUES ({server}, {user}, 'of {user}', '', '', 1)",
    "INSERT INTO returns (server_id, user_id, amount_ucr, due_at)"
    " VALUES ({server}, {user}, {user}, 1)",
    "INSERT INTO acts (server_id, by_id, action, user_id, reason, created_at)"
    " VALUES ({server}, {cleo}, 'grant', {user}, 'to {user}', 1),"
    " ({server}, {user}, 'report', {other}, 'by {user}', 1)",
)


async def fill(bench: Bench) -> None:
    for server in (SERVER, OTHER_SERVER):
        for statement in OF_A_SERVER:
            await bench.write(statement.format(server=server))
    for user, other in ((ADA, BEN), (BEN, ADA)):
        given = {"user": user, "other": other, "cleo": CLEO}
        for statement in OF_A_MEMBER:
            await bench.write(statement.format(**given))
        for server in (SERVER, OTHER_SERVER):
            for statement in OF_AN_ACCOUNT:
                await bench.write(statement.format(server=server, **given))


async def trail(
    bench: Bench, statements: Mapping[str, str], whose: Mapping[str, int]
) -> dict[str, list[Any]]:
    return {
        name: await bench.database.read(export.some_rows, statement, whose, 0)
        for name, statement in statements.items()
    }


async def test_each_is_given_what_is_their_own_alone(bench: Bench) -> None:
    await fill(bench)
    given = {"user": ADA}
    told = {
        **await bench.database.read(export.rest, export.OF_MEMBER, given),
        **await trail(bench, export.TRAIL_OF_MEMBER, given),
    }
    mine = [f"of {ADA}"]
    # What members report of each other is no affair of those whom they report.
    marks = {
        "preferences": ("value", mine),
        "presets": ("name", mine),
        "basket": ("reference", mine),
        "drafts": ("request", mine),
        "blocks": ("reason", mine * 2),
        "acts_to_you": ("reason", [f"to {ADA}"] * 2),
        "acts_by_you": ("reason", [f"by {ADA}"] * 2),
        "setting_changes": ("setting", mine * 2),
    }
    found = {name: [row[marks[name][0]] for row in rows] for name, rows in told.items()}
    assert found == {name: words for name, (_, words) in marks.items()}
    assert datetime.fromisoformat(told["blocks"][0]["until"])
    account = await bench.database.read(
        export.rest, export.OF_ACCOUNT, {"server": SERVER, "user": ADA}
    )
    assert [row["amount_ucr"] for row in account["returns"]] == [ADA]

    given = {"server": SERVER}
    told = {
        **await bench.database.read(export.rest, export.OF_SERVER, given),
        **await trail(bench, export.TRAIL_OF_SERVER, given),
    }
    servers = [row["server_id"] for name in told for row in told[name] if "server_id" in row]
    assert servers == [SERVER] * (2 + 4 + 2 + 2)
    assert [row["value"] for row in told["settings"]] == [str(SERVER)]
    assert [row["percent"] for row in told["notices"]] == [SERVER]


@pytest.mark.parametrize("name", export.TRAIL_OF_MEMBER)
async def test_what_a_moderator_did_is_read_in_pieces(
    bench: Bench, tmp_path: Path, name: str
) -> None:
    """However much it is, it holds up no other reader, and all of it is given out."""
    count = export.ENTRIES_AT_ONCE + 1
    numbers = f"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {count})"
    await bench.write(
        "INSERT INTO acts (server_id, by_id, action, user_id, reason, created_at)"
        f" {numbers} SELECT {SERVER}, {ADA}, 'grant', {ADA}, i, 1 FROM n"
    )
    await bench.write(
        "INSERT INTO setting_changes (server_id, user_id, setting, old, new, created_at)"
        f" {numbers} SELECT {SERVER}, {ADA}, i, '', '', 1 FROM n"
    )
    statement = export.TRAIL_OF_MEMBER[name]
    some = await bench.database.read(export.some_rows, statement, {"user": ADA}, 0)
    assert len(some) == export.ENTRIES_AT_ONCE
    parcel = Parcel(tmp_path, "export", 10**9, 1)
    await Export(bench.database, tmp_path).of_member(ADA, parcel)
    [path] = parcel.paths
    with zipfile.ZipFile(path) as file:
        told = json.loads(file.read(f"{name}.json"))
    assert [each["id"] for each in told] == list(range(1, count + 1))
