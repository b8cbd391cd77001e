"""Each server's settings, the trail of their changes, and what was synced to Discord."""

from datetime import datetime

import sqlalchemy as sa

from bot.domain.policy import NsfwMode, SettingChange
from bot.store.database import Database
from bot.store.schema import servers, setting_changes, synced_commands

#: how many changes a moderator is shown
CHANGES_SHOWN_MAX = 5


class ServerStore:
    """The port `Servers`, and the memory of what was synced to Discord."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def nsfw_mode(self, server_id: int) -> NsfwMode:
        async with self._database.reading() as connection:
            return NsfwMode(
                await connection.scalar(
                    sa.select(servers.c.nsfw_checker).where(servers.c.server_id == server_id)
                )
                or NsfwMode.ON
            )

    async def set_nsfw_mode(
        self, server_id: int, user_id: int, mode: NsfwMode, now: datetime
    ) -> NsfwMode:
        async with self._database.transaction() as connection:
            here = servers.c.server_id == server_id
            found = await connection.scalar(sa.select(servers.c.nsfw_checker).where(here))
            old = NsfwMode(found or NsfwMode.ON)
            if old is mode:
                return old
            change = sa.update(servers).where(here) if found else sa.insert(servers)
            values = {"server_id": server_id, "nsfw_checker": mode.value}
            await connection.execute(change.values(values))
            await connection.execute(
                sa.insert(setting_changes).values(
                    server_id=server_id,
                    user_id=user_id,
                    setting="nsfw_checker",
                    old=old.value,
                    new=mode.value,
                    created_at=now,
                )
            )
            return old

    async def changes(self, server_id: int) -> list[SettingChange]:
        columns = [setting_changes.c[name] for name in SettingChange.__slots__]
        async with self._database.reading() as connection:
            rows = await connection.execute(
                sa.select(*columns)
                .where(setting_changes.c.server_id == server_id)
                .order_by(setting_changes.c.id.desc())
                .limit(CHANGES_SHOWN_MAX)
            )
            return [SettingChange(**row._mapping) for row in rows]

    async def synced_digest(self, scope: str) -> str | None:
        async with self._database.reading() as connection:
            found: str | None = await connection.scalar(
                sa.select(synced_commands.c.digest).where(synced_commands.c.scope == scope)
            )
            return found

    async def set_synced_digest(self, scope: str, digest: str) -> None:
        async with self._database.transaction() as connection:
            here = synced_commands.c.scope == scope
            await connection.execute(sa.delete(synced_commands).where(here))
            await connection.execute(sa.insert(synced_commands).values(scope=scope, digest=digest))
