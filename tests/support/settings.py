"""What moderators do with /settings, as the tests do it."""

from typing import Any

from bot.playground.discord import Message
from tests.support.easel import Easel


async def set_filter(easel: Easel, mode: str | None) -> Message:
    """Set `nsfw_checker` as Cleo, and confirm that it is to be off; returns the answer."""
    return await decide(easel, "nsfw_checker", **({"mode": mode} if mode else {}))


async def decide(easel: Easel, setting: str, /, by: str = "Cleo", **given: Any) -> Message:
    """Run a subcommand of /settings, and confirm what is asked for a second time."""
    call = await easel.discord.run_command(by, "studio", f"settings {setting}", given)
    message = await call.response()
    if message.components and given.get("mode") == "off":
        pressed = await easel.discord.press(by, message, custom_id="settings:off")
        message = await pressed.response()
    return message
