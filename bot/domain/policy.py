"""What a server's decisions mean here: the NSFW rule, and what members and servers may spend."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from bot.domain.credits import Microcredits
from bot.domain.jobs import Offer
from bot.domain.ledger import Allowance, Period
from bot.domain.settings import NsfwMode, PictureMenus, ServerSettings
from bot.errors import InsufficientCredits, NotAllowed, Reason


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
        default: the operator's.
    """
    role_id = best_role(decided, role_ids)
    amount = decided.allowance_ucr if role_id is None else decided.role_allowances_ucr[role_id]
    return Allowance(
        default.amount_ucr if amount is None else amount, decided.allowance_period or default.period
    )


def best_role(decided: ServerSettings, role_ids: Collection[int]) -> int | None:
    """Of these roles the one with the highest allowance; None: none of them has one."""
    amounts = decided.role_allowances_ucr
    with_one = sorted(role_id for role_id in role_ids if role_id in amounts)
    return max(with_one, key=lambda role_id: amounts[role_id], default=None)


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
    """
    What the whole server may spend in a month; None: as much as its members may.

    Args:
        default_ucr: the operator's, who pays: a server may allow itself less, never more.
    """
    amounts = [each for each in (decided.budget_ucr, default_ucr) if each is not None]
    return Allowance(min(amounts), Period.MONTH) if amounts else None


def within_ceiling(decided: ServerSettings, offered: Sequence[Offer]) -> Sequence[Offer]:
    """
    A job at those quotes that the server allows for one.

    Raises:
        InsufficientCredits: it allows none of them.
    """
    ceiling = decided.job_max_ucr
    if ceiling is None:
        return offered
    within = [offer for offer in offered if offer.job.quote_ucr <= ceiling]
    if offered and not within:
        least = min(offer.job.quote_ucr for offer in offered)
        raise InsufficientCredits(Reason.CEILING, needed_ucr=least, available_ucr=ceiling)
    return within
