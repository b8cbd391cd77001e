"""Fetches a job's references once, and gives them to each provider in the form that it takes."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Coroutine, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from msgspec import Struct

from bot.domain.catalog import Route
from bot.domain.jobs import Failure, Job
from bot.domain.ports import ImageFile, ImageFormat, ImageLimits, Messenger, Provider
from bot.domain.requests import (
    MASK_BYTES_MAX,
    REFERENCE_BYTES_MAX,
    REFERENCE_PIXELS_MAX,
    Reference,
    flawed,
)
from bot.engine.events import emit, emit_refused
from bot.engine.outcome import Ended
from bot.engine.workshop import Workshop
from bot.errors import (
    FetchFailed,
    FetchTrouble,
    Flaw,
    ProviderError,
    ProviderMisconfigured,
    ProviderRefused,
    UnusableImage,
)
from bot.pictures.folder import FETCHED, drop

T = TypeVar("T")

#: tries at one link, one conversion, or one upload
TRANSFERS_MAX = 3
TRANSFER_WAIT_S = 2.0
#: seconds between two tries of a call, unless the vendor asks for another wait
RETRY_WAIT_S = 5.0
#: seconds at most between two tries of an upload, because the job's other images wait meanwhile
RETRY_WAIT_S_MAX = 60.0
#: references of one job that are fetched or uploaded at a time
TRANSFERS_AT_ONCE = 4
REFERENCE_LIMITS = ImageLimits(size_bytes_max=REFERENCE_BYTES_MAX, pixels_max=REFERENCE_PIXELS_MAX)
MASK_LIMITS = ImageLimits(size_bytes_max=MASK_BYTES_MAX, pixels_max=REFERENCE_PIXELS_MAX)

Formats = tuple[ImageFormat, ...]
Uploader = Callable[[ImageFile], Coroutine[Any, Any, str]]


class Given(Struct, frozen=True):
    """References as a provider takes them: links or files, and the mask as a file."""

    links: tuple[str, ...] = ()
    files: tuple[ImageFile, ...] = ()
    mask: ImageFile | None = None


class References:
    """
    The references of one job. The first task that needs them fetches, or uploads, them for all.

    Args:
        messenger: gives fresh links for Discord's links that have expired.
    """

    def __init__(self, job: Job, shop: Workshop, messenger: Messenger) -> None:
        self._job = job
        self._shop = shop
        self._messenger = messenger
        self._working = asyncio.Lock()
        self._at_once = asyncio.Semaphore(TRANSFERS_AT_ONCE)
        #: without the mask; None: not fetched yet
        self._files: list[ImageFile] | None = None
        self._mask: ImageFile | None = None
        self._links: dict[tuple[str, Formats], list[str]] = {}
        #: every file that was begun
        self._begun: set[Path] = set()

    async def given_to(self, provider: Provider, route: Route) -> Given:
        """
        Fetch the references if that was not done yet, and give them as the provider takes them.

        Raises:
            Ended: one of them is no usable image, or cannot be fetched, stored or uploaded.
        """
        async with self._working:
            if self._files is None:
                self._files = await self._fetch_all()
            formats = tuple(
                each for each in ImageFormat if each.media_type in route.reference_types
            )
            references = await all_of(
                [self._in_format(image, index, formats) for index, image in enumerate(self._files)]
            )
            if provider.upload is None:
                return Given(files=tuple(references), mask=self._mask)
            key = (route.provider, formats)
            if key not in self._links:
                self._links[key] = await all_of(
                    [self._upload(provider.upload, image) for image in references]
                )
            return Given(links=tuple(self._links[key]), mask=self._mask)

    @property
    def paths(self) -> list[Path]:
        """Files of the fetched references, without the mask; empty before a task needs them."""
        return [image.path for image in self._files or ()]

    def remove(self) -> None:
        """Remove the files, once no task needs them any more."""
        for path in self._begun:
            drop(path)

    def _begin(self, name: str) -> Path:
        """Where a file of this name is written."""
        path = self._shop.folder / f"{self._job.id}-reference{name}{FETCHED}"
        self._begun.add(path)
        return path

    async def _fetch_all(self) -> list[ImageFile]:
        request = self._job.request
        wanted = [*request.references, *([request.mask] if request.mask else [])]
        if not wanted:
            return []
        links = await self._messenger.fresh_links([reference.url for reference in wanted])
        files = await all_of(
            [
                self._fetch(reference, index, link)
                for index, (reference, link) in enumerate(zip(wanted, links, strict=True))
            ]
        )
        if request.mask:
            self._mask = await self._fitted_mask(request.mask, files.pop(), files[0])
        return files

    async def _fitted_mask(
        self, reference: Reference, mask: ImageFile, image: ImageFile
    ) -> ImageFile:
        """The mask, scaled like the image if that was made smaller."""
        if not mask.alpha or mask.full_px != image.full_px:
            raise Ended(Failure.REFERENCE, flawed(reference, Flaw.WRONG_MASK))
        size_px = (image.width_px, image.height_px)
        if size_px == (mask.width_px, mask.height_px):
            return mask
        path = self._begin("-mask")
        convert = partial(self._shop.fetcher.convert, mask, path, size_px, (ImageFormat.PNG,))
        return await self._tried(reference, convert)

    async def _in_format(self, image: ImageFile, index: int, formats: Formats) -> ImageFile:
        if image.format in formats:
            return image
        path = self._begin(f"{index + 1}-{'-'.join(formats)}")
        size_px = (image.width_px, image.height_px)
        convert = partial(self._shop.fetcher.convert, image, path, size_px, formats)
        return await self._tried(self._job.request.references[index], convert)

    async def _fetch(self, reference: Reference, index: int, link: str) -> ImageFile:
        path = self._begin(f"{index + 1}")
        limits, formats = REFERENCE_LIMITS, tuple(ImageFormat)
        if reference is self._job.request.mask:
            limits, formats = MASK_LIMITS, (ImageFormat.PNG,)
        async with self._at_once:
            if reference.kept_as:
                kept = self._shop.folder / reference.kept_as
                with contextlib.suppress(FetchFailed, UnusableImage):
                    return await self._shop.fetcher.take_photo(kept, path, limits, formats)
            fetch = partial(self._shop.fetcher.fetch_photo, link, path, limits, formats)
            return await self._tried(reference, fetch)

    async def _tried(
        self, reference: Reference, work: Callable[[], Coroutine[Any, Any, ImageFile]]
    ) -> ImageFile:
        """Do the work in a few tries, where what is in its way may pass."""
        attempt = 1
        while True:
            try:
                return await work()
            except UnusableImage as error:
                facts = flawed(reference, error.flaw, **error.facts)
                raise Ended(Failure.REFERENCE, facts) from error
            except FetchFailed as error:
                emit(
                    "reference_not_fetched",
                    "reference not fetched: %s",
                    error,
                    level=logging.WARNING,
                )
                ours = error.trouble is FetchTrouble.OUR_DISK
                may_pass = ours or error.trouble is FetchTrouble.PASSING
                if not may_pass or attempt == TRANSFERS_MAX:
                    if ours:
                        raise Ended(Failure.INTERNAL) from error
                    facts = flawed(reference, Flaw.NOT_FETCHED)
                    raise Ended(Failure.REFERENCE, facts) from error
            await self._shop.clock.sleep(TRANSFER_WAIT_S * attempt)
            attempt += 1

    async def _upload(self, upload: Uploader, image: ImageFile) -> str:
        """An upload costs nothing, so a doubtful one is repeated."""
        async with self._at_once:
            attempt = 1
            while True:
                try:
                    return await upload(image)
                except ProviderError as error:
                    emit_refused("upload_failed", "upload failed", error)
                    match error:
                        case ProviderMisconfigured():
                            raise Ended(Failure.PROVIDER_MISCONFIGURED, elsewhere=True) from error
                        case ProviderRefused(moderation=True):
                            raise Ended(Failure.MODERATION) from error
                        case ProviderRefused():
                            raise Ended(Failure.NOT_ACCEPTED, elsewhere=True) from error
                    if attempt == TRANSFERS_MAX:
                        raise Ended(Failure.PROVIDER_DOWN, elsewhere=True) from error
                    wait_s = min(error.retry_after_s or RETRY_WAIT_S, RETRY_WAIT_S_MAX)
                    await self._shop.clock.sleep(wait_s)
                    attempt += 1


async def all_of(works: Sequence[Coroutine[Any, Any, T]]) -> list[T]:
    """Wait for all of them, then raise the first error, so that none is left running unseen."""
    if len(works) == 1:
        return [await works[0]]
    outcomes = await asyncio.gather(*works, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, BaseException):
            raise outcome
    return [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
