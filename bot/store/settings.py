"""Each server's settings, the trail of their changes, and what was synced to Discord."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from bot.domain.settings import SETTINGS, ServerSettings, SettingChange, read_settings
from bot.store.schema import server_settings, setting_changes, synced_commands

#: how many changes a moderator is shown
CHANGES_SHOWN_MAX = 5

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
    .limit(CHANGES_SHOWN_MAX)
)

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
    before = of_server(tx, server_id)
    setting = SETTINGS[name]
    old, new = (setting.write(each) for each in (getattr(before, name), value))
    if old == new:
        return before
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
    return before


def changes(tx: sa.Connection, server_id: int) -> list[SettingChange]:
    return [SettingChange(**row._mapping) for row in tx.execute(CHANGES, {"server": server_id})]
