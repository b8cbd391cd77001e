"""The gateway: its sessions, their events in order, and ways to break them; knows no REST."""

import asyncio
import json
import secrets
from collections import deque
from itertools import islice

from aiohttp import WSMsgType, web
from msgspec import Struct, field

from bot.playground.discord.changes import Changes
from bot.playground.discord.errors import Json
from bot.playground.discord.faults import reset_connection
from bot.playground.discord.payloads import Payloads
from bot.playground.discord.world import World

# Source: Discord docs, "Opcodes and Status Codes", Gateway.
DISPATCH, HEARTBEAT, IDENTIFY, PRESENCE, VOICE, RESUME = 0, 1, 2, 3, 4, 6
RECONNECT, REQUEST_MEMBERS, INVALID_SESSION, HELLO, HEARTBEAT_ACK = 7, 8, 9, 10, 11
UNKNOWN_OPCODE, DECODE_ERROR, NOT_AUTHENTICATED, WRONG_TOKEN = 4001, 4002, 4003, 4004
ALREADY_AUTHENTICATED, INVALID_SHARD, DISALLOWED_INTENTS = 4005, 4010, 4014

# Source: Discord docs, "Gateway", Gateway Intents.
GUILDS, GUILD_MESSAGES, DIRECT_MESSAGES = 1 << 0, 1 << 9, 1 << 12
PRIVILEGED_INTENTS = 1 << 1 | 1 << 8 | 1 << 15

HEARTBEAT_INTERVAL_MS = 41_250
#: Pause before a heartbeat's answer. discord.py starts its timing once its own thread has seen that
#: the heartbeat was sent; an earlier answer is timed from the heartbeat before (KeepAliveHandler,
#: discord.py 2.7.1).
ACK_AFTER_S = 0.05
#: A session that missed more events than this cannot resume.
EVENTS_KEPT_MAX = 5_000
FRAME_BYTES_MAX = 4096  #: Discord docs, "Gateway", Sending Events
SESSIONS_KEPT_MAX = 200


class Session(Struct):
    """What Discord remembers about a client's shard; a session outlives its connection."""

    id: str
    shard_id: int
    shard_count: int
    intents: int
    sequence: int = 0
    #: sequence number of the last event handed to the network
    sent: int = 0
    #: the latest events, each with its sequence number
    events: deque[tuple[int, str]] = field(default_factory=lambda: deque(maxlen=EVENTS_KEPT_MAX))
    news: asyncio.Event = field(default_factory=asyncio.Event)
    connection: "_Connection | None" = None

    def add(self, event: str, data: Json) -> None:
        """Append an event, which the connection sends now or after a resume."""
        self.sequence += 1
        frame = {"op": DISPATCH, "t": event, "s": self.sequence, "d": data}
        self.events.append((self.sequence, json.dumps(frame)))
        self.news.set()


class Gateway:
    """Accepts clients and sends them the events of their shards' servers."""

    def __init__(
        self, world: World, payloads: Payloads, changes: Changes, token: str, shard_count: int
    ) -> None:
        self._world = world
        self._payloads = payloads
        self.changes = changes
        self.token = token
        self.shard_count = shard_count
        self.sessions: dict[str, Session] = {}
        self._connections: set[_Connection] = set()
        self._handshakes_to_fail = 0
        #: how often clients identified, and resumed
        self.identified = 0
        self.resumed = 0
        #: set once the server knows its port
        self.url = ""

    def dispatch(self, event: str, data: Json, guild_id: int | None) -> None:
        """Send an event to the server's shard, or to the first shard if there is no server."""
        for session in self.sessions.values():
            shard_id = (guild_id >> 22) % session.shard_count if guild_id is not None else 0
            if shard_id == session.shard_id and _wants(session.intents, event, guild_id):
                session.add(event, data)

    @property
    def is_complete(self) -> bool:
        """Say whether some client has connected all its shards and was sent all their events."""
        connected = [s for s in self.sessions.values() if s.connection and s.sent == s.sequence]
        return any(
            {s.shard_id for s in connected if s.shard_count == count} == set(range(count))
            for count in {s.shard_count for s in connected}
        )

    def drop(self) -> None:
        """
        Reset the TCP connections of all clients; their sessions can be resumed.

        What a client had not read yet is lost, as with any reset; a resume sends it again.
        """
        for connection in list(self._connections):
            reset_connection(connection.transport)

    async def close(self, code: int) -> None:
        """Close all connections with this code."""
        await asyncio.gather(*(connection.close(code) for connection in list(self._connections)))

    async def ask_to_reconnect(self) -> None:
        """Send opcode 7, as Discord does before it restarts."""
        for connection in list(self._connections):
            await connection.send({"op": RECONNECT, "d": None})

    async def invalidate_sessions(self) -> None:
        """Forget all sessions and say so: clients must identify anew."""
        self.forget_sessions()
        for connection in list(self._connections):
            await connection.send({"op": INVALID_SESSION, "d": False})

    def forget_sessions(self) -> None:
        """Forget all sessions silently: the next resume is answered with INVALID_SESSION."""
        self.sessions.clear()

    def fail_handshakes(self, times: int = 1) -> None:
        """Answer the next connection attempts with 502."""
        self._handshakes_to_fail = times

    async def serve(self, request: web.Request) -> web.StreamResponse:
        """Serve one connection until it ends."""
        if self._handshakes_to_fail:
            self._handshakes_to_fail -= 1
            return web.Response(status=502, text="Bad Gateway")
        socket = web.WebSocketResponse(max_msg_size=FRAME_BYTES_MAX, timeout=1.0)
        await socket.prepare(request)
        connection = _Connection(self, socket, request.transport)
        self._connections.add(connection)
        try:
            await connection.run()
        finally:
            self._connections.discard(connection)
            self.changes.notify()
        return socket

    def open_session(self, data: Json) -> Session | int:
        """Answer IDENTIFY with a new session that begins with READY, or with a close code."""
        if str(data.get("token", "")).removeprefix("Bot ") != self.token:
            return WRONG_TOKEN
        shard_id, count = data.get("shard", [0, 1])
        if not 0 <= shard_id < count:
            return INVALID_SHARD
        intents = int(data.get("intents", 0))
        if intents & PRIVILEGED_INTENTS:
            return DISALLOWED_INTENTS
        session = Session(secrets.token_hex(16), shard_id, count, intents)
        while len(self.sessions) >= SESSIONS_KEPT_MAX:
            del self.sessions[next(iter(self.sessions))]
        self.sessions[session.id] = session
        self.identified += 1
        guilds = [g for g in self._world.guilds.values() if (g.id >> 22) % count == shard_id]
        application = {"id": str(self._world.application_id), "flags": 0}
        ready = {
            "v": 10,
            "user": self._payloads.user(self._world.bot),
            "guilds": [{"id": str(guild.id), "unavailable": True} for guild in guilds],
            "session_id": session.id,
            "resume_gateway_url": self.url,
            "shard": [shard_id, count],
            "application": application,
        }
        session.add("READY", ready)
        for guild in guilds:
            if intents & GUILDS:
                session.add("GUILD_CREATE", self._payloads.guild(guild))
        return session

    def find_session(self, data: Json) -> Session | int | None:
        """Answer RESUME with the session, or a close code, or None if the session is lost."""
        if str(data.get("token", "")).removeprefix("Bot ") != self.token:
            return WRONG_TOKEN
        session = self.sessions.get(str(data.get("session_id")))
        seen = data.get("seq") or 0
        if session is None or not session.events or session.events[0][0] > seen + 1:
            return None
        self.resumed += 1
        session.add("RESUMED", {})
        return session


