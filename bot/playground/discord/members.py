"""What members do: run commands, click, fill in forms, post; must not know HTTP."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from bot.playground.discord.calls import Call, Modal
from bot.playground.discord.changes import WAIT_S
from bot.playground.discord.commands import CHAT_INPUT, MESSAGE_MENU, USER, USER_MENU, Commands
from bot.playground.discord.errors import Json
from bot.playground.discord.interactions import (
    AUTOCOMPLETE,
    COMMAND,
    COMPONENT,
    MODAL_SUBMIT,
    Interactions,
)
from bot.playground.discord.messages import REPLY, Messages
from bot.playground.discord.options import Input, NotOfferedError, known_locale, nest
from bot.playground.discord.payloads import has
from bot.playground.discord.validation import BUTTON, LINK_STYLE, SELECTS, walk
from bot.playground.discord.world import Attachment, Channel, Message, Permission, User, Where, Who

#: Option or form values by name.
Values = Mapping[str, Any]
EMPTY: Values = {}

CHUNK_BYTES = 64 * 1024
#: Discord's limit for a member with the largest subscription.
MEMBER_FILE_BYTES_MAX = 500 * 1024 * 1024


class Upload(Struct, frozen=True):
    """A file from a member; a missing content type is guessed from the name, as by Discord."""

    filename: str
    data: bytes | Path
    content_type: str | None = None


class Members:
    """
    What members can do here, within what Discord's client would let them do.

    Members and channels are given by name, by id or as the object itself. The channel `DM` means
    the member's direct messages with the bot. What the client would not allow raises
    NotOfferedError. `check=False` also sends what only a modified client could send.
    """

    def __init__(self, messages: Messages, interactions: Interactions, commands: Commands) -> None:
        self.world = messages.world
        self.interactions = interactions
        self._messages = messages
        self._commands = commands

    async def run_command(
        self,
        member: Who,
        channel: Where,
        command: str,
        options: Values = EMPTY,
        *,
        check: bool = True,
    ) -> Call:
        """
        Run a slash command, as in `run_command("Ada", "studio", "imagine", {"prompt": "a cat"})`.

        Args:
            command: its name, followed by the names of its group and subcommand, if any.
            options: files as `Upload`; members, roles and channels by name.
        """
        user, place = self._where(member, channel)
        name, *path = command.split()
        found = self._offered(user, place, CHAT_INPUT, name, check=check)
        specs, passed = nest(found, path)
        given = self._input(user, place, check=check)
        written = given.options(specs, await self._stored(options, place))
        return self._open(COMMAND, user, place, _command_data(found, passed, written, given))

    async def autocomplete(
        self,
        member: Who,
        channel: Where,
        command: str,
        option: str,
        text: str,
        options: Values = EMPTY,
        *,
        timeout_s: float = WAIT_S,
    ) -> list[Json]:
        """Type `text` into an option; return the choices offered, dicts of name and value."""
        user, place = self._where(member, channel)
        name, *path = command.split()
        found = self._offered(user, place, CHAT_INPUT, name, check=True)
        specs, passed = nest(found, path)
        given = self._input(user, place, check=True)
        stored = await self._stored({**options, option: text}, place)
        data = _command_data(found, passed, given.options(specs, stored, focused=option), given)
        return await self._open(AUTOCOMPLETE, user, place, data).choices(timeout_s=timeout_s)

    async def run_message_command(
        self, member: Who, channel: Where, command: str, message: Message, *, check: bool = True
    ) -> Call:
        """Run a message's context menu command; a forward includes the forwarded content."""
        user, place = self._where(member, channel)
        found = self._offered(user, place, MESSAGE_MENU, command, check=check)
        given = self._input(user, place, check=check)
        message = self._visible(user, message)
        written = self._messages.payloads.message(message, full=True)
        given.resolved["messages"] = {str(message.id): written}
        data = _command_data(found, [], [], given)
        return self._open(COMMAND, user, place, {**data, "target_id": str(message.id)})

    async def run_user_command(
        self, member: Who, channel: Where, command: str, target: Who, *, check: bool = True
    ) -> Call:
        """Run a user's context menu command."""
        user, place = self._where(member, channel)
        found = self._offered(user, place, USER_MENU, command, check=check)
        given = self._input(user, place, check=check)
        target_id = given.value(USER, target)
        data = _command_data(found, [], [], given)
        return self._open(COMMAND, user, place, {**data, "target_id": target_id})

    async def press(
        self,
        member: Who,
        message: Message,
        *,
        custom_id: str | None = None,
        label: str | None = None,
    ) -> Call:
        """Click a button of the message's current version: the one that fits, or the only one."""
        user = self.world.user(member)
        message = self._visible(user, message)
        button = _pick(message, (BUTTON,), custom_id, label)
        if button.get("style") == LINK_STYLE:
            raise NotOfferedError("a link button tells the bot nothing")
        data = {"component_type": BUTTON, "custom_id": button["custom_id"], "id": button["id"]}
        place = self.world.channels[message.channel_id]
        return self._open(COMPONENT, user, place, data, source=message)

    async def select(
        self,
        member: Who,
        message: Message,
        values: Sequence[Any],
        *,
        custom_id: str | None = None,
        check: bool = True,
    ) -> Call:
        """Choose in a select, by value or label; users, roles and channels by name."""
        user = self.world.user(member)
        message = self._visible(user, message)
        menu = _pick(message, SELECTS, custom_id, None)
        place = self.world.channels[message.channel_id]
        given = self._input(user, place, check=check)
        data = {
            "component_type": menu["type"],
            "custom_id": menu["custom_id"],
            "id": menu["id"],
            "values": given.selected(menu, list(values)),
        }
        return self._open(COMPONENT, user, place, data | _resolved(given), source=message)

    async def submit_modal(
        self, member: Who, modal: Modal | None, values: Values = EMPTY, *, check: bool = True
    ) -> Call:
        """Submit a form; values are named by custom id or label, files are `Upload`s."""
        user = self.world.user(member)
        if modal is None or modal.interaction.user != user:
            raise NotOfferedError(f"no form was opened for {user.name}")
        opener = modal.interaction
        given = self._input(user, opener.channel, check=check)
        components = given.form(modal.components, await self._stored(values, opener.channel))
        data = {"custom_id": modal.custom_id, "components": components} | _resolved(given)
        return self._open(
            MODAL_SUBMIT, user, opener.channel, data, source=opener.source, opened_by=opener
        )

    async def post(
        self,
        member: Who,
        channel: Where,
        text: str = "",
        files: Sequence[Upload] = (),
        *,
        reply_to: Message | None = None,
        ping: bool = True,
    ) -> Message:
        """
        Post a message as a member.

        Args:
            ping: whether a reply mentions the author of the message that it answers; a reply to an
                interaction's message never does.
        """
        user, place = self._where(member, channel)
        stored = [await self._attach(file, place, ephemeral=False) for file in files]
        draft = self._messages.draft(place, user)
        message = self._messages.apply(draft, {"content": text}, {}) if text else draft
        if reply_to is not None:
            message = replace(message, reply_to_id=reply_to.id, type=REPLY)
            if ping and reply_to.interaction is None and reply_to.author not in message.mentions:
                message = replace(message, mentions=(*message.mentions, reply_to.author))
        return self._messages.publish(replace(message, attachments=tuple(stored)))

    async def forward(self, member: Who, channel: Where, message: Message) -> Message:
        """Forward a message's current version to a channel, with copies of its files."""
        user, place = self._where(member, channel)
        original = self._visible(user, message)
        files = [Upload(a.filename, a.file.path, a.file.content_type) for a in original.attachments]
        copies = [await self._attach(file, place, ephemeral=False) for file in files]
        shown = replace(original, attachments=tuple(copies))
        return self._messages.publish(self._messages.draft(place, user, forwarded=shown))

    async def delete(self, member: Who, message: Message) -> None:
        """Delete the member's own message; with MANAGE_MESSAGES, also another's."""
        user = self.world.user(member)
        found, place = self._visible(user, message), self.world.channels[message.channel_id]
        manages = has(self.world.permissions(user, place), Permission.MANAGE_MESSAGES)
        if found.is_ephemeral or (found.author != user and not manages):
            raise NotOfferedError(f"{user.name} may not delete this message")
        self._messages.delete(found)

    def set_locale(self, member: Who, locale: str) -> None:
        """Change the language of a member's client, which later interactions carry."""
        self.world.locales[self.world.user(member).id] = known_locale(locale)

    def install(self, member: Who) -> None:
        """Install the app for a member, who may then use it anywhere, even in private channels."""
        self.world.installed_by.add(self.world.user(member).id)

    def commands_for(self, member: Who, channel: Where, kind: int = CHAT_INPUT) -> list[Json]:
        """Return the commands of a kind (by default slash commands) offered to a member there."""
        user, place = self._where(member, channel)
        available = self._commands.available(user, place, kind)
        return [one for one in available if not self._objection(user, place, one)]

    def messages_for(self, member: Who, channel: Where) -> list[Message]:
        """Return what a member sees in a channel, oldest first."""
        user, place = self._where(member, channel)
        return [m for m in place.messages if not m.is_ephemeral or m.visible_to_id == user.id]

    def _where(self, member: Who, channel: Where) -> tuple[User, Channel]:
        user = self.world.user(member)
        return user, self.world.channel(channel, user)

    def _open(self, kind: int, user: User, channel: Channel, data: Json, **context: Any) -> Call:
        opened = self.interactions.open(kind, user, channel, data, **context)
        return Call(opened, self._messages)

    def _offered(self, user: User, channel: Channel, kind: int, name: str, *, check: bool) -> Json:
        """Find a command that the member's client offers."""
        available = list(self._commands.available(user, channel, kind))
        for command in available:
            if command["name"] != name:
                continue
            objection = self._objection(user, channel, command)
            if check and objection:
                raise NotOfferedError(objection)
            return command
        if check:
            raise NotOfferedError(
                f"no command {name!r}; there are {[c['name'] for c in available]}"
            )
        return {"id": str(self.world.new_id()), "name": name, "type": kind}

    def _objection(self, user: User, channel: Channel, command: Json) -> str | None:
        """Say why a member's client would not offer a command; None if it would."""
        permissions = self.world.permissions(user, channel)
        if not has(permissions, Permission.VIEW_CHANNEL):
            return f"{user.name} does not see {channel.name!r}"
        if channel.guild_id is None:
            return None
        if not has(permissions, Permission.USE_APPLICATION_COMMANDS):
            return f"{user.name} may not use commands in #{channel.name}"
        wanted = command["default_member_permissions"]
        # "0" hides a command from all but administrators.
        needed = Permission(int(wanted or 0)) or Permission.ADMINISTRATOR
        if wanted is not None and not has(permissions, needed):
            return f"{user.name} is not offered {command['name']!r}"
        if command["nsfw"] and not channel.nsfw:
            return f"{command['name']!r} is for age-restricted channels"
        return None

    def _visible(self, user: User, message: Message) -> Message:
        channel = self.world.channels.get(message.channel_id)
        current = channel.messages_by_id.get(message.id) if channel else None
        if current is None:
            raise NotOfferedError("this message is gone")
        if current.is_ephemeral and current.visible_to_id != user.id:
            raise NotOfferedError(f"{user.name} does not see this message")
        return current

    def _input(self, user: User, channel: Channel, *, check: bool) -> Input:
        return Input(self.world, self._messages.payloads, user, channel, check)

    async def _stored(self, values: Mapping[str, Any], channel: Channel) -> dict[str, Any]:
        """Upload the files among the values."""
        stored: dict[str, Any] = {}
        for name, value in values.items():
            if isinstance(value, Upload):
                value = await self._attach(value, channel)
            elif isinstance(value, list):
                value = [
                    await self._attach(item, channel) if isinstance(item, Upload) else item
                    for item in value
                ]
            stored[name] = value
        return stored

    async def _attach(
        self, upload: Upload, channel: Channel, *, ephemeral: bool = True
    ) -> Attachment:
        cdn = self._messages.cdn
        data = upload.data
        if isinstance(data, Path):
            data = await asyncio.to_thread(data.read_bytes)
        file = await cdn.store(upload.filename, _chunks(data), MEMBER_FILE_BYTES_MAX)
        if upload.content_type is not None:
            file = replace(file, content_type=upload.content_type)
        return cdn.attach(file, channel.id, ephemeral=ephemeral)


