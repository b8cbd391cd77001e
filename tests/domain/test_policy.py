"""What a server's decisions mean: the NSFW rule, what is allowed where, who gives how much."""

from datetime import UTC, datetime

import pytest
from msgspec.structs import replace

from bot.domain import policy
from bot.domain.budgets import share_reached
from bot.domain.credits import Microcredits
from bot.domain.ledger import Allowance, Period
from bot.domain.policy import (
    Guests,
    NsfwRule,
    Place,
    allows,
    asks_above,
    check_place,
    models_here,
    nsfw_rule,
    public_locale,
)
from bot.domain.requests import IMAGES_MAX, RESOLUTIONS, ImageRequest, Mode
from bot.domain.settings import FOREVER, NsfwMode, ServerSettings
from bot.errors import NotAllowed, Reason

FILTERED = NsfwRule(nsfw_checker=True, spoiler=False)
UNFILTERED = NsfwRule(nsfw_checker=False, spoiler=False)
COVERED = NsfwRule(nsfw_checker=False, spoiler=True)


@pytest.mark.parametrize(
    ("mode", "in_plain_channel", "in_age_restricted_channel"),
    [
        (NsfwMode.ON, FILTERED, FILTERED),
        (NsfwMode.AGE_RESTRICTED, FILTERED, UNFILTERED),
        (NsfwMode.OFF, COVERED, UNFILTERED),
    ],
)
def test_the_filter_follows_the_servers_setting_and_the_channel(
    mode: NsfwMode, in_plain_channel: NsfwRule, in_age_restricted_channel: NsfwRule
) -> None:
    assert nsfw_rule(mode, Place(7, 70, age_restricted=False)) == in_plain_channel
    assert nsfw_rule(mode, Place(7, 70, age_restricted=True)) == in_age_restricted_channel


@pytest.mark.parametrize("mode", NsfwMode)
@pytest.mark.parametrize("age_restricted", [False, True])
def test_in_direct_messages_the_filter_is_always_on(mode: NsfwMode, age_restricted: bool) -> None:
    place = Place(server_id=0, channel_id=70, age_restricted=age_restricted)
    assert place.is_direct
    assert nsfw_rule(mode, place) == FILTERED


NOW = datetime(2026, 11, 27, 12, tzinfo=UTC)
IN_AN_HOUR = int(NOW.timestamp()) + 3_600
STUDIO = Place(7, 70, age_restricted=False)
THREAD = Place(7, 71, age_restricted=False, parent_id=70)
LANTERN = ImageRequest(Mode.GENERATE, "a lantern", model="")


def refused(decided: ServerSettings, place: Place = STUDIO) -> Reason | None:
    try:
        check_place(decided, place, NOW)
    except NotAllowed as error:
        return error.reason
    return None


@pytest.mark.parametrize(
    ("until", "reason"),
    [
        (0, None),
        (int(NOW.timestamp()), None),
        (IN_AN_HOUR, Reason.PAUSED_UNTIL),
        (FOREVER, Reason.PAUSED),
    ],
)
def test_a_pause_ends_by_itself_where_an_end_was_set(until: int, reason: Reason | None) -> None:
    assert refused(ServerSettings(paused_until=until)) is reason


@pytest.mark.parametrize(
    ("allowed", "place", "reason"),
    [
        ((), STUDIO, None),
        ((70,), STUDIO, None),
        ((70,), THREAD, None),
        ((71,), THREAD, None),
        ((71,), STUDIO, Reason.CHANNEL_NOT_ALLOWED),
        ((72,), THREAD, Reason.CHANNEL_NOT_ALLOWED),
    ],
)
def test_a_thread_is_allowed_with_its_channel(
    allowed: tuple[int, ...], place: Place, reason: Reason | None
) -> None:
    assert refused(ServerSettings(allowed_channels=frozenset(allowed)), place) is reason


@pytest.mark.parametrize("count_max", range(1, IMAGES_MAX + 1))
@pytest.mark.parametrize("resolution_max", RESOLUTIONS)
def test_nothing_above_the_servers_maximum_is_allowed(count_max: int, resolution_max: str) -> None:
    decided = ServerSettings(count_max=count_max, resolution_max=resolution_max)
    for count in range(1, IMAGES_MAX + 1):
        for resolution in RESOLUTIONS:
            wanted = replace(LANTERN, count=count, resolution=resolution)
            within = count <= count_max and resolution <= resolution_max
            assert allows(decided, wanted) is within


