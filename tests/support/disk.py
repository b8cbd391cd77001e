"""A disk without room, as the decoder's process finds it."""

import errno
from typing import Any

import pytest

from bot.pictures.decoder import Decoder


def no_room_for(patch: pytest.MonkeyPatch, work: str, *, times: int = 99) -> list[OSError]:
    """
    Args:
        work: name of the function that finds no room so many times.
    Returns:
        What is still to be raised.
    """
    run = Decoder.run
    left = [OSError(errno.ENOSPC, "No space left on device") for _ in range(times)]

    async def run_if_there_is_room(decoder: Decoder, called: Any, *args: Any) -> Any:
        if left and called.__name__ == work:
            raise left.pop()
        return await run(decoder, called, *args)

    patch.setattr(Decoder, "run", run_if_there_is_room)
    return left
