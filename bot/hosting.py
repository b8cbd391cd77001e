"""`easel servers`, `block`, `unblock` and `export`: what the host sees of servers and members."""

import math
import os
import secrets
from datetime import UTC, datetime
from pathlib import Path

from bot.domain.credits import format_credits
from bot.domain.ledger import Period, period_start
from bot.domain.oversight import Block
from bot.engine.export import Export, Parcel
from bot.errors import StartupError
from bot.settings import Settings
from bot.store import operator, oversight
from bot.store.database import open_database


async def show_servers(settings: Settings) -> None:
    """Print each server that the database knows, with its month and what it has decided."""
    first = period_start(datetime.now(UTC), Period.MONTH)
    async with open_database(settings.database_url, migrate=False) as database:
        known = await database.read(operator.servers)
        found = [await database.read(operator.of_server, each, first) for each in known]
    print(f"{'server':<21}{f'jobs in {first:%Y-%m}':>16}{'credits':>14}  settings that differ")
    for each in found:
        decided = ", ".join(f"{name}={value}" for name, value in each.settings.items())
        name = str(each.server_id) if each.server_id else "direct messages"
        print(f"{name:<21}{each.jobs:>16}{format_credits(each.cost_ucr):>14}  {decided or '-'}")


async def block(settings: Settings, server_id: int, user_id: int, reason: str) -> None:
    """
    Take no more commands from a member in a server; 0: in no server and no direct message.

    Args:
        reason: as `read_reason` reads it; the member reads it, too.
    """
    blocked = Block(server_id, user_id, operator.OPERATOR, reason, datetime.now(UTC))
    async with open_database(settings.database_url, migrate=False) as database:
        await database.write(oversight.block, blocked)
    print(f"Member {user_id} is blocked {_where(server_id)}.")


async def unblock(settings: Settings, server_id: int, user_id: int) -> None:
    """
    Raises:
        StartupError: the member is not blocked there.
    """
    ending = (server_id, user_id, operator.OPERATOR, datetime.now(UTC))
    async with open_database(settings.database_url, migrate=False) as database:
        ended = await database.write(oversight.unblock, *ending)
    if ended is None:
        raise StartupError(f"Member {user_id} is not blocked {_where(server_id)}.")
    print(f"Member {user_id} is blocked {_where(server_id)} no longer.")


async def export(
    settings: Settings, output: Path, *, server_id: int | None = None, user_id: int | None = None
) -> None:
    """
    Write all that is stored of a server, or of a member, into a new ZIP file.

    Raises:
        StartupError: the file is there already, or cannot be written.
    """
    try:
        _expect_new(output)
        stem = f".{output.name}.{secrets.token_hex(4)}"
        parcel = Parcel(output.parent, stem, math.inf, parts_max=1)
        try:
            async with open_database(settings.database_url, migrate=False) as database:
                giving = Export(database, settings.data_dir / "images")
                if server_id is not None:
                    await giving.of_server(server_id, parcel)
                elif user_id is not None:
                    await giving.of_member(user_id, parcel)
            [written] = parcel.paths
            written.rename(output)
        finally:
            parcel.remove()
    except OSError as error:
        raise StartupError(f"{output} cannot be written: {error.strerror}.") from error
    print(f"Written to {output}. It holds what members wrote: give it to nobody else.")


def _expect_new(output: Path) -> None:
    # A link that leads nowhere, or in a circle, is there, too.
    if os.path.lexists(output):
        raise StartupError(f"{output} is there already; name another file.")


def _where(server_id: int) -> str:
    return f"in server {server_id}" if server_id else "everywhere"
