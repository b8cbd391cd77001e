"""Serves the playground's page and its API; must not let another site use them."""

import asyncio
from collections.abc import Mapping
from ipaddress import IPv4Address, IPv6Address
from pathlib import Path
from typing import Any, Self

from aiohttp import web

from bot.playground import views
from bot.playground.discord import (
    Call,
    Channel,
    Event,
    Json,
    Message,
    NotOfferedError,
    PlaygroundDiscord,
    User,
)
from bot.playground.guard import (
    BODY_BYTES_MAX,
    EVENTS_PATH,
    FILES_PATH,
    add_headers,
    decoded,
    guard,
    object_of,
    read_form,
    read_object,
    text_of,
)

IPAddress = IPv4Address | IPv6Address

LOOPBACK = IPv4Address("127.0.0.1")
PAGE_FOLDER = Path(__file__).parent / "page"
PAGE_TYPES = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
#: small, because the page only listens on the socket
SOCKET_BYTES_MAX = 1024
HEARTBEAT_S = 20.0
STOP_S = 1.0
#: Discord's limit, after which its client says that the application did not respond
FIRST_ANSWER_S = 3.0
TEXT_CHARS_MAX = 2000
#: calls whose forms can still be submitted, and whose subcommands are still known
CALLS_KEPT_MAX = 1_000
#: Types that a browser may show; any other file is only offered for download.
SHOWN_TYPES = ("image/png", "image/jpeg", "image/webp", "image/gif")


