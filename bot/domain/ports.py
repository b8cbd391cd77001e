"""What the engine needs from the outside, as Protocols; nothing here knows a vendor or Discord."""

from collections.abc import Callable, Collection, Coroutine, Sequence
from datetime import datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Protocol

from msgspec import Struct

from bot.domain.catalog import Route
from bot.domain.jobs import Job, Task
from bot.domain.pricing import Bill
from bot.domain.queue import QueuePosition
from bot.domain.requests import Mode


class ImageFormat(StrEnum):
    """The value is the usual file ending."""

    PNG = "png"
    JPEG = "jpg"
    WEBP = "webp"

    @property
    def media_type(self) -> str:
        return f"image/{self.name.lower()}"


class ImageFile(Struct, frozen=True):
    """An image on disk whose content has been checked: format, size and that it decodes."""

    path: Path
    format: ImageFormat
    width_px: int
    height_px: int
    size_bytes: int
    #: whether parts of it are transparent
    alpha: bool = False
    #: width and height before it was scaled to have fewer bytes; None: not known
    full_px: tuple[int, int] | None = None


class ImageLimits(Struct, frozen=True):
    size_bytes_max: int
    pixels_max: int


class Order(Struct, frozen=True):
    """One image as a provider is asked for it."""

    #: Easel's own id; given to vendors that take an idempotency key
    task_id: str
    route: Route
    mode: Mode
    prompt: str
    aspect_ratio: str
    resolution: str
    quality: str
    #: auto, opaque or transparent; for a route that can be asked for it
    background: str
    nsfw_checker: bool
    #: where an image that comes inside the vendor's answer is written
    result_path: Path
    #: links the vendor can read, in the member's order; for a provider that uploads
    reference_links: tuple[str, ...] = ()
    #: the references themselves, in the member's order; for a provider that does not
    references: tuple[ImageFile, ...] = ()
    #: PNG with an alpha channel, of the first reference's size; what is transparent is painted
    mask: ImageFile | None = None
    #: tells members apart without saying who they are; for vendors that have a field for it
    member_hash: str = ""


class Running(Struct, frozen=True):
    """Not finished; `vendor_state` is the vendor's word."""

    vendor_state: str


class Finished(Struct, frozen=True):
    """
    Finished: links to fetch, or a file at the order's `result_path`.

    Both may be missing: some vendors say that they are done a little before the links are there.
    """

    links: tuple[str, ...] = ()
    in_answer: bool = False
    bill: Bill = Bill()


class Failed(Struct, frozen=True):
    """The vendor gave up and charges nothing."""

    moderation: bool
    retryable: bool
    #: the vendor's own code, for the log
    vendor_code: str


Progress = Running | Finished | Failed


class Provider(Protocol):
    """
    One wire format of a vendor. Errors are those of bot/errors.py and mean the same for each.

    submit: ProviderRefused, ProviderBusy, ProviderUnreachable and ProviderMisconfigured say that
    nothing was accepted; ProviderOutcomeUnknown and ProviderContractBroken that it may have been.
    poll, upload, check: ProviderBusy and ProviderUnreachable say that it may be tried again.
    """

    @property
    def upload(self) -> Callable[[ImageFile], Coroutine[Any, Any, str]] | None:
        """
        Give the vendor a reference; returns the link it will read. None: references go inside the
        order.
        """

    async def submit(self, order: Order) -> str | Finished | Failed:
        """
        Ask for one image.

        Returns:
            What `poll` takes: the vendor's task id, or the address it wants to be asked at. A
            vendor that answers only when it is done returns the ending itself.
        """

    @property
    def poll(self) -> Callable[[str, Path], Coroutine[Any, Any, Progress]] | None:
        """
        Ask how a task goes, by what `submit` returned. The second argument is the order's
        `result_path`: an image that comes inside the answer is written there. None: `submit` always
        returns the ending.
        """

    async def check(self, upstreams: Collection[str]) -> str:
        """
        One line for `easel check`: what is left on the account, or that the key works.

        Args:
            upstreams: the vendor's names of the models that the catalog has.
        Raises:
            ProviderMisconfigured: also where the account is empty, or a model is not offered.
        """


class Clock(Protocol):
    def now(self) -> datetime:
        """The current time, aware, in UTC."""

    async def sleep(self, seconds: float) -> None: ...


class Messenger(Protocol):
    """
    Puts a job in front of its member. Every method may be called again after a crash; none posts
    a second message.
    """

    async def show_progress(
        self,
        job: Job,
        tasks: Sequence[Task] = (),
        position: QueuePosition | None = None,
        finished: Collection[str] = (),
        images: Sequence[ImageFile] = (),
    ) -> None:
        """
        Bring the status message up to date; a failure to do so is logged, never raised.

        Args:
            tasks: not needed of a job that was cancelled, or is not awaited.
            position: a queued job's.
            finished: ids of tasks whose images are finished and being fetched.
            images: all that are there, if some are not shown yet; none: keep those that are shown.
        """

    async def deliver(
        self, job: Job, tasks: Sequence[Task], images: Sequence[ImageFile], balance_ucr: int
    ) -> int:
        """
        Put the images, or the failure, in front of the member.

        Returns:
            The id of the message in which they stand.
        Raises:
            DeliveryError: it could not be posted anywhere; says whether it may be later.
        """

    async def catch_up(self, job: Job) -> None:
        """
        Do to a result that was, or may have been, put there what a moderator decided about it while
        it was on its way.
        """

    async def fresh_links(self, links: Sequence[str]) -> list[str]:
        """Links to the same files that have not expired, in the same order."""

    async def close(self) -> None:
        """Remove messages that are there only for a while; nothing more will be shown."""
