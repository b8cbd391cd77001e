"""Jobs and tasks: their states, the steps between them, and why one fails."""

from collections.abc import Iterable, Mapping
from datetime import UTC, date, datetime, time
from enum import StrEnum

from msgspec import Struct, field

from bot.domain.credits import Microcredits
from bot.domain.ledger import Period, period_end
from bot.domain.queue import QueuePosition
from bot.domain.requests import ImageRequest
from bot.errors import Facts


class JobState(StrEnum):
    """In the order in which a job comes to them; it ends in one of the last three."""

    #: its quote is held, and it waits for its turn
    QUEUED = "queued"
    #: claimed; its tasks are under way
    RUNNING = "running"
    #: its tasks and its hold have ended; the member is yet to be told
    DELIVERING = "delivering"
    #: its images are in front of the member, or kept for them
    DONE = "done"
    #: the member has been told that there are none, or could not be told anything
    FAILED = "failed"
    #: taken back before anything was submitted, by the member, a moderator or the bot
    CANCELLED = "cancelled"


class TaskState(StrEnum):
    PENDING = "pending"
    #: about to be sent, or sent with no answer yet: after a crash its outcome is unknown
    SUBMITTING = "submitting"
    #: the provider's task id is known
    SUBMITTED = "submitted"
    #: the image is on disk
    STORED = "stored"
    FAILED = "failed"


TASK_STEPS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.PENDING: frozenset({TaskState.SUBMITTING, TaskState.FAILED}),
    # Back to pending only when the submit was surely not accepted.
    # Stored at once where the vendor answers only when it is done.
    TaskState.SUBMITTING: frozenset(
        {TaskState.SUBMITTED, TaskState.PENDING, TaskState.STORED, TaskState.FAILED}
    ),
    TaskState.SUBMITTED: frozenset({TaskState.STORED, TaskState.FAILED}),
    TaskState.STORED: frozenset(),
    TaskState.FAILED: frozenset(),
}

OPEN_TASK_STATES = tuple(state for state, steps in TASK_STEPS.items() if steps)


class Failure(StrEnum):
    """Why a task, or a job, ended without an image; above some, the facts that come with them."""

    #: stage and contents, where the vendor says them
    MODERATION = "moderation"
    #: the provider will not take this request because of its form
    NOT_ACCEPTED = "not_accepted"
    PROVIDER_FAILED = "provider_failed"
    #: again_at in seconds since 1970, where it is known
    PROVIDER_DOWN = "provider_down"
    PROVIDER_MISCONFIGURED = "provider_misconfigured"
    #: sent, but whether it was accepted is not known
    OUTCOME_UNKNOWN = "outcome_unknown"
    #: what the provider gave is no image, or too large a one
    BAD_RESULT = "bad_result"
    #: finished by the provider, but its image could not be fetched
    RESULT_LOST = "result_lost"
    #: finished by the provider without an image
    NO_IMAGE = "no_image"
    TIMED_OUT = "timed_out"
    #: option, filename, and those of `flaw`
    REFERENCE = "reference"
    #: Discord took the result nowhere; keep_days, if the result is kept
    UNDELIVERABLE = "undeliverable"
    #: Discord will not show the result here; keep_days, if the result is kept
    NOT_SHOWN = "not_shown"
    #: it waited in the queue for longer than anyone would
    WAITED_TOO_LONG = "waited_too_long"
    #: by its member, or by a moderator: by_id, because
    CANCELLED = "cancelled"
    #: taken back because its member saw no answer
    UNANSWERED = "unanswered"
    #: a defect in Easel, or its disk is full
    INTERNAL = "internal"
    #: the bot was removed from the server before the job was done
    REMOVED = "removed"


#: with these, the images exist and are kept for their member
KEPT = frozenset({Failure.UNDELIVERABLE, Failure.NOT_SHOWN})


class Problem(Struct, frozen=True):
    failure: Failure
    #: what its sentence is made with; never a vendor's text
    facts: Facts = field(default_factory=dict)


class Reply(Struct, frozen=True):
    """What the bot needs to answer the command on Discord without the gateway."""

    application_id: int
    token: str
    token_expires_at: datetime
    #: bytes of one file, as the interaction says
    file_bytes_max: int


