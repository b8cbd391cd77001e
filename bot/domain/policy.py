"""What a server's decisions mean here: the NSFW rule, and what members and servers may spend."""

from collections.abc import Collection
from dataclasses import dataclass

from bot.domain.credits import Microcredits
from bot.domain.ledger import Allowance, Period
from bot.domain.settings import NsfwMode, PictureMenus, ServerSettings
from bot.errors import NotAllowed, Reason


@dataclass(frozen=True, slots=True)
class Place:
    """Where a command was given."""

    #: 0 in a direct message
    server_id: int
    channel_id: int
    #: of the channel or, for a thread, its parent
    age_restricted: bool

    @property
    def is_direct(self) -> bool:
        return self.server_id == 0


@dataclass(frozen=True, slots=True)
class NsfwRule:
    #: what the provider is told
    nsfw_checker: bool
    #: adult content may stand in age-restricted channels only (Discord Community Guidelines), so
    #: what was made without the filter elsewhere is covered
    spoiler: bool


def nsfw_rule(mode: NsfwMode, place: Place) -> NsfwRule:
    if place.is_direct or mode is NsfwMode.ON:
        return NsfwRule(nsfw_checker=True, spoiler=False)
    if mode is NsfwMode.AGE_RESTRICTED:
        return NsfwRule(nsfw_checker=not place.age_restricted, spoiler=False)
    return NsfwRule(nsfw_checker=False, spoiler=not place.age_restricted)


def allowance(decided: ServerSettings, role_ids: Collection[int], default: Allowance) -> Allowance:
    """
    What a member's account is refilled to: the best of their roles counts, then the server, then
    the operator.

    Args:
        default: the operator's; its period is everyone's.
    """
    amounts = decided.role_allowances_ucr
    of_roles = [amounts[role_id] for role_id in role_ids if role_id in amounts]
    amount = max(of_roles) if of_roles else decided.allowance_ucr
    return default if amount is None else Allowance(amount, default.period)


def may_take_pictures(menus: PictureMenus, *, own: bool) -> bool:
    """Whether a member may go on from a picture of a message, which is their own or another's."""
    return menus is PictureMenus.EVERYONE or (own and menus is PictureMenus.OWN)


@dataclass(frozen=True, slots=True)
class Guests:
    """Whom the host lets in."""

    #: ids; empty: every server
    servers: frozenset[int] = frozenset()
    direct_messages: bool = True

    def check(self, place: Place) -> None:
        """
        Raises:
            NotAllowed: the host does not serve this server, or no direct messages.
        """
        if place.is_direct and not self.direct_messages:
            raise NotAllowed(Reason.NO_DIRECT_MESSAGES)
        if not place.is_direct and not self.lets_in(place.server_id):
            raise NotAllowed(Reason.SERVER_NOT_SERVED)

    def lets_in(self, server_id: int) -> bool:
        return not self.servers or server_id in self.servers


def budget(decided: ServerSettings, default_ucr: Microcredits | None) -> Allowance | None:
    """What the whole server may spend in a month; None: as much as its members may."""
    amount = default_ucr if decided.budget_ucr is None else decided.budget_ucr
    return None if amount is None else Allowance(amount, Period.MONTH)
