"""Runs blocking work in threads, beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor, ThreadPoolExecutor
from typing import TypeVar, TypeVarTuple

#: for files; the loop's own threads look up names, which must not wait for a slow or a full disk
FILES = ThreadPoolExecutor(4, thread_name_prefix="files")

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def in_thread(
    work: Callable[[*Ts], T],
    *args: *Ts,
    executor: Executor = FILES,
    stop: Callable[[], None] | None = None,
) -> T:
    """
    Run the work in a thread. When cancelled, withdraw it if it has not begun; otherwise wait for
    its end, because a thread that went on writing would bring back a file just removed.

    Args:
        stop: makes work that has begun end sooner.
    """
    running = executor.submit(work, *args)
    try:
        return await asyncio.wrap_future(running)
    except asyncio.CancelledError:
        running.cancel()
        if running.running():
            if stop is not None:
                stop()
            ended = asyncio.wrap_future(running)
            await asyncio.wait([ended])
            ended.exception()
        raise
