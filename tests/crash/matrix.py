"""Runs a plan: processes that are killed and started again between a playground that lives on."""

import asyncio
import hashlib
import io
import multiprocessing
import re
import shutil
import sqlite3
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from multiprocessing.context import ForkServerProcess
from pathlib import Path
from typing import Any

from msgspec import Struct, field
from PIL import Image

from bot.app import SHIPPED_CATALOG
from bot.playground import faults
from bot.playground.discord import Call, NotOfferedError, PlaygroundDiscord, Upload
from bot.playground.drawing import Picture
from bot.playground.faults import Hold, Respond
from bot.playground.studio import Fails
from tests.crash import victim
from tests.crash.plan import Command, Kind, Life, Mishap, Plan
from tests.support.pictures import picture
from tests.vendors import AllVendors

#: seconds; a process is connected by then, one that is to die at a boundary has reached it or
#: is at rest, a healthy one has finished everything, and one asked to stop has ended
READY_S_MAX = 20.0
LIFE_S_MAX = 20.0
FINISH_S_MAX = 30.0
STOP_S_MAX = 12.0
#: seconds between two looks at a process and its database
LOOK_EVERY_S = 0.02
#: seconds without a job under way, after which nothing more is expected of a process
REST_S = 0.5
#: seconds a press or a look back is tried for
ACT_S_MAX = 3.0
#: the answers of Discord that say: this token is dead, and: this takes a while
TOKEN_DEAD = {"message": "Unknown Webhook", "code": 10015}
LIMITED_S = 0.2
EVER = 1_000_000
BUSY = Respond(503, {"code": 503, "msg": "busy", "data": None})
BROKEN = Respond(500, {"code": 500, "msg": "broken", "data": None})

forks = multiprocessing.get_context("forkserver")
# Imports are most of a start; the server of the forks has made them already.
forks.set_forkserver_preload(["tests.crash.victim"])


