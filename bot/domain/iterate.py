"""What a member may do next with a result: the requests that go on from a job."""

from dataclasses import replace

from bot.domain.jobs import Job
from bot.domain.requests import RESOLUTIONS, ImageRequest, Mode, Reference, Turn


def again(job: Job) -> ImageRequest:
    return replace(job.request, parent_id=job.id)


def edit(job: Job, source: Reference) -> ImageRequest:
    """An edit of the source, without the words and the choices that the member has yet to make."""
    return replace(
        job.request,
        mode=Mode.EDIT,
        prompt="",
        aspect_ratio="auto",
        count=1,
        references=(source,),
        mask=None,
        parent_id=job.id,
        turn=Turn.PLAIN,
        instead_of="",
    )


def vary(job: Job, source: Reference) -> ImageRequest:
    return replace(edit(job, source), prompt=job.request.prompt, turn=Turn.VARY)


def larger(job: Job, source: Reference) -> ImageRequest | None:
    """None: there is no larger resolution."""
    place = RESOLUTIONS.index(job.request.resolution) + 1
    if place == len(RESOLUTIONS):
        return None
    return replace(vary(job, source), resolution=RESOLUTIONS[place], turn=Turn.LARGER)
