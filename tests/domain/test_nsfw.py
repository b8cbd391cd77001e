"""The NSFW rule in every combination, against the rule as it is told in words."""

from itertools import product

import pytest

from bot.domain.catalog import NsfwSwitch
from bot.domain.policy import NsfwRule
from bot.domain.settings import NsfwMode
from tests.domain.nsfw_matrix import PLACES, NsfwState, combinations, nsfw_state, table

FILTERED = NsfwRule(nsfw_checker=True, spoiler=False)
UNFILTERED = NsfwRule(nsfw_checker=False, spoiler=False)
COVERED = NsfwRule(nsfw_checker=False, spoiler=True)
#: by the setting: in places that are age-restricted, and in others; direct messages are neither
IN_RESTRICTED = {
    NsfwMode.ON: FILTERED,
    NsfwMode.AGE_RESTRICTED: UNFILTERED,
    NsfwMode.OFF: UNFILTERED,
}
ELSEWHERE = {NsfwMode.ON: FILTERED, NsfwMode.AGE_RESTRICTED: FILTERED, NsfwMode.OFF: COVERED}
#: by the route's switch, with the filter on and off; None: the route is not used
TOLD = {
    NsfwSwitch.NONE: (None, {}),
    NsfwSwitch.NSFW_CHECKER: ({"nsfw_checker": True}, {"nsfw_checker": False}),
    NsfwSwitch.MODERATION: ({"moderation": "auto"}, {"moderation": "low"}),
}


def expected(mode: NsfwMode, name: str, switch: NsfwSwitch) -> NsfwState:
    if "direct message" in name:
        rule = FILTERED
    else:
        rule = (IN_RESTRICTED if "age-restricted" in name else ELSEWHERE)[mode]
    fields = TOLD[switch][not rule.nsfw_checker]
    return NsfwState(rule, fields is not None, fields or {})


@pytest.mark.parametrize(("mode", "name", "switch"), list(product(NsfwMode, PLACES, NsfwSwitch)))
def test_each_combination_is_as_the_rule_says(
    mode: NsfwMode, name: str, switch: NsfwSwitch
) -> None:
    assert nsfw_state(mode, PLACES[name], switch) == expected(mode, name, switch)


def test_unfiltered_images_are_never_seen_uncovered_outside_age_restricted_places() -> None:
    for _, name, _, state in combinations():
        if not state.rule.nsfw_checker and not state.rule.spoiler:
            assert "age-restricted" in name


def test_the_table_has_a_line_for_each_combination() -> None:
    lines = table().splitlines()
    assert len(lines) == 1 + len(NsfwMode) * len(PLACES) * len(NsfwSwitch)
    assert len(set(lines)) == len(lines)
