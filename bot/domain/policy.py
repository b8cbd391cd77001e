"""What this server and channel may do: the NSFW rule, and the trail of its changes."""

from dataclasses import dataclass
from enum import StrEnum


class NsfwMode(StrEnum):
    """A server's `nsfw_checker` setting."""

    ON = "on"
    #: off in age-restricted channels only
    AGE_RESTRICTED = "age_restricted"
    OFF = "off"


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
