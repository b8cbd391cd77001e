"""Writes the world as JSON in the shapes of Discord's API; must not change anything."""

from collections.abc import Callable, Mapping
from typing import Any

from bot.playground.discord.cdn import Cdn
from bot.playground.discord.errors import Json
from bot.playground.discord.world import (
    ALL_PERMISSIONS,
    DM_CHANNEL,
    GROUP_DM,
    LOCALE,
    STAGE_CHANNEL,
    THREADS,
    VOICE_CHANNEL,
    Attachment,
    Channel,
    Guild,
    Message,
    Permission,
    Role,
    User,
    World,
)

JOINED_AT = "2025-01-02T10:00:00+00:00"
FILE_REFERENCE = "attachment://"
#: Where embeds and components may show a file: key of the link -> keys of the objects around it.
SHOWING = {"url": ("image", "thumbnail", "media", "file"), "icon_url": ("author", "footer")}
#: Source: Discord docs, "Message Resource", Message Reference Types and Message Snapshot Object.
FORWARD = 1
SNAPSHOT_KEYS = (
    "type",
    "content",
    "embeds",
    "components",
    "attachments",
    "timestamp",
    "edited_timestamp",
    "flags",
    "mentions",
    "mention_roles",
)
MEDIA_LOADED = 2  #: Discord docs, "Component Reference", Unfurled Media Item loading states


