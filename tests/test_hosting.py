"""`easel servers`, `block`, `unblock` and `export`: beside a running bot."""

import json
import os
import re
import zipfile
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace

import pytest

from bot import books, hosting
from bot.cli import main
from bot.domain.credits import Microcredits
from bot.errors import StartupError
from bot.playground.faults import VendorCall
from bot.store import export
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise
from tests.support.settings import set_filter

PICTURE = noise()


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def test_each_server_is_listed_with_its_month_and_what_it_has_decided(
    easel: Easel, capsys: pytest.CaptureFixture[str]
) -> None:
    await set_filter(easel, "off")
    await easel.finished(await easel.imagine(count=2))
    await easel.finished(await easel.imagine(channel="mockups"))
    await easel.finished(await easel.imagine(channel="dm"))
    async with easel.held(VendorCall.CREATE):
        # A job is under way, and nobody waits.
        await hosting.show_servers(easel.settings)
    head, *lines = capsys.readouterr().out.splitlines()
    assert head.split()[:5] == ["server", "jobs", "in", f"{easel.clock.now():%Y-%m}", "credits"]
    own, other = (easel.discord.channel(name).guild_id for name in ("studio", "mockups"))
    found = {line[:21].strip(): line[21:].split() for line in lines}
    assert found["direct messages"] == ["1", "0.06", "cr", "-"]
    assert found[str(own)] == ["2", "0.12", "cr", "nsfw_checker=off"]
    assert found[str(other)] == ["1", "0.06", "cr", "-"]


