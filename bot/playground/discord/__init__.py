"""A Discord-compatible server on loopback: gateway, REST and CDN; knows nothing of the bot."""

from bot.playground.discord.calls import Call, Modal
from bot.playground.discord.changes import Event, Events
from bot.playground.discord.errors import Json
from bot.playground.discord.faults import Fault
from bot.playground.discord.members import Upload
from bot.playground.discord.options import NotOfferedError
from bot.playground.discord.rest import ApiRequest
from bot.playground.discord.server import PlaygroundDiscord
from bot.playground.discord.world import (
    DM,
    Attachment,
    Channel,
    Guild,
    Message,
    MessageFlag,
    Permission,
    User,
    World,
)

__all__ = [
    "DM",
    "ApiRequest",
    "Attachment",
    "Call",
    "Channel",
    "Event",
    "Events",
    "Fault",
    "Guild",
    "Json",
    "Message",
    "MessageFlag",
    "Modal",
    "NotOfferedError",
    "Permission",
    "PlaygroundDiscord",
    "Upload",
    "User",
    "World",
]
