"""The `easel` command as a user runs it: its own process, its exit codes, its sentences."""

import asyncio
import errno
import os
import re
import signal
import socket
import sqlite3
import sys
from collections.abc import AsyncIterator
from contextlib import closing
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from msgspec import Struct
from PIL import Image

from bot.app import SHIPPED_CATALOG
from bot.cli import main
from bot.demo import BEYOND_LOOPBACK
from bot.playground.discord import PlaygroundDiscord
from bot.playground.faults import Hold, VendorCall
from bot.settings import Settings
from tests.support.ports import free_port, listenable
from tests.vendors import AllVendors

pytestmark = pytest.mark.slow

PROJECT = Path(__file__).parents[1]
#: seconds; a process that takes longer hangs
PROCESS_S_MAX = 40


class Ended(Struct, frozen=True):
    status: int
    out: str
    err: str


async def start(
    folder: Path,
    *arguments: str,
    stdout: int = asyncio.subprocess.PIPE,
    before: str = "",
    **environment: str,
) -> asyncio.subprocess.Process:
    """
    Args:
        before: Python that the process runs first.
    """
    program = f"{before}\nfrom bot.cli import main\nraise SystemExit(main())"
    inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        *(("-c", program) if before else ("-m", "bot")),
        *arguments,
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(PROJECT)} | environment,
        stdout=stdout,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process: asyncio.subprocess.Process) -> Ended:
    async with asyncio.timeout(PROCESS_S_MAX):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, (out or b"").decode(), err.decode())


async def easel(folder: Path, *arguments: str, **environment: str) -> Ended:
    return await end(await start(folder, *arguments, **environment))


@pytest.fixture
async def discord() -> AsyncIterator[PlaygroundDiscord]:
    async with PlaygroundDiscord() as discord:
        yield discord


@pytest.fixture
async def providers() -> AsyncIterator[AllVendors]:
    async with AllVendors() as providers:
        yield providers


