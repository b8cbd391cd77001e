"""What a log line looks like, and what never stands in one."""

import json
import logging
from collections.abc import Iterator

import pytest

from bot.ops.log import ConsoleFormatter, JsonFormatter, configure
from tests.support.easel import Easel


@pytest.fixture
def logging_restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    for name in ("discord", "aiosqlite", "alembic"):
        logging.getLogger(name).setLevel(logging.NOTSET)


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


async def test_every_line_about_a_job_carries_its_id_and_an_action(easel: Easel, caplog) -> None:
    caplog.set_level(logging.INFO)
    await easel.finished(await easel.imagine())

    lines = [line for line in caplog.records if line.name.startswith("bot.engine")]
    assert lines
    for line in lines:
        assert vars(line)["job_id"]
        assert vars(line)["action"]
