"""Makes, edits and removes messages, and answers the channel routes; knows no interactions."""

import re
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct, field
from msgspec.structs import replace

from bot.playground.discord.cdn import Cdn, stored_name
from bot.playground.discord.changes import Changes, Event, EventKind
from bot.playground.discord.errors import Form, Json, known, not_found, refusal
from bot.playground.discord.gateway import Gateway
from bot.playground.discord.payloads import FILE_REFERENCE, Payloads, change_references, has
from bot.playground.discord.rest import ApiRequest, Endpoint, log
from bot.playground.discord.validation import FILES_MAX, TEXT, check_message, walk
from bot.playground.discord.world import (
    NO_PERMISSIONS,
    Attachment,
    Channel,
    Message,
    MessageFlag,
    Permission,
    StoredFile,
    User,
    World,
)

#: How long a nonce is remembered. Source: Discord docs, "Create Message": "past few minutes".
NONCE_WINDOW_S = 3 * 60
NONCES_KEPT_MAX = 10_000
#: Versions of one message that `Call.until` can still find.
VERSIONS_KEPT_MAX = 200
#: Messages kept in one channel; older ones are removed with their files.
MESSAGES_KEPT_MAX = 10_000
PAGE_MESSAGES_MAX = 100
REPLY = 19
#: Flags that a bot may set itself. Source: Discord docs, "Message Resource".
CREATE_FLAGS = (
    MessageFlag.SUPPRESS_EMBEDS | MessageFlag.SUPPRESS_NOTIFICATIONS | MessageFlag.IS_COMPONENTS_V2
)
EDIT_FLAGS = MessageFlag.SUPPRESS_EMBEDS | MessageFlag.IS_COMPONENTS_V2
#: Parts of messages that the playground lacks; a request with one fails instead of ignoring it.
NOT_IMPLEMENTED = ("poll", "sticker_ids", "thread_name", "applied_tags", "shared_client_theme")

P = Permission


