"""What a member may do next with a result: the requests that go on from a job."""

from typing import Any

from msgspec.structs import replace

from bot.domain.jobs import Job
from bot.domain.requests import RESOLUTIONS, ImageRequest, Mode, Reference, Turn, by_itself
from bot.errors import Facts, Flaw


def taken(job: Job, by_id: int) -> Job:
    """The job as whoever goes on from it has it: pictures that are another member's name them."""
    references = (owned(each, job, by_id) for each in job.request.references)
    return replace(job, request=replace(job.request, references=tuple(references)))


def owned(picture: Reference, job: Job, by_id: int) -> Reference:
    """A picture of the job's, naming its author if that is not whoever goes on from it."""
    author_id = picture.author_id or job.user_id
    return replace(picture, author_id=0 if author_id == by_id else author_id)


def again(job: Job) -> ImageRequest:
    """The same by the same model. What its member preferred tells nothing of whoever goes on."""
    return replace(by_itself(job.request), parent_id=job.id, turn=job.request.turn)


def is_unusable(facts: Facts) -> bool:
    """Whether what went wrong is an image that is no better another time."""
    return facts.get("flaw") not in (None, Flaw.NOT_FETCHED)


def reworded(request: ImageRequest, facts: Facts) -> ImageRequest:
    """
    A request for its member to change.

    Args:
        facts: of what went wrong. If an image cannot be used, they attach all anew; for a mask, the
            form takes another one.
    """
    anew = is_unusable(facts) and facts.get("option") != "mask"
    return replace(request, references=()) if anew else request


def edit(job: Job, source: Reference) -> ImageRequest:
    """An edit of the source, without the words and the choices that the member has yet to make."""
    return _from(source, job, prompt="")


def vary(job: Job, source: Reference) -> ImageRequest:
    return _from(source, job, turn=Turn.VARY)


def larger(job: Job, source: Reference) -> ImageRequest | None:
    """None: there is no larger resolution."""
    place = RESOLUTIONS.index(job.request.resolution) + 1
    if place == len(RESOLUTIONS):
        return None
    return _from(source, job, resolution=RESOLUTIONS[place], turn=Turn.LARGER)


def _from(source: Reference, job: Job, *, turn: Turn = Turn.PLAIN, **others: Any) -> ImageRequest:
    return replace(
        by_itself(job.request),
        mode=Mode.EDIT,
        aspect_ratio="auto",
        count=1,
        references=(source,),
        mask=None,
        parent_id=job.id,
        turn=turn,
        **others,
    )
