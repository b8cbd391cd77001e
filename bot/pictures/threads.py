"""Blocking work beside the event loop."""

import asyncio
from collections.abc import Callable
from concurrent.futures import Executor
from typing import TypeVar, TypeVarTuple

T = TypeVar("T")
Ts = TypeVarTuple("Ts")


async def in_thread(work: Callable[[*Ts], T], *args: *Ts, executor: Executor | None = None) -> T:
    """
    Run in a thread and, even when cancelled, wait for its end.

    A thread cannot be stopped; one that still writes would bring back the file just removed.

    Args:
        executor: whose threads; the loop's own if None.
    """
    running = asyncio.get_running_loop().run_in_executor(executor, work, *args)
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait([running])
        if not running.cancelled():
            running.exception()
        raise
