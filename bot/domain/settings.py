"""What a server's moderators have decided, and the trail of their changes."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import datetime
from enum import StrEnum
from typing import Any

from msgspec import Struct, convert, field, json
from msgspec.structs import fields

from bot.domain.credits import Microcredits
from bot.domain.ledger import Period
from bot.domain.requests import IMAGES_MAX, RESOLUTIONS, Count, Resolution

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
    #: used where a member names no model; empty: the operator's
    default_model: str = ""
    #: ids; empty: all of them
    allowed_models: frozenset[str] = frozenset()
    resolution_max: Resolution = RESOLUTIONS[-1]
    count_max: Count = IMAGES_MAX
    #: ids of channels, whose threads count with them; empty: all of them
    allowed_channels: frozenset[int] = frozenset()
    private_allowed: bool = True
    #: whether moderators see private jobs in `/moderation recent`
    private_seen: bool = False
    #: a button or form asks before it spends more; None: the operator's CONFIRM_ABOVE
    confirm_above_ucr: Microcredits | None = None
    picture_menus: PictureMenus = PictureMenus.EVERYONE
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


class Keep(Struct, frozen=True):
    """For how long the host keeps what members asked for and were given."""

    #: days for results as they were made; 0: not at all
    results_days: int
    #: bytes of all of these together
    results_bytes_max: int
    #: days for words and references; 0: for ever
    prompts_days: int
    #: days for whole jobs, of which then only what the ledger needs stays; 0: for ever
    jobs_days: int


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


#: called with the settings of that moment; returns what to set, by fields of ServerSettings. It may
#: raise to change nothing
Decide = Callable[[ServerSettings], dict[str, object]]


def fixed(name: str, value: object) -> Decide:
    return lambda _: {name: value}


def undecided(*names: str) -> Decide:
    """As if the server had never decided about these."""
    return lambda _: {name: getattr(UNDECIDED, name) for name in names}


class SettingChange(Struct, frozen=True):
    """One change of a server's setting by a moderator."""

    user_id: int
    setting: str
    old: str
    new: str
    created_at: datetime
    #: grows with time
    id: int = 0


#: a field of ServerSettings -> its type
SETTINGS: Mapping[str, Any] = {each.name: each.type for each in fields(ServerSettings)}


def read_setting(name: str, text: str) -> Any:
    """
    A setting's value from the text that is kept of it; an empty text decides nothing.

    Raises:
        KeyError: this version has no such setting.
        ValueError: it cannot read the text.
    """
    kind, undecided = SETTINGS[name], getattr(UNDECIDED, name)
    if not text:
        return undecided
    if isinstance(undecided, frozenset | dict):
        return json.decode(text, type=kind)
    return convert(text, kind, strict=False)


def write_setting(value: object) -> str:
    """The text that is kept of a setting's value: a word as it is, all else as JSON."""
    if isinstance(value, str | None):
        return str(value or "")
    if isinstance(value, dict):
        # What is kept in order has words for its keys.
        value = {str(key): each for key, each in value.items()}
    return json.encode(value, order="deterministic").decode()


def read_settings(kept: Mapping[str, str]) -> ServerSettings:
    """
    Args:
        kept: name -> text; what this version does not know, or cannot read, counts as undecided.
    """
    values = {}
    for name in SETTINGS.keys() & kept.keys():
        with suppress(ValueError):
            values[name] = read_setting(name, kept[name])
    return ServerSettings(**values)
