"""Each server's settings, the trail of their changes, and what was synced to Discord."""

from collections.abc import Collection
from datetime import datetime

import sqlalchemy as sa

from bot.domain.policy import NsfwMode
from bot.domain.settings import ServerSettings, SettingChange
from bot.store.schema import servers, setting_changes, synced_commands

#: how many changes a moderator is shown
CHANGES_SHOWN_MAX = 5

_here = servers.c.server_id == sa.bindparam("server")
NSFW_MODE = sa.select(servers.c.nsfw_checker).where(_here)
SET_NSFW_MODE = sa.update(servers).where(_here).values(nsfw_checker=sa.bindparam("mode"))
NEW_SERVER = sa.insert(servers)
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
    return ServerSettings(NsfwMode(tx.scalar(NSFW_MODE, {"server": server_id}) or NsfwMode.ON))


def set_nsfw_mode(
    tx: sa.Connection, server_id: int, user_id: int, mode: NsfwMode, now: datetime
) -> NsfwMode:
    old = of_server(tx, server_id).nsfw_checker
    if old is mode:
        return old
    if not tx.execute(SET_NSFW_MODE, {"server": server_id, "mode": mode.value}).rowcount:
        tx.execute(NEW_SERVER, {"server_id": server_id, "nsfw_checker": mode.value})
    tx.execute(
        NEW_CHANGE,
        {
            "server_id": server_id,
            "user_id": user_id,
            "setting": "nsfw_checker",
            "old": old.value,
            "new": mode.value,
            "created_at": now,
        },
    )
    return old


def changes(tx: sa.Connection, server_id: int) -> list[SettingChange]:
    return [SettingChange(**row._mapping) for row in tx.execute(CHANGES, {"server": server_id})]
