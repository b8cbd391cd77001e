"""What the engine needs from the outside, as Protocols; nothing here knows a vendor or Discord."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Protocol

from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Job, Problem, Task
from bot.domain.ledger import Account
from bot.domain.policy import NsfwMode, SettingChange
from bot.domain.pricing import Bill, Cost
from bot.domain.queue import QueuePlace
from bot.domain.requests import Mode
from bot.domain.waiting import Latency


class ImageFormat(StrEnum):
    """The value is the usual file ending."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"


@dataclass(frozen=True, slots=True)
class ImageFile:
    """An image on disk whose content has been checked: format, size and that it decodes."""

    path: Path
    format: ImageFormat
    width_px: int
    height_px: int
    size_bytes: int
    #: whether parts of it are transparent
    alpha: bool = False
    #: width and height before it was scaled to have fewer bytes; None: it was not looked at
    full_px: tuple[int, int] | None = None


@dataclass(frozen=True, slots=True)
class ImageLimits:
    size_bytes_max: int
    pixels_max: int


@dataclass(frozen=True, slots=True)
class Order:
    """One image as a provider is asked for it."""

    #: ours; given to vendors that take an idempotency key
    task_id: str
    route: Route
    mode: Mode
    prompt: str
    aspect_ratio: str
    resolution: str
    quality: str
    nsfw_checker: bool
    #: where an image that comes inside the vendor's answer is written
    result_path: Path
    #: links the vendor can read, in the member's order; of a route that uploads
    reference_links: tuple[str, ...] = ()
    #: the references themselves, in the member's order; of a route that does not
    references: tuple[ImageFile, ...] = ()
    #: PNG with an alpha channel, of the first reference's size; what is transparent is painted
    mask: ImageFile | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """Not finished; `vendor_state` is the vendor's word, for the log."""

    vendor_state: str


@dataclass(frozen=True, slots=True)
class Finished:
    """
    Finished: links to fetch, or a file at the order's `result_path`.

    Both may be missing: some vendors say so a little before the links are there.
    """

    links: tuple[str, ...] = ()
    in_answer: bool = False
    bill: Bill = Bill()


@dataclass(frozen=True, slots=True)
class Failed:
    """The vendor gave up and charges nothing."""

    moderation: bool
    retryable: bool
    #: the vendor's own code, for the log
    vendor_code: str


Progress = Running | Finished | Failed


class Provider(Protocol):
    """
    One vendor. Errors are those of bot/errors.py and mean the same for each vendor.

    submit: ProviderRefused, ProviderBusy, ProviderUnreachable and ProviderMisconfigured say that
    nothing was accepted; ProviderOutcomeUnknown and ProviderContractBroken that it may have been.
    poll, upload, check: ProviderBusy and ProviderUnreachable say that it may be tried again.
    """

    name: str

    def uploads(self, route: Route) -> bool:
        """Whether this route's references are uploaded first; else they go inside the order."""
        ...

    async def upload(self, image: ImageFile) -> str:
        """Give the vendor a reference; returns the link it will read."""
        ...

    async def submit(self, order: Order) -> str | Finished | Failed:
        """
        Ask for one image.

        Returns:
            What `poll` takes: the vendor's task id, or the address it wants to be asked at. A
            vendor that answers only when it is done gives the ending itself.
        """
        ...

    async def poll(self, provider_task_id: str, result_path: Path) -> Progress:
        """
        Ask how a task goes.

        Args:
            result_path: the order's; an image that comes inside the answer is written there.
        """
        ...

    async def check(self, upstreams: Collection[str] = ()) -> str:
        """
        One line for `easel check`: what is left on our account, or that the key works.

        Args:
            upstreams: the vendor's names of the models that the catalog has.
        Raises:
            ProviderMisconfigured: also where the account is empty, or a model is not offered.
        """
        ...


class ImageFetcher(Protocol):
    async def fetch(self, url: str, path: Path, limits: ImageLimits) -> ImageFile:
        """
        Stream a link to `path` and check what it is; nothing is left at `path` on failure.

        Raises:
            UnusableImage: it is not an image we take.
            FetchFailed: it could not be read.
        """
        ...

    async def fetch_photo(
        self, url: str, path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]
    ) -> ImageFile:
        """
        Stream a link to `path` and make a plain picture of what it is: upright, sRGB, of eight
        bits, RGB or RGBA, of one frame, without metadata, in one of the formats.

        Args:
            limits: of the plain picture; the file may have FETCH_BYTES_MAX.
        Raises:
            UnusableImage: it is no picture that a viewer shows, or it moves.
            FetchFailed: it could not be read.
        """
        ...

    async def convert(
        self,
        image: ImageFile,
        path: Path,
        size_px: tuple[int, int],
        formats: tuple[ImageFormat, ...],
    ) -> ImageFile:
        """Write a plain picture anew to `path`, in another format or size."""
        ...

    async def check(self, path: Path, limits: ImageLimits) -> ImageFile:
        """
        Check a file that is on disk already; it is removed if it is no image we take.

        Raises:
            UnusableImage: it is not an image we take.
        """
        ...


class LinkRefresher(Protocol):
    async def fresh_links(self, links: Sequence[str]) -> list[str]:
        """The same files under links that have not expired; in the same order."""
        ...