async def test_what_the_host_does_to_credits_stands_in_the_moderators_trail(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    server_id = easel.discord.channel("studio").guild_id
    ada = easel.discord.world.user("Ada").id
    [[job_id]] = await easel.rows("SELECT id FROM jobs")
    await books.grant(easel.settings, server_id, ada, Microcredits(2_500_000))
    await books.refund(easel.settings, job_id)
    acts = await easel.rows("SELECT action, by_id, user_id, job_id, amount_ucr FROM acts")
    assert list(map(tuple, acts)) == [
        ("grant", 0, ada, None, 2_500_000),
        ("refund", 0, ada, job_id, 60_000),
    ]
    [[by_id]] = await easel.rows("SELECT by_id FROM entries WHERE kind = 'grant'")
    assert by_id == 0
    shown = await easel.discord.run_command("Cleo", "studio", "moderation acts")
    told = said(await shown.response())
    assert told.count("whoever hosts this bot") == 2
    assert "<@0>" not in told


async def test_the_host_is_told_what_of_a_refund_has_expired(
    easel: Easel, capsys: pytest.CaptureFixture[str]
) -> None:
    easel.clock.advance(-2 * 86_400)
    await easel.finished(await easel.imagine())
    [[job_id]] = await easel.rows("SELECT id FROM jobs")
    await books.refund(easel.settings, job_id)
    told = capsys.readouterr().out
    assert "0.06 cr given back" in told
    assert "Of that, 0.06 cr has expired" in told


async def test_the_host_is_told_what_of_a_refund_a_lowered_allowance_takes_again(
    easel: Easel, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(books, "datetime", SimpleNamespace(now=lambda _: easel.clock.now()))
    await easel.finished(await easel.imagine())
    [[job_id]] = await easel.rows("SELECT id FROM jobs")
    lowered = easel.settings.model_copy(update={"allowance": "0.02"})
    await books.refund(lowered, job_id)
    assert "Of that, 0.04 cr has expired" in capsys.readouterr().out


async def test_what_is_no_text_is_the_id_of_no_job(easel: Easel) -> None:
    with pytest.raises(StartupError, match="is not there"):
        await books.refund(easel.settings, os.fsdecode(b"\xff"))


async def test_a_member_is_blocked_and_unblocked_with_a_trail(
    easel: Easel, capsys: pytest.CaptureFixture[str]
) -> None:
    await hosting.block(easel.settings, 0, 5, "spam")
    await hosting.block(easel.settings, 0, 5, "more spam")
    await hosting.block(easel.settings, 7, 5, "here, too")
    rows = await easel.rows("SELECT server_id, user_id, by_id, reason, until FROM blocks")
    assert sorted(map(tuple, rows)) == [(0, 5, 0, "more spam", None), (7, 5, 0, "here, too", None)]
    await hosting.unblock(easel.settings, 0, 5)
    with pytest.raises(StartupError, match="is not blocked everywhere"):
        await hosting.unblock(easel.settings, 0, 5)
    acts = await easel.rows("SELECT action, server_id, user_id, by_id FROM acts ORDER BY id")
    assert list(map(tuple, acts)) == [
        ("block", 0, 5, 0),
        ("block", 0, 5, 0),
        ("block", 7, 5, 0),
        ("unblock", 0, 5, 0),
    ]
    assert "Member 5 is blocked everywhere no longer." in capsys.readouterr().out


async def test_a_member_reads_the_hosts_reason(easel: Easel) -> None:
    ada = easel.discord.world.user("Ada").id
    await hosting.block(easel.settings, 0, ada, "spam" + " and more" * 32)
    refused = said(await easel.finished(await easel.imagine()))
    assert "You are blocked from making images here. The reason" in refused
    assert "“spam and more and" in refused


async def test_a_member_and_a_server_are_exported_whole(easel: Easel, tmp_path: Path) -> None:
    await easel.finished(await easel.imagine(prompt="of Ada"))
    await easel.finished(await easel.imagine("Ben", prompt="of Ben"))
    await easel.finished(await easel.imagine(channel="mockups", prompt="elsewhere"))
    ada = easel.discord.world.user("Ada").id
    own = easel.discord.channel("studio").guild_id
    member, server = tmp_path / "ada.zip", tmp_path / "server.zip"
    await hosting.export(easel.settings, member, user_id=ada)
    await hosting.export(easel.settings, server, server_id=own)

    files = unpacked(member)
    assert "of Ada" in str(files)
    assert "elsewhere" in str(files)
    assert "of Ben" not in str(files)
    assert PICTURE in files.values()
    files = unpacked(server)
    assert "of Ada" in str(files)
    assert "of Ben" in str(files)
    assert "elsewhere" not in str(files)
    assert len(json.loads(files["accounts.json"])) == 2
    assert not any(name.startswith("images/") for name in files)
    assert zips(tmp_path) == {"ada.zip", "server.zip"}
    assert {path.stat().st_mode & 0o777 for path in (member, server)} == {0o600}
    circle = tmp_path / "circle.zip"
    circle.symlink_to(circle)
    for there in (member, circle):
        with pytest.raises(StartupError, match="is there already"):
            await hosting.export(easel.settings, there, user_id=ada)
    # The last cannot even be looked for, as in a folder that another user keeps to themselves.
    names = ("no/such.zip", "circle.zip/mine.zip", f"{'long' * 99}.zip")
    for nowhere in map(tmp_path.joinpath, names):
        with pytest.raises(StartupError, match="cannot be written"):
            await hosting.export(easel.settings, nowhere, user_id=ada)


async def test_an_export_in_many_pieces_has_each_job_and_entry_once(
    easel: Easel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("studio",) * 5 + ("mockups", "dm"):
        await easel.finished(await easel.imagine(channel=place))
    for name in ("JOBS_OF", "JOBS_IN", "ENTRIES_OF"):
        statement, pieces = re.subn(r"LIMIT \d+", "LIMIT 2", getattr(export, name))
        assert pieces == 1
        monkeypatch.setattr(export, name, statement)
    monkeypatch.setattr("bot.engine.export.ENTRIES_IN_FILE", 4)
    ada, own = easel.discord.world.user("Ada").id, easel.discord.channel("studio").guild_id
    for number, (whose, where) in enumerate(
        (({"user_id": ada}, "TRUE"), ({"server_id": own}, f"server_id = {own}"))
    ):
        path = tmp_path / f"{number}.zip"
        await hosting.export(easel.settings, path, **whose)
        files = unpacked(path)
        for table in ("jobs", "entries"):
            names = [name for name in files if name.startswith(f"{table}-")]
            assert len([name for name in names if f"-{own}-" in name]) > 1
            assert any("-direct-messages-" in name for name in names) is ("user_id" in whose)
            told = [row["id"] for name in names for row in json.loads(files[name])]
            ids = f"SELECT id FROM {table} WHERE {where} AND user_id = {ada} ORDER BY server_id, id"
            assert told == [row.id for row in await easel.rows(ids)]


def zips(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if "zip" in path.name}


def unpacked(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as opened:
        return {name: opened.read(name) for name in opened.namelist()}


@pytest.mark.parametrize(
    "arguments",
    [
        ["block", "--user", "5"],
        ["block", "--user", "5", "--reason", " "],
        ["block", "--user", "5", "--reason", "\u200b"],
        # Longer than what Discord shows of an answer.
        ["block", "--user", "5", "--reason", "spam " * 500],
        ["block", "--reason", "spam"],
        ["unblock"],
        ["export", "--output", "x.zip"],
        ["export", "--user", "5"],
        ["export", "--user", "5", "--server", "7", "--output", "x.zip"],
    ],
)
def test_what_is_missing_is_wrong_usage(arguments: list[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


def test_the_command_line_leads_there(
    tmp_path: Path,
    schema: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        if name.startswith(("DATABASE", "DATA_")):
            monkeypatch.delenv(name)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "easel.db").write_bytes(schema.read_bytes())
    assert main(["block", "--user", "5", "--reason", "spam"]) == 0
    assert main(["unblock", "--user", "5"]) == 0
    assert main(["unblock", "--user", "5"]) == 1
    assert main(["servers"]) == 0
    assert main(["export", "--user", "5", "--output", "mine.zip"]) == 0
    assert (tmp_path / "mine.zip").is_file()
    told = capsys.readouterr()
    assert "easel: Member 5 is not blocked everywhere." in told.err
