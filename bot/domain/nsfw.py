"""The NSFW rule as a whole: from a server's setting and a place to what a vendor is told."""

from collections.abc import Mapping
from dataclasses import dataclass

from bot.domain.catalog import NsfwSwitch
from bot.domain.policy import NsfwRule, Place, nsfw_rule
from bot.domain.settings import NsfwMode


@dataclass(frozen=True, slots=True)
class NsfwState:
    rule: NsfwRule
    #: whether the route may be used there at all
    served: bool
    #: what the vendor is told, by its own field's name; empty: nothing, or the route is not used
    fields: Mapping[str, bool | str]


def nsfw_state(mode: NsfwMode, place: Place, switch: NsfwSwitch) -> NsfwState:
    """
    Args:
        mode: the server's `nsfw_checker`; it has no effect in direct messages.
        place: a thread or a forum's post is as restricted as the channel that it belongs to.
        switch: the route's.
    """
    rule = nsfw_rule(mode, place)
    served = switch.serves(nsfw_checker=rule.nsfw_checker)
    fields = switch.fields(nsfw_checker=rule.nsfw_checker) if served else {}
    return NsfwState(rule, served, fields)
