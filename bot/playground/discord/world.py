"""Who and what exists: servers, channels, members, messages, commands; must not know HTTP."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from enum import IntFlag
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct, field

from bot.playground.discord.clock import Clock
from bot.playground.discord.errors import Json

#: Source: Discord docs, "API Reference", Snowflakes: milliseconds since 2015, shifted by 22 bits.
DISCORD_EPOCH_MS = 1_420_070_400_000
#: The cast counts as created on 2025-01-01, a second apart, so its ids are the same in each run.
CAST_EPOCH_MS = 1_735_689_600_000

DM = "dm"  #: as a channel: the direct messages between a member and the bot

# Source: Discord docs, "Channel", Channel Types.
TEXT_CHANNEL, DM_CHANNEL, VOICE_CHANNEL, GROUP_DM, ANNOUNCEMENTS = 0, 1, 2, 3, 5
NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD, STAGE_CHANNEL = 10, 11, 12, 13
THREADS = frozenset({NEWS_THREAD, PUBLIC_THREAD, PRIVATE_THREAD})

LOCALE = "en-US"
#: Source: Discord docs, "Reference", Locales.
LOCALES = (
    "id", "da", "de", "en-GB", "en-US", "es-ES", "es-419", "fr", "hr", "it", "lt",
    "hu", "nl", "no", "pl", "pt-BR", "ro", "fi", "sv-SE", "vi", "tr", "cs",
    "el", "bg", "ru", "uk", "hi", "th", "zh-CN", "ja", "zh-TW", "ko",
)  # fmt: skip


class Permission(IntFlag):
    """The permissions that the playground uses. Source: Discord docs, "Permissions"."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    MANAGE_GUILD = 1 << 5
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    USE_EXTERNAL_EMOJIS = 1 << 18
    CONNECT = 1 << 20
    USE_APPLICATION_COMMANDS = 1 << 31
    MANAGE_THREADS = 1 << 34
    SEND_MESSAGES_IN_THREADS = 1 << 38
    MODERATE_MEMBERS = 1 << 40


P = Permission
ALL_PERMISSIONS = Permission((1 << 50) - 1)
MEMBER_PERMISSIONS = (
    P.ADD_REACTIONS
    | P.VIEW_CHANNEL
    | P.SEND_MESSAGES
    | P.EMBED_LINKS
    | P.ATTACH_FILES
    | P.READ_MESSAGE_HISTORY
    | P.USE_EXTERNAL_EMOJIS
    | P.CONNECT
    | P.USE_APPLICATION_COMMANDS
    | P.SEND_MESSAGES_IN_THREADS
)
MODERATOR_PERMISSIONS = P.MANAGE_GUILD | P.MANAGE_CHANNELS | P.MANAGE_MESSAGES | P.MODERATE_MEMBERS


class MessageFlag(IntFlag):
    """Source: Discord docs, "Message Resource", Message Flags."""

    SUPPRESS_EMBEDS = 1 << 2
    EPHEMERAL = 1 << 6
    LOADING = 1 << 7
    SUPPRESS_NOTIFICATIONS = 1 << 12
    IS_COMPONENTS_V2 = 1 << 15


NO_FLAGS = MessageFlag(0)
NO_PERMISSIONS = Permission(0)


class User(Struct, frozen=True):
    """A person, or the bot."""

    id: int
    username: str
    name: str
    bot: bool = False


class Role(Struct, frozen=True):
    """A role; the role with the server's own id is @everyone."""

    id: int
    name: str
    permissions: Permission


class StoredFile(Struct, frozen=True):
    """A file on disk and what is known about it; the CDN owns and removes the file."""

    path: Path
    filename: str
    size_bytes: int
    content_type: str
    width_px: int | None = None
    height_px: int | None = None


class Attachment(Struct, frozen=True):
    """A file that Discord knows by an id."""

    id: int
    channel_id: int
    file: StoredFile
    description: str | None = None
    ephemeral: bool = False
    spoiler: bool = False

    @property
    def filename(self) -> str:
        """Return the name that Discord shows."""
        return self.file.filename

    @property
    def size_bytes(self) -> int:
        """Return the file's size."""
        return self.file.size_bytes