class Messages(Struct, frozen=True):
    """The only place that changes messages; it tells the gateway and all waiting code."""

    world: World
    cdn: Cdn
    payloads: Payloads
    gateway: Gateway
    changes: Changes
    #: message id -> its latest versions, the current one last
    versions: dict[int, deque[Message]] = field(default_factory=dict)
    #: channel id and nonce -> the time of sending, and the message's id
    nonces: dict[tuple[int, str], tuple[float, int]] = field(default_factory=dict)

    def routes(self) -> list[Endpoint]:
        """Return the endpoints that this class answers."""
        every = "/channels/{channel_id}/messages"
        one = every + "/{message_id}"
        return [
            ("GET", "/channels/{channel_id}", self.get_channel),
            ("GET", every, self.list_messages),
            ("POST", every, self.post_message),
            ("GET", one, lambda call: self.payloads.message(self._find(call))),
            ("PATCH", one, self.patch_message),
            ("DELETE", one, self.delete_message),
        ]

    def draft(self, channel: Channel, author: User, **fields: Any) -> Message:
        """Begin a message that nobody sees yet."""
        now = self.world.clock.now()
        return Message(self.world.new_id(), channel.id, channel.guild_id, author, now, **fields)

    def publish(self, message: Message) -> Message:
        """Show a new message, or a new version of one."""
        channel = self.world.channels[message.channel_id]
        is_new = message.id not in channel.messages_by_id
        channel.messages_by_id[message.id] = message
        if len(channel.messages_by_id) > MESSAGES_KEPT_MAX:
            oldest = channel.messages_by_id.pop(min(channel.messages_by_id))
            self.versions.pop(oldest.id, None)
            self._forget_files(oldest)
        kept = self.versions.setdefault(message.id, deque(maxlen=VERSIONS_KEPT_MAX))
        kept.append(message)
        event = "MESSAGE_CREATE" if is_new else "MESSAGE_UPDATE"
        self._tell(event, message, self.payloads.message_event(message))
        kind: EventKind = "message_created" if is_new else "message_updated"
        self.changes.notify(Event(kind, message.channel_id, message))
        return message

    def delete(self, message: Message) -> None:
        """Remove a message and its files."""
        self.world.channels[message.channel_id].messages_by_id.pop(message.id, None)
        self._forget_files(message)
        data = {"id": str(message.id), "channel_id": str(message.channel_id)}
        if message.guild_id is not None and not message.is_ephemeral:
            data["guild_id"] = str(message.guild_id)
        self._tell("MESSAGE_DELETE", message, data)
        self.changes.notify(Event("message_deleted", message.channel_id, message))

    def _forget_files(self, message: Message) -> None:
        self.cdn.forget(message.attachments)
        self.cdn.forget(message.forwarded.attachments if message.forwarded else ())

    def apply(
        self,
        message: Message,
        body: Json,
        files: Mapping[int, StoredFile],
        prefix: tuple[str, ...] = (),
    ) -> Message:
        """
        Return the message with the changes in `body`; absent keys change nothing.

        Raises:
            ApiError: Discord would refuse the body or the changed message.
        """
        for key in NOT_IMPLEMENTED:
            if body.get(key):
                log.warning("the playground does not implement %r in messages", key)
                raise not_found()
        v2 = bool(message.flags & MessageFlag.IS_COMPONENTS_V2)
        form = Form(prefix)
        check_message(form, body, v2=v2)
        form.close()
        changed = replace(message, **self._changed_parts(message, body))
        attachments = self._changed_attachments(form, changed, body, files)
        if v2 and (changed.content or changed.embeds):
            field = "content" if changed.content else "embeds"
            code = "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2"
            text = f"The '{field}' field cannot be used when using MessageFlags.IS_COMPONENTS_V2"
            form.complain((field,), code, text)
        form.close()
        if not (changed.content or changed.embeds or changed.components or attachments):
            raise refusal(50006)
        kept_ids = {attachment.id for attachment in attachments}
        self.cdn.forget(gone for gone in message.attachments if gone.id not in kept_ids)
        return replace(changed, attachments=attachments)

    def edit(
        self,
        message: Message,
        body: Json,
        files: Mapping[int, StoredFile],
        prefix: tuple[str, ...] = (),
    ) -> Message:
        """Apply an edit and publish the new version."""
        flags = message.flags
        if body.get("flags") is not None:
            flags = (flags & ~MessageFlag.SUPPRESS_EMBEDS) | (_flags(body) & EDIT_FLAGS)
        edited = self.apply(replace(message, flags=flags), body, files, prefix)
        now = self.world.clock.now()
        return self.publish(
            replace(edited, flags=edited.flags & ~MessageFlag.LOADING, edited_at=now)
        )

    def get_channel(self, call: ApiRequest) -> Json:
        """Answer `GET /channels/{channel_id}`."""
        return self.payloads.channel(self._channel(call))

    def list_messages(self, call: ApiRequest) -> list[Json]:
        """Answer a page of messages, newest first."""
        channel = self._channel(call)
        if not has(self.world.permissions(self.world.bot, channel), P.READ_MESSAGE_HISTORY):
            return []
        found = [m for m in channel.messages if not m.is_ephemeral]
        limit = min(int(call.query.get("limit", 50)), PAGE_MESSAGES_MAX)
        if "around" in call.query:
            log.warning("the playground does not implement pages around a message")
            raise not_found()
        if "after" in call.query:
            page = [m for m in found if m.id > int(call.query["after"])][:limit]
        else:
            before = int(call.query.get("before", 1 << 63))
            page = [m for m in found if m.id < before][-limit:]
        return [self.payloads.message(message) for message in reversed(page)]

    def post_message(self, call: ApiRequest) -> Json:
        """Answer `POST /channels/{channel_id}/messages`."""
        channel, body = self._channel(call), call.json_object()
        code = self.world.may_post(self.world.bot, channel)
        if code is not None:
            raise refusal(code)
        wanted = NO_PERMISSIONS
        if call.files:
            wanted |= P.ATTACH_FILES
        if body.get("embeds"):
            wanted |= P.EMBED_LINKS
        if not has(self.world.permissions(self.world.bot, channel), wanted):
            raise refusal(50013)
        nonce = str(body["nonce"]) if body.get("nonce") is not None else None
        if nonce is not None and body.get("enforce_nonce"):
            earlier = self._find_by_nonce(channel, nonce)
            if earlier is not None:
                return self.payloads.message(earlier)
        draft = self.draft(channel, self.world.bot, nonce=nonce, flags=_flags(body) & CREATE_FLAGS)
        if body.get("message_reference"):
            draft = self._as_reply(draft, channel, body["message_reference"])
        message = self.publish(self.apply(draft, body, call.files))
        if nonce is not None:
            while len(self.nonces) >= NONCES_KEPT_MAX:
                del self.nonces[next(iter(self.nonces))]
            self.nonces[channel.id, nonce] = (self.world.clock.now_s(), message.id)
        return self.payloads.message(message)

    def patch_message(self, call: ApiRequest) -> Json:
        """Answer `PATCH /channels/{channel_id}/messages/{message_id}`."""
        message = self._find(call)
        if message.author != self.world.bot:
            raise refusal(50005)
        return self.payloads.message(self.edit(message, call.json_object(), call.files))

    def delete_message(self, call: ApiRequest) -> None:
        """Answer `DELETE /channels/{channel_id}/messages/{message_id}`."""
        message = self._find(call)
        channel = self.world.channels[message.channel_id]
        is_own = message.author == self.world.bot
        if not is_own and not has(
            self.world.permissions(self.world.bot, channel), P.MANAGE_MESSAGES
        ):
            raise refusal(50013)
        self.delete(message)

    def _tell(self, event: str, message: Message, data: Json) -> None:
        """Tell the bot if it is in the channel; ephemeral messages reach it as direct messages."""
        if not self.world.channels[message.channel_id].people:
            guild_id = None if message.is_ephemeral else message.guild_id
            self.gateway.dispatch(event, data, guild_id)

    def _channel(self, call: ApiRequest) -> Channel:
        channel = known(self.world.channels.get(call.id("channel_id")), 10003)
        if not has(self.world.permissions(self.world.bot, channel), P.VIEW_CHANNEL):
            raise refusal(50001)
        return channel

    def _find(self, call: ApiRequest) -> Message:
        message = self._channel(call).messages_by_id.get(call.id("message_id"))
        # Ephemeral messages can be reached only through their interaction.
        if message is None or message.is_ephemeral:
            raise refusal(10008)
        return message

    def _find_by_nonce(self, channel: Channel, nonce: str) -> Message | None:
        sent_at_s, message_id = self.nonces.get((channel.id, nonce), (0.0, 0))
        if self.world.clock.now_s() - sent_at_s > NONCE_WINDOW_S:
            return None
        return channel.messages_by_id.get(message_id)

    def _as_reply(self, draft: Message, channel: Channel, reference: Json) -> Message:
        message_id = int(reference.get("message_id") or 0)
        if message_id in channel.messages_by_id:
            return replace(draft, reply_to_id=message_id, type=REPLY)
        if reference.get("fail_if_not_exists", True):
            form = Form(("message_reference",))
            form.complain((), "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
            form.close()
        return draft

    def _changed_parts(self, message: Message, body: Json) -> dict[str, Any]:
        parts: dict[str, Any] = {}
        if "content" in body:
            parts["content"] = (body["content"] or "").strip()
        for key in ("embeds", "components"):
            if key in body:
                parts[key] = tuple(self._own_links_as_names(message, body[key] or []))
        if "components" in parts:
            number_components(parts["components"])
        if {"content", "components", "allowed_mentions"} & body.keys():
            content = parts.get("content", message.content)
            components = parts.get("components", message.components)
            shown = [c.get("content", "") for c in walk(components) if c["type"] == TEXT]
            text = "\n".join([content, *shown])
            parts |= self._mentions(text, message, body.get("allowed_mentions"))
        return parts

    def _changed_attachments(
        self, form: Form, message: Message, body: Json, files: Mapping[int, StoredFile]
    ) -> tuple[Attachment, ...]:
        """
        Keep the listed files and those that an embed or component shows; add the new files, which
        are shown in the place of unlisted ones of the same name.
        """
        listed = {int(entry["id"]): entry for entry in body.get("attachments") or []}
        new = {
            number: stored_name(listed.get(number, {}).get("filename") or file.filename)
            for number, file in sorted(files.items())
        }
        if "attachments" not in body:
            kept = list(message.attachments)
        else:
            shown = _references(message.embeds) | _references(message.components)
            kept = [
                replace(old, description=listed.get(old.id, {}).get("description", old.description))
                for old in message.attachments
                if old.id in listed or old.filename in shown - set(new.values())
            ]
        known = {old.id for old in message.attachments} | files.keys()
        for index, entry in enumerate(listed.values()):
            if int(entry["id"]) not in known:
                text = f"Attachment data not found (id: {entry['id']})."
                form.complain(("attachments", index), "ATTACHMENT_NOT_FOUND", text)
        names = {*new.values(), *(old.filename for old in kept)}
        for name in _references(message.components) - names:
            code = "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND"
            form.complain(("components",), code, f"The referenced attachment {name} is missing")
        if len(kept) + len(files) > FILES_MAX:
            text = f"Must be {FILES_MAX} or fewer in length."
            form.complain(("attachments",), "BASE_TYPE_MAX_LENGTH", text)
        form.close()
        for number, name in new.items():
            file = replace(files[number], filename=name)
            about = listed.get(number, {})
            kept.append(
                self.cdn.attach(
                    file,
                    message.channel_id,
                    description=about.get("description"),
                    ephemeral=message.is_ephemeral,
                    spoiler=bool(about.get("is_spoiler")),
                )
            )
        return tuple(kept)

    def _own_links_as_names(self, message: Message, node: Any) -> Any:
        """Turn links to own files back into references, as a client may send what it has read."""
        own = {attachment.id: attachment.filename for attachment in message.attachments}

        def name(link: str, key: str, _: str) -> Json:
            attachment = self.cdn.find(link)
            if attachment is None or attachment.id not in own:
                return {}
            return {key: FILE_REFERENCE + own[attachment.id]}

        return change_references(node, name)

    def _mentions(self, text: str, message: Message, allowed: Json | None) -> dict[str, Any]:
        """Find who is mentioned. Source: Discord docs, "Message Resource", Allowed Mentions."""
        allowed = {"parse": ["users", "everyone"]} if allowed is None else allowed
        parse = allowed.get("parse") or []
        ids = {int(found) for found in re.findall(r"<@!?(\d+)>", text)}
        if "users" not in parse:
            ids &= {int(user_id) for user_id in allowed.get("users") or []}
        users = tuple(user for user in self.world.users.values() if user.id in ids)
        channel = self.world.channels[message.channel_id]
        may = has(self.world.permissions(message.author, channel), P.MENTION_EVERYONE)
        everyone = may and "everyone" in parse and bool(re.search("@(everyone|here)", text))
        return {"mentions": users, "mentions_everyone": everyone}


def _flags(body: Json) -> MessageFlag:
    return MessageFlag(int(body.get("flags") or 0))


def _references(parts: tuple[Json, ...]) -> set[str]:
    """Return the names of the files that embeds or components show."""
    names: set[str] = set()

    def note(reference: str, _: str, __: str) -> Json:
        if reference.startswith(FILE_REFERENCE):
            names.add(reference.removeprefix(FILE_REFERENCE))
        return {}

    change_references(list(parts), note)
    return names


def number_components(components: Sequence[Json]) -> None:
    """Number components without an id in reading order, as Discord does."""
    for number, component in enumerate(walk(components), start=1):
        component["id"] = component.get("id") or number
