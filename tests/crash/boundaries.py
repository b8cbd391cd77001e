"""
The boundaries a process is killed at, derived from the ports so that none can be forgotten.

`before:` and `after:` a method or function; `commit:` inside its transaction, all statements
done; `.../call` one request to Discord within a method of the messenger; `during:` while the
other side holds a request whose effect it has had already, or is about to have.
"""

import inspect
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

from bot.chat import wire
from bot.chat.messenger import DiscordMessenger
from bot.domain import ports, stored
from bot.providers.apimodels import ApiModels
from bot.providers.fetch import Fetcher
from bot.providers.maxapi import MaxApi
from bot.store.stores import AccountStore, JobStore

#: name -> the port and the classes behind it
PORTS: dict[str, tuple[type, ...]] = {
    "jobs": (stored.Jobs, JobStore),
    "accounts": (stored.Accounts, AccountStore),
    "provider": (ports.Provider, ApiModels, MaxApi),
    "fetcher": (ports.ImageFetcher, Fetcher),
    "messenger": (ports.Messenger, DiscordMessenger),
}
#: ports whose methods are no boundary of a job, each with the reason
UNWATCHED = {
    "Clock": "a wait changes nothing",
    "Servers": "settings: one row, no job",
    "Latencies": "what is learned of a route changes no job",
    "LinkRefresher": "behind it is the messenger, whose methods are all watched",
}
#: of the ports, but never called while the bot runs
UNREACHED = {
    "provider.check": "only `easel check` asks for it",
    "accounts.show": "only /credits asks for it, which changes nothing",
    "wire.log_in": "only `easel sync` asks for it",
    "wire.tell_beside": "only a defect is told so",
    "jobs.ended": "only asked for where too much is kept",
    "jobs.job": "only a press that comes too late asks for it",
    "messenger.fresh_links": "the links of the matrix are young, so it asks nobody",
    "messenger.fresh_links/call": "as above",
}
#: of bot/chat/wire.py, but no step of a job: the whole of a connection's life, and its end
NO_STEP = {"run", "close"}
#: what the process does with files: methods of Path
FILES = ("rename", "unlink")
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


def methods(port: str) -> list[str]:
    """The port's, and what the classes behind it offer besides."""
    return sorted({name for each in PORTS[port] for name in coroutines(each)})


def writes(port: str, method: str) -> bool:
    source = inspect.getsource(getattr(PORTS[port][1], method))
    return "_database.write(" in source or "_database.keep(" in source


def wire_functions() -> list[str]:
    return [name for name in coroutines(wire) if name not in NO_STEP]


def all_boundaries() -> list[str]:
    around = [f"{port}.{method}" for port in PORTS for method in methods(port)]
    found = [f"commit:{name}" for name in around if writes(*name.split("."))]
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