class Message(Struct, frozen=True):
    """One version of a message; an edit makes a new one with the same id."""

    id: int
    channel_id: int
    guild_id: int | None
    author: User
    created_at: datetime
    content: str = ""
    embeds: tuple[Json, ...] = ()
    components: tuple[Json, ...] = ()
    #: all its files; the API does not list those that an embed or component shows
    attachments: tuple[Attachment, ...] = ()
    flags: MessageFlag = NO_FLAGS
    type: int = 0
    edited_at: datetime | None = None
    nonce: str | None = None
    mentions: tuple[User, ...] = ()
    mentions_everyone: bool = False
    reply_to_id: int | None = None
    #: the only user who sees it if it is ephemeral
    visible_to_id: int | None = None
    interaction: Json | None = None
    #: the message that it forwards, as it was at that moment, with copies of its files
    forwarded: "Message | None" = None

    @property
    def is_ephemeral(self) -> bool:
        """Say whether only one member sees the message."""
        return bool(self.flags & MessageFlag.EPHEMERAL)

    @property
    def is_loading(self) -> bool:
        """Say whether the message still reads "thinking"."""
        return bool(self.flags & MessageFlag.LOADING)


class Channel(Struct):
    """
    A channel or thread of a server. Without a server: a member's direct messages with the bot, or a
    private channel of members without the bot.
    """

    id: int
    name: str
    guild_id: int | None
    nsfw: bool = False
    #: one of Discord's channel types
    kind: int = TEXT_CHANNEL
    #: for a thread: its channel; whether only moderators may write; whether the bot was added
    parent_id: int | None = None
    locked: bool = False
    bot_is_member: bool = False
    recipient: User | None = None
    #: the members in a private channel
    people: tuple[User, ...] = ()
    #: role or user id -> (allowed, denied)
    overwrites: dict[int, tuple[Permission, Permission]] = field(default_factory=dict)
    messages_by_id: dict[int, Message] = field(default_factory=dict)

    @property
    def messages(self) -> list[Message]:
        """Return all messages, ephemeral ones included, oldest first."""
        return list(self.messages_by_id.values())


class Guild(Struct):
    """A server; Discord's API calls it a guild."""

    id: int
    name: str
    owner_id: int
    roles: dict[int, Role]
    #: user id -> role ids
    members: dict[int, tuple[int, ...]]
    channel_ids: list[int] = field(default_factory=list)


#: A person, and a channel: by name, by id, or as the object itself.
Who = str | int | User
Where = str | int | Channel
Named = TypeVar("Named", User, Guild, Channel)


