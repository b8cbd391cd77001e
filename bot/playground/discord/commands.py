"""Keeps the application commands and answers their routes; must not know who runs them."""

import re
from collections.abc import Iterator
from typing import Any

from msgspec import Struct

from bot.playground.discord.changes import Changes, Event
from bot.playground.discord.errors import Form, Json, known, refusal
from bot.playground.discord.payloads import Payloads, context_of
from bot.playground.discord.rest import ApiRequest, Endpoint
from bot.playground.discord.world import LOCALES, Channel, User, World

# Source: Discord docs, "Application Commands".
CHAT_INPUT, USER_MENU, MESSAGE_MENU = 1, 2, 3
(
    SUBCOMMAND,
    GROUP,
    STRING,
    INTEGER,
    BOOLEAN,
    USER,
    CHANNEL,
    ROLE,
    MENTIONABLE,
    NUMBER,
    ATTACHMENT,
) = range(1, 12)
NAME = re.compile(r"[-'\w]{1,32}")
OPTIONS_MAX = 25
CHOICES_MAX = 25
COMMAND_CHARS_MAX = 8000  #: a command's names, descriptions and values together

Path = tuple[str | int, ...]


class Commands(Struct, frozen=True):
    """Registers and lists the bot's commands, both global ones and those of a single server."""

    world: World
    changes: Changes
    payloads: Payloads

    def routes(self) -> list[Endpoint]:
        """Return the endpoints that this class answers."""
        routes: list[Endpoint] = []
        for scope in ("", "/guilds/{guild_id}"):
            every = f"/applications/{{application_id}}{scope}/commands"
            one = every + "/{command_id}"
            routes += [
                ("GET", every, self.listed),
                ("PUT", every, self.overwrite),
                ("POST", every, self.create),
                ("GET", one, self._find),
                ("PATCH", one, self.change),
                ("DELETE", one, self.delete),
            ]
        return routes

    def listed(self, call: ApiRequest) -> list[Json]:
        """Answer with all commands, with translations only if the query asks for them."""
        commands = list(self._scope(call).values())
        if call.query.get("with_localizations") == "true":
            return commands
        untold = ("name_localizations", "description_localizations")
        return [
            {key: value for key, value in command.items() if key not in untold}
            for command in commands
        ]

    def overwrite(self, call: ApiRequest) -> list[Json]:
        """Answer the bulk overwrite: it removes other commands; name and type keep their id."""
        scope = self._scope(call)
        if not isinstance(call.body, list):
            raise refusal(50035)
        form = Form()
        seen: set[tuple[int, str]] = set()
        for index, body in enumerate(call.body):
            check_command(form, (index,), body)
            key = (body.get("type", CHAT_INPUT), str(body.get("name")))
            if key in seen:
                message = "Application command names must be unique"
                form.complain((index,), "APPLICATION_COMMANDS_DUPLICATE_NAME", message)
            seen.add(key)
        form.close()
        commands = [self._complete(call, body) for body in call.body]
        scope.clear()
        scope.update({int(command["id"]): command for command in commands})
        self._synced()
        return commands

    def create(self, call: ApiRequest) -> Json:
        """Answer the creation of a command, which replaces one of the same name and type."""
        form = Form()
        check_command(form, (), call.json_object())
        form.close()
        command = self._complete(call, call.json_object())
        self._scope(call)[int(command["id"])] = command
        self._synced()
        return command

    def change(self, call: ApiRequest) -> Json:
        """Answer an edit of one command."""
        version = str(self.world.new_id())
        changed = {**self._find(call), **call.json_object(), "version": version}
        form = Form()
        check_command(form, (), changed)
        form.close()
        self._scope(call)[int(changed["id"])] = changed
        self._synced()
        return changed

    def delete(self, call: ApiRequest) -> None:
        """Answer the removal of one command."""
        del self._scope(call)[int(self._find(call)["id"])]
        self._synced()

    def available(self, user: User, channel: Channel, kind: int) -> Iterator[Json]:
        """
        Return the commands of a kind that exist for a user in a channel.

        Source: Discord docs, "Application Commands", Contexts.
        """
        here = context_of(channel)
        installed = {int(owner) for owner in self.payloads.owners(user, channel)}
        for scope in dict.fromkeys((channel.guild_id, None)):
            for command in self.world.commands.get(scope, {}).values():
                contexts = command.get("contexts") or ((0, 1) if command["dm_permission"] else (0,))
                is_installed = installed & set(command["integration_types"])
                if command["type"] == kind and here in contexts and is_installed:
                    yield command

    def _synced(self) -> None:
        self.world.commands_synced += 1
        self.changes.notify(Event("commands_synced"))

    def _scope(self, call: ApiRequest) -> dict[int, Json]:
        if call.id("application_id") != self.world.application_id:
            raise refusal(50001)
        guild_id = call.id("guild_id") if "guild_id" in call.params else None
        if guild_id is not None and guild_id not in self.world.guilds:
            raise refusal(50001)
        return self.world.commands.setdefault(guild_id, {})

    def _find(self, call: ApiRequest) -> Json:
        return known(self._scope(call).get(call.id("command_id")), 10063)

    def _complete(self, call: ApiRequest, body: Json) -> Json:
        kind = body.get("type") or CHAT_INPUT
        same = (
            command["id"]
            for command in self._scope(call).values()
            if (command["name"], command["type"]) == (body["name"], kind)
        )
        new_id = str(self.world.new_id())
        permissions = body.get("default_member_permissions")
        guild = {"guild_id": call.params["guild_id"]} if "guild_id" in call.params else {}
        return {
            "description": "",
            "options": [],
            "nsfw": False,
            "dm_permission": True,
            "contexts": None,
            "integration_types": [0],
            **{key: value for key, value in body.items() if value is not None},
            **guild,
            "id": next(same, new_id),
            "type": kind,
            "application_id": str(self.world.application_id),
            "default_member_permissions": None if permissions is None else str(permissions),
            "version": new_id,
        }


