"""The `easel` command: its arguments, its exit codes, and the sentence a failure ends with."""

import argparse
import asyncio
import gc
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bot.domain.credits import Microcredits, parse_credits
from bot.errors import BotError, StartupError, StoreBusy

if TYPE_CHECKING:
    from bot.settings import Settings

FAILED = 1
WRONG_USAGE = 2
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
    try:
        status: int = chosen.command(chosen)
        sys.stdout.flush()
    except BrokenPipeError:
        # The reader has closed the pipe; the flush on exit must not complain about that either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILED
    except StoreBusy as error:
        print(f"easel: the database cannot be written to: {error.__cause__}.", file=sys.stderr)
        return FAILED
    except BotError as error:
        print(f"easel: {error}", file=sys.stderr)
        return WRONG_USAGE if isinstance(error, StartupError) and error.usage else FAILED
    except KeyboardInterrupt:
        return FAILED
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="easel", description="A Discord bot that makes and edits images."
    )
    parser.add_argument("--version", action="version", version=f"easel {version('easel-bot')}")
    commands = parser.add_subparsers(required=True, metavar="command")

    demo = commands.add_parser("demo", help="try the bot in a browser: no token, no key")
    demo.add_argument("--once", action="store_true", help="make one image, edit it, and exit")
    demo.add_argument("--port", type=_port, default=0, help="of the page; any free one if left out")
    demo.add_argument(
        "--output", type=Path, default=Path("demo-output"), help="folder for the images of --once"
    )
    demo.add_argument("--no-browser", action="store_true", help="only print the page's address")
    demo.set_defaults(command=_demo)

    run = commands.add_parser("run", help="run the bot on Discord")
    run.add_argument(
        "--role",
        choices=("all",),
        default="all",
        help="all: gateway and worker in one process, as SQLite needs it",
    )
    run.set_defaults(command=_run)

    check = commands.add_parser("check", help="would it run? asks Discord and the providers, free")
    check.set_defaults(command=_check)

    sync = commands.add_parser("sync", help="compare the commands with Discord's, and mend them")
    sync.set_defaults(command=_sync)

    prices = commands.add_parser("prices", help="what each route of the catalog costs")
    prices.set_defaults(command=_prices)

    migrate = commands.add_parser("migrate", help="bring the database's schema up to date")
    migrate.set_defaults(command=_migrate)

    account = commands.add_parser("account", help="a member's credits, and every entry of them")
    grant = commands.add_parser("grant", help="give a member credits that do not expire")
    for command in (account, grant):
        command.add_argument("--server", type=_id, required=True, help="0: direct messages")
    account.add_argument("--user", type=_id, required=True, help="0: the server's budget")
    grant.add_argument("--user", type=_member_id, required=True)
    grant.add_argument("--amount", type=_amount, required=True, help="credits, such as 2.50")
    account.set_defaults(command=_account)
    grant.set_defaults(command=_grant)

    refund = commands.add_parser("refund", help="give back what a job was charged")
    refund.add_argument("job", help="its id, as the log and `easel account` name it")
    refund.set_defaults(command=_refund)

    _add_hosting(commands)
    ledger = commands.add_parser("ledger", help="look into the ledger")
    audit = ledger.add_subparsers(required=True, metavar="command").add_parser(
        "audit", help="recompute every balance from its entries"
    )
    audit.set_defaults(command=_audit)
    return parser


def _add_hosting(commands: Any) -> None:
    servers = commands.add_parser("servers", help="each server, its month and its settings")
    servers.set_defaults(command=_servers)

    block = commands.add_parser("block", help="take no more commands of a member")
    unblock = commands.add_parser("unblock", help="take a member's commands again")
    for command in (block, unblock):
        command.add_argument("--user", type=_member_id, required=True)
        command.add_argument("--server", type=_id, default=0, help="everywhere if left out")
    block.add_argument(
        "--reason", type=_reason, required=True, help="the member and moderators see it"
    )
    block.set_defaults(command=_block)
    unblock.set_defaults(command=_unblock)

    export = commands.add_parser("export", help="all that is stored of a server or a member")
    of = export.add_mutually_exclusive_group(required=True)
    of.add_argument("--server", type=_id, help="0: direct messages")
    of.add_argument("--user", type=_member_id)
    export.add_argument("--output", type=Path, required=True, help="a ZIP file to be written")
    export.set_defaults(command=_export)


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
    # Imported here, like all that only some commands need: `easel --help` needs none of it.
    from bot.settings import load_settings

    return load_settings()


def _account(chosen: argparse.Namespace) -> int:
    from bot.books import show_account

    asyncio.run(show_account(_settings(), chosen.server, chosen.user))
    return 0


