"""The `easel` command: its arguments, its exit codes, and the sentence a failure ends with."""

import argparse
import asyncio
import gc
import io
import logging
import os
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot import VERSION
from bot.domain.credits import Microcredits, parse_credits
from bot.errors import BotError, StartupError, StoreBusy
from bot.signals import ended_at_once, until_signal

if TYPE_CHECKING:
    from bot.playground.site import IPAddress
    from bot.settings import Settings

Chosen = argparse.Namespace
#: does what was chosen; returns the exit code, or None: good
Act = Callable[[Chosen], int | None]

FAILED = 1
WRONG_USAGE = 2
#: objects made and not freed, after which garbage is looked for. Python's 700 are reached by every
#: other image, of which nearly nothing is garbage: looking took a twentieth of all CPU time
GARBAGE_AFTER = 20_000
#: platforms that cannot lock files and ask processes to stop in the ways that Easel needs
WITHOUT = frozenset({"win32", "cygwin"})
NOT_HERE = (
    "Easel needs Linux or macOS, for its lock on the database and for a clean stop. On Windows it"
    " runs in WSL or in a container."
)


def main(arguments: Sequence[str] | None = None) -> int:
    """
    Returns:
        0: good; 1: a failure, told in one sentence; 2: wrong usage or settings.
    """
    chosen = _parser().parse_args(arguments)
    if sys.platform in WITHOUT:
        print(f"easel: {NOT_HERE}", file=sys.stderr)
        return FAILED
    if isinstance(sys.stdout, io.TextIOWrapper):
        # As on stderr: what the terminal has no letter for is no reason to fail.
        sys.stdout.reconfigure(errors="backslashreplace")
    try:
        status: int | None = chosen.act(chosen)
        # A process that was started without stdout has nothing to write out.
        print(end="", flush=True)
    except OSError as error:
        if _can_print():
            raise
        # The flush on exit must not complain about that either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        if not isinstance(error, BrokenPipeError):
            print(f"easel: nothing more can be printed: {error.strerror}.", file=sys.stderr)
        return FAILED
    except StoreBusy as error:
        print(f"easel: the database cannot be written to: {error.__cause__}.", file=sys.stderr)
        return FAILED
    except BotError as error:
        print(f"easel: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, StartupError) and error.usage else FAILED
    except KeyboardInterrupt:
        return FAILED
    return status or 0


def _can_print() -> bool:
    try:
        print(flush=True)
    except OSError:
        return False
    return True


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="easel", description="A Discord bot that makes and edits images."
    )
    parser.add_argument("--version", action="version", version=f"easel {VERSION}")
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = _add(commands, "demo", _demo, "try the bot in a browser: no token, no key")
    demo.add_argument("--once", action="store_true", help="make one image, edit it, and exit")
    demo.add_argument(
        "--host",
        type=_ip_address,
        default="127.0.0.1",
        help="where the page listens; 0.0.0.0, as a container needs it, is all of this machine",
    )
    demo.add_argument("--port", type=_port, default=0, help="of the page; any free one if left out")
    demo.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for the images of --once"
    )
    demo.add_argument("--no-browser", action="store_true", help="only print the page's address")

    run = _add(commands, "run", _run, "run the bot on Discord")
    run.add_argument(
        "--role",
        choices=("all",),
        default="all",
        help="all: gateway and worker in one process, as SQLite needs it",
    )

    _add(commands, "check", _check, "would it run? asks Discord and the providers, free")
    _add(commands, "sync", _sync, "compare the commands with Discord's, and mend them")
    _add(commands, "prices", _prices, "what each route of the catalog costs")
    _add(commands, "migrate", _migrate, "bring the database's schema up to date")
    _add_books(commands)
    _add_hosting(commands)
    ledger = commands.add_parser("ledger", help="look into the ledger")
    of_ledger = ledger.add_subparsers(required=True, metavar="command")
    _add(of_ledger, "audit", _audit, "recompute every balance from its entries")
    return parser