class Matrix(Struct):
    """The playground and the bot's folder, through all the lives of one plan."""

    plan: Plan
    folder: Path
    discord: PlaygroundDiscord
    providers: AllVendors
    #: sha256 of a picture -> its prompt
    painted: dict[str, str]
    ahead_s: float = 0.0
    calls: list[tuple[Command, Call]] = field(default_factory=list)
    presses: list[Call] = field(default_factory=list)
    #: boundaries the processes died at, or "random"
    kills: list[str] = field(default_factory=list)
    #: boundaries that were asked for and not reached
    missed: list[str] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)
    #: what is released when the plan is through
    held: list[asyncio.Event] = field(default_factory=list)

    @property
    def database(self) -> Path:
        return self.folder / "easel.db"

    @property
    def log(self) -> Path:
        return self.folder / "victim.log"

    @property
    def _catalog(self) -> Path:
        return self.folder / "catalog.toml"

    @property
    def _kill_note(self) -> Path:
        return self.folder / "killed-at"

    @property
    def _work_note(self) -> Path:
        return self.folder / "at-work"

    async def run(self) -> None:
        self._arrange()
        for life in self.plan.lives:
            await self._live(life)
            self.ahead_s += life.downtime_s
            self.discord.clock.advance(life.downtime_s)
        for event in self.held:
            event.set()
        await self._finish()

    def _arrange(self) -> None:
        # The second route is one whose images come inside the answers to polls.
        self.providers.maxapi_habits.inline = True
        shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
        # With a switch, it is there where the filter is on.
        second = re.compile(r'(provider = "maxapi"\nupstream.*?nsfw_switch = )"none"', re.DOTALL)
        catalog = second.sub(r'\1"moderation"', shipped)
        # No route of theirs takes WebP, so that what a member edits has to be converted.
        takes = 'references_max = 16\nreference_types = ["image/png", "image/jpeg"]\n'
        self._catalog.write_text(catalog.replace("references_max = 16\n", takes), encoding="utf-8")
        for mishap in self.plan.mishaps:
            _MISHAPS[mishap](self)

    async def _live(self, life: Life) -> None:
        """From start to kill."""
        kill_at = life.kill_at.removeprefix("during:")
        holding = self._hold(kill_at) if kill_at != life.kill_at else None
        process = self._start("" if holding else life.kill_at)
        try:
            acting = [asyncio.create_task(self._act(life, process))]
            if life.kill_at:
                await self._until_dead_or_at_rest(process, life, acting[0], holding)
            else:
                if life.commands:
                    await acting[0]
                await asyncio.sleep(life.kill_after_s)
            await self._kill(process, life, holding)
            acting[0].cancel()
            for ended in await asyncio.gather(*acting, return_exceptions=True):
                if isinstance(ended, Exception):
                    raise ended
        finally:
            _end(process)
        if holding and holding.reached():
            self.held.append(holding.until)
        elif holding:
            # It is armed still, and would hold a later process for as long as the plan lasts.
            holding.until.set()

    async def _kill(self, process: ForkServerProcess, life: Life, holding: "Held | None") -> None:
        died_by_itself = not process.is_alive()
        if not died_by_itself:
            process.kill()
        await _until(lambda: not process.is_alive(), STOP_S_MAX)
        if self._kill_note.exists():
            self.kills.append(self._kill_note.read_text())
            self._kill_note.unlink()
            return
        if died_by_itself:
            self.troubles.append(f"the process ended by itself with {process.exitcode}")
        reached = holding is not None and holding.reached()
        self.kills.append(life.kill_at if reached else "random")
        if life.kill_at and not reached:
            self.missed.append(life.kill_at)

    async def _until_dead_or_at_rest(
        self,
        process: ForkServerProcess,
        life: Life,
        acting: "asyncio.Task[None]",
        holding: "Held | None",
    ) -> None:
        rested_since = None
        deadline = time.monotonic() + LIFE_S_MAX
        while process.is_alive() and time.monotonic() < deadline:
            if holding and holding.reached():
                return
            resting = acting.done() and not self._pending()
            now = time.monotonic()
            rested_since = (rested_since or now) if resting else None
            if rested_since and now - rested_since > REST_S:
                return
            await asyncio.sleep(LOOK_EVERY_S)
        if process.is_alive():
            self.troubles.append(f"jobs still under way after {LIFE_S_MAX} s: {life.kill_at}")

    async def _act(self, life: Life, process: ForkServerProcess) -> None:
        """What the members do once the bot is connected, for as long as it lives."""
        if not life.commands and not life.looks_back and not life.repeats:
            return
        if not await self._ready(process):
            return
        if life.repeats:
            self._repeat_all()
        await asyncio.gather(*(self._command(command) for command in life.commands))
        if life.looks_back:
            call = await self.discord.run_command("Ada", "studio", "history")
            with suppress(TimeoutError):
                await call.response(timeout_s=ACT_S_MAX)

    async def _ready(self, process: ForkServerProcess) -> bool:
        await _until(
            lambda: (
                not process.is_alive()
                or (self.discord.gateway.is_complete and self.discord.world.commands_synced > 0)
            ),
            READY_S_MAX,
        )
        return process.is_alive()

    async def _command(self, command: Command) -> None:
        options: dict[str, Any] = {"prompt": command.prompt, "count": command.count}
        if command.private:
            options["private"] = True
        if command.kind is Kind.REFUSED:
            # It has no filter, and the filter is on.
            options["model"] = "gpt-image-2"
        for number in range(1, command.references + 1):
            name = "image" if command.kind is Kind.EDIT and number == 1 else f"reference{number}"
            # What is edited has to be converted first.
            image_format = "WEBP" if name == "image" else "PNG"
            file = picture(60 + number, image_format=image_format)
            options[name] = Upload(f"{number}.{image_format.lower()}", file)
        name = "edit" if command.kind is Kind.EDIT else "imagine"
        call = await self.discord.run_command(
            command.member, command.channel, name, options, check=False
        )
        self.calls.append((command, call))
        await self._repeat(command, call)
        if command.kind is Kind.UNDELIVERABLE:
            self._refuse_edits(call)
        if command.kind is Kind.CANCELLED:
            with suppress(TimeoutError):
                shown = await call.response(timeout_s=ACT_S_MAX)
                if shown.components:
                    with suppress(NotOfferedError):
                        press = await self.discord.press(command.member, shown, label="Cancel")
                        self.presses.append(press)
                        await self._repeat(command, press)

    async def _repeat(self, command: Command, call: Call) -> None:
        if command.repeat_after_s is not None:
            await asyncio.sleep(command.repeat_after_s)
            self.discord.interactions.send(call.interaction)

    def _repeat_all(self) -> None:
        for call in [*(call for _, call in self.calls), *self.presses]:
            self.discord.interactions.send(call.interaction)

    def _refuse_edits(self, call: Call) -> None:
        token = re.escape(call.interaction.token)
        self.discord.faults.add(method="PATCH", path=token, status=404, body=TOKEN_DEAD, times=EVER)

    def _hold(self, name: str) -> "Held":
        """Let the other side keep the next such request, once it has had its effect."""
        event = asyncio.Event()
        if name == "wire.answer":
            fault = self.discord.faults.add(
                method="POST", path="/callback", hold=event, after_effect=True
            )
            return Held(event, lambda: fault.hits > 0)
        hold = Hold(event, after_effect=True)
        self.providers.faults.add(_HOLDS[name], hold)
        return Held(event, hold.reached.is_set)

    async def _finish(self) -> None:
        """A healthy process ends every job, stops when asked to, and has nothing to complain of."""
        process = self._start("")
        try:
            if not await self._ready(process):
                self.troubles.append(f"the last process ended with {process.exitcode}")
                return
            self._repeat_all()
            # What comes as new to this process is accepted by then.
            await asyncio.sleep(REST_S)
            if not await _until(
                lambda: self._work_note.exists() and not self._pending(), FINISH_S_MAX
            ):
                self.troubles.append(f"not finished within {FINISH_S_MAX} s: {self._pending()}")
            await self._refunded_are_offered()
            process.terminate()
            if not await _until(lambda: not process.is_alive(), STOP_S_MAX):
                self.troubles.append(f"did not stop within {STOP_S_MAX} s")
            elif process.exitcode != 0:
                self.troubles.append(f"stopped with {process.exitcode}")
        finally:
            _end(process)

    async def _refunded_are_offered(self) -> None:
        """Images that could be posted nowhere are offered by /history."""
        query = (
            "SELECT DISTINCT user_id, channel_id FROM jobs JOIN tasks ON job_id = jobs.id"
            " WHERE jobs.state = 'failed' AND tasks.state = 'stored'"
        )
        self.discord.faults.clear()
        for user_id, channel_id in rows(self.database, query):
            call = await self.discord.run_command(user_id, channel_id, "history")
            message = await call.response()
            if not message.components:
                self.troubles.append(f"/history offers user {user_id} no refunded images")

    def _pending(self) -> list[Any]:
        query = "SELECT id, state FROM jobs WHERE state IN ('queued', 'running', 'delivering')"
        return rows(self.database, query)

    def _start(self, kill_at: str) -> ForkServerProcess:
        environment = {
            "DISCORD_TOKEN": self.discord.token,
            "DISCORD_API_BASE": self.discord.api_base,
            "DATABASE_URL": f"sqlite:///{self.database}",
            "DATA_DIR": str(self.folder),
            "APIMODELS_API_KEY": self.providers.api_key,
            "APIMODELS_BASE_URL": self.providers.apimodels_base_url,
            "MAXAPI_KEY": self.providers.api_key,
            "MAXAPI_BASE_URL": self.providers.maxapi_base_url,
            "CATALOG_FILE": str(self._catalog),
            "ALLOW_PRIVATE_ADDRESSES": "true",
            "ALLOWANCE": "100",
            "MAX_JOBS_PER_USER": "1",
            "OPS_PORT": "0",
            "KILL_AT": kill_at,
            "KILL_NOTE": str(self._kill_note),
            "WORK_NOTE": str(self._work_note),
            "CLOCK_AHEAD_S": str(self.ahead_s),
        }
        if self.plan.defers:
            environment["DEFER_AFTER_S"] = "0"
        # The sessions of the dead must not pass for the next one's.
        self.discord.gateway.forget_sessions()
        self._work_note.unlink(missing_ok=True)
        process = forks.Process(target=victim.live, args=(self.folder, self.log, environment))
        process.start()
        return process


