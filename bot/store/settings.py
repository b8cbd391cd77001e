"""Each server's settings, the trail of their changes, and what was synced to Discord."""

from collections import defaultdict
from collections.abc import Callable, Collection
from dataclasses import replace
from datetime import datetime

import sqlalchemy as sa

from bot.domain.settings import SETTINGS, ServerSettings, SettingChange, read_settings
from bot.store.schema import server_settings, setting_changes, synced_commands

#: how many changes a moderator is shown beside a setting
CHANGES_SHOWN_MAX = 5

OF_ALL = sa.select(server_settings)
OF_SERVER = sa.select(server_settings.c.name, server_settings.c.value).where(
    server_settings.c.server_id == sa.bindparam("server")
)
_this = sa.and_(
    server_settings.c.server_id == sa.bindparam("server"),
    server_settings.c.name == sa.bindparam("setting"),
)
SET = sa.update(server_settings).where(_this).values(value=sa.bindparam("text"))
NEW_SETTING = sa.insert(server_settings)
NEW_CHANGE = sa.insert(setting_changes)
CHANGES = (
    sa.select(*(setting_changes.c[name] for name in SettingChange.__slots__))
    .where(setting_changes.c.server_id == sa.bindparam("server"))
    .order_by(setting_changes.c.id.desc())
    .limit(sa.bindparam("shown_max"))
)
OLDER = CHANGES.where(setting_changes.c.id < sa.bindparam("before"))

SYNCED = sa.select(synced_commands.c.scope)
FORGET = sa.delete(synced_commands).where(
    synced_commands.c.scope.in_(sa.bindparam("scopes", expanding=True))
)
REMEMBER = sa.insert(synced_commands)


def synced_servers(tx: sa.Connection, application: str) -> set[int]:
    scopes = (scope.rsplit("/", 1) for scope in tx.scalars(SYNCED))
    # An earlier version kept the global scope there as well.
    return {int(place) for before, place in scopes if before == application and place.isdigit()}


def remember_servers(tx: sa.Connection, application: str, server_ids: Collection[int]) -> None:
    known = synced_servers(tx, application)
    if known == set(server_ids):
        return
    tx.execute(FORGET, {"scopes": [f"{application}/{each}" for each in known]})
    if server_ids:
        tx.execute(REMEMBER, [{"scope": f"{application}/{each}"} for each in server_ids])


def of_server(tx: sa.Connection, server_id: int) -> ServerSettings:
    rows = tx.execute(OF_SERVER, {"server": server_id})
    return read_settings({row.name: row.value for row in rows})


def of_all_servers(tx: sa.Connection) -> dict[int, ServerSettings]:
    """Of the servers that have decided something."""
    kept: dict[int, dict[str, str]] = defaultdict(dict)
    for row in tx.execute(OF_ALL):
        kept[row.server_id][row.name] = row.value
    return {server_id: read_settings(of_server) for server_id, of_server in kept.items()}


def change(
    tx: sa.Connection, server_id: int, name: str, value: object, by: int, now: datetime
) -> ServerSettings:
    """
    Change one setting, and record it; setting what is set records nothing.

    Args:
        name: of a field of ServerSettings.
        by: the moderator's id.
    Returns:
        The settings before.
    """
    return change_several(tx, server_id, lambda _: {name: value}, by, now)[0]


def change_several(
    tx: sa.Connection,
    server_id: int,
    decide: Callable[[ServerSettings], dict[str, object]],
    by: int,
    now: datetime,
) -> tuple[ServerSettings, ServerSettings]:
    """
    Change what `decide` says of the settings as they are, and record each change.

    Args:
        decide: a pure function; what it returns is named by fields of ServerSettings.
        by: the moderator's id.
    Returns:
        The settings before and after.
    """
    before = of_server(tx, server_id)
    decided = decide(before)
    for name, value in decided.items():
        _record(tx, server_id, name, getattr(before, name), value, by, now)
    return before, replace(before, **decided)  # type: ignore[arg-type]


def _record(
    tx: sa.Connection,
    server_id: int,
    name: str,
    was: object,
    value: object,
    by: int,
    now: datetime,
) -> None:
    """Write one setting and its change, where it is one."""
    old, new = (SETTINGS[name].write(each) for each in (was, value))
    if old == new:
        return
    if not tx.execute(SET, {"server": server_id, "setting": name, "text": new}).rowcount:
        tx.execute(NEW_SETTING, {"server_id": server_id, "name": name, "value": new})
    tx.execute(
        NEW_CHANGE,
        {
            "server_id": server_id,
            "user_id": by,
            "setting": name,
            "old": old,
            "new": new,
            "created_at": now,
        },
    )


def changes(
    tx: sa.Connection, server_id: int, before: int = 0, limit: int = CHANGES_SHOWN_MAX
) -> list[SettingChange]:
    """
    A server's changes, newest first.

    Args:
        before: id of a change: only older ones; 0: from the latest on.
    """
    given = {"server": server_id, "before": before, "shown_max": limit}
    return [
        SettingChange(**row._mapping) for row in tx.execute(OLDER if before else CHANGES, given)
    ]
