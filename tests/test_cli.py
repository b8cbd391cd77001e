"""The `easel` command as a user runs it: its own process, its exit codes, its sentences."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

import pytest
import sqlalchemy as sa
from PIL import Image

from bot.app import SHIPPED_CATALOG
from bot.cli import main
from bot.playground.discord import PlaygroundDiscord
from bot.playground.faults import Call, Hold
from bot.playground.providers import PlaygroundProviders
from bot.settings import Settings

PROJECT = Path(__file__).parents[1]
#: seconds; a process that takes longer hangs
PROCESS_S_MAX = 40


@dataclass(frozen=True)
class Ended:
    status: int
    out: str
    err: str


async def start(folder: Path, *arguments: str, **environment: str) -> asyncio.subprocess.Process:
    inherited = {key: os.environ[key] for key in ("PATH", "HOME") if key in os.environ}
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bot",
        *arguments,
        cwd=folder,
        env=inherited | {"PYTHONPATH": str(PROJECT)} | environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


async def end(process: asyncio.subprocess.Process) -> Ended:
    async with asyncio.timeout(PROCESS_S_MAX):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def easel(folder: Path, *arguments: str, **environment: str) -> Ended:
    return await end(await start(folder, *arguments, **environment))


@pytest.fixture
async def discord() -> AsyncIterator[PlaygroundDiscord]:
    async with PlaygroundDiscord() as discord:
        yield discord


@pytest.fixture
async def providers() -> AsyncIterator[PlaygroundProviders]:
    async with PlaygroundProviders() as providers:
        yield providers


@pytest.fixture
def environment(discord: PlaygroundDiscord, providers: PlaygroundProviders) -> dict[str, str]:
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
        ({"DATABASE_URL": "mysql://x"}, "DATABASE_URL is wrong: must look like sqlite:///"),
        ({"ALLOWANCE": "1.5e"}, "ALLOWANCE is wrong"),
        ({"ALLOWANCE": "-1"}, "ALLOWANCE is wrong"),
        ({"ALLOWANCE_PERIOD": "year"}, "ALLOWANCE_PERIOD is wrong"),
        ({"MAX_RUNNING_JOBS": "0"}, "MAX_RUNNING_JOBS is wrong"),
        ({"OPS_PORT": "99999"}, "OPS_PORT is wrong"),
        ({"LOG_LEVEL": "LOUD"}, "LOG_LEVEL is wrong"),
        ({"SHARD_IDS": "0,1"}, "SHARD_IDS is wrong: each must be below SHARD_COUNT"),
        ({"DISCORD_GUILD_IDS": "one"}, "DISCORD_GUILD_IDS is wrong"),
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
    assert len(complaint.strip().splitlines()) == 1


async def test_a_missing_token_ends_the_process_without_a_trace(tmp_path: Path) -> None:
    ended = await easel(tmp_path, "run", APIMODELS_API_KEY="s3cret", OPS_PORT="s3cret")

    assert ended.status == 2
    assert ended.err == (
        "easel: OPS_PORT is wrong: Input should be a valid integer, unable to parse string as an"
        " integer. README lists what it takes.\n"
    )


@pytest.mark.parametrize(
    "arguments", [(), ("paint",), ("run", "--role", "worker"), ("demo", "--port", "-1")], ids=str
)
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2


async def test_a_refused_token_is_one_sentence_and_exit_code_1(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    ended = await easel(tmp_path, "run", **environment | {"DISCORD_TOKEN": "wrong"})

    assert ended.status == 1
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
    assert discord.token not in ended.err


async def test_a_job_under_way_goes_on_after_the_process_is_killed(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: PlaygroundProviders,
) -> None:
    # The first poll comes after the provider's task id is committed.
    polled = Hold(until=asyncio.Event())
    providers.faults.add(Call.POLL, polled)
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

    assert "0.94 cr" in str(message.embeds)
    assert len(providers.submissions) == 1
    assert (await easel(tmp_path, "ledger", "audit", **environment)).status == 0


async def test_a_stop_leaves_a_job_that_waits_as_it_is(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: PlaygroundProviders,
) -> None:
    providers.studio.latency_s = 1e9
    polled = Hold(until=asyncio.Event())
    providers.faults.add(Call.POLL, polled)
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    call = await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await polled.reached.wait()
    polled.until.set()
    process.send_signal(signal.SIGTERM)
    ended = await end(process)

    assert ended.status == 0, ended
    assert "job left for the next start" in ended.err
    assert "Drawing" in str((await call.response()).embeds)


async def test_a_second_signal_ends_the_process_at_once(
    tmp_path: Path,
    environment: dict[str, str],
    discord: PlaygroundDiscord,
    providers: PlaygroundProviders,
) -> None:
    submitted = Hold(until=asyncio.Event())
    providers.faults.add(Call.CREATE, submitted)
    process = await start(tmp_path, "run", **environment)
    await discord.wait_until_ready()
    await discord.run_command("Ada", "studio", "imagine", {"prompt": "a lantern"})
    await submitted.reached.wait()
    process.send_signal(signal.SIGTERM)
    process.send_signal(signal.SIGINT)
    ended = await end(process)
    submitted.until.set()

    assert ended.status == 1


async def test_the_audit_names_what_does_not_agree(tmp_path: Path) -> None:
    assert (await easel(tmp_path, "migrate")).status == 0
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'data' / 'easel.db'}")
    with engine.begin() as connection:
        connection.execute(sa.text("INSERT INTO accounts VALUES (7, 8, 500, 0, NULL)"))
    engine.dispose()
    ended = await easel(tmp_path, "ledger", "audit")

    assert ended.status == 1
    assert "Member 8 in server 7: allowance is 500, its entries add up to 0." in ended.out


async def test_check_ticks_what_works(tmp_path: Path, environment: dict[str, str]) -> None:
    ended = await easel(tmp_path, "check", **environment)

    assert ended.status == 0, ended
    assert [line[0] for line in ended.out.splitlines()] == ["✓"] * 4
    assert "100.00 cr on the account" in ended.out


async def test_check_says_what_would_not_work(tmp_path: Path, environment: dict[str, str]) -> None:
    wrong = {"DISCORD_TOKEN": "wrong", "APIMODELS_API_KEY": "wrong"}
    ended = await easel(tmp_path, "check", **environment | wrong)

    assert ended.status == 1
    assert "✗ discord: DISCORD_TOKEN is not accepted." in ended.out
    assert "✗ apimodels:" in ended.out
    assert "Traceback" not in ended.err


async def test_check_sees_an_empty_account_and_a_model_that_is_not_offered(
    tmp_path: Path, environment: dict[str, str], providers: PlaygroundProviders
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