def check_command(form: Form, path: Path, body: Json) -> None:
    """Check the shape of a command. Source: Discord docs, "Application Commands"."""
    if (body.get("type") or CHAT_INPUT) != CHAT_INPUT:
        for key, name in _translations(form, path, body, "name"):
            form.length((*path, *key), name, 1, 32)
        if body.get("description"):
            message = "Context menu commands cannot have description"
            form.complain((*path, "description"), "APPLICATION_COMMAND_INVALID", message)
        return
    _check_named(form, path, body)
    _check_options(form, path, body.get("options") or [], depth=0)
    chars = _count_chars(body)
    if chars > COMMAND_CHARS_MAX:
        message = f"Command exceeds maximum size ({COMMAND_CHARS_MAX})"
        form.complain(path, "APPLICATION_COMMAND_TOO_LARGE", message)


def _check_named(form: Form, path: Path, body: Json) -> None:
    for key, name in _translations(form, path, body, "name"):
        if not isinstance(name, str) or not NAME.fullmatch(name) or name != name.lower():
            message = "Command name is invalid"
            form.complain((*path, *key), "APPLICATION_COMMAND_INVALID_NAME", message)
    for key, description in _translations(form, path, body, "description"):
        form.length((*path, *key), description, 1, 100)


def _translations(form: Form, path: Path, body: Json, key: str) -> Iterator[tuple[Path, Any]]:
    """Return a text and its translations, each with its path; complain of unknown languages."""
    yield (key,), body.get(key)
    for locale, text in (body.get(f"{key}_localizations") or {}).items():
        form.choice((*path, f"{key}_localizations", locale), locale, LOCALES)
        yield (f"{key}_localizations", locale), text


def _check_options(form: Form, path: Path, options: list[Json], depth: int) -> None:
    form.length((*path, "options"), options, 0, OPTIONS_MAX)
    names: set[str] = set()
    seen_optional = False
    for index, option in enumerate(options):
        here = (*path, "options", index)
        kind = option.get("type")
        _check_named(form, here, option)
        form.choice((*here, "type"), kind, range(SUBCOMMAND, ATTACHMENT + 1))
        if option.get("name") in names:
            message = "Option name already in use"
            form.complain(here, "APPLICATION_COMMAND_OPTIONS_NAME_ALREADY_EXISTS", message)
        names.add(str(option.get("name")))
        if kind in (SUBCOMMAND, GROUP):
            if depth == 2 or (depth == 1 and kind == GROUP):
                message = "Sub-command option type is not allowed here"
                form.complain((*here, "type"), "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID", message)
            else:
                level = 1 if kind == GROUP else 2
                _check_options(form, here, option.get("options") or [], level)
            continue
        if option.get("required") and seen_optional:
            message = "Required options must be placed before non-required options"
            form.complain(here, "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID", message)
        seen_optional |= not option.get("required")
        _check_choices(form, here, option)


def _check_choices(form: Form, path: Path, option: Json) -> None:
    choices = option.get("choices") or []
    form.length((*path, "choices"), choices, 0, CHOICES_MAX)
    if choices and option.get("autocomplete"):
        message = "Autocomplete cannot be set to true if options are present"
        form.complain(path, "APPLICATION_COMMAND_OPTIONS_AUTOCOMPLETE_INVALID", message)
    for index, choice in enumerate(choices):
        here = (*path, "choices", index)
        for key, name in _translations(form, here, choice, "name"):
            form.length((*here, *key), name, 1, 100)
        if option.get("type") == STRING:
            form.length((*here, "value"), choice.get("value"), 1, 100)


def _count_chars(part: Any) -> int:
    own = 0
    for key in ("name", "description", "value"):
        texts = [part.get(key), *(part.get(f"{key}_localizations") or {}).values()]
        own += max(len(str(text or "")) for text in texts)
    parts = (part.get("options") or []) + (part.get("choices") or [])
    return own + sum(_count_chars(child) for child in parts)
