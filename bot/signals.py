"""Serves until the process is asked to stop, and ends it in time."""

import asyncio
import contextlib
import logging
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

#: seconds from the signal to the end, whatever hangs: docker kills what takes ten
STOP_S_MAX = 9.0
#: exit code of a stop that was not clean
CUT_OFF = 1

log = logging.getLogger(__name__)


@contextlib.contextmanager
def ended_at_once() -> Iterator[None]:
    """
    Until something serves, SIGTERM ends the process where it stands. It would by itself, but not
    the first process of a container, which gets no signal that it does not handle.
    """
    before = signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def until_signal(serve: Callable[[], Coroutine[Any, Any, None]]) -> None:
    """
    Serve until SIGINT or SIGTERM, then stop cleanly; a second signal exits at once. What takes too
    long is cut off, as by a crash: all that matters is committed before and after it.
    """

    async def run() -> None:
        serving = asyncio.ensure_future(serve())
        asked = False

        def stop() -> None:
            nonlocal asked
            if asked:
                os._exit(CUT_OFF)
            asked = True
            serving.cancel()
            loop.call_later(STOP_S_MAX, cut_off)

        def cut_off() -> None:
            log.warning("the stop took too long", extra={"action": "stop_cut_off"})
            os._exit(CUT_OFF)

        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop)
        try:
            await serving
        except asyncio.CancelledError:
            if not asked:
                raise
        if asked:
            # As asyncio.run does: an answer that is under way may have files to remove.
            others = asyncio.all_tasks() - {asyncio.current_task()}
            for each in others:
                each.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            # There is no stdout in a process that was started without one.
            with contextlib.suppress(OSError, AttributeError):
                sys.stdout.flush()
            # Python would wait for every thread, and one that looks up a name may hang for minutes.
            os._exit(0)

    asyncio.run(run())
