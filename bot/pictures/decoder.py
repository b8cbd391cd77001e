"""
Has all work on pictures done in a process of its own, the only one in which they are decoded.

A hostile file can make a decoder take any memory or time, or crash it. So the system limits that
process, which may end at any moment, and the bot's own goes on. It begins with the first picture
and ends itself when it has had none for a while.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, TypeVar, TypeVarTuple

from msgspec import Struct

from bot.errors import Flaw, UnusableImage
from bot.pictures.decoding import Answer, Done, Refused
from bot.pictures.threads import in_thread

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: what the process gets of the environment: no secret
PASSED_ON = (
    "PATH",
    "LD_LIBRARY_PATH",
    "HOME",
    "LANG",
    "TZ",
    "TMPDIR",
    "MPLCONFIGDIR",
    "PYTHONDONTWRITEBYTECODE",
)
#: glibc, and the library that matplotlib computes with, keep memory for each thread and for later;
#: blocks of at least this many bytes go back to the system as soon as they are freed
FRUGAL = {
    "MALLOC_ARENA_MAX": "1",
    "MALLOC_MMAP_THRESHOLD_": str(512 * 1024),
    "OPENBLAS_NUM_THREADS": "1",
}
#: A terminal, or a service that ends, sends these to both processes; this one ends with the other.
STOPS = frozenset({signal.SIGINT, signal.SIGTERM})
SERVE = "from bot.pictures.decoding import main; main()"
#: A process that has just ended itself, or was killed from outside, has done nothing wrong.
TRIES = 2

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class Running(Struct, frozen=True):
    process: subprocess.Popen[bytes]
    connection: "Connection"


class Decoder:
    """Does one thing at a time: what is asked meanwhile waits its turn."""

    def __init__(self) -> None:
        # The process inherits it, from its first moment on.
        deaf = partial(signal.pthread_sigmask, signal.SIG_BLOCK, STOPS)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="pictures", initializer=deaf)
        self._running: Running | None = None
        self._is_closed = threading.Event()

    def close(self) -> None:
        """End the process, whatever it is doing; what it was asked fails."""
        self._kill(self._is_closed)
        self._thread.submit(self._end)
        self._thread.shutdown(wait=False)

    async def run(self, work: Callable[[*Ts], T], *args: *Ts) -> T:
        """
        Call a function of a module in the process. When cancelled, end it whatever it has done.

        Args:
            args: and what the function returns: whatever can be pickled.
        Raises:
            UnusableImage: the function raises it, takes too much memory or time, or crashes.
            OSError: the function raises it, the process cannot be started or is killed from
                outside, or all is being closed.
        """
        is_over = threading.Event()
        stop = partial(self._kill, is_over)
        return await in_thread(self._run, is_over, work, args, executor=self._thread, stop=stop)

    def _kill(self, is_over: threading.Event) -> None:
        is_over.set()
        if running := self._running:
            running.process.kill()

    def _run(self, is_over: threading.Event, work: Callable[[*Ts], T], args: tuple[*Ts]) -> T:
        for _ in range(TRIES):
            answer = self._ask(is_over, work, args)
            if isinstance(answer, Done):
                return answer.value
            if isinstance(answer, Refused):
                raise UnusableImage(answer.flaw, **answer.facts)
            if answer:
                raise answer.error
            ended = self._end()
            if self._nobody_waits(is_over):
                raise OSError("nobody waits for it")
            if ended > 0:
                raise OSError(f"the decoder's process ended with {ended}")
            if ended not in (0, -signal.SIGKILL):
                raise UnusableImage(Flaw.DAMAGED)
        raise OSError("the decoder's process was killed; the machine may have no memory left")

    def _nobody_waits(self, is_over: threading.Event) -> bool:
        return is_over.is_set() or self._is_closed.is_set()

    def _ask(
        self, is_over: threading.Event, work: Callable[[*Ts], T], args: tuple[*Ts]
    ) -> Answer[T] | None:
        """The process's answer; None: it has ended, or nobody waits."""
        if self._nobody_waits(is_over):
            return None
        running = self._running or self._start()
        # As long as it started, there was none to kill.
        if self._nobody_waits(is_over):
            return None
        try:
            running.connection.send((work, args))
            answer: Answer[T] = running.connection.recv()
        except (EOFError, ConnectionError):
            return None
        return answer

    def _start(self) -> Running:
        from multiprocessing.connection import Pipe

        ours, theirs = Pipe()
        given = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        try:
            with theirs:
                process = subprocess.Popen(  # noqa: S603 - this very program
                    [sys.executable, "-P", "-W", "ignore", "-c", SERVE, str(theirs.fileno())],
                    stdin=subprocess.DEVNULL,
                    env=given | FRUGAL | {"PYTHONPATH": os.pathsep.join(sys.path)},
                    pass_fds=[theirs.fileno()],
                )
        except OSError as error:
            # Where Python itself is missing, that does not mean that the picture is.
            raise OSError(f"the decoder's process did not start: {error}") from error
        self._running = Running(process, ours)
        return self._running

    def _end(self) -> int:
        """
        Returns:
            What the process ended with; 0: there is none.
        """
        running, self._running = self._running, None
        if running is None:
            return 0
        running.connection.close()
        return running.process.wait()
