"""What a server's moderators have decided, and the trail of their changes."""

import json
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, field

from bot.domain.credits import Microcredits
from bot.domain.ledger import Period
from bot.domain.requests import IMAGES_MAX, RESOLUTIONS

#: seconds since 1970; stands for an end that nobody has set; Discord can still show it
FOREVER = 253_402_300_799


class NsfwMode(StrEnum):
    """A server's `nsfw_checker` setting."""

    ON = "on"
    #: off in age-restricted channels only
    AGE_RESTRICTED = "age_restricted"
    OFF = "off"


class PictureMenus(StrEnum):
    """A server's `picture_menus` setting: whose pictures a member may go on from."""

    EVERYONE = "everyone"
    OWN = "own"
    #: not even their own by a message's menu; the buttons beneath their own results stay
    NOBODY = "nobody"


class ServerSettings(Struct, frozen=True):
    """The defaults are those of a server that has decided nothing."""

    nsfw_checker: NsfwMode = NsfwMode.ON
    picture_menus: PictureMenus = PictureMenus.EVERYONE
    #: used where a member names no model; empty: the operator's
    default_model: str = ""
    #: ids; empty: all of them
    allowed_models: frozenset[str] = frozenset()
    resolution_max: str = RESOLUTIONS[-1]
    count_max: int = IMAGES_MAX
    #: ids of channels, whose threads count with them; empty: all of them
    allowed_channels: frozenset[int] = frozenset()
    private_allowed: bool = True
    #: whether moderators see private jobs in `/moderation recent`
    private_seen: bool = False
    #: a button or form asks before it spends more; None: the operator's CONFIRM_ABOVE
    confirm_above_ucr: Microcredits | None = None
    #: language of public text, as Discord names it; empty: the server's own
    locale: str = ""
    #: where notices and acts are posted; 0: nowhere
    log_channel_id: int = 0
    #: seconds since 1970 until which no job is taken; 0: not paused; FOREVER: until it is ended
    paused_until: int = 0
    #: how often members' accounts are refilled; None: the operator's ALLOWANCE_PERIOD
    allowance_period: Period | None = None
    #: what one job may cost at most; None: as much as the account has
    job_max_ucr: Microcredits | None = None
    #: what each member's account is refilled to; None: the operator's ALLOWANCE
    allowance_ucr: Microcredits | None = None
    #: role's id -> what the account of a member with that role is refilled to
    role_allowances_ucr: Mapping[int, Microcredits] = field(default_factory=dict)
    #: what the whole server may spend in a month; None: the operator's SERVER_BUDGET
    budget_ucr: Microcredits | None = None
    #: why it is paused, in its moderators' words; members read it
    pause_reason: str = ""


#: settings of direct messages, and of a server that has decided nothing
UNDECIDED = ServerSettings()


class Source(StrEnum):
    """Whose decision a value is."""

    SERVER = "server"
    OPERATOR = "operator"
    DEFAULT = "default"


class Operator(Struct, frozen=True):
    """The values where a server has decided nothing, by field of ServerSettings."""

    values: Mapping[str, object]
    #: fields that the operator has set; the others have Easel's defaults
    chosen: frozenset[str]


def effective(decided: ServerSettings, operator: Operator, name: str) -> tuple[Any, Source]:
    """
    A setting's value in effect, and whose decision it is.

    Args:
        name: a field of ServerSettings.
    """
    value = getattr(decided, name)
    if value != getattr(UNDECIDED, name):
        return value, Source.SERVER
    source = Source.OPERATOR if name in operator.chosen else Source.DEFAULT
    return operator.values.get(name, value), source


class Setting(Struct, frozen=True):
    """How a setting's value is kept as text."""

    #: raises ValueError, TypeError, AttributeError or KeyError if this version cannot read the text
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


class SettingChange(Struct, frozen=True):
    """One change of a server's setting by a moderator."""

    user_id: int
    setting: str
    old: str
    new: str
    created_at: datetime
    #: grows with time
    id: int = 0


def _read_resolution(text: str) -> str:
    return RESOLUTIONS[RESOLUTIONS.index(text)]


def _read_count(text: str) -> int:
    count = int(text)
    if not 1 <= count <= IMAGES_MAX:
        raise ValueError("not a number of images")
    return count


def _optional(read: Callable[[str], Any]) -> Setting:
    """For a setting that may be None, which is kept as an empty text."""
    return Setting(
        lambda text: read(text) if text else None,
        lambda value: "" if value is None else str(value),
    )


def _read_flag(text: str) -> bool:
    return {"true": True, "false": False}[text]


def _write_flag(flag: bool) -> str:
    return "true" if flag else "false"


def _read_words(text: str) -> frozenset[str]:
    return frozenset(str(each) for each in json.loads(text))


def _read_ids(text: str) -> frozenset[int]:
    return frozenset(int(each) for each in json.loads(text))


def _write_set(values: Collection[Any]) -> str:
    return json.dumps(sorted(values))


def _read_roles(text: str) -> dict[int, Microcredits]:
    return {int(role): Microcredits(int(amount)) for role, amount in json.loads(text).items()}


def _write_roles(amounts: Mapping[int, Microcredits]) -> str:
    return json.dumps({str(role): amounts[role] for role in sorted(amounts)})


#: a field of ServerSettings -> how it is kept
SETTINGS: Mapping[str, Setting] = {
    "nsfw_checker": Setting(NsfwMode),
    "picture_menus": Setting(PictureMenus),
    "default_model": Setting(str),
    "allowed_models": Setting(_read_words, _write_set),
    "resolution_max": Setting(_read_resolution),
    "count_max": Setting(_read_count),
    "allowed_channels": Setting(_read_ids, _write_set),
    "private_allowed": Setting(_read_flag, _write_flag),
    "private_seen": Setting(_read_flag, _write_flag),
    "confirm_above_ucr": _optional(int),
    "locale": Setting(str),
    "log_channel_id": Setting(int),
    "paused_until": Setting(int),
    "allowance_period": _optional(Period),
    "job_max_ucr": _optional(int),
    "allowance_ucr": _optional(int),
    "role_allowances_ucr": Setting(_read_roles, _write_roles),
    "budget_ucr": _optional(int),
    "pause_reason": Setting(str),
}


def read_settings(kept: Mapping[str, str]) -> ServerSettings:
    """
    Args:
        kept: name -> text; what this version does not know, or cannot read, counts as undecided.
    """
    values = {}
    for name in SETTINGS.keys() & kept.keys():
        with suppress(ValueError, TypeError, AttributeError, KeyError):
            values[name] = SETTINGS[name].read(kept[name])
    return ServerSettings(**values)
