"""
The only place where pictures are decoded. It has its own threads, so that nothing else waits for a
picture (name look-ups use the loop's threads), and a memory budget that is taken before decoding.
"""

import contextlib
import ctypes
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

from msgspec import Struct

from bot.errors import Flaw, UnusableImage
from bot.pictures.threads import in_thread

#: bytes that all pictures in work may take together, beside what the process takes when idle
BUDGET_BYTES = 190 * 1024 * 1024
#: a parameter of glibc's mallopt, and its value: blocks of at least this many bytes go back to the
#: system as soon as they are freed; by default, glibc keeps a picture's blocks for later ones
M_MMAP_THRESHOLD = -3
KEPT_BLOCK_BYTES = 512 * 1024
#: pictures in work at once, if the budget allows
THREADS = 2

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Need(Struct, frozen=True):
    """The memory that work on a picture takes: bytes for each pixel, and others, as for a file."""

    pixels: int
    #: measured with Pillow 12 at twelve megapixels, and rounded up
    bytes_a_pixel: float
    file_bytes: int = 0

    @property
    def size_bytes(self) -> int:
        return round(self.pixels * self.bytes_a_pixel) + self.file_bytes


class Pool:
    def __init__(self, budget_bytes: int = BUDGET_BYTES) -> None:
        self._budget_bytes = self._free_bytes = budget_bytes
        with contextlib.suppress(OSError, AttributeError):
            # Other C libraries have no such call, and need none.
            ctypes.CDLL(None).mallopt(M_MMAP_THRESHOLD, KEPT_BLOCK_BYTES)
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="pictures")
        # One waits at a time, so that many small needs do not overtake a large one for ever.
        self._line = threading.Lock()
        self._freed = threading.Condition()

    def close(self) -> None:
        self._threads.shutdown(wait=False)

    async def run(self, need: Callable[[], Need], work: Callable[[*Ts], T], *args: *Ts) -> T:
        """
        Do the work in a thread, once the budget has room.

        Args:
            need: called first, in the thread too; it may read the picture's head.
        Raises:
            UnusableImage: the work needs more than the whole budget.
        """
        return await in_thread(self._work, need, work, args, executor=self._threads)

    def _work(self, need: Callable[[], Need], work: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        wanted = need()
        if wanted.size_bytes > self._budget_bytes:
            left = max(self._budget_bytes - wanted.file_bytes, 0)
            pixels_max = int(left / wanted.bytes_a_pixel)
            raise UnusableImage(Flaw.TOO_MANY_PIXELS_OF_ITS_KIND, pixels_max=pixels_max)
        with self._line, self._freed:
            self._freed.wait_for(lambda: wanted.size_bytes <= self._free_bytes)
            self._free_bytes -= wanted.size_bytes
        try:
            return work(*args)
        finally:
            with self._freed:
                self._free_bytes += wanted.size_bytes
                self._freed.notify_all()
