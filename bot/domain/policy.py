"""What a server's settings mean: the NSFW rule, what is allowed, and what may be spent."""

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime

from msgspec import Struct
from msgspec.structs import replace

from bot.domain.credits import Microcredits
from bot.domain.jobs import Job, Offer
from bot.domain.ledger import Allowance, Period
from bot.domain.requests import RESOLUTIONS, ImageRequest, Reference
from bot.domain.settings import FOREVER, NsfwMode, PictureMenus, ServerSettings
from bot.errors import InsufficientCredits, NotAllowed, Reason, Refusal

#: channels that a refusal names
CHANNELS_NAMED_MAX = 10


class Place(Struct, frozen=True):
    """Where a command was given."""

    #: 0 in a direct message
    server_id: int
    channel_id: int
    #: whether the channel, or a thread's parent, is marked so on Discord
    age_restricted: bool
    #: the channel that a thread or a forum's post belongs to; 0: it is no thread
    parent_id: int = 0

    @property
    def is_direct(self) -> bool:
        return self.server_id == 0


class NsfwRule(Struct, frozen=True):
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


def covers(place: Place, *jobs: Job) -> bool:
    """Whether the images of any of these jobs are covered here, wherever they were made."""
    return any(job.covered or not (job.nsfw_checker or place.age_restricted) for job in jobs)


def hides(job: Job, picture: Reference, maker: Job | None) -> bool:
    """
    Whether a job's result does not show a picture that it was made from.

    Args:
        maker: the job that made the picture; None: a member posted it, or that is not known.
    """
    if maker is None:
        return picture.covered
    return maker.removed or maker.covered or (job.nsfw_checker and not maker.nsfw_checker)


def allowance(decided: ServerSettings, role_ids: Collection[int], default: Allowance) -> Allowance:
    """
    What a member's account is refilled to: the best allowance of their roles counts, then the
    server's, then the operator's.

    Args:
        default: the operator's.
    """
    role_id = best_role(decided, role_ids)
    amount = decided.allowance_ucr if role_id is None else decided.role_allowances_ucr[role_id]
    return Allowance(
        default.amount_ucr if amount is None else amount, decided.allowance_period or default.period
    )


def decides_allowance(decided: ServerSettings) -> bool:
    """Whether the server has a part in what its members get without a role's allowance."""
    return decided.allowance_ucr is not None or decided.allowance_period is not None


def best_role(decided: ServerSettings, role_ids: Collection[int]) -> int | None:
    """The one of these roles with the highest allowance; None: none of them has one."""
    amounts = decided.role_allowances_ucr
    with_one = sorted(role_id for role_id in role_ids if role_id in amounts)
    return max(with_one, key=lambda role_id: amounts[role_id], default=None)


def may_take_pictures(menus: PictureMenus, *, own: bool) -> bool:
    """Whether a member may take a picture by a message's menu; `own`: the picture is theirs."""
    return menus is PictureMenus.EVERYONE or (own and menus is PictureMenus.OWN)


class Guests(Struct, frozen=True):
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
        default_ucr: the operator's. The operator pays, so a server may set less, never more.
    """
    amounts = [each for each in (decided.budget_ucr, default_ucr) if each is not None]
    return Allowance(min(amounts), Period.MONTH) if amounts else None


def within_ceiling(decided: ServerSettings, offered: Sequence[Offer]) -> Sequence[Offer]:
    """
    The offers whose quote the server allows for one job.

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


def in_force(decided: ServerSettings, now: datetime) -> ServerSettings:
    """The settings as they count now: a pause that is over is none."""
    if 0 < decided.paused_until <= now.timestamp():
        return replace(decided, paused_until=0, pause_reason="")
    return decided


