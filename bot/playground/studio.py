"""Does the work behind all vendors' formats: uploads, tasks, money; knows no wire format."""

import asyncio
import base64
import math
import random
import re
import time
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Mapping
from decimal import Decimal
from enum import Enum, auto
from pathlib import Path
from urllib.parse import quote

from aiohttp import BodyPartReader
from msgspec import Struct

from bot.playground.drawing import Picture, draw, size_px

#: Stands in for content review: a prompt with one of these words is refused if the call asks for
#: the filter. Real vendors may review without being asked. Here, a filter that is off does nothing,
#: so that its effect can be seen.
REFUSED_WORDS = frozenset({"nsfw", "nude", "naked", "gore"})
#: Spread of the latency: nine tasks in ten take at most 1.7 times the median, as the vendor
#: measured (median 48 s, p90 83 s; apimodels-mcp, week to 2026-09-22).
LATENCY_SIGMA = 0.43
#: How many are remembered; the oldest are forgotten first.
TASKS_MAX = 5_000
UPLOADS_MAX = 2_000
UPLOAD_BYTES_MAX = 32 * 1024 * 1024
UPLOAD_CHUNK_BYTES = 256 * 1024
SEED = 7


class OutOfMoney(Exception):
    """The account does not cover the price."""


class TooLarge(Exception):
    """An upload has more than UPLOAD_BYTES_MAX bytes."""


class Completes(Struct, frozen=True):
    """The task ends with a picture; the first `empty_polls` polls after that show no link."""

    empty_polls: int = 0


class Fails(Struct, frozen=True):
    code: str
    message: str = "The task failed"
    retryable: bool = False


class Sticks(Struct, frozen=True):
    """The task never ends; every poll answers with this state."""

    word: str = "rehydrating"


Ending = Completes | Fails | Sticks


class Stage(Enum):
    RUNNING = auto()
    #: completed, but without links yet
    EMPTY = auto()
    COMPLETED = auto()
    FAILED = auto()


class Commission(Struct, frozen=True):
    """What a call asks for, already checked by the vendor's format."""

    prompt: str
    aspect_ratio: str
    resolution: str
    #: links of this studio, or public links
    references: tuple[str, ...]
    price_usd: Decimal
    nsfw_checker: bool = False
    #: for vendors that are told pixels; ratio and resolution are then ignored
    size_px: tuple[int, int] | None = None
    #: link of this studio
    mask: str | None = None


class StudioTask(Struct):
    id: str
    commission: Commission
    variation: int
    ending: Ending
    #: epoch seconds
    created_at_s: float
    ready_at_s: float
    polls: int = 0


class UploadedFile(Struct, frozen=True):
    link: str
    path: Path
    filename: str
    content_type: str
    size_bytes: int


class Submission(Struct, frozen=True):
    """
    A create call with a valid key.

    Args:
        body: as it came; in a multipart body, links of uploads stand for the files.
        task_id: None if the call was refused; of several images, the first one's task.
    """

    body: Mapping[str, object]
    task_id: str | None