class Site:
    """An async context manager that serves one playground's Discord."""

    def __init__(
        self, discord: PlaygroundDiscord, port: int = 0, host: IPAddress = LOOPBACK
    ) -> None:
        self._discord = discord
        self._host = host
        self._port = port
        self._calls: dict[int, Call] = {}
        self._sockets: set[web.WebSocketResponse] = set()
        app = web.Application(client_max_size=BODY_BYTES_MAX, middlewares=[guard])
        app.router.add_get("/", self._page)
        app.router.add_get("/page/{name}", self._page)
        app.router.add_get(rf"{FILES_PATH}/{{id:\d+}}/{{name}}", self._file)
        app.router.add_get("/api/world", self._world)
        app.router.add_get("/api/messages", self._messages)
        app.router.add_get(EVENTS_PATH, self._events)
        app.router.add_post("/api/messages", self._post)
        app.router.add_post("/api/forwards", self._forward)
        app.router.add_post("/api/deletions", self._delete)
        app.router.add_post("/api/locales", self._set_locale)
        app.router.add_post("/api/commands", self._run_command)
        app.router.add_post("/api/components", self._use_component)
        app.router.add_post("/api/modals", self._submit_modal)
        app.router.add_post("/api/autocomplete", self._autocomplete)
        app.on_response_prepare.append(add_headers)
        app.on_shutdown.append(self._hang_up)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)

    async def __aenter__(self) -> Self:
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, str(self._host), self._port).start()
        except OSError:
            await self._runner.cleanup()
            raise
        self._port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        """Return the page's address, as a browser on this machine can open it."""
        host: IPAddress = self._host
        if host.is_unspecified:
            host = LOOPBACK if host.version == 4 else IPv6Address("::1")
        return f"http://{f'[{host}]' if host.version == 6 else host}:{self._port}/"

    async def _page(self, request: web.Request) -> web.StreamResponse:
        return _page_file(request.match_info.get("name", "index.html"))

    async def _file(self, request: web.Request) -> web.StreamResponse:
        path = "/attachments/0/{id}/{name}".format_map(request.match_info)
        attachment = self._discord.cdn.find(self._discord.base_url + path)
        if attachment is None:
            raise LookupError("this file is gone")
        kind = attachment.file.content_type
        headers = {"Content-Type": kind, "Cache-Control": "private, max-age=3600, immutable"}
        if kind not in SHOWN_TYPES:
            headers |= {"Content-Type": "application/octet-stream"}
            headers |= {"Content-Disposition": "attachment"}
        return web.FileResponse(attachment.file.path, headers=headers)

    async def _world(self, _: web.Request) -> web.StreamResponse:
        return web.json_response(views.show_world(self._discord))

    async def _messages(self, request: web.Request) -> web.StreamResponse:
        member, channel = self._where(request.query)
        found = self._discord.messages_for(member, channel)
        return web.json_response([self._show(message) for message in found])

    async def _events(self, request: web.Request) -> web.StreamResponse:
        """Send a member's page what changes, until either side closes the socket."""
        member = self._member(request.query)
        socket = web.WebSocketResponse(heartbeat=HEARTBEAT_S, max_msg_size=SOCKET_BYTES_MAX)
        # Subscribe first, so that nothing is missed once the socket is open.
        with self._discord.events() as events:
            await socket.prepare(request)
            self._sockets.add(socket)

            async def forward() -> None:
                async for event in events:
                    shown = self._show_event(event, member)
                    if shown is not None:
                        await socket.send_json(shown)
                await socket.close()

            forwarding = asyncio.create_task(forward())
            try:
                async for _ in socket:
                    pass
            finally:
                self._sockets.discard(socket)
                forwarding.cancel()
                await asyncio.gather(forwarding, return_exceptions=True)
        return socket

    async def _post(self, request: web.Request) -> web.StreamResponse:
        """Post a message with the form's files, as a reply if the form names a message."""
        form, files = await read_form(request)
        member, channel = self._where(form)
        text, sent = text_of(form, "text").strip(), files.get("files", [])
        if not (text or sent) or len(text) > TEXT_CHARS_MAX:
            raise ValueError(f"a message has 1 to {TEXT_CHARS_MAX} characters")
        reply_to = self._message(form, member, channel) if "message" in form else None
        message = await self._discord.post(
            member,
            channel,
            text,
            sent if isinstance(sent, list) else [sent],
            reply_to=reply_to,
        )
        return web.json_response(self._show(message))

    async def _forward(self, request: web.Request) -> web.StreamResponse:
        body = await read_object(request)
        message = self._message(body, *self._where(body))
        member, to = self._where({**body, "channel": text_of(body, "to")})
        return web.json_response(self._show(await self._discord.forward(member, to, message)))

    async def _delete(self, request: web.Request) -> web.StreamResponse:
        body = await read_object(request)
        member, channel = self._where(body)
        await self._discord.delete(member, self._message(body, member, channel))
        return web.json_response({})

    async def _set_locale(self, request: web.Request) -> web.StreamResponse:
        """Change the language of a member or, if one is named, of a server."""
        body = await read_object(request)
        locale = text_of(body, "locale")
        if "server" in body:
            self._discord.set_server_locale(int(text_of(body, "server")), locale)
        else:
            self._discord.set_locale(self._member(body), locale)
        return web.json_response({})

    async def _run_command(self, request: web.Request) -> web.StreamResponse:
        """Run a slash command, or a message's menu command if the form names a message."""
        form, files = await read_form(request)
        member, channel = self._where(form)
        command = text_of(form, "command")
        if "message" in form:
            message = self._message(form, member, channel)
            call = await self._discord.run_message_command(member, channel, command, message)
        else:
            options = {**decoded(form, "options"), **files}
            call = await self._discord.run_command(member, channel, command, options)
        return await self._first_answer(call)

    async def _use_component(self, request: web.Request) -> web.StreamResponse:
        """Press a button or, if there are `values`, choose them in a select."""
        body = await read_object(request)
        member, channel = self._where(body)
        message, custom_id = self._message(body, member, channel), text_of(body, "custom_id")
        values = body.get("values")
        if values is None:
            call = await self._discord.press(member, message, custom_id=custom_id)
        elif not isinstance(values, list):
            raise ValueError("values is no JSON array")
        else:
            call = await self._discord.select(member, message, values, custom_id=custom_id)
        return await self._first_answer(call)

    async def _submit_modal(self, request: web.Request) -> web.StreamResponse:
        form, files = await read_form(request)
        opener = self._calls.get(int(text_of(form, "interaction")))
        if opener is None or opener.modal is None:
            raise LookupError("this form was opened too long ago")
        values = {**decoded(form, "values"), **files}
        call = await self._discord.submit_modal(self._member(form), opener.modal, values)
        return await self._first_answer(call)

    async def _autocomplete(self, request: web.Request) -> web.StreamResponse:
        body = await read_object(request)
        member, channel = self._where(body)
        command, option, text = (text_of(body, name) for name in ("command", "option", "text"))
        options = object_of(body, "options")
        found = await self._discord.autocomplete(
            member, channel, command, option, text, options, timeout_s=FIRST_ANSWER_S
        )
        return web.json_response(found)

    async def _first_answer(self, call: Call) -> web.StreamResponse:
        """Wait for the first answer as long as Discord does; the socket brings the messages."""
        interaction = call.interaction
        while len(self._calls) >= CALLS_KEPT_MAX:
            del self._calls[next(iter(self._calls))]
        self._calls[interaction.id] = call
        try:
            await call.acknowledged(timeout_s=FIRST_ANSWER_S)
        except TimeoutError:
            return web.json_response({"answered": False})
        modal = call.modal and {
            "interaction": str(interaction.id),
            "title": call.modal.title,
            "components": call.modal.components,
        }
        return web.json_response({"answered": True, "modal": modal})

    def _member(self, given: Mapping[str, Any]) -> User:
        """Find the member who is played, by id or name."""
        who = text_of(given, "member")
        member = self._discord.world.user(int(who) if who.isdecimal() else who)
        if member not in views.people(self._discord):
            raise NotOfferedError(f"{member.name} is not played by anyone")
        return member

    def _where(self, given: Mapping[str, Any]) -> tuple[User, Channel]:
        """Find the member who acts and the channel, which is given by id or name, or as `dm`."""
        member, name = self._member(given), text_of(given, "channel")
        channel = self._discord.channel(int(name) if name.isdecimal() else name, member)
        if not views.sees(self._discord.world, member, channel):
            raise NotOfferedError(f"{member.name} does not see this channel")
        return member, channel

    def _message(self, given: Mapping[str, Any], member: User, channel: Channel) -> Message:
        message_id = int(text_of(given, "message"))
        for message in self._discord.messages_for(member, channel):
            if message.id == message_id:
                return message
        raise LookupError("this message is gone")

    def _show(self, message: Message) -> Json:
        return views.show_message(self._discord, message, self._calls)

    def _show_event(self, event: Event, member: User) -> Json | None:
        """Write an event for the page; return None if the member must not see it."""
        if event.kind in ("commands_synced", "channel_deleted"):
            return {"kind": "world_changed"}
        message, channel = event.message, self._discord.world.channels.get(event.channel_id or 0)
        if message is None or channel is None or not event.kind.startswith("message_"):
            return None
        private = message.is_ephemeral and message.visible_to_id != member.id
        if private or not views.sees(self._discord.world, member, channel):
            return None
        if event.kind == "message_deleted":
            ids = {"id": str(message.id), "channel_id": str(message.channel_id)}
            return {"kind": event.kind, "message": ids}
        return {"kind": event.kind, "message": self._show(message)}

    async def _hang_up(self, _: web.Application) -> None:
        for socket in list(self._sockets):
            await socket.close()


def _page_file(name: str) -> web.StreamResponse:
    """Send a file of the page, with a type that does not depend on this machine's settings."""
    path = next((path for path in PAGE_FOLDER.iterdir() if path.name == name), None)
    if path is None or path.suffix not in PAGE_TYPES:
        raise LookupError("the page has no such file")
    return web.FileResponse(path, headers={"Content-Type": PAGE_TYPES[path.suffix]})
