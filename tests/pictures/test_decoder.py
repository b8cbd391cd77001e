"""Whatever a picture does to the process in which it is decoded, the bot's own goes on."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from multiprocessing import Pipe
from pathlib import Path
from typing import Any

import pytest

from bot.errors import Flaw, UnusableImage
from bot.pictures import decoder as decoders
from bot.pictures import decoding
from bot.pictures.decoder import Decoder
from bot.pictures.decoding import MEMORY_BYTES, PIXELS_THAT_FIT

ON_LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux alone limits memory so")


@pytest.fixture
def own() -> Iterator[Decoder]:
    """Some tests end its process."""
    with closing(Decoder()) as decoder:
        yield decoder


async def flaw_of(decoder: Decoder, work: Any, *args: Any) -> Flaw:
    with pytest.raises(UnusableImage) as refused:
        await decoder.run(work, *args)
    return refused.value.flaw


async def test_one_process_does_one_thing_after_the_other(own: Decoder) -> None:
    pids = await asyncio.gather(*(own.run(os.getpid) for _ in range(20)))
    assert len(set(pids)) == 1
    assert pids[0] != os.getpid()


async def test_what_work_raises_is_raised(own: Decoder, tmp_path: Path) -> None:
    assert await flaw_of(own, refuse, 7) is Flaw.TOO_MANY_PIXELS
    with pytest.raises(UnusableImage, match="too_many_pixels, pixels_max 7"):
        await own.run(refuse, 7)
    with pytest.raises(FileNotFoundError) as missing:
        await own.run(os.stat, tmp_path / "missing")
    assert missing.value.errno == errno.ENOENT
    with pytest.raises(RuntimeError, match="invalid literal"):
        await own.run(int, "no number")


def refuse(pixels_max: int) -> None:
    raise UnusableImage(Flaw.TOO_MANY_PIXELS, pixels_max=pixels_max)


@ON_LINUX
async def test_it_takes_no_more_memory_than_it_may(own: Decoder) -> None:
    pid = await own.run(os.getpid)
    with pytest.raises(UnusableImage) as refused:
        await own.run(bytearray, MEMORY_BYTES)
    assert refused.value.flaw is Flaw.TOO_MANY_PIXELS_OF_ITS_KIND
    assert refused.value.facts == {"pixels_max": PIXELS_THAT_FIT}
    assert await own.run(os.getpid) == pid


@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGABRT, signal.SIGPROF])
async def test_a_picture_that_ends_the_process_is_damaged(
    own: Decoder, number: signal.Signals
) -> None:
    pid = await own.run(os.getpid)
    assert await flaw_of(own, signal.raise_signal, number) is Flaw.DAMAGED
    assert await own.run(os.getpid) != pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_it_does_not_end_before_the_bot_does(own: Decoder, number: signal.Signals) -> None:
    pid = await own.run(os.getpid)
    os.kill(pid, number)
    assert await own.run(os.getpid) == pid


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_nor_as_it_starts(
    own: Decoder, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    stopped = f"import os; os.kill(os.getpid(), {number:d}); {decoders.SERVE}"
    monkeypatch.setattr(decoders, "SERVE", stopped)
    assert await own.run(len, "abc") == 3


async def test_a_process_that_was_killed_between_two_pictures_is_not_missed(own: Decoder) -> None:
    for _ in range(3):
        pid = await own.run(os.getpid)
        os.kill(pid, signal.SIGKILL)
        assert await own.run(len, "abc") == 3


async def test_a_machine_without_memory_is_no_picture_s_fault(own: Decoder) -> None:
    """Linux then kills the process, each time."""
    with pytest.raises(OSError, match="was killed"):
        await own.run(signal.raise_signal, signal.SIGKILL)


async def test_a_process_that_cannot_work_is_no_picture_s_fault(
    own: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoders, "SERVE", "raise SystemExit(3)")
    with pytest.raises(OSError, match="ended with 3"):
        await own.run(len, "abc")
    monkeypatch.setattr(sys, "executable", "/missing/python")
    with pytest.raises(OSError, match=r"did not start: .*/missing/python") as failed:
        await own.run(len, "abc")
    assert not isinstance(failed.value, FileNotFoundError), "the picture is there"


async def test_it_knows_no_secret(own: Decoder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    # Some installations find Python's own library by it.
    monkeypatch.setenv("LD_LIBRARY_PATH", "/missing")
    assert {"PATH", "LD_LIBRARY_PATH"} <= await own.run(environment)
    assert "DISCORD_TOKEN" not in await own.run(environment)


def environment() -> set[str]:
    return set(os.environ)


async def test_it_ends_with_the_bot() -> None:
    with closing(Decoder()) as decoder:
        pid = await decoder.run(os.getpid)
    await is_gone(pid)


#: a bot that is killed while it waits for what never ends
KILLED = """
import asyncio, os, signal, sys
from bot.pictures.decoder import Decoder
decoder = Decoder()
async def main():
    print(await decoder.run(os.getpid), flush=True)
    asyncio.get_running_loop().call_later(0.2, os.kill, os.getpid(), signal.SIGKILL)
    await decoder.run(signal.pause)
