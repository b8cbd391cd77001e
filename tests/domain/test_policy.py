"""The NSFW rule, as the whole table of setting and place; who gives how much."""

import pytest

from bot.domain import policy
from bot.domain.credits import Microcredits
from bot.domain.ledger import Allowance, Period
from bot.domain.policy import NsfwRule, Place, nsfw_rule
from bot.domain.quota import share_reached
from bot.domain.settings import NsfwMode, ServerSettings

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
