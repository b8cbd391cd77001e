"""The playground's Discord as a whole, which tests and the demo start, use and stop."""

import asyncio
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Self

from aiohttp import web

from bot.playground.discord.cdn import Cdn
from bot.playground.discord.changes import WAIT_S, Changes, Event, Events
from bot.playground.discord.clock import Clock
from bot.playground.discord.commands import Commands
from bot.playground.discord.errors import Json, known, refusal
from bot.playground.discord.faults import Faults
from bot.playground.discord.gateway import Gateway
from bot.playground.discord.interactions import Interactions
from bot.playground.discord.limits import RateLimits
from bot.playground.discord.members import Members
from bot.playground.discord.messages import Messages
from bot.playground.discord.options import known_locale
from bot.playground.discord.payloads import Payloads
from bot.playground.discord.rest import API_PREFIX, REQUEST_BYTES_MAX, ApiRequest, Endpoint, Rest
from bot.playground.discord.world import (
    NO_PERMISSIONS,
    Attachment,
    Channel,
    Guild,
    Message,
    Permission,
    Where,
    Who,
    World,
)

HOST = "127.0.0.1"
STOP_S = 1.0


class PlaygroundDiscord(Members):
    """
    A Discord on loopback that an unmodified client can log in to.

    A method that waits raises TimeoutError after `timeout_s` seconds and says what was there
    instead. What members can do is inherited from `Members`.

    Args:
        folder: gets the folder for files; None: the system's temporary files.
    """

    def __init__(
        self,
        port: int = 0,
        *,
        token: str | None = None,
        shard_count: int = 1,
        folder: Path | None = None,
    ) -> None:
        self._port = port
        #: the bot's token
        self.token = token or f"playground.{secrets.token_urlsafe(32)}"
        self.clock = Clock()
        world = World(self.clock)
        self.faults = Faults()
        self.limits = RateLimits(self.clock)
        self.cdn = Cdn(world, folder)
        self.payloads = Payloads(world, self.cdn)
        self._changes = Changes()
        self.gateway = Gateway(world, self.payloads, self._changes, self.token, shard_count)
        messages = Messages(world, self.cdn, self.payloads, self.gateway, self._changes)
        commands = Commands(world, self._changes, self.payloads)
        super().__init__(messages, Interactions(messages), commands)
        self._rest = Rest(
            self.cdn,
            self.faults,
            self.limits,
            self.token,
            self.interactions.limit_of,
            self._changes,
        )
        #: every request to the API, oldest first
        self.requests = self._rest.requests
        app = web.Application(client_max_size=REQUEST_BYTES_MAX)
        app.router.add_get("/gateway", self.gateway.serve)
        own = (messages, self.interactions, commands)
        self._rest.add_to(app, [route for part in own for route in part.routes()] + self._routes())
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)

    async def __aenter__(self) -> Self:
        """Listen on loopback; port 0 takes a free port."""
        await self._runner.setup()
        await web.TCPSite(self._runner, HOST, self._port).start()
        self._port = self._runner.addresses[0][1]
        self.cdn.base_url = self.base_url
        self.gateway.url = f"ws://{HOST}:{self._port}/gateway"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close all connections and remove all files."""
        self._changes.close()
        await self.gateway.close(1001)
        await self._runner.cleanup()
        self.cdn.close()

    @property
    def base_url(self) -> str:
        """Return the root address of everything that is served."""
        return f"http://{HOST}:{self._port}"

    @property
    def api_base(self) -> str:
        """Return the value for DISCORD_API_BASE."""
        return self.base_url + API_PREFIX

    async def wait_until_ready(self, *, timeout_s: float = WAIT_S) -> None:
        """Wait until a client has connected all its shards and commands are registered."""
        await self._changes.wait_for(
            lambda: (self.gateway.is_complete and self.world.commands_synced > 0) or None,
            "client with all shards and commands",
            lambda: f"{len(self.gateway.sessions)} sessions, {self.world.commands_synced} syncs",
            timeout_s,
        )

    def channel(self, channel: Where, member: Who | None = None) -> Channel:
        """Return a channel; for `DM`, the member's direct messages with the bot."""
        user = self.world.user(member) if member is not None else None
        return self.world.channel(channel, user)

    async def wait_for_message(
        self,
        channel: Where,
        predicate: Callable[[Message], bool] = lambda _: True,
        *,
        member: Who | None = None,
        timeout_s: float = WAIT_S,
    ) -> Message:
        """Wait until a channel shows a message for which `predicate` holds."""
        place = self.channel(channel, member)
        return await self._changes.wait_for(
            lambda: next(filter(predicate, reversed(place.messages)), None),
            f"message in #{place.name}",
            lambda: f"messages {[message.content for message in place.messages]}",
            timeout_s,
        )

    async def wait_for(
        self, condition: Callable[[], bool], what: str, *, timeout_s: float = WAIT_S
    ) -> None:
        """Wait until a condition holds; it is tested after every change and every request."""
        await self._changes.wait_for(
            lambda: condition() or None, what, lambda: "it does not hold", timeout_s
        )

    async def read_attachment(self, attachment: Attachment) -> bytes:
        """Return the bytes of an attachment."""
        return await asyncio.to_thread(attachment.file.path.read_bytes)

    def attachment_url(self, attachment: Attachment) -> str:
        """Return a fresh link to an attachment."""
        return self.cdn.url(attachment)

    def message_json(self, message: Message) -> Json:
        """Write a message in full as Discord's API does, with fresh links."""
        return self.payloads.message(message, full=True)

    def events(self) -> Events:
        """Subscribe to changes that members would see, from now on."""
        return self._changes.subscribe()

    def delete_channel(self, channel: Where) -> None:
        """Delete a channel of a server, with all its messages."""
        place = self.world.channel(channel)
        assert place.guild_id is not None, "direct messages cannot be deleted"
        written = self.payloads.channel(place)
        self.world.guilds[place.guild_id].channel_ids.remove(place.id)
        del self.world.channels[place.id]
        self.gateway.dispatch("CHANNEL_DELETE", written, place.guild_id)
        self._changes.notify(Event("channel_deleted", place.id))

    def set_server_locale(self, server: str | int | Guild, locale: str) -> None:
        """Change a server's preferred language; interactions carry it as `guild_locale`."""
        guild = self.world.guild(server)
        self.world.locales[guild.id] = known_locale(locale)
        self.gateway.dispatch("GUILD_UPDATE", self.payloads.guild(guild), guild.id)

    def set_bot_permissions(
        self,
        channel: Where,
        *,
        allow: Permission = NO_PERMISSIONS,
        deny: Permission = NO_PERMISSIONS,
    ) -> None:
        """Set the bot's permission overwrite in a channel."""
        place = self.world.channel(channel)
        place.overwrites[self.world.bot.id] = (allow, deny)
        self.gateway.dispatch("CHANNEL_UPDATE", self.payloads.channel(place), place.guild_id)

    def _routes(self) -> list[Endpoint]:
        payloads, world = self.payloads, self.world
        return [
            ("GET", "/users/@me", lambda _: payloads.user(world.bot)),
            ("GET", "/users/@me/guilds", self._list_guilds),
            ("DELETE", "/users/@me/guilds/{guild_id}", self._leave_guild),
            ("GET", "/users/{user_id}", self._get_user),
            ("POST", "/users/@me/channels", self._open_dm),
            ("GET", "/oauth2/applications/@me", lambda _: payloads.application()),
            ("GET", "/applications/@me", lambda _: payloads.application()),
            ("GET", "/gateway", lambda _: {"url": self.gateway.url}),
            ("GET", "/gateway/bot", self._get_gateway),
            ("GET", "/guilds/{guild_id}", self._get_guild),
            ("POST", "/attachments/refresh-urls", lambda c: self.cdn.refresh(c.json_object())),
        ]

    def _get_gateway(self, _: ApiRequest) -> Json:
        limit = {"total": 1000, "remaining": 1000, "reset_after": 0, "max_concurrency": 1}
        return {
            "url": self.gateway.url,
            "shards": self.gateway.shard_count,
            "session_start_limit": limit,
        }

    def _list_guilds(self, call: ApiRequest) -> list[Json]:
        """Answer a page of the bot's servers, ordered by id."""
        before = int(call.query.get("before", 2**63))
        after = int(call.query.get("after", 0))
        guilds = [
            guild for _, guild in sorted(self.world.guilds.items()) if after < guild.id < before
        ]
        limit = int(call.query.get("limit", 200))
        page = guilds[-limit:] if "before" in call.query else guilds[:limit]
        return [self.payloads.own_guild(guild) for guild in page]

    def _leave_guild(self, call: ApiRequest) -> None:
        """Remove the bot from a server; the server's members stay in the world."""
        guild_id = call.id("guild_id")
        known(self.world.guilds.pop(guild_id, None), 10004)
        self.gateway.dispatch("GUILD_DELETE", {"id": str(guild_id)}, guild_id)

    def _get_user(self, call: ApiRequest) -> Json:
        return self.payloads.user(known(self.world.users.get(call.id("user_id")), 10013))

    def _open_dm(self, call: ApiRequest) -> Json:
        user = self.world.users.get(int(call.json_object().get("recipient_id") or 0))
        if user is None or user.bot:
            raise refusal(10013)
        return self.payloads.channel(self.world.dm(user))

    def _get_guild(self, call: ApiRequest) -> Json:
        return self.payloads.guild(known(self.world.guilds.get(call.id("guild_id")), 10004))