asyncio.run(main())
"""


@ON_LINUX
async def test_it_ends_with_a_bot_that_is_killed() -> None:
    """Else it would write where the next start does."""
    bot = await asyncio.create_subprocess_exec(
        sys.executable, "-c", KILLED, stdout=asyncio.subprocess.PIPE
    )
    assert bot.stdout
    pid = int(await bot.stdout.readline())
    try:
        assert await bot.wait() == -signal.SIGKILL
        await is_gone(pid)
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        await bot.communicate()


async def is_gone(pid: int) -> None:
    async with asyncio.timeout(10):
        with suppress(ProcessLookupError):
            while True:
                os.kill(pid, 0)
                await asyncio.sleep(0.001)


async def working(decoder: Decoder, folder: Path, name: str = "begun") -> asyncio.Task[None]:
    """Has the process begin what never ends."""
    begun = folder / name
    task = asyncio.create_task(decoder.run(pause, begun))
    async with asyncio.timeout(10):
        while not begun.exists():  # noqa: ASYNC110 - no event for this
            await asyncio.sleep(0.001)
    return task


def pause(begun: Path) -> None:
    begun.touch()
    signal.pause()


async def test_what_is_in_work_as_the_bot_stops_is_not_the_picture_s_fault(tmp_path: Path) -> None:
    decoder = Decoder()
    pid = await decoder.run(os.getpid)
    task = await working(decoder, tmp_path)
    decoder.close()
    with pytest.raises(OSError, match="nobody waits"):
        await task
    await is_gone(pid)


async def test_who_is_cancelled_does_not_wait_for_the_picture(own: Decoder, tmp_path: Path) -> None:
    task = await working(own, tmp_path)
    waiting = asyncio.create_task(own.run(len, "abc"))
    withdrawn = asyncio.create_task(own.run(signal.pause))
    await asyncio.sleep(0)
    for cancelled in (withdrawn, task):
        cancelled.cancel()
        with pytest.raises(asyncio.CancelledError):
            await cancelled
    assert await waiting == 3


async def test_nor_does_who_is_cancelled_as_the_process_starts(
    own: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = asyncio.create_task(own.run(signal.pause))

    class Cancelling(subprocess.Popen[bytes]):
        def __init__(self, *args: Any, **options: Any) -> None:
            loop.call_soon_threadsafe(task.cancel)
            time.sleep(0.1)
            super().__init__(*args, **options)

    loop = asyncio.get_running_loop()
    monkeypatch.setattr(subprocess, "Popen", Cancelling)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 10)


async def test_what_waits_as_the_bot_stops_is_not_begun(tmp_path: Path) -> None:
    decoder = Decoder()
    tasks = [await working(decoder, tmp_path, "first")]
    tasks += [asyncio.create_task(decoder.run(pause, tmp_path / name)) for name in "abc"]
    await asyncio.sleep(0)
    decoder.close()
    async with asyncio.timeout(10):
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    assert [str(end) for end in ends] == ["nobody waits for it"] * 4
    assert await asyncio.to_thread(os.listdir, tmp_path) == ["first"]


async def test_who_is_cancelled_once_the_work_is_done_stops_no_other(own: Decoder) -> None:
    pid = await own.run(os.getpid)
    done = threading.Event()

    async def run() -> None:
        await own.run(len, "abc")

    task = asyncio.create_task(run())
    await asyncio.sleep(0)
    own._thread.submit(done.set)
    done.wait(10)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await own.run(os.getpid) == pid


def test_it_ends_itself_when_it_has_nothing_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoding, "IDLE_S", 0.0)
    ours, theirs = Pipe()
    with ours, theirs:
        decoding.serve(theirs)


async def test_one_that_has_ended_itself_is_begun_anew(own: Decoder) -> None:
    pid = await own.run(os.getpid)
    await own.run(end_after_the_answer)
    while pid == await own.run(os.getpid):  # noqa: ASYNC110 - no event for this
        await asyncio.sleep(0.001)


def end_after_the_answer() -> None:
    signal.signal(signal.SIGALRM, lambda *_: os._exit(0))
    signal.setitimer(signal.ITIMER_REAL, 0.01)
