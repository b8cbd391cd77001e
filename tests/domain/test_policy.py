"""The NSFW rule, as the whole table of setting and place."""

import pytest

from bot.domain.policy import NsfwRule, Place, nsfw_rule
from bot.domain.settings import NsfwMode

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
