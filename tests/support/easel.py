"""The whole bot on loopback: the real client in the playground's Discord, the real adapters."""

import asyncio
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from pydantic import SecretStr

from bot.app import App, open_app
from bot.chat.render import SHEET_NAME
from bot.demo import running
from bot.domain.ledger import Entry, EntryKind
from bot.playground.discord import Attachment, Call, Message, PlaygroundDiscord
from bot.playground.discord.faults import Fault
from bot.playground.discord.interactions import COMPONENT
from bot.playground.discord.validation import BUTTON, STRING_SELECT, walk
from bot.playground.drawing import Picture
from bot.playground.faults import Hold, VendorCall
from bot.settings import GivenSettings
from bot.store.ledger import audit, list_entries
from tests.support.clock import InstantClock
from tests.support.once import paint_plainly
from tests.support.openapi import violations
from tests.vendors import AllVendors

DAY_S = 24 * 3_600
#: seconds of a day
NOON_S = DAY_S / 2


class Easel(Struct):
    app: App
    discord: PlaygroundDiscord
    providers: AllVendors
    clock: InstantClock
    folder: Path
    settings: GivenSettings
    #: closes the bot
    bot: AsyncExitStack

    async def restart(self) -> None:
        """Stop the bot and start it anew on its folder; Discord and the providers go on."""
        await self.bot.aclose()
        self.app = await self.bot.enter_async_context(
            open_bot(self.settings, self.clock, self.discord)
        )

    async def imagine(self, member: str = "Ada", channel: str = "studio", **options: Any) -> Call:
        return await self.discord.run_command(
            member, channel, "imagine", {"prompt": "a paper lantern"} | options
        )

    @asynccontextmanager
    async def held(self, at: VendorCall, **options: Any) -> AsyncIterator[Call]:
        """A job that stands at the provider's door, until this is left."""
        gate = Hold(asyncio.Event())
        self.providers.faults.add(at, gate)
        call = await self.imagine(**options)
        await gate.reached.wait()
        if at is VendorCall.CREATE:
            await call.until(lambda message: "Drawing" in said(message))
        try:
            yield call
        finally:
            gate.until.set()

    def forge(
        self, member: str, message: Message, custom_id: str, values: Sequence[str] = ()
    ) -> Call:
        """Press what a changed client makes up on a message."""
        opened = self.discord.interactions.open(
            COMPONENT,
            self.discord.world.user(member),
            self.discord.world.channels[message.channel_id],
            {"component_type": STRING_SELECT if values else BUTTON, "custom_id": custom_id, "id": 1}
            | ({"values": list(values)} if values else {}),
            source=message,
        )
        return Call(opened, self.discord._messages)

    async def finished(self, call: Call) -> Message:
        """The message once it shows a result or a failure, and the job is through."""
        message = await call.until(lambda message: not is_status(message))
        await self.idle()
        return message

    async def idle(self) -> None:
        """Wait until no job is under way: what follows a delivery is committed."""
        async with asyncio.timeout(50):
            while carrying := self.app.runner._running.values():
                await asyncio.wait(carrying)

    async def until(self, condition: Callable[[], Awaitable[object]]) -> None:
        """Wait for something that only the database shows."""
        async with asyncio.timeout(10):
            while not await condition():  # noqa: ASYNC110 - no event for this
                await asyncio.sleep(0)

    async def held_by(self, fault: Fault) -> None:
        """Wait until a request to Discord has met the fault."""
        async with asyncio.timeout(10):
            await fault.reached.wait()

    async def entries(self, *kinds: EntryKind) -> list[Entry]:
        entries = [entry for _, entry in await self.app.database.read(list_entries)]
        return [entry for entry in entries if not kinds or entry.kind in kinds]

    async def balance_ucr(self) -> int:
        entries = await self.entries()
        return sum(entry.allowance_ucr + entry.grant_ucr for entry in entries)

    async def made_by(self, message: Message) -> set[str]:
        """The providers whose routes made the images of a result."""
        found = await self.rows(
            "SELECT tasks.route_id FROM tasks JOIN jobs ON jobs.id = tasks.job_id"
            f" WHERE jobs.message_id = {message.id} AND tasks.state = 'stored'"
        )
        return {row.route_id.partition("/")[0] for row in found}

    async def rows(self, query: str) -> list[Any]:
        return await self.app.database.read(lambda tx: list(tx.rows(query)))


def is_status(message: Message) -> bool:
    return any("held" in embed.get("footer", {}).get("text", "") for embed in message.embeds)


def images(message: Message) -> list[Attachment]:
    """Those of a result, without the sheet of its references, which its embed shows."""
    return [each for each in message.attachments if each.filename != SHEET_NAME]


def labels(message: Message) -> list[str]:
    """Of its buttons, without what they cost."""
    return [
        part["label"].partition(" · ")[0]
        for part in walk(message.components)
        if part["type"] == BUTTON
    ]


def selects(message: Message) -> dict[str, list[dict[str, Any]]]:
    """The options of its selects, by custom id."""
    found = [part for part in walk(message.components) if part["type"] == STRING_SELECT]
    return {part["custom_id"]: part["options"] for part in found}


def told(message: Message) -> str:
    """The sentence that a message begins with, without what is given back beneath it."""
    return str(message.embeds[0]["description"])


def said(message: Message) -> str:
    """Every word of a message."""
    words = [message.content]
    for embed in message.embeds:
        words += [embed.get("title", ""), embed.get("description", "")]
        words += [f"{field['name']}: {field['value']}" for field in embed.get("fields", ())]
        words.append(embed.get("footer", {}).get("text", ""))
    return "\n".join(word for word in words if word)


@asynccontextmanager
async def open_bot(
    settings: GivenSettings, clock: InstantClock, discord: PlaygroundDiscord
) -> AsyncIterator[App]:
    """The bot alone, at work; its books must balance in the end."""
    async with open_app(settings, clock) as app:
        async with running(app, discord):
            yield app
        assert await app.database.read(audit) == []


@asynccontextmanager
async def open_easel(
    folder: Path,
    schema: Path,
    prepare: Callable[[PlaygroundDiscord], None] = lambda _: None,
    paint: Callable[[Picture], bytes] = paint_plainly,
    **settings: Any,
) -> AsyncIterator[Easel]:
    """
    Args:
        schema: a migrated database file to begin with, unless the folder has one.
        prepare: done to the playground before the bot starts.
        paint: draws the results.
    """
    if not (folder / "easel.db").exists():
        shutil.copy(schema, folder / "easel.db")
    clock = InstantClock()
    async with PlaygroundDiscord() as discord, AllVendors(paint=paint) as providers:
        # So that no test is at work when a day ends, and allowances are refilled.
        to_noon_s = (NOON_S - discord.clock.now_s()) % DAY_S
        for each in (discord.clock, clock):
            each.advance(to_noon_s)
        prepare(discord)
        given = {
            "discord_token": SecretStr(discord.token),
            "discord_api_base": discord.api_base,
            "database_url": f"sqlite:///{folder / 'easel.db'}",
            "data_dir": folder,
            "apimodels_api_key": SecretStr(providers.api_key),
            "apimodels_base_url": providers.apimodels_base_url,
            "allow_private_addresses": True,
            "ops_port": 0,
        }
        chosen = GivenSettings(**(given | settings))
        async with AsyncExitStack() as bot:
            app = await bot.enter_async_context(open_bot(chosen, clock, discord))
            yield Easel(app, discord, providers, clock, folder, chosen, bot)
        found = violations(discord.requests)
        assert found == [], found
