"""
The bot as a process that kills itself at a boundary: `easel run`, seen through wrappers.

Nothing in the bot knows of this. The environment says what to do, besides the bot's settings:
KILL_AT names a boundary and which time it is reached ("after:jobs.submitted#2"); KILL_NOTE is a
file that is told so just before, and WORK_NOTE one that is there once jobs are claimed;
CLOCK_AHEAD_S moves the process's clock; DEFER_AFTER_S replaces the time after which a command is
deferred.
"""

import asyncio
import os
import signal
import sys
import threading
from collections import Counter
from collections.abc import Callable, Mapping
from contextvars import ContextVar
from datetime import datetime, timedelta
from functools import wraps
from itertools import product
from multiprocessing import parent_process
from pathlib import Path
from typing import Any

import bot.app
from bot.chat import connection, intake, wire
from bot.cli import main
from bot.domain import waiting
from bot.engine import carrier, delivery, duties, references, runner
from bot.store.database import Database
from tests.crash import boundaries

#: seconds; a process that nobody stops ends itself
VICTIM_S_MAX = 60.0
#: short enough that a job takes a fraction of a second beside the provider's own time
WAITS: Mapping[Any, Mapping[str, object]] = {
    waiting: {"next_wait_s": lambda *_, **__: 0.05},
    carrier: {"RESULT_WAITS_S": (0.1,) * 9},
    delivery: {"DELIVERY_WAIT_S": 0.2},
    duties: {"RENEW_EVERY_S": 0.15},
    references: {"RETRY_WAIT_S": 0.1, "TRANSFER_WAIT_S": 0.1},
    runner: {
        "CLAIM_EVERY_S": 0.5,
        "PROGRESS_AFTER_S": 0.0,
    },
    wire: {"RETRY_WAIT_S": 0.05},
    connection: {"LOGIN_WAIT_S": 0.2},
}
#: reached once what a start has to clear up is done
CLAIMED = "after:jobs.claim"
#: seconds between two updates of a status message, and two looks at the queue
SHOWN_EVERY_S = 0.3


class Reaper:
    """Kills this process when the boundary is reached for the n-th time."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._boundary, _, turn = environment["KILL_AT"].partition("#")
        self._turn = int(turn or 1)
        self._note = Path(environment["KILL_NOTE"])
        self._work_note = Path(environment["WORK_NOTE"])
        self._reached: Counter[str] = Counter()

    def reach(self, boundary: str) -> None:
        self._reached[boundary] += 1
        if boundary == CLAIMED and self._reached[CLAIMED] == 1:
            self._work_note.touch()
        if boundary == self._boundary and self._reached[boundary] == self._turn:
            self._note.write_text(boundary)
            os.kill(os.getpid(), signal.SIGKILL)


#: the port's method that the current task is in
inside: ContextVar[str] = ContextVar("inside", default="")


def wrap_all(reaper: Reaper) -> None:
    """Only in this process, and only names that are there: a change of the bot's shows here."""
    for name, behind in boundaries.BEHIND.items():
        for each, method in product(behind, boundaries.methods(name)):
            # A provider without uploads, or without polls, has nothing there.
            if getattr(each, method, None) is not None:
                wrap(each, method, f"{name}.{method}", reaper)
    for name in boundaries.wire_functions():
        if name != "call":
            wrap(wire, name, f"wire.{name}", reaper)
    wrap_calls(reaper)
    wrap_transactions(reaper)
    for name in boundaries.FILES:
        wrap_file(name, reaper)


def wrap(owner: Any, method: str, name: str, reaper: Reaper) -> None:
    original = getattr(owner, method)

    @wraps(original)
    async def wrapped(*args: Any, **given: Any) -> Any:
        token = inside.set(name)
        try:
            reaper.reach(f"before:{name}")
            outcome = await original(*args, **given)
            reaper.reach(f"after:{name}")
            return outcome
        finally:
            inside.reset(token)

    setattr(owner, method, wrapped)


def wrap_calls(reaper: Reaper) -> None:
    """Requests to Discord, by the messenger's method they are made in."""
    original = wire.call

    @wraps(original)
    async def call(operation: Callable[[], Any], **given: Any) -> Any:
        name = inside.get()
        reaper.reach(f"before:{name}/call")
        outcome = await original(operation, **given)
        reaper.reach(f"after:{name}/call")
        return outcome

    wire.call = call  # type: ignore[assignment]


def wrap_transactions(reaper: Reaper) -> None:
    for method in ("read", "write"):
        wrap_transaction(method, reaper)


def wrap_transaction(method: str, reaper: Reaper) -> None:
    original = getattr(Database, method)

    @wraps(original)
    async def carried(self: Database, step: Any, *args: Any, **given: Any) -> Any:
        name = boundaries.step_name(step)

        @wraps(step)
        def reaching(tx: Any, *args: Any, **given: Any) -> Any:
            outcome = step(tx, *args, **given)
            reaper.reach(f"commit:{name}")
            return outcome

        reaper.reach(f"before:{name}")
        outcome = await original(self, reaching, *args, **given)
        reaper.reach(f"after:{name}")
        return outcome

    setattr(Database, method, carried)


def wrap_file(name: str, reaper: Reaper) -> None:
    original = getattr(Path, name)

    @wraps(original)
    def wrapped(self: Path, *args: Any, **given: Any) -> Any:
        reaper.reach(f"before:file.{name}")
        outcome = original(self, *args, **given)
        reaper.reach(f"after:file.{name}")
        return outcome

    setattr(Path, name, wrapped)


def hurry(environment: Mapping[str, str]) -> None:
    """Shorten the waits and move the clock."""
    for module, waits in WAITS.items():
        for name, value in waits.items():
            assert hasattr(module, name), f"{module.__name__} has no {name}"
            setattr(module, name, value)
    intake.DEFER_AFTER_S = float(environment.get("DEFER_AFTER_S", intake.DEFER_AFTER_S))
    runner.PROGRESS_S_MAX = SHOWN_EVERY_S
    duties.QUEUE_EVERY_S = SHOWN_EVERY_S
    ahead = timedelta(seconds=float(environment.get("CLOCK_AHEAD_S", 0)))
    now = bot.app.SystemClock.now

    def now_ahead(self: Any) -> datetime:
        return now(self) + ahead

    bot.app.SystemClock.now = now_ahead  # type: ignore[method-assign]


def live(folder: Path, log: Path, environment: Mapping[str, str]) -> None:
    """What the forked process does: become `easel run` in that folder."""
    watch_parent()
    with log.open("ab", buffering=0) as file:
        for descriptor in (1, 2):
            os.dup2(file.fileno(), descriptor)
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    reaper = Reaper(environment)
    hurry(environment)
    wrap_all(reaper)
    asyncio.set_event_loop(None)
    sys.exit(main(["run"]))


def watch_parent() -> None:
    """End with the process that asked for this one, and in any case after some time."""
    parent = parent_process()
    assert parent is not None

    def wait() -> None:
        parent.join(VICTIM_S_MAX)
        os.kill(os.getpid(), signal.SIGABRT)

    threading.Thread(target=wait, daemon=True).start()
