"""What a server's moderators have decided, and the trail of it."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from bot.domain.credits import Microcredits


class NsfwMode(StrEnum):
    """A server's `nsfw_checker` setting."""

    ON = "on"
    #: off in age-restricted channels only
    AGE_RESTRICTED = "age_restricted"
    OFF = "off"


class PictureMenus(StrEnum):
    """Whose pictures a member may take through a message's menu: `picture_menus`."""

    EVERYONE = "everyone"
    OWN = "own"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The defaults are those of a server that has decided nothing."""

    nsfw_checker: NsfwMode = NsfwMode.ON
    picture_menus: PictureMenus = PictureMenus.EVERYONE
    #: what each member's account is refilled to; None: the operator's ALLOWANCE
    allowance_ucr: Microcredits | None = None
    #: role's id -> what the account of a member with that role is refilled to
    role_allowances_ucr: Mapping[int, Microcredits] = field(default_factory=dict)
    #: what the whole server may spend in a month; None: the operator's SERVER_BUDGET
    budget_ucr: Microcredits | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """How a setting's value is kept as text."""

    #: raises ValueError or TypeError where this version cannot read it
    read: Callable[[str], Any]
    write: Callable[[Any], str] = str


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One change of a server's setting by a moderator."""

    user_id: int
    setting: str
    old: str
    new: str
    created_at: datetime


def _read_amount(text: str) -> Microcredits | None:
    return Microcredits(int(text)) if text else None


def _write_amount(amount: Microcredits | None) -> str:
    return "" if amount is None else str(amount)


def _read_roles(text: str) -> dict[int, Microcredits]:
    return {int(role): Microcredits(int(amount)) for role, amount in json.loads(text).items()}


def _write_roles(amounts: Mapping[int, Microcredits]) -> str:
    return json.dumps({str(role): amounts[role] for role in sorted(amounts)})


#: a field of ServerSettings -> how it is kept
SETTINGS: Mapping[str, Setting] = {
    "nsfw_checker": Setting(NsfwMode),
    "picture_menus": Setting(PictureMenus),
    "allowance_ucr": Setting(_read_amount, _write_amount),
    "role_allowances_ucr": Setting(_read_roles, _write_roles),
    "budget_ucr": Setting(_read_amount, _write_amount),
}


def read_settings(kept: Mapping[str, str]) -> ServerSettings:
    """
    Args:
        kept: name -> text; what this version does not know, or cannot read, counts as undecided.
    """
    values = {}
    for name, text in kept.items():
        if name in SETTINGS:
            try:
                values[name] = SETTINGS[name].read(text)
            except (ValueError, TypeError, AttributeError):
                continue
    return ServerSettings(**values)