@pytest.fixture
def environment(discord: PlaygroundDiscord, providers: AllVendors) -> dict[str, str]:
    return {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_BASE": discord.api_base,
        "APIMODELS_API_KEY": providers.api_key,
        "APIMODELS_BASE_URL": providers.apimodels_base_url,
        "ALLOW_PRIVATE_ADDRESSES": "true",
        "OPS_PORT": "0",
    }


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({}, "DISCORD_TOKEN is not set: create an application at https://discord.com"),
        ({"DISCORD_TOKEN": " "}, "DISCORD_TOKEN is not set"),
        ({"DISCORD_API_BASE": "discord.com"}, "DISCORD_API_BASE is wrong: must be an address"),
        ({"DISCORD_API_BASE": "https://"}, "DISCORD_API_BASE is wrong: must name a host"),
        ({"DISCORD_API_BASE": "https:///api"}, "DISCORD_API_BASE is wrong: must name a host"),
        ({"KIE_BASE_URL": "https://a..b"}, "KIE_BASE_URL is wrong: must name a host"),
        ({"KIE_BASE_URL": "https://a b"}, "KIE_BASE_URL is wrong: must name a host"),
        (
            {"KIE_BASE_URL": "https://h:99999"},
            "KIE_BASE_URL is wrong: must name a host, and a port",
        ),
        ({"KIE_BASE_URL": "https://me:s3cret@h"}, "KIE_BASE_URL is wrong: must hold no name"),
        ({"PUBLIC_URL": "http://easel.example"}, "PUBLIC_URL is wrong: must begin with https://"),
        ({"DISCORD_TOKEN": "s3\ncret"}, "DISCORD_TOKEN is wrong: it holds a space, a line break"),
        ({"OPENAI_API_KEY": "s3 cret"}, "OPENAI_API_KEY is wrong: it holds a space, a line break"),
        ({"MAXAPI_KEY": "s3\N{ZERO WIDTH SPACE}cret"}, "MAXAPI_KEY is wrong: it holds a space"),
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL is wrong: must look like sqlite:///"),
        ({"ALLOWANCE": "1.5e"}, "ALLOWANCE is wrong"),
        ({"ALLOWANCE": "-1"}, "ALLOWANCE is wrong"),
        ({"ALLOWANCE_PERIOD": "year"}, "ALLOWANCE_PERIOD is wrong"),
        ({"MAX_RUNNING_JOBS": "0"}, "MAX_RUNNING_JOBS is wrong"),
        ({"OPS_PORT": "99999"}, "OPS_PORT is wrong"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is wrong"),
        ({"SHARD_IDS": "0,1"}, "SHARD_IDS is wrong: each must be below SHARD_COUNT"),
        (
            {"DISCORD_GUILD_IDS": "1, one"},
            "DISCORD_GUILD_IDS is wrong: must be whole numbers, separated by commas.",
        ),
        ({"DISCORD_TOKEN": "t", "CATALOG_FILE": "none.toml"}, "CATALOG_FILE none.toml: No such"),
        ({"DISCORD_TOKEN": "t", "DEFAULT_MODEL": "dall-e"}, "DEFAULT_MODEL dall-e is not in"),
        ({"DISCORD_TOKEN": "t", "DATA_DIR": "/proc/easel"}, "DATA_DIR: /proc/easel/images cannot"),
    ],
    ids=str,
)
def test_a_wrong_setting_is_one_sentence_and_exit_code_2(
    tmp_path: Path,
    environment: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert main(["run"]) == 2
    complaint = capsys.readouterr().err
    assert words in complaint
    assert "cret" not in complaint
    assert len(complaint.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("name", "settings", "words"),
    [
        (".env", {}, ".env is not UTF-8 text."),
        ("cat.toml", {"CATALOG_FILE": "cat.toml"}, "CATALOG_FILE cat.toml is not UTF-8 text."),
    ],
    ids=["settings", "catalog"],
)
def test_a_file_that_is_no_utf_8_is_one_sentence(
    tmp_path: Path,
    name: str,
    settings: dict[str, str],
    words: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes("ALLOWANCE = 'na\u00efve'".encode("latin-1"))
    for setting, value in settings.items():
        monkeypatch.setenv(setting, value)

    assert main(["prices"]) == 2
    assert capsys.readouterr().err == f"easel: {words}\n"


def test_an_unreadable_env_file_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # A file that not even the superuser can read.
    (tmp_path / ".env").symlink_to("/proc/self/mem")

    assert main(["prices"]) == 2
    assert capsys.readouterr().err == "easel: .env cannot be read: Input/output error.\n"


@pytest.mark.parametrize(
    ("reason", "status"), [(errno.ENOSPC, 1), (errno.EDQUOT, 1), (errno.EACCES, 2)]
)
def test_a_full_disk_is_no_wrong_setting(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    reason: int,
    status: int,
) -> None:
    """Whatever starts the bot again stops at exit code 2."""

    def refuse(*_: object) -> None:
        raise OSError(reason, os.strerror(reason))

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DISCORD_TOKEN", "t")
    monkeypatch.setattr(Path, "write_bytes", refuse)
    assert main(["run"]) == status
    assert "DATA_DIR: data/images cannot be written to" in capsys.readouterr().err


def test_prices_are_shown_without_a_database_that_cannot_be_looked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    # As one in a folder that another user keeps to themselves.
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{'long' * 99}/easel.db")

    assert main(["prices"]) == 0
    shown = capsys.readouterr()
    assert shown.out.startswith("model ")
    assert shown.err.startswith("easel: what is usual is not known: ")


async def test_a_reader_that_goes_away_is_no_failure_to_speak_of(tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    process = await start(tmp_path, "prices", stdout=writing)
    os.close(writing)
    ended = await end(process)

    assert (ended.status, ended.err) == (1, "")


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("command", ["prices", "check", "migrate"])
async def test_what_cannot_be_printed_is_one_sentence(
    tmp_path: Path, command: str, unbuffered: str
) -> None:
    unwritable = os.open(os.devnull, os.O_RDONLY)
    process = await start(tmp_path, command, stdout=unwritable, PYTHONUNBUFFERED=unbuffered)
    os.close(unwritable)
    ended = await end(process)

    assert ended.status == 1
    assert ended.err == "easel: nothing more can be printed: Bad file descriptor.\n"


async def test_a_process_without_stdout_prints_nothing(tmp_path: Path) -> None:
    process = await asyncio.create_subprocess_exec(
        *("sh", "-c", 'exec "$0" -m bot prices >&-', sys.executable),
        cwd=tmp_path,
        env={"PYTHONPATH": str(PROJECT)},
        stderr=asyncio.subprocess.PIPE,
    )
    ended = await end(process)

    assert (ended.status, ended.err) == (0, "")


async def test_what_a_terminal_has_no_letter_for_is_written_otherwise(tmp_path: Path) -> None:
    ended = await easel(tmp_path, "check", PYTHONIOENCODING="ascii")

    assert ended.out.startswith("\\u2713 catalog: ")
    assert ended.err == ""


def test_a_defect_keeps_its_trace(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def defective(*_: object) -> str:
        raise BrokenPipeError("a defect")

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.prices.price_table", defective)
    with pytest.raises(BrokenPipeError, match="a defect"):
        main(["prices"])


async def test_a_missing_token_ends_the_process_without_a_trace(tmp_path: Path) -> None:
    ended = await easel(tmp_path, "run", APIMODELS_API_KEY="s3cret", OPS_PORT="s3cret")

    assert ended.status == 2
    assert ended.err == (
        "easel: OPS_PORT is wrong: Input should be a valid integer, unable to parse string as an"
        " integer. README lists what it takes.\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("paint",),
        ("run", "--role", "worker"),
        ("demo", "--port", "-1"),
        ("demo", "--host", "localhost"),
        ("demo", "--host", "fe80::1%eth0"),
        ("grant", "--server", "1", "--user", "0", "--amount", "1"),
        ("block", "--user", "0", "--reason", "none"),
    ],
    ids=str,
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


@pytest.mark.parametrize("command", ["run", "sync"])
async def test_a_refused_token_is_one_sentence_and_exit_code_2(
    tmp_path: Path, environment: dict[str, str], command: str
) -> None:
    await easel(tmp_path, "migrate")
    ended = await easel(tmp_path, command, **environment | {"DISCORD_TOKEN": "wrong"})

    assert ended.status == 2
    assert "easel: Discord does not accept DISCORD_TOKEN" in ended.err
    assert "Traceback" not in ended.err


async def test_the_demo_makes_an_image_and_edits_it(tmp_path: Path) -> None:
    # Neither the environment nor .env reaches the demo.
    (tmp_path / ".env").write_text("DISCORD_API_BASE=https://discord.invalid\nALLOWANCE=0\n")
    real = {"DISCORD_TOKEN": "real", "DATA_DIR": "/proc/no"}
    ended = await easel(tmp_path, "demo", "--once", "--output", "pictures", **real)

    assert ended.status == 0, ended
    for name in ("imagine.png", "edit.png"):
        with Image.open(tmp_path / "pictures" / name) as image:
            image.load()
            assert (image.format, image.size) == ("PNG", (1280, 720))
    assert "Entries and balances agree." in ended.out
    assert ended.err == ""


async def test_the_demo_says_where_it_cannot_write(tmp_path: Path) -> None:
    (tmp_path / "taken").touch()
    ended = await easel(tmp_path, "demo", "--once", "--output", "taken")

    assert ended.status == 2
    assert ended.err == "easel: --output taken cannot be written to (File exists).\n"


#: where the demo's page listens -> where a browser finds it
PAGES = {"127.0.0.1": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "[::1]"}


@pytest.mark.parametrize("host", listenable(*PAGES))
async def test_the_demo_names_an_address_at_which_its_page_can_be_opened(
    tmp_path: Path, host: str
) -> None:
    browser = "import webbrowser; webbrowser.open = lambda url: print('opened', url, flush=True)"
    process = await start(tmp_path, "demo", "--host", host, before=browser)
    assert process.stdout is not None
    [url] = re.findall(r"http://\S+", (await process.stdout.readline()).decode())
    async with aiohttp.ClientSession() as session, session.get(url) as page:
        assert page.status == 200
    process.send_signal(signal.SIGTERM)
    ended = await end(process)

    assert url.startswith(f"http://{PAGES[host]}:")
    assert ended.out == (f"opened {url}\n" if host == "127.0.0.1" else f"{BEYOND_LOOPBACK}\n")
    assert (ended.status, ended.err) == (0, "")


async def test_the_demo_says_that_its_port_is_taken(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
        ended = await easel(tmp_path, "demo", "--host", "0.0.0.0", "--port", str(port))

    assert ended.status == 1
    assert re.fullmatch(rf"easel: port {port} on 0\.0\.0\.0 cannot be had .*\n", ended.err)


async def test_run_serves_until_it_is_asked_to_stop(
    tmp_path: Path, environment: dict[str, str], discord: PlaygroundDiscord
) -> None:
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    call = await discord.run_command("Ada", "studio", "credits")
    assert "1.00 cr left" in str((await call.response()).embeds)
    process.send_signal(signal.SIGTERM)
    ended = await end(process)

    assert ended.status == 0, ended
    assert "Traceback" not in ended.err
    assert "alembic" not in ended.err
    assert discord.token not in ended.err


async def test_beside_a_running_bot_there_is_no_second_one(
    tmp_path: Path, environment: dict[str, str], discord: PlaygroundDiscord
) -> None:
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    others = [["run"], ["migrate"], ["ledger", "audit"], ["check"]]
    second, migrate, audit, check = [
        await easel(tmp_path, *arguments, **environment) for arguments in others
    ]
    process.send_signal(signal.SIGTERM)
    assert (await end(process)).status == 0

    for refused in (second, migrate):
        assert refused.status == 1
        assert refused.err == (
            "easel: The database sqlite:///data/easel.db is in use by another process of Easel:"
            " stop that one first, or give this one a DATABASE_URL and a DATA_DIR of its own.\n"
        )
    assert (audit.status, audit.out) == (0, "Entries and balances agree.\n")
    assert check.status == 0, check
    assert "opened, its schema is up to date; a bot is running on it" in check.out
    assert (await easel(tmp_path, "migrate", **environment)).status == 0


async def test_a_job_under_way_goes_on_after_the_process_is_killed(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: AllVendors,
) -> None:
    # The first poll comes after the provider's task id is committed.
    polled = Hold(until=asyncio.Event())
    providers.faults.add(VendorCall.POLL, polled)
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    call = await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await polled.reached.wait()
    process.send_signal(signal.SIGKILL)
    await end(process)
    polled.until.set()

    process = await start(tmp_path, "run", **environment)
    message = await call.until(lambda message: bool(message.attachments), timeout_s=20)
    process.send_signal(signal.SIGINT)
    assert (await end(process)).status == 0

    assert "0.06 cr" in str(message.embeds)
    assert len(providers.submissions) == 1
    assert (await easel(tmp_path, "ledger", "audit", **environment)).status == 0


async def test_a_stop_leaves_a_job_that_waits_as_it_is(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: AllVendors,
) -> None:
    providers.studio.latency_s = 1e9
    polled = Hold(until=asyncio.Event())
    providers.faults.add(VendorCall.POLL, polled)
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    call = await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await call.until(lambda message: "Drawing" in str(message.embeds))
    await polled.reached.wait()
    polled.until.set()
    process.send_signal(signal.SIGTERM)
    ended = await end(process)

    assert ended.status == 0, ended
    assert "job left for the next start" in ended.err
    assert "Drawing" in str((await call.response()).embeds)


LOADING = f"""
import sys, threading

class Loading:
    def find_spec(self, name, *_):
        if name == "bot.app":
            print("loading", file=sys.stderr, flush=True)
            threading.Event().wait({2 * PROCESS_S_MAX})

sys.meta_path.insert(0, Loading())
"""


@pytest.mark.parametrize("command", ["run", "demo"])
async def test_a_stop_while_it_is_still_loading_ends_it(
    tmp_path: Path, environment: dict[str, str], command: str
) -> None:
    """The first process of a container gets no signal that it does not handle."""
    process = await start(tmp_path, command, before=LOADING, **environment)
    assert process.stderr
    assert await process.stderr.readline() == b"loading\n"
    process.send_signal(signal.SIGTERM)
    ended = await end(process)

    assert ended.status == 0, ended


HANGING = f"""
import socket, sys, threading

def hang(*_, **__):
    print("looking up", file=sys.stderr, flush=True)
    threading.Event().wait({2 * PROCESS_S_MAX})

socket.getaddrinfo = hang
"""


async def test_a_name_server_that_hangs_holds_up_no_stop(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    given = environment | {"DISCORD_API_BASE": "http://discord.example/api/v10"}
    process = await start(tmp_path, "run", before=HANGING, **given)
    assert process.stderr
    while b"looking up" not in await process.stderr.readline():
        pass
    process.send_signal(signal.SIGTERM)
    ended = await end(process)

    assert ended.status == 0, ended


async def test_a_database_that_is_held_holds_up_no_stop_and_nothing_paid_is_lost(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: AllVendors,
) -> None:
    fetched = Hold(asyncio.Event(), after_effect=True)
    providers.faults.add(VendorCall.RESULT, fetched)
    impatient = f"""
import bot.signals, bot.store.database
bot.signals.STOP_S_MAX = 0.5
bot.store.database.BUSY_TIMEOUT_MS = {2 * PROCESS_S_MAX * 1_000}
"""
    process = await start(tmp_path, "run", before=impatient, **environment)
    await discord.wait_until_ready()
    call = await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await fetched.reached.wait()
    with closing(sqlite3.connect(tmp_path / "data/easel.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        fetched.until.set()
        process.send_signal(signal.SIGTERM)
        ended = await end(process)
    assert ended.status == 1
    assert "the stop took too long" in ended.err

    process = await start(tmp_path, "run", **environment)
    await call.until(lambda message: bool(message.attachments), timeout_s=20)
    process.send_signal(signal.SIGTERM)
    assert (await end(process)).status == 0
    assert len(providers.submissions) == 1


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
async def test_an_export_on_its_way_is_removed_by_a_stop_and_by_the_start_after_a_crash(
    tmp_path: Path, environment: dict[str, str], discord: PlaygroundDiscord, sent: signal.Signals
) -> None:
    images = tmp_path / "data/images"
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    shown = await (await discord.run_command("Ada", "studio", "privacy")).response()
    late = discord.faults.add(method="PATCH", path="/messages/@original", retry_after_s=30.0)
    await discord.press("Ada", shown, label="Export mine")
    await discord.wait_for(lambda: late.hits == 1, "the export")
    assert list(images.iterdir())
    process.send_signal(sent)
    await end(process)
    if sent is signal.SIGKILL:
        process = await start(tmp_path, "run", **environment)
        await discord.wait_until_ready()
        process.send_signal(signal.SIGTERM)
        await end(process)
    assert list(images.iterdir()) == []


async def test_a_second_signal_ends_the_process_at_once(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: AllVendors,
) -> None:
    submitted = Hold(until=asyncio.Event())
    providers.faults.add(VendorCall.CREATE, submitted)
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await submitted.reached.wait()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    submitted.until.set()

    assert ended.status == 1


async def test_the_host_sees_an_account_grants_and_gives_back(
    tmp_path: Path, environment: dict[str, str], discord: PlaygroundDiscord
) -> None:
    """Beside the bot, which runs."""
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    call = await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await call.until(lambda message: bool(message.attachments), timeout_s=20)
    guild_id = next(iter(discord.world.guilds))
    member = ["--server", str(guild_id), "--user", str(discord.world.user("Ada").id)]

    shown = await easel(tmp_path, "account", *member, **environment)
    [job_id] = re.findall(r"hold +-0\.06 cr  (\w+)", shown.out)
    granted = await easel(tmp_path, "grant", *member, "--amount", "2.5", **environment)
    back = await easel(tmp_path, "refund", job_id, **environment)
    again = await easel(tmp_path, "refund", job_id, **environment)
    after = await easel(tmp_path, "account", *member, **environment)
    wrong = await easel(tmp_path, "grant", *member, "--amount", "-1", **environment)
    audit = await easel(tmp_path, "ledger", "audit", **environment)
    process.send_signal(signal.SIGTERM)
    assert (await end(process)).status == 0

    assert shown.out.endswith("allowance 0.94 cr, granted 0.00 cr\n")
    assert granted.out == "2.50 cr granted; 2.50 cr of grants are left.\n"
    assert back.out == f"0.06 cr given back for job {job_id}.\n"
    assert (again.status, again.out) == (1, "")
    assert "has cost nothing" in again.err
    assert after.out.endswith("allowance 1.00 cr, granted 2.50 cr\n")
    assert wrong.status == 2
    assert (audit.status, audit.out) == (0, "Entries and balances agree.\n")


async def test_the_audit_names_what_does_not_agree(tmp_path: Path) -> None:
    assert (await easel(tmp_path, "migrate")).status == 0
    with closing(sqlite3.connect(tmp_path / "data" / "easel.db")) as connection, connection:
        columns = "server_id, user_id, allowance_ucr, grant_ucr"
        connection.execute(f"INSERT INTO accounts ({columns}) VALUES (7, 8, 500, 0)")
    ended = await easel(tmp_path, "ledger", "audit")

    assert ended.status == 1
    assert "Member 8 in server 7: allowance is 500, its entries add up to 0." in ended.out


def test_a_database_that_is_held_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("bot.store.database.BUSY_TIMEOUT_MS", 0)
    assert main(["migrate"]) == 0
    with closing(sqlite3.connect(tmp_path / "data" / "easel.db")) as connection:
        connection.execute("BEGIN IMMEDIATE")
        assert main(["grant", "--server", "1", "--user", "2", "--amount", "1"]) == 1
    complaint = capsys.readouterr().err
    assert complaint == "easel: the database cannot be written to: database is locked.\n"


async def test_an_audit_of_no_database_makes_none(tmp_path: Path) -> None:
    ended = await easel(tmp_path, "ledger", "audit")

    assert ended.status == 2
    assert f"There is no database at {tmp_path / 'data' / 'easel.db'}" in ended.err
    assert not (tmp_path / "data").exists()


async def test_check_ticks_what_works(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: AllVendors,
) -> None:
    given = {
        "OPS_PORT": str(free_port()),
        "DISCORD_GUILD_IDS": str(next(iter(discord.world.guilds))),
        "MAXAPI_KEY": providers.api_key,
        "MAXAPI_BASE_URL": providers.maxapi_base_url,
    }
    ended = await easel(tmp_path, "check", **environment | given)

    assert ended.status == 0, ended
    assert [line.partition(":")[0] for line in ended.out.splitlines()] == [
        "✓ catalog",
        "✓ database",
        "✓ images",
        "✓ ops port",
        "✓ discord",
        "✓ apimodels",
        "✓ maxapi",
        "✓ models",
        "  a month can cost up to 31.00 cr for each member of each server, and as much again in"
        " direct messages, or what its moderators give; TOTAL_BUDGET would end it",
    ]
    assert "100.00 cr on the account" in ended.out
    assert "invite: https://discord.com/oauth2/authorize?client_id=" in ended.out
    assert ended.err == ""


async def test_check_says_what_would_not_work(tmp_path: Path, environment: dict[str, str]) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "images").touch()
    wrong = {"DISCORD_TOKEN": "wrong", "APIMODELS_API_KEY": "wrong"}
    with socket.create_server(("127.0.0.1", 0)) as taken:
        wrong["OPS_PORT"] = str(taken.getsockname()[1])
        ended = await easel(tmp_path, "check", **environment | wrong)

    assert ended.status == 1
    assert "✗ images: DATA_DIR: data/images cannot be written to" in ended.out
    assert f"✗ ops port: OPS_PORT {wrong['OPS_PORT']} on 127.0.0.1 cannot be had" in ended.out
    assert "✗ discord: Discord does not accept DISCORD_TOKEN:" in ended.out
    assert "✗ apimodels: Invalid API key (401); see APIMODELS_API_KEY\n" in ended.out
    assert ended.err == ""


async def test_check_names_the_address_that_cannot_be_reached(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    nowhere = f"http://127.0.0.1:{free_port()}"
    wrong = {
        "APIMODELS_BASE_URL": nowhere,
        "MAXAPI_KEY": "k",
        "MAXAPI_BASE_URL": nowhere,
        "DISCORD_GUILD_IDS": "12345",
    }
    ended = await easel(tmp_path, "check", **environment | wrong)

    assert ended.status == 1
    assert "✗ discord: DISCORD_GUILD_IDS names server 12345, which the bot is not in" in ended.out
    assert "Its invite: https://discord.com/oauth2/authorize?client_id=" in ended.out
    assert f"✗ apimodels: cannot be reached at {nowhere}; see APIMODELS_BASE_URL\n" in ended.out
    assert f"✗ maxapi: cannot be reached at {nowhere}; see MAXAPI_BASE_URL\n" in ended.out
    assert ended.err == ""


async def test_sync_says_in_words_that_discord_cannot_be_reached(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    assert (await easel(tmp_path, "migrate", **environment)).status == 0
    nowhere = f"http://127.0.0.1:{free_port()}/api/v10"
    ended = await easel(tmp_path, "sync", **environment | {"DISCORD_API_BASE": nowhere})

    assert ended.status == 1
    said = f"easel: Discord cannot be reached at {nowhere}: Cannot connect to host 127.0.0.1:"
    assert ended.err.startswith(said)


async def test_check_goes_on_without_a_catalog(tmp_path: Path, environment: dict[str, str]) -> None:
    wrong = {"DEFAULT_MODEL": "dall-e", "SERVER_BUDET": "3"}
    ended = await easel(tmp_path, "check", **environment | wrong)

    assert ended.status == 1
    assert "✗ catalog: DEFAULT_MODEL dall-e is not in the catalog" in ended.out
    assert "✓ apimodels: " in ended.out
    assert "! SERVER_BUDET is no setting and changes nothing" in ended.out
    assert ended.err == ""


@pytest.mark.parametrize(
    ("given", "line", "status"),
    [
        ({"DEFAULT_MODEL": "gpt-image-2-beta"}, "✗ models: gpt-image-2-beta is used by default", 1),
        ({}, "! No route of your providers has an NSFW filter", 0),
    ],
)
async def test_check_says_what_members_could_not_make(
    tmp_path: Path,
    environment: dict[str, str],
    providers: AllVendors,
    given: dict[str, str],
    line: str,
    status: int,
) -> None:
    only = {
        "APIMODELS_API_KEY": "",
        "RUNNINGHUB_API_KEY": providers.api_key,
        "RUNNINGHUB_BASE_URL": providers.runninghub_base_url,
    }
    ended = await easel(tmp_path, "check", **environment | only | given)

    assert ended.status == status, ended
    assert line in ended.out


@pytest.mark.parametrize(
    ("given", "cost"),
    [
        # March 2026 began on a Sunday, and so has days of six weeks.
        ({"ALLOWANCE_PERIOD": "week"}, "6.00 cr for each member of each server, and as much again"),
        (
            {"ALLOW_DIRECT_MESSAGES": "false"},
            "31.00 cr for each member of each server, or what its moderators give; TOTAL_BUDGET",
        ),
    ],
)
async def test_check_says_what_a_month_can_cost(
    tmp_path: Path, environment: dict[str, str], given: dict[str, str], cost: str
) -> None:
    ended = await easel(tmp_path, "check", **environment | given)

    assert ended.status == 0, ended
    assert f"a month can cost up to {cost}" in ended.out


async def test_check_sees_that_the_default_model_has_ended(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    heading = "[models.gpt-image-2]\n"
    assert heading in shipped
    catalog.write_text(shipped.replace(heading, f"{heading}retires = 2026-01-31\n"))
    given = {"CATALOG_FILE": str(catalog), "DEFAULT_MODEL": "gpt-image-2"}
    ended = await easel(tmp_path, "check", **environment | given)

    assert ended.status == 1, ended
    said = "✗ models: gpt-image-2 is used by default, and its makers ended it on 2026-01-31; see"
    assert f"{said} DEFAULT_MODEL.\n" in ended.out
    assert "! The makers of gpt-image-2 ended it on 2026-01-31.\n" in ended.out


async def test_check_remarks_on_an_address_that_nobody_calls(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    public = {"PUBLIC_URL": "https://easel.example"}
    ended = await easel(tmp_path, "check", **environment | public)

    assert ended.status == 0
    assert [line for line in ended.out.splitlines() if line.startswith("!")] == [
        "! PUBLIC_URL is of no use without KIE_WEBHOOK_KEY: no provider calls back.",
        "! PUBLIC_URL is of no use with OPS_PORT=0: nothing hears a call.",
    ]


async def test_check_sees_an_empty_account_and_a_model_that_is_not_offered(
    tmp_path: Path, environment: dict[str, str], providers: AllVendors
) -> None:
    providers.studio.balance_usd = Decimal(0)
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    catalog.write_text(shipped.replace('upstream = "gpt-image-2"\n', 'upstream = "gpt-9"\n'))
    openai = {
        "OPENAI_API_KEY": providers.api_key,
        "OPENAI_BASE_URL": providers.openai_base_url,
        "CATALOG_FILE": str(catalog),
    }
    ended = await easel(tmp_path, "check", **environment | openai)

    assert ended.status == 1
    assert "✗ apimodels: nothing is left on the account" in ended.out
    assert "✗ openai: the key may not use gpt-9" in ended.out


def test_where_it_cannot_run_it_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("bot.cli.WITHOUT", {sys.platform})
    assert main(["run"]) == 1
    assert "On Windows it runs in WSL or in a container." in capsys.readouterr().err


async def test_sync_says_what_it_did_beside_a_running_bot(
    tmp_path: Path, discord: PlaygroundDiscord
) -> None:
    given = {
        "DISCORD_TOKEN": discord.token,
        "DISCORD_API_BASE": discord.api_base,
        "DATABASE_URL": f"sqlite:///{tmp_path / 'easel.db'}",
        "OPS_PORT": "0",
    }
    running = await start(tmp_path, "run", **given)
    try:
        await discord.wait_until_ready(timeout_s=PROCESS_S_MAX)
        global_commands = discord.world.commands[None]
        count = len(global_commands)
        del global_commands[next(iter(global_commands))]
        ended = await easel(tmp_path, "sync", **given)
        assert ended.status == 0
        assert f"global: {count} commands written; Discord had {count - 1}" in ended.out
        assert len(discord.world.commands[None]) == count
    finally:
        running.terminate()
        await end(running)
