"""The demo's own steps: an /imagine and an /edit of its result, as a member would run them."""

from msgspec import Struct

from bot.playground.discord import Message, PlaygroundDiscord, Upload

#: longest wait for one image, from the command to its delivery
IMAGE_S = 40.0
PROMPT = "Paper lanterns drifting over a quiet canal at dusk"
CHANGE = "Make it winter: snow on the hills, the lanterns still glowing"


class ScenarioFailed(Exception):
    """The bot answered with something other than an image; the message quotes the answer."""


class Picture(Struct, frozen=True):
    filename: str
    content: bytes
    width_px: int
    height_px: int


async def imagine(discord: PlaygroundDiscord, aspect_ratio: str) -> Picture:
    call = await discord.run_command(
        "Ada", "studio", "imagine", {"prompt": PROMPT, "aspect_ratio": aspect_ratio}
    )
    return await _picture(discord, await call.until(_has_ended, timeout_s=IMAGE_S))


async def edit(discord: PlaygroundDiscord, picture: Picture, aspect_ratio: str) -> Picture:
    call = await discord.run_command(
        "Ada",
        "studio",
        "edit",
        {
            "image": Upload(picture.filename, picture.content),
            "prompt": CHANGE,
            "aspect_ratio": aspect_ratio,
        },
    )
    return await _picture(discord, await call.until(_has_ended, timeout_s=IMAGE_S))


def _has_ended(message: Message) -> bool:
    """Whether a message shows an ending: only the status message names held credits."""
    footers = [embed.get("footer", {}).get("text", "") for embed in message.embeds]
    return bool(message.attachments) or not any("held" in footer for footer in footers)


async def _picture(discord: PlaygroundDiscord, message: Message) -> Picture:
    if not message.attachments:
        said = [embed.get("description", "") for embed in message.embeds]
        raise ScenarioFailed(" ".join(said) or message.content)
    attachment = message.attachments[0]
    return Picture(
        filename=attachment.filename,
        content=await discord.read_attachment(attachment),
        width_px=attachment.file.width_px or 0,
        height_px=attachment.file.height_px or 0,
    )