class Held(Struct, frozen=True):
    until: asyncio.Event
    reached: Callable[[], bool]


_HOLDS = {
    "provider.upload": faults.VendorCall.UPLOAD,
    "provider.submit": faults.VendorCall.CREATE,
    "provider.poll": faults.VendorCall.POLL,
    "fetcher.fetch": faults.VendorCall.RESULT,
}
_MISHAPS: dict[Mishap, Callable[[Matrix], object]] = {
    Mishap.PROVIDER_FAILS: lambda m: m.providers.endings.append(Fails("UPSTREAM_BUSY", "busy")),
    Mishap.PROVIDER_OVERLOADED: lambda m: m.providers.endings.append(
        Fails("UPSTREAM_BUSY", "busy", retryable=True)
    ),
    Mishap.PROVIDER_BUSY: lambda m: m.providers.faults.add(faults.VendorCall.CREATE, BUSY),
    Mishap.SUBMIT_CUT_OFF: lambda m: m.providers.faults.add(
        faults.VendorCall.CREATE, faults.Reset(after_effect=True)
    ),
    Mishap.POLL_FAILS: lambda m: m.providers.faults.add(faults.VendorCall.POLL, BROKEN),
    Mishap.RESULT_CUT_OFF: lambda m: m.providers.faults.add(
        faults.VendorCall.RESULT, faults.Reset()
    ),
    Mishap.ANSWER_LOST: lambda m: m.discord.faults.add(
        method="POST", path="/callback", after_effect=True
    ),
    Mishap.EDIT_LIMITED: lambda m: m.discord.faults.add(
        method="PATCH", path="@original", retry_after_s=LIMITED_S
    ),
    Mishap.EDIT_LOST: lambda m: m.discord.faults.add(
        method="PATCH", path="@original", after_effect=True
    ),
}


