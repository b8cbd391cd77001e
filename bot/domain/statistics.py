"""What was made and spent in a server in a month."""

from collections.abc import Mapping, Sequence

from msgspec import Struct, field

from bot.domain.jobs import Failure


class OfMember(Struct, frozen=True):
    #: negative: a member whose data was erased
    user_id: int
    jobs: int
    cost_ucr: int


class OfRoute(Struct, frozen=True):
    route_id: str
    images: int
    cost_ucr: int


class OfDay(Struct, frozen=True):
    images: int = 0
    cost_ucr: int = 0


class Month(Struct, frozen=True):
    jobs: int
    #: jobs that ended without an image, not counting cancelled ones
    failed: int
    cost_ucr: int
    #: the members who spent most
    members: Sequence[OfMember]
    #: the routes that made most images
    routes: Sequence[OfRoute]
    #: why jobs had no image, the most common reasons first
    failures: Sequence[tuple[Failure, int]]
    #: seconds from asking to seeing the images; None: no job had images
    median_wait_s: float | None
    #: days since 1970 -> what was made and spent; without days that had no job
    days: Mapping[int, OfDay] = field(default_factory=dict)

    @property
    def images(self) -> int:
        return sum(day.images for day in self.days.values())
