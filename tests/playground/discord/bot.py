"""A small bot on the real discord.py that the playground's tests drive."""

from __future__ import annotations

import asyncio
import logging
import warnings
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from yarl import URL

from bot.playground.discord import PlaygroundDiscord

with warnings.catch_warnings():
    # discord.py imports audioop, which Python 3.11 announces the end of.
    warnings.simplefilter("ignore", DeprecationWarning)
    import discord
    from discord import app_commands


class SampleBot(discord.AutoShardedClient):
    """Keeps everything it hears; its commands are in `tree`."""

    def __init__(self, **options: Any) -> None:
        options.setdefault("intents", discord.Intents.default())
        super().__init__(**options)
        self.tree = app_commands.CommandTree(self)
        self.heard: list[tuple[str, Any]] = []
        self.failures: list[Exception] = []
        self.tree.error(self._note_failure)

    async def _note_failure(self, _: Any, error: Exception) -> None:
        logging.getLogger(__name__).error("a command failed", exc_info=error)
        self.failures.append(getattr(error, "original", error))

    async def before_identify_hook(self, shard_id: int | None, *, initial: bool = False) -> None:
        """Identify at once; discord.py would wait five seconds."""

    async def setup_hook(self) -> None:
        await self.tree.sync()

    def dispatch(self, event: str, /, *args: Any, **kwargs: Any) -> None:
        self.heard.append((event, args))
        super().dispatch(event, *args, **kwargs)


def point_discord_py_at(playground: PlaygroundDiscord, monkeypatch: Any) -> None:
    """Make discord.py talk to the playground; after a lost session it goes to its default."""
    monkeypatch.setattr(discord.http.Route, "BASE", playground.api_base)
    gateway = URL(playground.gateway.url)
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)


async def eventually(condition: Callable[[], object], timeout_s: float = 5) -> None:
    """Let the client go on until something about it holds."""
    async with asyncio.timeout(timeout_s):
        while not condition():  # noqa: ASYNC110 - the client has nothing to wait on
            await asyncio.sleep(0)


async def refused_with(client):
    """Wait for the only refusal the bot's command runs into; return its status and code."""
    await eventually(lambda: client.failures)
    (failure,) = client.failures
    return failure.status, failure.code


def command(client, name="go", **attributes):
    """Add a command whose body is the decorated function."""

    def add(body):
        made = app_commands.Command(name=name, description="Do it", callback=body, **attributes)
        client.tree.add_command(made)
        return made

    return add


class Menu(discord.ui.View):
    """A button, a select and a switched-off button."""

    @discord.ui.button(label="Update", custom_id="update")
    async def update(self, interaction, _):
        await interaction.response.edit_message(content="updated")

    @discord.ui.button(label="Later", custom_id="later")
    async def later(self, interaction, _):
        await interaction.response.defer()
        await interaction.edit_original_response(content="updated later")

    @discord.ui.button(label="Off", custom_id="off", disabled=True)
    async def off(self, interaction, _):
        raise AssertionError

    @discord.ui.select(
        custom_id="size",
        options=[discord.SelectOption(label="Big", value="b"), discord.SelectOption(label="Small")],
    )
    async def size(self, interaction, select):
        await interaction.response.send_message(f"chose {select.values}", ephemeral=True)

    @discord.ui.select(cls=discord.ui.UserSelect, custom_id="who")
    async def who(self, interaction, select):
        await interaction.response.send_message(f"chose {select.values[0].display_name}")


@asynccontextmanager
async def running(client: SampleBot, playground: PlaygroundDiscord) -> AsyncIterator[SampleBot]:
    """Log the client in, and out in the end."""
    task = asyncio.create_task(client.start(playground.token))
    try:
        await playground.wait_until_ready()
        # Sent is not read: a connection cut now would take the first events with it.
        await eventually(lambda: len(client.guilds) == len(playground.world.guilds))
        yield client
    finally:
        await client.close()
        await asyncio.gather(task, return_exceptions=True)