def check_place(decided: ServerSettings, place: Place, now: datetime) -> None:
    """
    Raises:
        NotAllowed: the server makes no images at the moment, or none in this channel.
    """
    until = decided.paused_until
    if until > now.timestamp():
        said = {"said": decided.pause_reason} if decided.pause_reason else {}
        if until >= FOREVER:
            raise NotAllowed(Reason.PAUSED, **said)
        raise NotAllowed(Reason.PAUSED_UNTIL, until=until, **said)
    allowed = decided.allowed_channels
    if allowed and not allowed & {place.channel_id, place.parent_id}:
        named = [f"<#{channel_id}>" for channel_id in sorted(allowed)[:CHANNELS_NAMED_MAX]]
        raise NotAllowed(Reason.CHANNEL_NOT_ALLOWED, channels=named)


def check_allowed(decided: ServerSettings, request: ImageRequest) -> None:
    """
    Raises:
        NotAllowed: the server does not allow such a request, whichever route would make it.
    """
    check_draft(decided, request)
    if request.count > decided.count_max:
        raise NotAllowed(Reason.COUNT_NOT_ALLOWED, count_max=decided.count_max)
    sizes = resolutions_here(decided)
    if request.resolution not in sizes and "resolution" not in request.wishes:
        raise NotAllowed(
            Reason.RESOLUTION_NOT_ALLOWED, resolution=request.resolution, allowed=list(sizes)
        )
    if request.model:
        check_model_allowed(decided, request.model)


def allows(decided: ServerSettings, request: ImageRequest) -> bool:
    """Whether the server allows the request; see `check_allowed`."""
    try:
        check_allowed(decided, request)
    except Refusal:
        return False
    return True


def check_draft(decided: ServerSettings, draft: ImageRequest) -> None:
    """
    Check what no form changes.

    Raises:
        NotAllowed: the server does not allow the draft, whatever its member fills in.
    """
    if draft.private and not decided.private_allowed:
        raise NotAllowed(Reason.PRIVATE_NOT_ALLOWED)
    others = any(each.author_id for each in draft.references)
    if others and not may_take_pictures(decided.picture_menus, own=False):
        # Whichever way another member's picture was taken.
        raise NotAllowed(Reason.PICTURE_NOT_ALLOWED)


def fitted(decided: ServerSettings, request: ImageRequest) -> ImageRequest:
    """
    The request as the server allows it, to be changed further. A private one stays private: if that
    is not allowed, it is refused later instead of shown to everyone.
    """
    sizes = resolutions_here(decided)
    return replace(
        request,
        model=request.model if is_model_allowed(decided, request.model) else "",
        resolution=request.resolution if request.resolution in sizes else sizes[-1],
        count=min(request.count, decided.count_max),
    )


def is_model_allowed(decided: ServerSettings, model: str) -> bool:
    return not decided.allowed_models or model in decided.allowed_models


def check_model_allowed(decided: ServerSettings, model: str) -> None:
    """
    Raises:
        NotAllowed: the server does not allow the model; names those that it does.
    """
    if not is_model_allowed(decided, model):
        allowed = sorted(decided.allowed_models)
        raise NotAllowed(Reason.MODEL_NOT_ALLOWED, model=model, allowed=allowed)


def resolutions_here(decided: ServerSettings) -> tuple[str, ...]:
    return RESOLUTIONS[: RESOLUTIONS.index(decided.resolution_max) + 1]


def models_here(decided: ServerSettings, models: Iterable[str], default: str) -> list[str]:
    """
    The models that the server allows, in the order in which they are tried where none is named.

    Args:
        models: ids of all models.
        default: the operator's default, which comes after the server's own.
    """
    allowed = [model for model in models if is_model_allowed(decided, model)]
    first = [model for model in (decided.default_model, default) if model in allowed]
    return list(dict.fromkeys([*first, *allowed]))


def asks_above(decided: ServerSettings, default_ucr: Microcredits) -> Microcredits:
    """The amount above which a button or a form asks before it spends."""
    return default_ucr if decided.confirm_above_ucr is None else decided.confirm_above_ucr


def public_locale(decided: ServerSettings, server_locale: str) -> str:
    """
    The language of what everyone in a server reads.

    Args:
        server_locale: as Discord has it.
    """
    return decided.locale or server_locale