class World:
    """Everything that exists in this Discord."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock
        self.users: dict[int, User] = {}
        self.guilds: dict[int, Guild] = {}
        self.channels: dict[int, Channel] = {}
        #: server id, or None for the global ones -> command id -> command
        self.commands: dict[int | None, dict[int, Json]] = {}
        self.commands_synced = 0
        #: user or server id -> its language, if that is not LOCALE
        self.locales: dict[int, str] = {}
        #: ids of users who installed the app for themselves
        self.installed_by: set[int] = set()
        self._cast_count = 0
        self._last_id = 0
        self.bot = self._add_user("easel", "Easel", bot=True)
        self._build_servers()

    @property
    def application_id(self) -> int:
        """Return the application's id, which is also its bot user's id."""
        return self.bot.id

    def new_id(self) -> int:
        """Return a snowflake of this moment, larger than any earlier one."""
        ms = int(self.clock.now_s() * 1000) - DISCORD_EPOCH_MS
        self._last_id = max(self._last_id + 1, ms << 22)
        return self._last_id

    def user(self, who: Who) -> User:
        """Find a user by name, by id or as the object itself."""
        return _found("user", who, self.users)

    def guild(self, which: str | int | Guild) -> Guild:
        """Find a server by name, by id or as the object itself."""
        return _found("server", which, self.guilds)

    def channel(self, which: Where, member: User | None = None) -> Channel:
        """Find a channel by name, id or as the object; `DM` is the member's own with the bot."""
        if which == DM:
            if member is None:
                raise LookupError("direct messages need a member to be with")
            return self.dm(member)
        return _found("channel", which, self.channels)

    def dm(self, member: User) -> Channel:
        """Return the member's direct messages with the bot; open them on first use."""
        for channel in self.channels.values():
            if channel.recipient == member:
                return channel
        channel = Channel(self.new_id(), f"@{member.username}", None, recipient=member)
        self.channels[channel.id] = channel
        return channel

    def private_channel(self, name: str, people: Iterable[Who]) -> Channel:
        """Add a private channel: a group's direct messages, without the bot."""
        members = tuple(self.user(who) for who in people)
        channel = Channel(self.new_id(), name, None, kind=GROUP_DM, people=members)
        self.channels[channel.id] = channel
        return channel

    def permissions(self, user: User, channel: Channel) -> Permission:
        """
        Compute what a user may do in a channel.

        Source: Discord docs, "Permissions", Permission Overwrites (order of application).
        """
        if channel.guild_id is None:
            is_there = not channel.people or user in channel.people
            return MEMBER_PERMISSIONS if is_there else Permission(0)
        guild = self.guilds[channel.guild_id]
        role_ids = (guild.id, *guild.members.get(user.id, ()))
        base = Permission(0)
        for role_id in role_ids:
            base |= guild.roles[role_id].permissions
        if guild.owner_id == user.id or base & P.ADMINISTRATOR:
            return ALL_PERMISSIONS
        for ids in ((guild.id,), role_ids[1:], (user.id,)):
            allow = deny = Permission(0)
            for overwrite_id in ids:
                more_allow, more_deny = channel.overwrites.get(overwrite_id, (allow, deny))
                allow, deny = allow | more_allow, deny | more_deny
            base = (base & ~deny) | allow
        return base

    def add_channel(self, server: str | int | Guild, name: str, kind: int, **about: Any) -> Channel:
        """
        Add a channel, or a thread below the server's first channel.

        Args:
            about: further fields of the Channel.
        """
        guild = self.guild(server)
        if kind in THREADS:
            about.setdefault("parent_id", guild.channel_ids[0])
        channel = Channel(self._cast_id(), name, guild.id, kind=kind, **about)
        self.channels[channel.id] = channel
        guild.channel_ids.append(channel.id)
        return channel

    def may_post(self, user: User, channel: Channel) -> int | None:
        """
        Return the code of the refusal if a user cannot post in a channel; None: they can.

        Source: Discord docs, "Permissions" and "Threads". A voice channel's chat is only for users
        who may connect (reports of bots' authors).
        """
        permissions = self.permissions(user, channel)
        if channel.kind in (VOICE_CHANNEL, STAGE_CHANNEL) and not permissions & P.CONNECT:
            return 50001
        wanted = P.SEND_MESSAGES
        if channel.kind in THREADS and not permissions & P.MANAGE_THREADS:
            if channel.kind == PRIVATE_THREAD and not channel.bot_is_member:
                return 50001
            if channel.locked:
                return 160005
        if channel.kind in THREADS:
            wanted = P.SEND_MESSAGES_IN_THREADS
        return None if permissions & wanted else 50013

    def _build_servers(self) -> None:
        people = [self._add_user(name.lower(), name) for name in ("Ada", "Ben", "Cleo")]
        # Nobody plays the owner, because the owner may do everything and tests no permission.
        owner = self._add_user("dana", "Dana")
        community = self._add_guild("Lantern Community", owner, people)
        team = self._add_guild("Northwind Design", owner, people)
        self.add_channel(community, "studio", TEXT_CHANNEL)
        self.add_channel(community, "after-dark", TEXT_CHANNEL, nsfw=True)
        self.add_channel(team, "mockups", TEXT_CHANNEL)

    def _cast_id(self) -> int:
        self._cast_count += 1
        return (CAST_EPOCH_MS + 1000 * self._cast_count - DISCORD_EPOCH_MS + self._cast_count) << 22

    def _add_user(self, username: str, name: str, *, bot: bool = False) -> User:
        user = User(self._cast_id(), username, name, bot)
        self.users[user.id] = user
        return user

    def _add_guild(self, name: str, owner: User, people: list[User]) -> Guild:
        everyone = Role(self._cast_id(), "@everyone", MEMBER_PERMISSIONS)
        moderator = Role(self._cast_id(), "Moderator", MODERATOR_PERMISSIONS)
        # The bot may mention everyone, so that a text that does not prevent it shows.
        bot_permissions = MEMBER_PERMISSIONS | P.MENTION_EVERYONE
        bot_role = Role(self._cast_id(), self.bot.name, bot_permissions)
        members: dict[int, tuple[int, ...]] = {owner.id: (), self.bot.id: (bot_role.id,)}
        for person in people:
            members[person.id] = (moderator.id,) if person.name == "Cleo" else ()
        roles = {role.id: role for role in (everyone, moderator, bot_role)}
        guild = Guild(everyone.id, name, owner.id, roles, members)
        self.guilds[guild.id] = guild
        return guild


def _found(kind: str, which: str | int | Named, among: Mapping[int, Named]) -> Named:
    name = which if isinstance(which, str | int) else which.id
    for each in among.values():
        if name in (each.id, each.name):
            return each
    raise LookupError(f"no {kind} {which!r}; there are {[each.name for each in among.values()]}")