class Clock(Protocol):
    def now(self) -> datetime:
        """The time, aware, UTC."""
        ...

    async def sleep(self, seconds: float) -> None: ...


class Jobs(Protocol):
    """
    The jobs' rows. Each method is one transaction; each step raises StepLost where the row has
    left the state it starts from.
    """

    async def accept(self, job: Job, its_tasks: Sequence[Task]) -> QueuePlace:
        """
        Refill the account if that is due, hold the quote and insert the job, or do none of it.

        The job is ours until `hand_over`: nobody works on it before its member has an answer.

        Raises:
            Repeated: the interaction has a job already; nothing is held.
            Busy: the queue is full.
            InsufficientCredits: the account does not cover the quote.
        """
        ...

    async def hand_over(self, job_id: str, message_id: int | None) -> None:
        """The member has the status message: anyone may work on the job now."""
        ...

    async def cancel(self, job_id: str, now: datetime, failure: Failure = Failure.CANCELLED) -> Job:
        """
        End a job of which nothing was submitted, and release its hold.

        Raises:
            StepLost: it is too late; or it was cancelled before.
        """
        ...

    async def claim(self, now: datetime) -> Job | None:
        """
        Take a job whose owner died, or else the queued one whose turn it is among those whose
        member, server and route are under their caps. A queued job becomes running; a resumed one
        keeps its state.
        """
        ...

    async def renew_leases(self, job_ids: Sequence[str], now: datetime) -> None: ...

    async def job(self, job_id: str) -> Job: ...

    async def find(self, job_id: str) -> Job | None:
        """The job, for an id that came from outside."""
        ...

    async def tasks(self, job_id: str) -> list[Task]:
        """In the order of their images."""
        ...

    async def queue(self) -> list[tuple[Job, QueuePlace]]:
        """The queued jobs whose members have the status message, in the order of their turns."""
        ...

    async def history(self, server_id: int, user_id: int) -> list[Job]:
        """A member's latest jobs, newest first."""
        ...

    async def begin_submit(self, task: Task) -> Task:
        """Commit that the task is about to be sent, unless its job was cancelled."""
        ...

    async def not_accepted(self, task: Task) -> Task:
        """The submit was surely not accepted: the task may be sent again."""
        ...

    async def submitted(self, task: Task, provider_task_id: str, now: datetime) -> Task: ...

    async def fall_back(self, task: Task, problem: Problem, onto: Task) -> Task:
        """The task gives no image, and another one on another route tries in its place."""
        ...

    async def stored(self, task: Task, image: ImageFile, cost: Cost, now: datetime) -> Job:
        """The image is on disk. With the job's last task, its hold is settled."""
        ...

    async def failed(self, task: Task, problem: Problem, now: datetime) -> Job:
        """The task gives no image. With the job's last task, its hold ends."""
        ...

    async def finish(
        self, job: Job, message_id: int | None, now: datetime, *, keeps_images: bool = False
    ) -> Job:
        """The member has been told: the job is done or failed."""
        ...

    async def cancelled_since(self, since: datetime) -> list[Job]:
        """The latest jobs that were cancelled in front of their members."""
        ...

    async def without_use(self, job_ids: Collection[str]) -> set[str]:
        """Of these jobs, those that have ended and keep no images."""
        ...

    async def refund(self, job: Job, problem: Problem, now: datetime) -> Job:
        """Give back what a job in delivery was charged; what is delivered then is the problem."""
        ...


class Latencies(Protocol):
    """What was learned of each route, over restarts."""

    async def load(self) -> dict[str, Latency]: ...

    async def save(self, known: Mapping[str, Latency]) -> None: ...


class Accounts(Protocol):
    async def show(self, server_id: int, user_id: int, now: datetime) -> Account:
        """The account as a command given now would find it; writes nothing."""
        ...


class Servers(Protocol):
    async def nsfw_mode(self, server_id: int) -> NsfwMode: ...

    async def set_nsfw_mode(
        self, server_id: int, user_id: int, mode: NsfwMode, now: datetime
    ) -> NsfwMode:
        """Set and record; returns the mode before. Setting what is set records nothing."""
        ...

    async def changes(self, server_id: int) -> list[SettingChange]:
        """The latest changes, newest first."""
        ...


@dataclass(frozen=True, slots=True)
class Delivered:
    """Where a result stands."""

    message_id: int | None
    #: files were re-encoded or scaled to fit Discord's limit
    reduced: bool = False


class Messenger(Protocol):
    """
    Puts a job in front of its member. Every method may be called again after a crash; none posts
    a second message.
    """

    async def show_progress(
        self,
        job: Job,
        tasks: Sequence[Task],
        now: datetime,
        place: QueuePlace | None = None,
        finished: Collection[str] = (),
    ) -> None:
        """
        Bring the status message up to date; a failure to do so is logged, never raised.

        Args:
            place: of a queued job.
            finished: ids of tasks whose images are finished and being fetched.
        """
        ...

    async def deliver(
        self, job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], balance_ucr: int
    ) -> Delivered:
        """
        Put the images, or the failure, in front of the member.

        Raises:
            DeliveryError: it could be posted nowhere; says whether it may be later.
        """
        ...
