"""A server with a channel that moderators read, and what Cleo does in it."""

from datetime import UTC, datetime
from typing import Any

from bot.playground.discord import Call, Message, PlaygroundDiscord
from bot.playground.discord.validation import walk
from bot.playground.discord.world import TEXT_CHANNEL
from bot.store import settings
from tests.support.easel import Easel, said

SERVER, LOG = "Lantern Community", "mod-log"


def with_log_channel(discord: PlaygroundDiscord) -> None:
    discord.world.add_channel(SERVER, LOG, TEXT_CHANNEL)


def server_id(easel: Easel) -> int:
    return easel.discord.world.guild(SERVER).id


def user_id(easel: Easel, name: str) -> int:
    return easel.discord.world.user(name).id


async def decide(easel: Easel, name: str, value: object) -> None:
    """A setting, as /settings decides it."""
    now = datetime(2025, 1, 1, tzinfo=UTC)
    by = user_id(easel, "Cleo")
    await easel.app.database.write(
        settings.change, server_id(easel), lambda _: {name: value}, by, now
    )


async def log_here(easel: Easel) -> None:
    await decide(easel, "log_channel_id", easel.discord.world.channel(LOG).id)


def logged(easel: Easel) -> list[Message]:
    return easel.discord.world.channel(LOG).messages


async def posted(easel: Easel, words: str) -> Message:
    """The post in the log channel that says so."""

    def found() -> list[Message]:
        return [each for each in logged(easel) if words in said(each)]

    await easel.discord.wait_for(lambda: bool(found()), f"{words!r} in the log channel")
    return found()[0]


async def command(easel: Easel, name: str, who: str = "Cleo", **given: Any) -> Message:
    call = await easel.discord.run_command(who, "studio", f"moderation {name}", given)
    return await call.until(lambda message: not message.is_loading)


async def press(easel: Easel, message: Message, label: str, member: str = "Cleo") -> Call:
    shown = [part["label"] for part in walk(message.components) if "label" in part]
    [found] = [each for each in shown if each.partition(" · ")[0] == label]
    return await easel.discord.press(member, message, label=found)


async def card(easel: Easel, message: Message, member: str = "Cleo") -> Message:
    """What the menu of a result shows a moderator."""
    call = await easel.discord.run_message_command(member, message.channel_id, "Moderate", message)
    return await call.response()


async def filled(easel: Easel, call: Call, member: str = "Cleo", **values: str) -> Message:
    sent = await easel.discord.submit_modal(member, await call.opened_modal(), values)
    return await sent.response()


async def acts(easel: Easel) -> list[tuple[Any, ...]]:
    """Action, who, whom, how much and why, the oldest first."""
    names = {each.id: each.name for each in easel.discord.world.users.values()}
    rows = await easel.rows(
        "SELECT action, by_id, user_id, amount_ucr, reason FROM acts ORDER BY id"
    )
    return [
        (row.action, names[row.by_id], names[row.user_id], row.amount_ucr, row.reason)
        for row in rows
    ]