def _grant(chosen: argparse.Namespace) -> int:
    from bot.books import grant

    asyncio.run(grant(_settings(), chosen.server, chosen.user, chosen.amount))
    return 0


def _refund(chosen: argparse.Namespace) -> int:
    from bot.books import refund

    asyncio.run(refund(_settings(), chosen.job))
    return 0


def _servers(_chosen: argparse.Namespace) -> int:
    from bot.hosting import show_servers

    asyncio.run(show_servers(_settings()))
    return 0


def _block(chosen: argparse.Namespace) -> int:
    from bot.hosting import block

    asyncio.run(block(_settings(), chosen.server, chosen.user, chosen.reason))
    return 0


def _unblock(chosen: argparse.Namespace) -> int:
    from bot.hosting import unblock

    asyncio.run(unblock(_settings(), chosen.server, chosen.user))
    return 0


def _export(chosen: argparse.Namespace) -> int:
    from bot.hosting import export

    given = {"server_id": chosen.server, "user_id": chosen.user}
    asyncio.run(export(_settings(), chosen.output, **given))
    return 0


def _demo(chosen: argparse.Namespace) -> int:
    from bot import demo

    if chosen.once:
        return asyncio.run(demo.run_once(chosen.output))
    return _until_signal(lambda: demo.serve(chosen.port, open_browser=not chosen.no_browser))


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
        gc.enable()


def _run(_chosen: argparse.Namespace) -> int:
    with _loading():
        settings = _settings()
        settings.needed("DISCORD_TOKEN")

        from bot.app import open_app
        from bot.ops import log
        from bot.settings import misspelt_settings

    log.configure(settings.log_level, settings.log_format)
    for sentence in misspelt_settings():
        logging.getLogger(__name__).warning(sentence, extra={"action": "setting_unknown"})

    async def run() -> None:
        async with open_app(settings) as app:
            await app.run()

    return _until_signal(run)


def _check(_chosen: argparse.Namespace) -> int:
    settings = _settings()

    from bot.check import check
    from bot.ops import log

    # The check prints what it finds itself.
    log.configure("ERROR", settings.log_format)
    return asyncio.run(check(settings))


def _sync(_chosen: argparse.Namespace) -> int:
    settings = _settings()
    settings.needed("DISCORD_TOKEN")

    from bot.app import open_app
    from bot.ops import log

    # The sync prints what it does itself.
    log.configure("WARNING", settings.log_format)

    async def run() -> int:
        async with open_app(settings, beside=True) as app:
            print("\n".join(await app.sync()))
        return 0

    return asyncio.run(run())


def _prices(_chosen: argparse.Namespace) -> int:
    from bot.app import load_catalog
    from bot.prices import price_table
    from bot.store.database import database_path, open_database
    from bot.store.learned import usual_costs

    async def run(settings: "Settings") -> int:
        catalog, usual = load_catalog(settings), {}
        try:
            if database_path(settings.database_url).is_file():
                async with open_database(settings.database_url, migrate=False) as database:
                    usual = await database.read(usual_costs, datetime.now(UTC))
        except (StartupError, OSError) as error:
            # The catalog's prices can be shown without that.
            print(f"easel: what is usual is not known: {error}", file=sys.stderr)
        print(price_table(catalog, usual))
        return 0

    return asyncio.run(run(_settings()))


def _migrate(_chosen: argparse.Namespace) -> int:
    from bot.store.database import HEAD_REVISION, open_database
    from bot.store.lock import sole_use

    async def migrate(settings: "Settings") -> int:
        with sole_use(settings.database_url):
            async with open_database(settings.database_url):
                print(f"The database is at schema {HEAD_REVISION}.")
        return 0

    return asyncio.run(migrate(_settings()))


def _audit(_chosen: argparse.Namespace) -> int:
    from bot.store.database import open_database
    from bot.store.ledger import audit

    async def run(settings: "Settings") -> int:
        async with open_database(settings.database_url, migrate=False) as database:
            differences = await database.read(audit)
        print("\n".join(differences) or "Entries and balances agree.")
        return FAILED if differences else 0

    return asyncio.run(run(_settings()))


def _until_signal(serve: Callable[[], Coroutine[Any, Any, None]]) -> int:
    """Serve until SIGINT or SIGTERM, then stop cleanly; a second signal exits at once."""

    async def run() -> None:
        serving = asyncio.ensure_future(serve())
        asked = False

        def stop() -> None:
            nonlocal asked
            if asked:
                os._exit(FAILED)
            asked = True
            serving.cancel()

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        try:
            await serving
        except asyncio.CancelledError:
            if not asked:
                raise

    asyncio.run(run())
    return 0