class Studio:
    """
    Args:
        folder: keeps the uploads; the caller removes it.
        root_url: where the server hosts uploads and results.
        latency_s: median time until a task ends; 0 completes every task at its first poll.
        clock: returns epoch seconds; tests move it instead of sleeping.
        paint: draws a task's PNG.
    """

    def __init__(
        self,
        folder: Path,
        root_url: str,
        *,
        latency_s: float = 0.0,
        balance_usd: Decimal = Decimal(100),
        clock: Callable[[], float] = time.time,
        paint: Callable[[Picture], bytes] = draw,
    ) -> None:
        self.latency_s = latency_s
        self.balance_usd = balance_usd
        #: endings of the next tasks, in order; without one, the prompt decides
        self.endings: deque[Ending] = deque()
        #: by link, oldest first
        self.uploads: dict[str, UploadedFile] = {}
        self._folder = folder
        self._root_url = root_url
        self.clock = clock
        self._paint = paint
        self._rng = random.Random(SEED)  # noqa: S311 - latencies, not secrets
        self._tasks: dict[str, StudioTask] = {}
        self._unpaid: dict[str, StudioTask] = {}
        self._asked: Counter[Commission] = Counter()
        self._started = 0
        self._uploaded = 0

    def start(self, commission: Commission) -> StudioTask:
        """Start a task for a commission and freeze its price. Raises OutOfMoney."""
        if self.balance_usd - self.frozen_usd() < commission.price_usd:
            raise OutOfMoney
        self._started += 1
        now_s = self.clock()
        task = StudioTask(
            id=f"task-{self._started:06}",
            commission=commission,
            variation=self._asked[commission],
            ending=self._ending_of(commission),
            created_at_s=now_s,
            ready_at_s=now_s + self._latency_s(),
        )
        self._asked[commission] += 1
        self._tasks[task.id] = self._unpaid[task.id] = task
        if len(self._tasks) > TASKS_MAX:
            del self._tasks[next(iter(self._tasks))]
        if len(self._asked) > TASKS_MAX:
            self._asked.clear()
        return task

    def task(self, task_id: str) -> StudioTask | None:
        return self._tasks.get(task_id)

    def look(self, task: StudioTask) -> Stage:
        """The stage that a poll sees."""
        if isinstance(task.ending, Sticks) or self.clock() < task.ready_at_s:
            return Stage.RUNNING
        self._settle(task)
        if isinstance(task.ending, Fails):
            return Stage.FAILED
        task.polls += 1
        return Stage.EMPTY if task.polls <= task.ending.empty_polls else Stage.COMPLETED

    async def until_ready(self, task: StudioTask) -> None:
        """Wait until the task ends, for a vendor that answers only then; if it sticks, for ever."""
        if isinstance(task.ending, Sticks):
            # This ends when the caller gives up or the server stops.
            await asyncio.Event().wait()
        await asyncio.sleep(max(task.ready_at_s - self.clock(), 0))
        self._settle(task)

    def frozen_usd(self) -> Decimal:
        """The part of the balance that running tasks hold."""
        now_s = self.clock()
        for task in list(self._unpaid.values()):
            if not isinstance(task.ending, Sticks) and now_s >= task.ready_at_s:
                self._settle(task)
        return sum((task.commission.price_usd for task in self._unpaid.values()), Decimal(0))

    def result_link(self, task: StudioTask) -> str:
        return f"{self._root_url}/results/{task.id}.png"

    async def result(self, task_id: str) -> bytes | None:
        """Draw a task's picture, the same one each time; None if there is no such task."""
        task = self._tasks.get(task_id)
        if task is None:
            return None
        references = tuple(self._path(link) for link in task.commission.references)
        mask = self._path(task.commission.mask) if task.commission.mask else None
        return await asyncio.to_thread(self._painted, task, references, mask)

    async def result_in_base64(self, task: StudioTask) -> str:
        png = await self.result(task.id)
        assert png is not None
        return (await asyncio.to_thread(base64.b64encode, png)).decode()

    async def keep(
        self, filename: str, content_type: str, chunks: AsyncIterator[bytes]
    ) -> UploadedFile:
        """Write an upload to the folder. Raises TooLarge."""
        self._uploaded += 1
        number = f"{self._uploaded:06}"
        path = self._folder / f"upload-{number}"
        size_bytes = 0
        with await asyncio.to_thread(path.open, "wb") as file:
            async for chunk in chunks:
                size_bytes += len(chunk)
                if size_bytes > UPLOAD_BYTES_MAX:
                    raise TooLarge
                await asyncio.to_thread(file.write, chunk)
        name = quote(re.sub(r"[^\w.-]", "_", filename)[-80:] or "file")
        link = f"{self._root_url}/uploads/{number}/{name}"
        upload = UploadedFile(link, path, filename, content_type, size_bytes)
        self.uploads[link] = upload
        if len(self.uploads) > UPLOADS_MAX:
            self.uploads.pop(next(iter(self.uploads))).path.unlink()
        return upload

    def _ending_of(self, commission: Commission) -> Ending:
        if self.endings:
            return self.endings.popleft()
        words = set(re.findall(r"\w+", commission.prompt.lower()))
        if commission.nsfw_checker and words & REFUSED_WORDS:
            return Fails("CONTENT_MODERATION", "The request was refused by content review")
        return Completes()

    def _latency_s(self) -> float:
        if not self.latency_s:
            return 0.0
        return self._rng.lognormvariate(math.log(self.latency_s), LATENCY_SIGMA)

    def _settle(self, task: StudioTask) -> None:
        if self._unpaid.pop(task.id, None) and isinstance(task.ending, Completes):
            self.balance_usd -= task.commission.price_usd

    def _path(self, link: str) -> Path | None:
        upload = self.uploads.get(link)
        return upload.path if upload else None

    def _painted(
        self, task: StudioTask, references: tuple[Path | None, ...], mask: Path | None
    ) -> bytes:
        commission = task.commission
        first = references[0] if references else None
        width_px, height_px = commission.size_px or size_px(
            commission.aspect_ratio, commission.resolution, first
        )
        return self._paint(
            Picture(commission.prompt, width_px, height_px, references, task.variation, mask)
        )


async def chunks_of(part: BodyPartReader) -> AsyncIterator[bytes]:
    """A multipart file's bytes in chunks, for `Studio.keep`."""
    while chunk := await part.read_chunk(UPLOAD_CHUNK_BYTES):
        yield chunk