@pytest.mark.parametrize("private_allowed", [True, False])
@pytest.mark.parametrize("private", [True, False])
def test_private_images_are_allowed_where_the_server_allows_them(
    private_allowed: bool, private: bool
) -> None:
    decided = ServerSettings(private_allowed=private_allowed)
    assert allows(decided, replace(LANTERN, private=private)) is (private_allowed or not private)


@pytest.mark.parametrize(
    ("decided", "order"),
    [
        (ServerSettings(), ["b", "a", "c"]),
        (ServerSettings(default_model="c"), ["c", "b", "a"]),
        (ServerSettings(allowed_models=frozenset("ac")), ["a", "c"]),
        (ServerSettings(allowed_models=frozenset("ac"), default_model="c"), ["c", "a"]),
        (ServerSettings(allowed_models=frozenset("a"), default_model="c"), ["a"]),
        (ServerSettings(default_model="gone"), ["b", "a", "c"]),
        (ServerSettings(allowed_models=frozenset({"gone"})), []),
    ],
)
def test_the_servers_default_comes_first_and_only_allowed_models_come(
    decided: ServerSettings, order: list[str]
) -> None:
    assert models_here(decided, "abc", "b") == order
    for model in "abc":
        assert allows(decided, replace(LANTERN, model=model)) is (model in order)


def test_the_servers_threshold_and_language_come_before_the_operators_and_discords() -> None:
    assert asks_above(ServerSettings(), 250_000) == 250_000
    assert asks_above(ServerSettings(confirm_above_ucr=0), 250_000) == 0
    assert public_locale(ServerSettings(), "ja") == "ja"
    assert public_locale(ServerSettings(locale="de"), "ja") == "de"


def test_in_direct_messages_nothing_is_decided() -> None:
    assert refused(ServerSettings(), Place(0, 70, age_restricted=False)) is None


DIRECT, ELSEWHERE = (Place(server, 70, age_restricted=False) for server in (0, 8))


@pytest.mark.parametrize(
    ("guests", "served"),
    [
        (Guests(), [STUDIO, ELSEWHERE, DIRECT]),
        (Guests(direct_messages=False), [STUDIO, ELSEWHERE]),
        (Guests(frozenset({7})), [STUDIO, DIRECT]),
        (Guests(frozenset({7}), direct_messages=False), [STUDIO]),
    ],
)
def test_a_host_serves_some_servers_and_direct_messages_or_not(
    guests: Guests, served: list[Place]
) -> None:
    for place in (STUDIO, ELSEWHERE, DIRECT):
        if place in served:
            guests.check(place)
            continue
        with pytest.raises(NotAllowed) as refused:
            guests.check(place)
        direct = place is DIRECT
        assert refused.value.reason is (
            Reason.NO_DIRECT_MESSAGES if direct else Reason.SERVER_NOT_SERVED
        )


PAINTER, PATRON = 501, 502


@pytest.mark.parametrize(
    ("decided", "host", "budget"),
    [
        (None, None, None),
        (None, 100, 100),
        (50, 100, 50),
        # Who hosts the bot pays.
        (500, 100, 100),
        (500, None, 500),
        (0, 100, 0),
    ],
)
def test_a_server_allows_itself_less_than_its_host_and_never_more(
    decided: int | None, host: int | None, budget: int | None
) -> None:
    found = policy.budget(ServerSettings(budget_ucr=decided), host)
    assert (found and found.amount_ucr) == budget


def test_the_best_role_counts_also_where_the_server_gives_more() -> None:
    decided = ServerSettings(
        allowance_ucr=Microcredits(900),
        role_allowances_ucr={PAINTER: Microcredits(300), PATRON: Microcredits(0)},
        allowance_period=Period.ROLLING,
    )
    default = Allowance(Microcredits(1), Period.DAY)
    for role_ids, amount, role in (
        ((), 900, None),
        ((7,), 900, None),
        ((PATRON,), 0, PATRON),
        ((PATRON, PAINTER, 7), 300, PAINTER),
    ):
        found = policy.allowance(decided, role_ids, default)
        assert found == Allowance(Microcredits(amount), Period.ROLLING)
        assert policy.best_role(decided, role_ids) == role


@pytest.mark.parametrize(
    ("spent", "share"),
    [(0, 0), (499, 0), (500, 50), (799, 50), (800, 80), (950, 80), (951, 100), (1_200, 100)],
)
def test_a_budget_is_spent_once_it_pays_for_nothing_more(spent: int, share: int) -> None:
    assert share_reached(1_000, spent, least_ucr=50) == share