class _Connection(Struct, eq=False):
    """One WebSocket; sends a session's events in order, after those the client has seen."""

    gateway: Gateway
    socket: web.WebSocketResponse
    transport: asyncio.BaseTransport | None
    _session: Session | None = None
    _sender: asyncio.Task[None] | None = None
    _closed_by_us: bool = False

    async def send(self, frame: Json) -> None:
        """Send a frame that is not an event; do nothing if the connection is lost."""
        if not self.socket.closed:
            try:
                await self.socket.send_json(frame)
            except ConnectionError:
                return

    async def close(self, code: int) -> None:
        """Close the connection from this side."""
        self._closed_by_us = True
        await self.socket.close(code=code)

    async def run(self) -> None:
        """Serve until one side closes or the connection is lost."""
        await self.send({"op": HELLO, "d": {"heartbeat_interval": HEARTBEAT_INTERVAL_MS}})
        try:
            async for message in self.socket:
                code = DECODE_ERROR
                if message.type == WSMsgType.TEXT:
                    code = await self._receive(message.data)
                if code:
                    await self.close(code)
        finally:
            if self._sender is not None:
                self._sender.cancel()
            if self._session is not None and self._session.connection is self:
                self._session.connection = None
                # A client that closes the connection properly gives up its session.
                if self.socket.close_code in (1000, 1001) and not self._closed_by_us:
                    self.gateway.sessions.pop(self._session.id, None)

    async def _receive(self, text: str) -> int:
        """Act on a client's frame; return a close code, or 0 to go on."""
        try:
            frame = json.loads(text)
            opcode, data = frame["op"], frame.get("d")
        except (ValueError, KeyError, TypeError):
            return DECODE_ERROR
        if opcode == HEARTBEAT:
            # The client does not time the heartbeat before its session.
            if self._session is not None:
                await asyncio.sleep(ACK_AFTER_S)
            await self.send({"op": HEARTBEAT_ACK})
            return 0
        if opcode == IDENTIFY:
            return self._start(self.gateway.open_session(data), seen=0)
        if opcode == RESUME:
            session = self.gateway.find_session(data)
            if session is None:
                await self.send({"op": INVALID_SESSION, "d": False})
                return 0
            return self._start(session, seen=data.get("seq") or 0)
        if self._session is None:
            return NOT_AUTHENTICATED
        return 0 if opcode in (PRESENCE, VOICE, REQUEST_MEMBERS) else UNKNOWN_OPCODE

    def _start(self, session: Session | int, seen: int) -> int:
        if self._session is not None:
            return ALREADY_AUTHENTICATED
        if isinstance(session, int):
            return session
        self._session = session
        session.connection = self
        self._sender = asyncio.create_task(self._send_events(session, seen))
        return 0

    async def _send_events(self, session: Session, seen: int) -> None:
        try:
            session.sent = seen
            while session.connection is self:
                session.news.clear()
                unsent = list(islice(reversed(session.events), session.sequence - session.sent))
                for sequence, frame in reversed(unsent):
                    await self.socket.send_str(frame)
                    session.sent = sequence
                self.gateway.changes.notify()
                await session.news.wait()
        except ConnectionError:
            return  # The session keeps unsent events for a resume.


def _wants(intents: int, event: str, guild_id: int | None) -> bool:
    if event.startswith("MESSAGE_"):
        return bool(intents & (GUILD_MESSAGES if guild_id is not None else DIRECT_MESSAGES))
    if event.startswith(("GUILD_", "CHANNEL_")):
        return bool(intents & GUILDS)
    return True