def _add(commands: Any, name: str, act: Act, about: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = commands.add_parser(name, help=about, description=about)
    parser.set_defaults(act=act)
    return parser


def _add_books(commands: Any) -> None:
    account = _add(commands, "account", _account, "a member's credits, and every entry of them")
    account.add_argument("--server", type=_id, required=True, help="its id; 0: direct messages")
    account.add_argument(
        "--user", type=_id, required=True, help="the member's id; 0: the server's budget"
    )

    grant = _add(commands, "grant", _grant, "give a member credits that do not expire")
    grant.add_argument("--server", type=_id, required=True, help="its id; 0: direct messages")
    grant.add_argument("--user", type=_member_id, required=True, help="the member's id")
    grant.add_argument("--amount", type=_amount, required=True, help="credits, such as 2.50")

    refund = _add(commands, "refund", _refund, "give back what a job was charged")
    refund.add_argument("job", help="its id, as the log and `easel account` name it")


def _add_hosting(commands: Any) -> None:
    _add(commands, "servers", _servers, "each server, its month and its settings")

    block = _add(commands, "block", _block, "take no more commands of a member")
    unblock = _add(commands, "unblock", _unblock, "take a member's commands again")
    for command in (block, unblock):
        command.add_argument("--user", type=_member_id, required=True, help="the member's id")
        command.add_argument("--server", type=_id, default=0, help="its id; everywhere if left out")
    block.add_argument(
        "--reason", type=_reason, required=True, help="the member and moderators see it"
    )

    export = _add(commands, "export", _export, "all that is stored of a server or a member")
    of = export.add_mutually_exclusive_group(required=True)
    of.add_argument("--server", type=_id, help="its id; 0: direct messages")
    of.add_argument("--user", type=_member_id, help="a member's id")
    export.add_argument("--output", type=Path, required=True, help="a ZIP file to be written")


def _reason(text: str) -> str:
    from bot.domain.oversight import REASON_CHARS_MAX, read_reason

    reason = read_reason(text)
    if not reason or len(text.strip()) > REASON_CHARS_MAX:
        raise argparse.ArgumentTypeError(f"must have 1 to {REASON_CHARS_MAX} characters")
    return reason


def _port(text: str) -> int:
    if not text.isdecimal() or int(text) > 65_535:
        raise argparse.ArgumentTypeError("must be a port, 0 to 65535")
    return int(text)


def _ip_address(text: str) -> "IPAddress":
    from ipaddress import ip_address

    try:
        address = ip_address(text)
    except ValueError:
        address = None
    # No browser takes the name of an interface.
    if address is None or "%" in text:
        raise argparse.ArgumentTypeError("must be an IP address, such as 127.0.0.1 or 0.0.0.0")
    return address


def _id(text: str) -> int:
    if not text.isdecimal() or int(text) >= 2**63:
        raise argparse.ArgumentTypeError("must be an id of Discord's, all digits")
    return int(text)


def _member_id(text: str) -> int:
    member_id = _id(text)
    if not member_id:
        # It stands for a server's budget.
        raise argparse.ArgumentTypeError("must be a member's id")
    return member_id


def _amount(text: str) -> Microcredits:
    try:
        amount = parse_credits(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if not amount:
        raise argparse.ArgumentTypeError("must be more than nothing")
    return amount


def _settings() -> "Settings":
    # Else pydantic would read what every installed package says of itself, to find plugins.
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    # Imported here, like all that only some commands need: `easel --help` needs none of it.
    from bot.settings import load_settings

    return load_settings()


def _in_loop(work: Callable[["Settings", Chosen], Coroutine[Any, Any, int | None]]) -> Act:
    """A command that has the settings and runs in an event loop."""

    def act(chosen: Chosen) -> int | None:
        return asyncio.run(work(_settings(), chosen))

    return act


@_in_loop
async def _account(settings: "Settings", chosen: Chosen) -> None:
    from bot.books import show_account

    await show_account(settings, chosen.server, chosen.user)


@_in_loop
async def _grant(settings: "Settings", chosen: Chosen) -> None:
    from bot.books import grant

    await grant(settings, chosen.server, chosen.user, chosen.amount)


@_in_loop
async def _refund(settings: "Settings", chosen: Chosen) -> None:
    from bot.books import refund

    await refund(settings, chosen.job)


@_in_loop
async def _servers(settings: "Settings", _chosen: Chosen) -> None:
    from bot.hosting import show_servers

    await show_servers(settings)


@_in_loop
async def _block(settings: "Settings", chosen: Chosen) -> None:
    from bot.hosting import block

    await block(settings, chosen.server, chosen.user, chosen.reason)


@_in_loop
async def _unblock(settings: "Settings", chosen: Chosen) -> None:
    from bot.hosting import unblock

    await unblock(settings, chosen.server, chosen.user)


@_in_loop
async def _export(settings: "Settings", chosen: Chosen) -> None:
    from bot.hosting import export

    await export(settings, chosen.output, server_id=chosen.server, user_id=chosen.user)


def _demo(chosen: Chosen) -> int | None:
    if not chosen.once:
        return _show(chosen)
    from bot import demo

    return asyncio.run(demo.run_once(chosen.output))


@ended_at_once()
def _show(chosen: Chosen) -> None:
    from bot import demo

    until_signal(lambda: demo.serve(chosen.host, chosen.port, open_browser=not chosen.no_browser))


@contextmanager
def _loading() -> Iterator[None]:
    """
    Keep the garbage collector away from what is loaded meanwhile, because none of it is garbage.
    Searching it would take a tenth of the start, and later a twentieth of a second at a time.
    """
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.set_threshold(GARBAGE_AFTER, 20, 20)
        gc.enable()


@ended_at_once()
def _run(_chosen: Chosen) -> None:
    with _loading():
        settings = _settings()
        settings.token()

        from bot.app import open_app
        from bot.ops import log
        from bot.settings import misspelt_settings

    log.configure(settings.log_level, settings.log_format)
    for sentence in misspelt_settings():
        logging.getLogger(__name__).warning(sentence, extra={"action": "setting_unknown"})

    async def run() -> None:
        async with open_app(settings) as app:
            await app.run()

    until_signal(run)


@_in_loop
async def _check(settings: "Settings", _chosen: Chosen) -> int:
    from bot.check import check
    from bot.ops import log

    # The check prints what it finds itself.
    log.configure("ERROR", settings.log_format)
    return await check(settings)


@_in_loop
async def _sync(settings: "Settings", _chosen: Chosen) -> None:
    settings.token()

    from bot.app import open_app
    from bot.ops import log

    # The sync prints what it does itself.
    log.configure("WARNING", settings.log_format)
    async with open_app(settings, beside=True) as app:
        print("\n".join(await app.sync()))


@_in_loop
async def _prices(settings: "Settings", _chosen: Chosen) -> None:
    from bot.app import load_catalog
    from bot.prices import price_table
    from bot.store.database import database_path, open_database
    from bot.store.learned import usual_costs

    catalog, usual = load_catalog(settings), {}
    try:
        if database_path(settings.database_url).is_file():
            async with open_database(settings.database_url, migrate=False) as database:
                usual = await database.read(usual_costs, datetime.now(UTC))
    except (StartupError, OSError) as error:
        # The catalog's prices can be shown without that.
        print(f"easel: what is usual is not known: {error}", file=sys.stderr)
    print(price_table(catalog, usual))


@_in_loop
async def _migrate(settings: "Settings", _chosen: Chosen) -> None:
    from bot.store.database import HEAD_REVISION, open_database
    from bot.store.lock import sole_use

    with sole_use(settings.database_url):
        async with open_database(settings.database_url):
            print(f"The database is at schema {HEAD_REVISION}.")


@_in_loop
async def _audit(settings: "Settings", _chosen: Chosen) -> int:
    from bot.store.database import open_database
    from bot.store.ledger import audit

    async with open_database(settings.database_url, migrate=False) as database:
        differences = await database.read(audit)
    print("\n".join(differences) or "Entries and balances agree.")
    return FAILED if differences else 0