class Job(Struct, frozen=True):
    id: str
    #: 0 in a direct message
    server_id: int
    channel_id: int
    user_id: int
    request: ImageRequest
    state: JobState
    #: held for all its images
    quote_ucr: Microcredits
    #: settled; None until its tasks have ended
    cost_ucr: Microcredits | None
    nsfw_checker: bool
    spoiler: bool
    reply: Reply
    created_at: datetime
    #: Discord's id of the command, button or form that asked for it; each makes one job at most
    interaction_id: int
    #: the member's language, as Discord names it
    locale: str = "en-US"
    started_at: datetime | None = None
    #: id of the status message, once Discord has told it
    message_id: int | None = None
    problem: Problem | None = None
    #: how often it was claimed, by this process or another
    claims: int = 0
    finished_at: datetime | None = None
    #: its images stay on disk for the member, as they were made
    keeps_images: bool = False
    #: its member stopped waiting: the images are kept, and nothing is posted
    unwatched: bool = False
    #: by a moderator: its images are covered wherever they are shown
    covered: bool = False
    #: by a moderator: its images are gone, and it is in no history
    removed: bool = False


class Task(Struct, frozen=True):
    id: str
    job_id: str
    #: 0-3: which of the job's images
    image_index: int
    route_id: str
    #: list price of this image; what is charged where the vendor names no cost
    price_ucr: Microcredits
    state: TaskState
    submits: int = 0
    provider_task_id: str | None = None
    submitted_at: datetime | None = None
    #: file name under the image folder, width and height in pixels, bytes; None until stored
    image_name: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    size_bytes: int | None = None
    cost_ucr: Microcredits | None = None
    #: False: the vendor did not say its cost, so the quote was charged
    cost_known: bool = True
    problem: Problem | None = None


class Offer(Struct, frozen=True):
    """A job as it would be accepted, at one of the quotes that it may be held at."""

    job: Job
    tasks: tuple[Task, ...]


class Accepted(Struct, frozen=True):
    job: Job
    tasks: tuple[Task, ...]
    in_queue: QueuePosition
    #: the server's moderators see private jobs, too
    private_seen: bool = False


class Claimed(Struct, frozen=True):
    """Jobs that were claimed, each with its tasks in the order of their images."""

    jobs: tuple[tuple[Job, list[Task]], ...]
    #: whether there are jobs in the queue that were not claimed
    others_wait: bool


class Made(Struct, frozen=True):
    """A job whose tasks have ended, with what its delivery shows."""

    job: Job
    tasks: list[Task]
    #: what its member has left
    balance_ucr: int


def fields_of(job: Job) -> dict[str, object]:
    """The fields that every log line about a job has."""
    return {
        "job_id": job.id,
        "server_id": job.server_id,
        "channel_id": job.channel_id,
        "user_id": job.user_id,
    }


def id_at(now: datetime) -> str:
    """The beginning of the ids of jobs made now, and so of their tasks: ids sort by time."""
    return f"{round(now.timestamp() * 1000):011x}"


def first_id(day: date) -> str:
    """The beginning of the ids of jobs that are asked for as this day begins."""
    return id_at(datetime.combine(day, time(), UTC))


def ids_of_month(first: date) -> tuple[str, str]:
    """
    The beginnings of ids at the month's beginning and at its end.

    Args:
        first: the month's first day.
    """
    return first_id(first), first_id(period_end(first, Period.MONTH))


def is_job_id(text: str) -> bool:
    """Whether a text can be a job's id; a database does not take every text."""
    return text.isascii() and text.isalnum()


def is_unsent(tasks: Iterable[Task]) -> bool:
    """Whether nothing of a job was submitted, so that it can be cancelled."""
    return all(task.state is TaskState.PENDING for task in tasks)


def latest(tasks: Iterable[Task]) -> list[Task]:
    """
    The last task of each image; the ones before it fell back to another route.

    Args:
        tasks: one job's, in the order of images and attempts.
    """
    return list({task.image_index: task for task in tasks}.values())
