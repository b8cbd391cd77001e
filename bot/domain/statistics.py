"""What was made and spent in a server in a month."""

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct, field
from msgspec.structs import astuple

from bot.domain.jobs import Failure

MEMBERS_SHOWN_MAX = 5
ROUTES_SHOWN_MAX = 10
FAILURES_SHOWN_MAX = 5


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


class Tally(Struct):
    """Numbers of some of a month's jobs, to which those of others can be added."""

    failures: Counter[Failure] = field(default_factory=Counter)
    #: by milliseconds from asking to seeing the images: how many jobs took so long
    waits_ms: Counter[int] = field(default_factory=Counter)
    #: by user id
    jobs_of_member: Counter[int] = field(default_factory=Counter)
    cost_of_member: Counter[int] = field(default_factory=Counter)
    #: by route id
    images_of_route: Counter[str] = field(default_factory=Counter)
    cost_of_route: Counter[str] = field(default_factory=Counter)
    #: by days since 1970
    images_of_day: Counter[int] = field(default_factory=Counter)
    cost_of_day: Counter[int] = field(default_factory=Counter)

    def add(self, other: "Tally") -> None:
        for counts, others in zip(astuple(self), astuple(other), strict=True):
            counts.update(others)

    def month(self) -> Month:
        """The month whose jobs these are."""
        members = [
            OfMember(each, jobs, self.cost_of_member[each])
            for each, jobs in self.jobs_of_member.items()
        ]
        members.sort(key=lambda each: (each.cost_ucr, each.jobs), reverse=True)
        routes = self.images_of_route.most_common(ROUTES_SHOWN_MAX)
        waits_ms = sorted(self.waits_ms.elements())
        return Month(
            jobs=self.jobs_of_member.total(),
            failed=self.failures.total(),
            cost_ucr=self.cost_of_member.total(),
            members=members[:MEMBERS_SHOWN_MAX],
            routes=[OfRoute(each, images, self.cost_of_route[each]) for each, images in routes],
            failures=self.failures.most_common(FAILURES_SHOWN_MAX),
            median_wait_s=waits_ms[len(waits_ms) // 2] / 1000 if waits_ms else None,
            days={
                each: OfDay(self.images_of_day[each], cost_ucr)
                for each, cost_ucr in self.cost_of_day.items()
            },
        )