async def _chunks(data: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(data), CHUNK_BYTES):
        yield data[start : start + CHUNK_BYTES]


def _command_data(command: Json, passed: list[Json], options: list[Json], given: Input) -> Json:
    for part in reversed(passed):
        options = [{"name": part["name"], "type": part["type"], "options": options}]
    data = {"id": command["id"], "name": command["name"], "type": command["type"]}
    if command["type"] == CHAT_INPUT:
        data["options"] = options
    if "guild_id" in command:
        data["guild_id"] = command["guild_id"]
    return data | _resolved(given)


def _resolved(given: Input) -> Json:
    # If nothing was resolved, leave out the key: discord.py would take `{}` for the values.
    return {"resolved": given.resolved} if given.resolved else {}


def _pick(message: Message, kinds: Sequence[int], custom_id: str | None, label: str | None) -> Json:
    """Find a component by custom id or label, or the only one."""
    found = [part for part in walk(message.components) if part["type"] in kinds]
    wanted = [
        part
        for part in found
        if custom_id in (None, part.get("custom_id")) and label in (None, part.get("label"))
    ]
    if len(wanted) != 1:
        there = [(part.get("custom_id"), part.get("label")) for part in found]
        asked = f"custom_id={custom_id!r}, label={label!r}"
        raise NotOfferedError(f"{len(wanted)} components fit {asked}; there are {there}")
    if wanted[0].get("disabled"):
        raise NotOfferedError(f"{label or custom_id!r} is disabled")
    return wanted[0]
