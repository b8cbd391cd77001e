"""
The process in which pictures are decoded: over a connection, it receives functions with their
arguments, calls one after the other, and sends what they return.
"""

import contextlib
import resource
import signal
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from msgspec import Struct

from bot.errors import Fact, Flaw, UnusableImage

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

#: what it may take beside the code of its libraries, which is some 15 MiB
MEMORY_BYTES = 178 * 1024 * 1024
#: pixels of a picture that fits into MEMORY_BYTES whatever its kind
PIXELS_THAT_FIT = 6_000_000
#: processor time for one answer, several times that of the slowest honest picture
SECONDS = 60
#: it ends itself when it has been asked nothing for so long
IDLE_S = 60.0
#: has Linux end this process with the one that started it (prctl(2))
PR_SET_PDEATHSIG = 1

T = TypeVar("T")


class Done(Struct, Generic[T], frozen=True):
    value: T


class Refused(Struct, frozen=True):
    flaw: Flaw
    facts: Mapping[str, Fact]


class Failed(Struct, frozen=True):
    error: Exception


Answer = Done[T] | Refused | Failed


def answer(work: Callable[..., T], args: tuple[object, ...]) -> Answer[T]:
    try:
        return Done(work(*args))
    except UnusableImage as error:
        return Refused(error.flaw, error.facts)
    except MemoryError:
        return Refused(Flaw.TOO_MANY_PIXELS_OF_ITS_KIND, {"pixels_max": PIXELS_THAT_FIT})
    except OSError as error:
        return Failed(error)
    except Exception:
        # Not all others can be pickled.
        return Failed(RuntimeError(traceback.format_exc()))


def serve(connection: "Connection") -> None:
    """Answer until the bot's process ends, or asks nothing for IDLE_S."""
    with contextlib.suppress(EOFError, ConnectionError):
        while connection.poll(IDLE_S):
            work, args = connection.recv()
            # The signal ends the process.
            signal.setitimer(signal.ITIMER_PROF, SECONDS)
            found = answer(work, args)
            signal.setitimer(signal.ITIMER_PROF, 0)
            connection.send(found)


@contextlib.contextmanager
def limited(memory_bytes: int) -> Iterator[None]:
    """Let the process take no more than this; beyond, allocating raises MemoryError."""
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    least = min(each for each in (memory_bytes, before, most) if each != resource.RLIM_INFINITY)
    resource.setrlimit(resource.RLIMIT_DATA, (least, most))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def main() -> None:
    # Imported here: the bot's own process takes values from this module, and needs them later.
    import ctypes
    from multiprocessing.connection import Connection

    with contextlib.suppress(AttributeError):
        # Where the bot is killed, the next start removes and writes the same files.
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    with contextlib.suppress(OSError):
        # Where the machine has no memory left, it is this one that the system ends.
        Path("/proc/self/oom_score_adj").write_text("1000")
    with limited(MEMORY_BYTES):
        serve(Connection(int(sys.argv[1])))