@asynccontextmanager
async def open_matrix(plan: Plan, folder: Path, schema: Path) -> AsyncIterator[Matrix]:
    """
    Args:
        schema: a migrated database file to begin with.
    """
    shutil.copy(schema, folder / "easel.db")
    painted: dict[str, str] = {}

    def paint(asked: Picture) -> bytes:
        """One of a kind for each image, and quick."""
        colours = hashlib.sha256(f"{asked.prompt} {asked.variation}".encode()).digest()
        file = io.BytesIO()
        Image.frombytes("RGB", (2, 4), colours[:24]).save(file, "PNG")
        painted[hashlib.sha256(file.getvalue()).hexdigest()] = asked.prompt
        return file.getvalue()

    async with (
        PlaygroundDiscord() as discord,
        AllVendors(latency_s=plan.latency_s, paint=paint, clock=discord.clock.now_s) as providers,
    ):
        yield Matrix(plan, folder, discord, providers, painted)


def rows(database: Path, query: str) -> list[Any]:
    connection = sqlite3.connect(f"file:{database}?mode=ro", uri=True, timeout=LIFE_S_MAX)
    connection.row_factory = sqlite3.Row
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


async def _until(condition: Callable[[], bool], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        await asyncio.sleep(LOOK_EVERY_S)
    return True


def _end(process: ForkServerProcess) -> None:
    if process.is_alive():
        process.kill()
    process.join(STOP_S_MAX)
    process.close()
