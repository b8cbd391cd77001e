"""What a log line looks like, and what never stands in one."""

import asyncio
import json
import logging
import re

import pytest

from bot.ops.log import ConsoleFormatter, JsonFormatter, configure
from bot.playground.discord import Upload
from bot.playground.faults import Hold, Respond, VendorCall
from bot.playground.studio import Fails, Sticks
from tests.support.easel import Easel, said
from tests.support.pictures import picture


def record(**extra: object) -> logging.LogRecord:
    made = logging.makeLogRecord(
        {"name": "bot.engine", "levelname": "INFO", "levelno": 20, "msg": "%s stored", "args": (1,)}
    )
    vars(made).update(extra)
    return made


def test_a_json_line_carries_its_fields() -> None:
    line = json.loads(JsonFormatter().format(record(job_id="j1", action="task_stored")))

    assert line.pop("at").endswith("+00:00")
    assert line == {
        "level": "INFO",
        "logger": "bot.engine",
        "message": "1 stored",
        "job_id": "j1",
        "action": "task_stored",
    }


def test_a_json_line_can_be_read_whatever_letters_the_terminal_has() -> None:
    line = JsonFormatter().format(record(name_of="Änne \U0001f3a8"))
    written = line.encode("ascii", "backslashreplace")

    assert json.loads(written)["name_of"] == "Änne \U0001f3a8"


def test_a_console_line_ends_with_its_fields() -> None:
    line = ConsoleFormatter().format(record(job_id="j1"))

    assert line.endswith("INFO    bot.engine: 1 stored [job_id=j1]")


async def test_no_log_line_holds_a_token_a_key_or_a_prompt(easel: Easel, caplog) -> None:
    caplog.set_level(logging.INFO)
    call = await easel.imagine(prompt="a secret surprise party")
    await easel.finished(call)

    written = "\n".join(JsonFormatter().format(line) for line in caplog.records)
    assert "task_stored" in written
    for secret in (
        easel.discord.token,
        easel.providers.api_key,
        call.interaction.token,
        "surprise party",
    ):
        assert secret not in written


@pytest.mark.usefixtures("logging_restored")
async def test_not_even_debug_writes_a_token_a_key_or_a_prompt(opened, capsys) -> None:
    configure("DEBUG", "console")
    async with opened() as easel:
        call = await easel.imagine(prompt="a secret surprise party")
        await easel.finished(call)
        hidden = (easel.discord.token, easel.providers.api_key, call.interaction.token)

    written = capsys.readouterr().err
    assert "DEBUG" in written
    assert "task_stored" in written
    for secret in (*hidden, "surprise party"):
        assert secret not in written


@pytest.mark.usefixtures("logging_restored")
@pytest.mark.parametrize("level", ["DEBUG", "INFO"])
def test_migrations_are_quiet(level: str) -> None:
    configure(level, "console")
    migration = logging.getLogger("alembic.runtime.migration")
    assert not migration.isEnabledFor(logging.INFO)
    assert migration.isEnabledFor(logging.WARNING)


@pytest.mark.usefixtures("logging_restored")
async def test_every_line_about_a_job_says_whose_it_is_and_what_it_is_about(opened, capsys) -> None:
    configure("DEBUG", "json")
    async with opened() as easel:
        call = await easel.imagine()
        await easel.finished(call)
        [job] = await easel.rows("SELECT * FROM jobs")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    lines = [line for line in lines if line["logger"].startswith("bot.")]
    about_it = [line for line in lines if line.get("job_id") == job.id]
    of_bot = [line for line in lines if line["logger"].startswith(("bot.engine", "bot.providers"))]
    assert len(about_it) >= len(of_bot) >= 4
    for line in about_it:
        assert line["action"]
        assert (line["user_id"], line["channel_id"]) == (job.user_id, job.channel_id)
        assert line["server_id"] == job.server_id


@pytest.mark.usefixtures("logging_restored")
async def test_a_press_that_is_declined_says_which_job_it_was_about(opened, capsys) -> None:
    """The press comes too late, and what the member is told does not get through."""
    configure("INFO", "json")
    ordered, shown = Hold(asyncio.Event()), asyncio.Event()
    async with opened() as easel:
        easel.providers.faults.add(VendorCall.CREATE, ordered)
        easel.discord.faults.add(method="PATCH", path="/messages/@original", hold=shown)
        call = await easel.imagine()
        await ordered.reached.wait()
        lost = easel.discord.faults.add(method="POST", path="/callback", reset=True, times=3)
        await easel.discord.press("Ada", call.messages[0], label="Cancel")
        await easel.discord.wait_for(lambda: lost.hits == 3, "the last try")
        ordered.until.set()
        shown.set()
        await easel.finished(call)
        [job] = await easel.rows("SELECT * FROM jobs")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [each for each in lines if each.get("action") == "answer_lost"]
    named = [line.get(name) for name in ("job_id", "server_id", "channel_id", "user_id", "button")]
    assert named == [job.id, job.server_id, job.channel_id, job.user_id, "cancel"]


@pytest.mark.usefixtures("logging_restored")
async def test_the_words_of_a_vendor_are_logged_at_debug_alone(opened, capsys) -> None:
    """They may quote the prompt, in part or in another case, which no filter finds."""
    configure("INFO", "console")
    words = {"code": 400, "msg": "cannot draw a SURPRISE party"}
    async with opened() as easel:
        easel.providers.faults.add(VendorCall.CREATE, Respond(400, words))
        call = await easel.imagine(prompt="a secret surprise party")
        message = await easel.finished(call)
        assert not message.attachments
        picked = Upload("a.png", picture())
        easel.providers.faults.add(VendorCall.UPLOAD, Respond(400, words))
        await easel.finished(await easel.imagine(prompt="a surprise party", reference1=picked))

    written = capsys.readouterr().err
    assert "submit_failed" in written
    assert "upload_failed" in written
    assert "surprise" not in written.lower()


async def has_polled(easel: Easel, polls: int) -> bool:
    return easel.providers.calls[VendorCall.POLL] >= polls


@pytest.mark.usefixtures("logging_restored")
async def test_a_state_that_no_page_names_is_logged_once_for_a_task(opened, capsys) -> None:
    configure("DEBUG", "json")
    async with opened() as easel:
        easel.providers.endings.append(Sticks("rehydrating"))
        call = await easel.imagine()
        await easel.until(lambda: has_polled(easel, 3))
        easel.clock.advance(3_600)
        await easel.finished(call)
        [task] = await easel.rows("SELECT * FROM tasks")

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    [line] = [each for each in lines if "rehydrating" in each["message"]]
    assert (line["level"], line["task_id"]) == ("DEBUG", task.id)


@pytest.mark.usefixtures("logging_restored")
async def test_a_failure_that_is_shown_names_what_finds_it_in_the_log(opened, capsys) -> None:
    configure("INFO", "json")
    async with opened() as easel:
        easel.providers.endings.append(Fails("UPSTREAM_BUSY"))
        message = await easel.finished(await easel.imagine())
        [ref] = re.findall(r"#([0-9a-f]{6})", said(message))

    lines = [json.loads(line) for line in capsys.readouterr().err.splitlines()]
    found = {line["action"] for line in lines if ref in str(line.get("job_id"))}
    assert found >= {"job_claimed", "task_failed", "job_delivered"}
