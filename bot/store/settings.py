"""Each server's settings, the trail of their changes, and what was synced to Discord."""

from collections import defaultdict
from collections.abc import Collection
from datetime import datetime

from msgspec.structs import asdict, replace

from bot.domain.settings import Decide, ServerSettings, SettingChange, read_settings, write_setting
from bot.store.sql import LAST_NUMBER, Transaction, among, insert, listed, upsert

#: how many changes a moderator is shown beside a setting
CHANGES_SHOWN_MAX = 5

OF_ALL = "SELECT server_id, name, value FROM server_settings"
OF_SERVER = "SELECT name, value FROM server_settings WHERE server_id = :server"
SET = upsert("server_settings", ("server_id", "name"), "value")
NEW_CHANGE = insert(
    "setting_changes", "server_id", "user_id", "setting", "old", "new", "created_at"
)
CHANGES = """
    SELECT user_id, setting, old, new, created_at, id FROM setting_changes
    WHERE server_id = :server AND id < :before
    ORDER BY id DESC LIMIT :shown_max
"""

SYNCED = "SELECT scope FROM synced_commands"
FORGET = f"DELETE FROM synced_commands WHERE scope IN {among('scopes')}"
REMEMBER = insert("synced_commands", "scope")


def synced_servers(tx: Transaction, application: str) -> set[int]:
    scopes = (scope.rsplit("/", 1) for scope in tx.scalars(SYNCED))
    # An earlier version kept the global scope there as well.
    return {int(server) for owner, server in scopes if owner == application and server.isdigit()}


def remember_servers(tx: Transaction, application: str, server_ids: Collection[int]) -> None:
    known = synced_servers(tx, application)
    if known == set(server_ids):
        return
    tx.execute(FORGET, {"scopes": listed(f"{application}/{each}" for each in known)})
    if server_ids:
        tx.executemany(REMEMBER, [{"scope": f"{application}/{each}"} for each in server_ids])


def of_server(tx: Transaction, server_id: int) -> ServerSettings:
    rows = tx.rows(OF_SERVER, {"server": server_id})
    return read_settings({row.name: row.value for row in rows})


def of_all_servers(tx: Transaction) -> dict[int, ServerSettings]:
    """Server id -> settings, for the servers that have decided something."""
    kept: dict[int, dict[str, str]] = defaultdict(dict)
    for row in tx.rows(OF_ALL):
        kept[row.server_id][row.name] = row.value
    return {server_id: read_settings(of_server) for server_id, of_server in kept.items()}


def change(
    tx: Transaction, server_id: int, decide: Decide, by: int, now: datetime
) -> tuple[ServerSettings, ServerSettings]:
    """
    Change what `decide` makes of the current settings, and record each change; if a value is the
    same, nothing is recorded.

    Args:
        by: the moderator's id.
    Returns:
        The settings before and after.
    """
    before = of_server(tx, server_id)
    decided = decide(before)
    for name, value in decided.items():
        old, new = (write_setting(each) for each in (getattr(before, name), value))
        if old == new:
            continue
        tx.execute(SET, {"server_id": server_id, "name": name, "value": new})
        changed = SettingChange(by, name, old, new, now)
        tx.execute(NEW_CHANGE, asdict(changed) | {"server_id": server_id})
    return before, replace(before, **decided)


def changes(
    tx: Transaction, server_id: int, before: int = 0, limit: int = CHANGES_SHOWN_MAX
) -> list[SettingChange]:
    """
    A server's changes, newest first.

    Args:
        before: a change's id: only older ones; 0: from the latest on.
    """
    given = {"server": server_id, "before": before or LAST_NUMBER, "shown_max": limit}
    return tx.values(SettingChange, CHANGES, given)