class Payloads:
    """Writes users, servers, channels and messages as JSON."""

    def __init__(self, world: World, cdn: Cdn) -> None:
        self._world = world
        self._cdn = cdn

    def user(self, user: User) -> Json:
        """Write a user object."""
        return {
            "id": str(user.id),
            "username": user.username,
            "global_name": None if user.bot else user.name,
            "discriminator": "0001" if user.bot else "0",
            "avatar": None,
            "bot": user.bot,
            "public_flags": 0,
        }

    def member(self, guild: Guild, user: User, *, with_user: bool = True) -> Json:
        """Write a member of a server."""
        written: Json = {
            "roles": [str(role_id) for role_id in guild.members[user.id]],
            "nick": None,
            "avatar": None,
            "joined_at": JOINED_AT,
            "premium_since": None,
            "communication_disabled_until": None,
            "deaf": False,
            "mute": False,
            "pending": False,
            "flags": 0,
        }
        return {**written, "user": self.user(user)} if with_user else written

    def role(self, role: Role) -> Json:
        """Write a role."""
        return {
            "id": str(role.id),
            "name": role.name,
            "permissions": str(int(role.permissions)),
            "position": 0 if role.name == "@everyone" else 1,
            "color": 0,
            "colors": {"primary_color": 0, "secondary_color": None, "tertiary_color": None},
            "hoist": False,
            "managed": False,
            "mentionable": False,
            "flags": 0,
        }

    def channel(self, channel: Channel, viewer: User | None = None) -> Json:
        """Write a channel; for a viewer, with the viewer's permissions there."""
        written: Json = {
            "id": str(channel.id),
            "type": channel.kind,
            "last_message_id": str(max(channel.messages_by_id, default=channel.id)),
            "flags": 0,
        }
        if channel.guild_id is None:
            if channel.people:
                others = [self.user(user) for user in channel.people if user != viewer]
                return {**written, "type": GROUP_DM, "name": channel.name, "recipients": others}
            recipients = [self.user(channel.recipient)] if channel.recipient else []
            return {**written, "type": DM_CHANNEL, "recipients": recipients}
        guild = self._world.guilds[channel.guild_id]
        written |= {
            "guild_id": str(guild.id),
            "name": channel.name,
            "nsfw": channel.nsfw,
            "topic": None,
            "position": guild.channel_ids.index(channel.id),
            "parent_id": channel.parent_id and str(channel.parent_id),
            "rate_limit_per_user": 0,
            "permission_overwrites": [
                {
                    "id": str(overwrite_id),
                    "type": 0 if overwrite_id in guild.roles else 1,
                    "allow": str(int(allow)),
                    "deny": str(int(deny)),
                }
                for overwrite_id, (allow, deny) in channel.overwrites.items()
            ],
        }
        if channel.kind in (VOICE_CHANNEL, STAGE_CHANNEL):
            written |= {"bitrate": 64_000, "user_limit": 0, "rtc_region": None}
        if channel.kind in THREADS:
            written |= self._thread(channel, guild)
        if viewer is not None:
            permissions = self._world.permissions(viewer, channel)
            written["permissions"] = str(int(permissions))
        return written

    def _thread(self, channel: Channel, guild: Guild) -> Json:
        opened_at = self._world.clock.now().isoformat()
        written: Json = {
            "owner_id": str(guild.owner_id),
            "message_count": 0,
            "member_count": 1,
            "thread_metadata": {
                "archived": False,
                "locked": channel.locked,
                "auto_archive_duration": 1440,
                "archive_timestamp": opened_at,
            },
        }
        if channel.bot_is_member:
            bot_id = str(self._world.bot.id)
            member = {"id": str(channel.id), "user_id": bot_id, "join_timestamp": opened_at}
            written["member"] = member | {"flags": 0}
        return written

    def guild(self, guild: Guild) -> Json:
        """Write a server as in GUILD_CREATE and `GET /guilds/{guild_id}`."""
        channels = [self._world.channels[channel_id] for channel_id in guild.channel_ids]
        return {
            "id": str(guild.id),
            "name": guild.name,
            "owner_id": str(guild.owner_id),
            "icon": None,
            "features": [],
            "preferred_locale": self._world.locales.get(guild.id, LOCALE),
            "verification_level": 0,
            "default_message_notifications": 1,
            "explicit_content_filter": 0,
            "mfa_level": 0,
            "nsfw_level": 0,
            "premium_tier": 0,
            "afk_timeout": 300,
            "system_channel_flags": 0,
            "emojis": [],
            "stickers": [],
            "roles": [self.role(role) for role in guild.roles.values()],
            "channels": [self.channel(each) for each in channels if each.kind not in THREADS],
            # Without the members intent, Discord sends a bot only its own member.
            "members": [self.member(guild, self._world.bot)],
            "member_count": len(guild.members),
            "joined_at": JOINED_AT,
            "large": False,
            "unavailable": False,
            "threads": [self.channel(channel) for channel in channels if channel.kind in THREADS],
            **{key: [] for key in ("voice_states", "presences", "stage_instances")},
            **{key: [] for key in ("guild_scheduled_events", "soundboard_sounds")},
        }

    def own_guild(self, guild: Guild) -> Json:
        """Write a server as `GET /users/@me/guilds` lists it."""
        return {
            "id": str(guild.id),
            "name": guild.name,
            "icon": None,
            "banner": None,
            "owner": False,
            "permissions": "0",
            "features": [],
        }

    def application(self) -> Json:
        """Write the bot's application."""
        owner = next(user for user in self._world.users.values() if not user.bot)
        return {
            "id": str(self._world.application_id),
            "name": self._world.bot.name,
            "description": "",
            "icon": None,
            "bot": self.user(self._world.bot),
            "bot_public": True,
            "bot_require_code_grant": False,
            "owner": self.user(owner),
            "verify_key": "0" * 64,
            "flags": 0,
            "team": None,
            "integration_types_config": {"0": {}, "1": {}},
        }

    def message(self, message: Message, *, full: bool = False) -> Json:
        """
        Write a message for the bot.

        Args:
            full: as in interactions, which show others' words even to a bot without the message
                content intent (Discord docs, "Gateway", Message Content Intent).
        """
        withheld = not (full or self._may_bot_read(message))
        files = {attachment.filename: attachment for attachment in reversed(message.attachments)}
        shown: set[int] = set()
        embeds = self._resolve(message.embeds, files, shown)
        components = self._resolve(message.components, files, shown)
        written: Json = {
            "id": str(message.id),
            "channel_id": str(message.channel_id),
            "author": self.user(message.author),
            "type": message.type,
            "content": "" if withheld else message.content,
            "embeds": [] if withheld else embeds,
            "components": [] if withheld else components,
            "attachments": [
                self._cdn.json(attachment)
                for attachment in message.attachments
                if attachment.id not in shown and not withheld
            ],
            "timestamp": message.created_at.isoformat(),
            "edited_timestamp": message.edited_at.isoformat() if message.edited_at else None,
            "flags": int(message.flags),
            "mentions": [self.user(user) for user in message.mentions],
            "mention_roles": [],
            "mention_everyone": message.mentions_everyone,
            "pinned": False,
            "tts": False,
        }
        if message.nonce is not None:
            written["nonce"] = message.nonce
        if message.reply_to_id is not None:
            written["message_reference"] = self._reference(message, message.reply_to_id)
        if message.forwarded is not None:
            reference = self._reference(message.forwarded, message.forwarded.id)
            written["message_reference"] = {**reference, "type": FORWARD}
            original = self.message(message.forwarded, full=full or not withheld)
            snapshot = {key: original[key] for key in SNAPSHOT_KEYS}
            written["message_snapshots"] = [{"message": snapshot}]
        if message.interaction is not None:
            application_id = str(self._world.application_id)
            written |= {"webhook_id": application_id, "application_id": application_id}
            written["interaction_metadata"] = message.interaction
        return written

    def message_event(self, message: Message) -> Json:
        """Write the data of MESSAGE_CREATE and MESSAGE_UPDATE."""
        written = self.message(message)
        if message.guild_id is not None and not message.is_ephemeral:
            guild = self._world.guilds[message.guild_id]
            written["guild_id"] = str(guild.id)
            if message.interaction is None:
                written["member"] = self.member(guild, message.author, with_user=False)
        return written

    def context(self, user: User, channel: Channel) -> Json:
        """Write who interacts and where, which all interactions contain."""
        bot_permissions = self._world.permissions(self._world.bot, channel)
        written: Json = {
            "channel_id": str(channel.id),
            "channel": self.channel(channel, user),
            "locale": self._world.locales.get(user.id, LOCALE),
            "app_permissions": str(int(bot_permissions)),
            "authorizing_integration_owners": self.owners(user, channel),
            "entitlements": [],
            "version": 1,
        }
        if channel.guild_id is None:
            return {**written, "user": self.user(user), "context": context_of(channel)}
        guild = self._world.guilds[channel.guild_id]
        permissions = self._world.permissions(user, channel)
        member = {**self.member(guild, user), "permissions": str(int(permissions))}
        locale = self._world.locales.get(guild.id, LOCALE)
        return {
            **written,
            "member": member,
            "guild_id": str(guild.id),
            "guild": {"id": str(guild.id), "locale": locale, "features": []},
            "guild_locale": locale,
            "context": context_of(channel),
        }

    def owners(self, user: User, channel: Channel) -> Json:
        """Write for whom the app is installed: key 0 is a server or the bot's DM, key 1 a user."""
        written = {} if channel.people else {"0": str(channel.guild_id or 0)}
        return written | ({"1": str(user.id)} if user.id in self._world.installed_by else {})

    def attachment(self, attachment: Attachment) -> Json:
        """Write an attachment."""
        return self._cdn.json(attachment)

    def _may_bot_read(self, message: Message) -> bool:
        bot = self._world.bot
        return message.author == bot or message.guild_id is None or bot in message.mentions

    def _reference(self, message: Message, message_id: int) -> Json:
        reference = {"type": 0, "channel_id": str(message.channel_id)}
        if message.guild_id is not None:
            reference["guild_id"] = str(message.guild_id)
        return {**reference, "message_id": str(message_id)}

    def _resolve(
        self, parts: tuple[Json, ...], files: Mapping[str, Attachment], shown: set[int]
    ) -> Any:
        """Replace `attachment://name` by links; note in `shown` the ids of the files used."""

        def link(reference: str, key: str, parent: str) -> Json:
            if not reference.startswith(FILE_REFERENCE):
                return {}
            attachment = files.get(reference.removeprefix(FILE_REFERENCE))
            if attachment is None:
                return {key: None}  # Discord shows the embed without the picture.
            shown.add(attachment.id)
            file, url = attachment.file, self._cdn.url(attachment)
            about: Json = {key: url, f"proxy_{key}": url}
            if key == "url":
                about |= {"width": file.width_px, "height": file.height_px}
                about |= {"content_type": file.content_type}
            if parent in ("media", "file"):
                about |= {"attachment_id": str(attachment.id), "loading_state": MEDIA_LOADED}
            return about

        return change_references(list(parts), link)


def change_references(
    node: Any, change: Callable[[str, str, str], Json], key_of_node: str = ""
) -> Any:
    """
    Copy embeds or components; merge in what `change` returns wherever they may show a file.

    Args:
        change: takes the reference or link, its key, and the key of the object around it.
    """
    if isinstance(node, list):
        return [change_references(child, change, key_of_node) for child in node]
    if not isinstance(node, dict):
        return node
    copied = {key: change_references(child, change, key) for key, child in node.items()}
    for key, holders in SHOWING.items():
        if key_of_node in holders and isinstance(node.get(key), str):
            copied |= change(node[key], key, key_of_node)
    return copied


def context_of(channel: Channel) -> int:
    """Return Discord's number for a place: 0 a server, 1 a DM with the bot, 2 a private channel."""
    return 0 if channel.guild_id is not None else 2 if channel.people else 1


def has(permissions: Permission, wanted: Permission) -> bool:
    """Say whether the permissions include all wanted ones."""
    return permissions & wanted == wanted or permissions == ALL_PERMISSIONS
