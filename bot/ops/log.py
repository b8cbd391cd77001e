"""
Log format: readable on a console, or one JSON object a line, each with the fields given as `extra`
and those of bot/about.py.
"""

import json
import logging
from datetime import UTC, datetime
from typing import Literal

from aiohttp.http_exceptions import HttpProcessingError

from bot import about

#: attributes that every record has; what else a record carries was given as `extra`
PLAIN = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class ConsoleFormatter(logging.Formatter):
    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)-7s %(name)s: %(message)s", "%H:%M:%S")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's name
        fields = " ".join(f"{key}={value}" for key, value in _extra(record).items())
        return super().formatMessage(record) + (f" [{fields}]" if fields else "")


class JsonFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            "message": record.getMessage(),
            **_extra(record),
        }
        if record.exc_info:
            line["trace"] = self.formatException(record.exc_info)
        # In ASCII, because what a terminal has no letter for would be escaped as JSON knows it not.
        return json.dumps(line, default=str)


def configure(level: str, style: Literal["console", "json"]) -> None:
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter() if style == "json" else ConsoleFormatter())
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    # At DEBUG, discord.py logs whole payloads, and with them interaction tokens; aiosqlite logs
    # each call with its arguments, which could hold prompts.
    for name in ("discord", "aiosqlite"):
        logging.getLogger(name).setLevel(max(logging.INFO, root.level))
    # At INFO, Alembic only says which part of itself it has loaded.
    logging.getLogger("alembic").setLevel(max(logging.WARNING, root.level))
    logging.getLogger("aiohttp.server").addFilter(_is_ours)


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether aiohttp logs a fault of ours, and not that a stranger has sent what is no HTTP."""
    error = record.exc_info[1] if record.exc_info else None
    # What is wrong with a body comes as the cause of another error.
    found = (error, error and error.__cause__)
    return not any(isinstance(each, HttpProcessingError) for each in found)


def _extra(record: logging.LogRecord) -> dict[str, object]:
    given = {key: value for key, value in vars(record).items() if key not in PLAIN}
    return {**about.fields(), **given}
