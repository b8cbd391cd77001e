"""
The boundaries a process is killed at, derived from the ports and from what the engine asks of the
store, so that none can be forgotten.

`before:` and `after:` a step of the store, a method or a function; `commit:` inside a step's
transaction, all statements done; `.../call` one request to Discord within a method of the
messenger; `during:` while the other side holds a request whose effect it has had already, or is
about to have.
"""

import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

from bot import app
from bot.chat import wire
from bot.chat.messenger import DiscordMessenger
from bot.domain import ports
from bot.engine import stopping
from bot.pictures.fetch import Fetcher
from bot.providers.maxapi import MaxApi
from bot.providers.tasks import TaskProvider

#: how the engine carries a step to the database
CARRIED = re.compile(r"\b(write|keep|read|read_of)\(\s*(\w+)\b(?:\.(\w+))?")
PORTS: dict[str, type] = {"provider": ports.Provider, "messenger": ports.Messenger}
#: name -> the classes that reach outside: those behind the port of that name, if it has one
BEHIND: dict[str, tuple[type, ...]] = {
    "provider": (TaskProvider, MaxApi),
    "fetcher": (Fetcher,),
    "messenger": (DiscordMessenger,),
}
#: ports whose methods are no boundary of a job, each with the reason
UNWATCHED = {"Clock": "a wait changes nothing"}
#: of the ports, but never called while the bot runs
UNREACHED = {
    "provider.check": "only `easel check` asks for it",
    "quota.statement": "only /credits asks for it, which changes nothing",
    "learned.usual_costs": "what is learned of a route changes no job",
    "settings.of_server": "only /settings and /models ask for it alone",
    "settings.change": "settings: a few rows, no job",
    "settings.changes": "settings: one row, no job",
    "settings.of_all_servers": "only read at the start, before any job",
    "settings.synced_servers": "commands, no job",
    "settings.remember_servers": "commands, no job",
    "learned.load": "what is learned of a route changes no job",
    "learned.save": "what is learned of a route changes no job",
    "connection.attempt": "only `easel sync` asks for it",
    "wire.tell_beside": "only a defect is told so",
    "messenger.catch_up": "the matrix has no moderators; they can do again what it is to do",
    "messenger.catch_up/call": "as above",
    "messenger.fresh_links": "the links of the matrix are young, so it asks nobody",
    "messenger.fresh_links/call": "as above",
    "messenger.close": "it takes back what nobody misses, after all jobs",
    "messenger.close/call": "as above",
}
#: of bot/chat/wire.py, but no step of a job: the whole of a connection's life, and its end
NO_STEP = {"run", "close"}
#: what the process does with files: methods of Path
FILES = ("rename", "unlink")
ENGINE = Path(stopping.__file__).parent
#: points the other side can stop at, by the request it holds
HELD = (
    "provider.upload",
    "provider.submit",
    "provider.poll",
    "fetcher.fetch",
    "wire.answer",
)


def coroutines(owner: type | ModuleType) -> Iterator[str]:
    """The public coroutine functions that are defined there."""
    for name, value in vars(owner).items():
        here = isinstance(owner, type) or getattr(value, "__module__", "") == owner.__name__
        if here and not name.startswith("_") and inspect.iscoroutinefunction(value):
            yield name


def methods(name: str) -> list[str]:
    """The port's, and what the classes behind it offer besides."""
    ours = [PORTS[name]] if name in PORTS else []
    return sorted({method for each in (*ours, *BEHIND[name]) for method in coroutines(each)})


def steps() -> dict[str, bool]:
    """The store's steps that the engine asks for, and whether each of them writes."""
    found: dict[str, bool] = {}
    sources = {app.__name__: Path(app.__file__)}
    sources |= {f"bot.engine.{path.stem}": path for path in ENGINE.glob("*.py")}
    for name, path in sources.items():
        module = importlib.import_module(name)
        for how, first, second in CARRIED.findall(path.read_text(encoding="utf-8")):
            step = getattr(module, first, None)
            step = getattr(step, second) if second else step
            if inspect.isfunction(step) and step.__module__.startswith("bot.store."):
                writes = how in ("write", "keep")
                found[step_name(step)] = found.get(step_name(step), False) or writes
    return found


def step_name(step: Any) -> str:
    return f"{step.__module__.rpartition('.')[2]}.{step.__name__}"


def wire_functions() -> list[str]:
    return [name for name in coroutines(wire) if name not in NO_STEP]


def all_boundaries() -> list[str]:
    found = [f"commit:{name}" for name, writes in steps().items() if writes]
    found = [name for name in found if name.partition(":")[2] not in UNREACHED]
    around = [*steps(), *(f"{name}.{method}" for name in BEHIND for method in methods(name))]
    around += [f"wire.{name}" for name in wire_functions() if name != "call"]
    around += [f"messenger.{method}/call" for method in methods("messenger")]
    around += [f"file.{name}" for name in FILES]
    assert all(hasattr(Path, name) for name in FILES)
    around = [name for name in around if name not in UNREACHED]
    return [
        *(f"{side}:{name}" for name in around for side in ("before", "after")),
        *found,
        *(f"during:{name}" for name in HELD),
    ]
