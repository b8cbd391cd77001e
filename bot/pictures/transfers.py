"""Lets few large transfers run at once, so that commands are answered between them."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress

#: transfers at once. A hundred images of 2 MiB end no sooner when all move together, but each
#: command's answer then waits for a piece of every one of them
AT_ONCE = 2
#: seconds that a transfer waits for others: a slow link, or a slow host, holds up nobody for longer
PATIENCE_S = 1.0
#: transfers of fewer bytes do not wait: they are over before others would notice
SMALL_BYTES = 512 * 1024


class Transfers:
    def __init__(self) -> None:
        self._places = asyncio.Semaphore(AT_ONCE)

    @asynccontextmanager
    async def one(self, size_bytes: int | None) -> AsyncIterator[None]:
        """
        Wait until few others run, or for PATIENCE_S.

        Args:
            size_bytes: of this transfer; None: it is not known.
        """
        if size_bytes is not None and size_bytes < SMALL_BYTES:
            yield
            return
        async with AsyncExitStack() as stack:
            with suppress(TimeoutError):
                async with asyncio.timeout(PATIENCE_S):
                    await stack.enter_async_context(self._places)
            yield
