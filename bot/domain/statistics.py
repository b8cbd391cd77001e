"""What was made and spent in a server in a month."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from bot.domain.jobs import Failure


@dataclass(frozen=True, slots=True)
class OfMember:
    #: negative: of one whose data was erased
    user_id: int
    jobs: int
    cost_ucr: int


@dataclass(frozen=True, slots=True)
class OfRoute:
    route_id: str
    images: int
    cost_ucr: int


@dataclass(frozen=True, slots=True)
class OfDay:
    images: int = 0
    cost_ucr: int = 0


@dataclass(frozen=True, slots=True)
class Month:
    jobs: int
    #: that ended without an image, beside those that were cancelled
    failed: int
    cost_ucr: int
    #: those that spent most
    members: Sequence[OfMember]
    #: those that made most
    routes: Sequence[OfRoute]
    #: why jobs had no image, the most common reasons first
    failures: Sequence[tuple[Failure, int]]
    #: of jobs with images, from asking to seeing them, in seconds; None: there were none
    median_wait_s: float | None
    #: days since 1970 -> what was made and spent, of days on which anything was
    days: Mapping[int, OfDay] = field(default_factory=dict)

    @property
    def images(self) -> int:
        return sum(day.images for day in self.days.values())
