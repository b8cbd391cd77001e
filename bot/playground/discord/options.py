"""Checks and writes what members put into commands, selects and forms; sends nothing."""

from collections.abc import Mapping
from typing import Any

from msgspec import Struct, field

from bot.playground.discord.commands import (
    ATTACHMENT,
    BOOLEAN,
    CHANNEL,
    GROUP,
    INTEGER,
    MENTIONABLE,
    NUMBER,
    ROLE,
    STRING,
    SUBCOMMAND,
    USER,
)
from bot.playground.discord.errors import Json
from bot.playground.discord.payloads import Payloads
from bot.playground.discord.validation import (
    CHECKBOX,
    CHECKBOX_GROUP,
    ENTITY_SELECTS,
    FILE_UPLOAD,
    RADIO_GROUP,
    ROW,
    TEXT,
    TEXT_INPUT,
    TEXT_INPUT_CHARS_MAX,
)
from bot.playground.discord.world import LOCALES, Attachment, Channel, User, World

STRING_CHARS_MAX = 6000  #: Discord docs, "Application Commands": max_length of a string option
#: Component type of a select -> the option type with the same kind of choices.
ENTITY_OF_SELECT = dict(zip(ENTITY_SELECTS, (USER, ROLE, MENTIONABLE, CHANNEL), strict=True))
#: option types that take a value as it is; `bool` comes before `int`, of which it is one
PYTHON_TYPES = {BOOLEAN: bool, INTEGER: int, NUMBER: float, STRING: str, ATTACHMENT: Attachment}


class NotOfferedError(Exception):
    """Discord's client would not let a member do this."""


