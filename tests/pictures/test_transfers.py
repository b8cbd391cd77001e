"""Few large transfers run at once; a slow one holds nobody up for long."""

import asyncio

import pytest

from bot.pictures import transfers
from bot.pictures.transfers import AT_ONCE, SMALL_BYTES, Transfers


async def test_a_transfer_waits_until_another_has_ended() -> None:
    begun: list[int] = []
    ends = [asyncio.Event() for _ in range(AT_ONCE + 1)]
    shared = Transfers()

    async def move(number: int) -> None:
        async with shared.one(None):
            begun.append(number)
            await ends[number].wait()

    moving = [asyncio.create_task(move(number)) for number in range(len(ends))]
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == list(range(AT_ONCE))
    ends[0].set()
    await moving[0]
    for _ in range(10):
        await asyncio.sleep(0)
    assert begun == list(range(AT_ONCE + 1))
    for end in ends:
        end.set()
    await asyncio.gather(*moving)


async def test_slow_transfers_hold_nobody_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(transfers, "PATIENCE_S", 0)
    shared = Transfers()
    async with shared.one(None), shared.one(None), shared.one(None):
        pass
    # Those that did not wait have given back no place that they did not have.
    assert shared._places._value == AT_ONCE


async def test_small_transfers_wait_for_nobody() -> None:
    shared = Transfers()

    async def move() -> None:
        async with shared.one(SMALL_BYTES - 1):
            pass

    async with shared.one(None), shared.one(SMALL_BYTES):
        assert shared._places.locked()
        small = asyncio.create_task(move())
        for _ in range(10):
            await asyncio.sleep(0)
        assert small.done()
    await small


async def test_a_failed_transfer_gives_its_place_back() -> None:
    shared = Transfers()
    for _ in range(AT_ONCE + 1):
        with pytest.raises(OSError, match="broken off"):
            async with shared.one(None):
                raise OSError("broken off")
    assert not shared._places.locked()
