"""
The NSFW rule in every combination: each setting, place and kind of route, and what becomes of it.

`python -m tests.domain.nsfw_matrix` prints the table.
"""

import sys
from collections.abc import Iterator, Mapping
from itertools import product

from msgspec import Struct

from bot.domain.catalog import NsfwSwitch
from bot.domain.policy import NsfwRule, Place, nsfw_rule
from bot.domain.settings import NsfwMode

PLACES = {
    "channel": Place(7, 70, age_restricted=False),
    "age-restricted channel": Place(7, 70, age_restricted=True),
    "thread of a channel": Place(7, 71, age_restricted=False, parent_id=70),
    "thread of an age-restricted one": Place(7, 71, age_restricted=True, parent_id=70),
    "direct message": Place(0, 70, age_restricted=False),
    # Discord has no such thing; it would change nothing.
    "age-restricted direct message": Place(0, 70, age_restricted=True),
}
COLUMNS = ("setting", "place", "route's switch", "filter", "covered", "the vendor is told")


class NsfwState(Struct, frozen=True):
    rule: NsfwRule
    #: whether the route may be used there at all
    served: bool
    #: what the vendor is told, by its own field's name; empty: nothing, or the route is not used
    fields: Mapping[str, bool | str]


def nsfw_state(mode: NsfwMode, place: Place, switch: NsfwSwitch) -> NsfwState:
    rule = nsfw_rule(mode, place)
    served = switch.serves(nsfw_checker=rule.nsfw_checker)
    fields = switch.fields(nsfw_checker=rule.nsfw_checker) if served else {}
    return NsfwState(rule, served, fields)


def combinations() -> Iterator[tuple[NsfwMode, str, NsfwSwitch, NsfwState]]:
    for mode, (name, place), switch in product(NsfwMode, PLACES.items(), NsfwSwitch):
        yield mode, name, switch, nsfw_state(mode, place, switch)


def told(state: NsfwState) -> str:
    if not state.served:
        return "not used: it has no filter to be on"
    return ", ".join(f"{name}={value}" for name, value in state.fields.items()) or "nothing"


def rows() -> Iterator[tuple[str, ...]]:
    for mode, name, switch, state in combinations():
        filtered = "on" if state.rule.nsfw_checker else "off"
        covered = "yes" if state.rule.spoiler else "no"
        yield mode.value, name, switch.value, filtered, covered, told(state)


def table() -> str:
    lines = [COLUMNS, *rows()]
    widths = [max(len(line[n]) for line in lines) for n in range(len(COLUMNS))]
    return "\n".join(
        "  ".join(word.ljust(width) for word, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


if __name__ == "__main__":
    sys.stdout.write(table() + "\n")