class Input(Struct):
    """Collects a member's values and the objects they refer to."""

    world: World
    payloads: Payloads
    user: User
    channel: Channel
    #: False allows what only a modified client could send
    check: bool
    resolved: Json = field(default_factory=dict)

    def options(
        self, specs: list[Json], values: Mapping[str, Any], focused: str = ""
    ) -> list[Json]:
        """
        Write the values of a command's options.

        Args:
            focused: the option being typed into, for an autocomplete.
        """
        by_name = {spec["name"]: spec for spec in specs}
        self._demand(not values.keys() - by_name, f"options are {list(by_name)}, not {[*values]}")
        missing = [s["name"] for s in specs if s.get("required") and s["name"] not in values]
        self._demand(not missing or bool(focused), f"required options are missing: {missing}")
        written = []
        for name, value in values.items():
            spec = by_name.get(name) or {"name": name, "type": _type_of(value)}
            option = {"name": name, "type": spec["type"]}
            if name == focused:
                self._demand(bool(spec.get("autocomplete")), f"{name!r} does not autocomplete")
                option |= {"value": value, "focused": True}
            else:
                self._check_value(spec, value)
                option["value"] = self.value(spec["type"], value)
            written.append(option)
        return written

    def value(self, kind: int, value: Any) -> Any:
        """Write one value; note the object that it refers to in `resolved`."""
        if kind == ATTACHMENT and isinstance(value, Attachment):
            return self._resolve("attachments", value.id, self.payloads.attachment(value))
        if kind == CHANNEL:
            channel = self.world.channel(value)
            return self._resolve("channels", channel.id, self.payloads.channel(channel, self.user))
        if kind == ROLE or (kind == MENTIONABLE and self._role(value)):
            role = self._role(value)
            if role is None:
                raise LookupError(f"no role {value!r}")
            return self._resolve("roles", role.id, self.payloads.role(role))
        if kind in (USER, MENTIONABLE):
            user = self.world.user(value)
            if self.channel.guild_id is not None:
                guild = self.world.guilds[self.channel.guild_id]
                member = self.payloads.member(guild, user, with_user=False)
                permissions = str(int(self.world.permissions(user, self.channel)))
                self._resolve("members", user.id, {**member, "permissions": permissions})
            return self._resolve("users", user.id, self.payloads.user(user))
        return value

    def selected(self, component: Json, values: list[Any]) -> list[str]:
        """Write the values chosen in a select or group, or the files uploaded."""
        least = component.get("min_values")
        least = 1 if least is None else least
        kind, options = component["type"], component.get("options") or []
        most = component.get("max_values") or (len(options) if kind == CHECKBOX_GROUP else 1)
        fits = least <= len(values) <= most
        self._demand(fits, f"choose {least} to {most}, not {len(values)}")
        if kind == FILE_UPLOAD:
            return [self.value(ATTACHMENT, item) for item in values]
        if kind in ENTITY_OF_SELECT:
            return [self.value(ENTITY_OF_SELECT[kind], value) for value in values]
        by_label = {option["label"]: option["value"] for option in options}
        self._demand(all(isinstance(value, str) for value in values), "choices are texts")
        chosen = [by_label.get(value, value) for value in values]
        known = set(chosen) <= set(by_label.values())
        self._demand(known, f"choices are {by_label}, not {values}")
        return chosen

    def form(self, components: list[Json], values: Mapping[str, Any]) -> list[Json]:
        """Write a filled-in modal; values are named by custom id or label."""
        rest = dict(values)
        written = [self._form_part(part, rest, part.get("label", "")) for part in components]
        self._demand(not rest, f"the form has no {list(rest)}")
        return written

    def _form_part(self, part: Json, rest: dict[str, Any], label: str) -> Json:
        kind = part["type"]
        written: Json = {"type": kind, "id": part.get("id", 0)}
        if kind == ROW:
            children = [self._form_part(p, rest, p.get("label", "")) for p in part["components"]]
            return {**written, "components": children}
        if "component" in part:
            return {**written, "component": self._form_part(part["component"], rest, label)}
        if kind == TEXT:
            return written
        written["custom_id"] = part["custom_id"]
        required = part.get("required") is not False
        value = rest.pop(part["custom_id"], rest.pop(label, None))
        if kind == TEXT_INPUT:
            given = (part.get("value") or "") if value is None else value
            self._demand(bool(given) or not required, f"{label!r} is required")
            self._check_text(part, given)
            return {**written, "value": given}
        if kind == CHECKBOX:
            return {**written, "value": bool(part.get("default") if value is None else value)}
        if value is None:
            value = [o["value"] for o in part.get("options") or [] if o.get("default")]
        values = value if isinstance(value, list) else [value]
        self._demand(bool(values) or not required, f"{label!r} is required")
        chosen = self.selected(part, values) if values else []
        if kind == RADIO_GROUP:
            return {**written, "value": chosen[0] if chosen else None}
        return {**written, "values": chosen}

    def _check_value(self, spec: Json, value: Any) -> None:
        name, kind = spec["name"], spec["type"]
        fits = _type_of(value) == kind or (kind == NUMBER and _type_of(value) == INTEGER)
        fits |= kind in (USER, CHANNEL, ROLE, MENTIONABLE)
        self._demand(fits, f"{name!r} does not take {value!r}")
        choices = [choice["value"] for choice in spec.get("choices") or []]
        self._demand(not choices or value in choices, f"choices of {name!r}: {choices}")
        if kind == STRING and isinstance(value, str):
            self._check_text(spec, value)
        if kind in (INTEGER, NUMBER) and isinstance(value, int | float):
            least, most = spec.get("min_value", -(2**53)), spec.get("max_value", 2**53)
            self._demand(least <= value <= most, f"{name!r} is to be {least} to {most}")

    def _check_text(self, spec: Json, text: Any) -> None:
        self._demand(isinstance(text, str), f"{spec.get('name')!r} does not take {text!r}")
        least = spec.get("min_length") or 0
        default = TEXT_INPUT_CHARS_MAX if "custom_id" in spec else STRING_CHARS_MAX
        most = spec.get("max_length") or default
        # An empty text in a form means none; a command's string option has at least one letter.
        fits = least <= len(text) <= most or not text
        self._demand(fits, f"{spec.get('name')!r} is to have {least} to {most} characters")

    def _role(self, value: Any) -> Any:
        guild = self.world.guilds.get(self.channel.guild_id or 0)
        roles = guild.roles.values() if guild else ()
        return next((role for role in roles if value in (role.id, role.name)), None)

    def _resolve(self, group: str, found_id: int, written: Json) -> str:
        self.resolved.setdefault(group, {})[str(found_id)] = written
        return str(found_id)

    def _demand(self, holds: bool, otherwise: str) -> None:
        if self.check and not holds:
            raise NotOfferedError(otherwise)


def known_locale(locale: str) -> str:
    """Return the language if Discord has it; else raise LookupError."""
    if locale not in LOCALES:
        raise LookupError(f"no language {locale!r}; there are {LOCALES}")
    return locale


def nest(command: Json, path: list[str]) -> tuple[list[Json], list[Json]]:
    """
    Find the options that `path` (subcommand names) leads to.

    Returns:
        The specifications of those options, and the groups and subcommands on the path,
        outermost first.
    """
    specs, passed = command.get("options") or [], []
    for name in path:
        found = [s for s in specs if s["name"] == name and s["type"] in (SUBCOMMAND, GROUP)]
        if not found:
            raise NotOfferedError(f"{command['name']!r} has no subcommand {name!r}")
        passed.append(found[0])
        specs = found[0].get("options") or []
    if any(spec["type"] in (SUBCOMMAND, GROUP) for spec in specs):
        raise NotOfferedError(f"{command['name']!r} needs one of {[s['name'] for s in specs]}")
    return specs, passed


def _type_of(value: object) -> int:
    """The type of options that take such a value; 0: there is none."""
    for kind, python_type in PYTHON_TYPES.items():
        if isinstance(value, python_type):
            return kind
    return 0
