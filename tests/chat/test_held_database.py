"""Another program holds the database, or its disk is full, just as something was done outside."""

import asyncio
import logging
import resource
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.app import open_app
from bot.domain.ledger import EntryKind
from bot.engine import carrier
from bot.engine.references import TRANSFERS_MAX
from bot.errors import FetchTrouble
from bot.playground.discord import Call, Upload
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from bot.store import database
from tests.conftest import OpenEasel
from tests.support.disk import no_room_for
from tests.support.easel import Easel, said
from tests.support.photos import MADE, drawn, written
from tests.support.pictures import noise
from tests.support.settings import set_filter

ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000
ROOM_BYTES = 4_096
LARGE = noise(400)
WORDY = MADE["PNG with two mebibytes of text"][1]()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each try gives up at once, as nine seconds are too long for one of five."""
    monkeypatch.setattr(database, "BUSY_TIMEOUT_MS", 1)
    monkeypatch.setattr(database, "KEEP_WAIT_S", 0.01)


@contextmanager
def held_by_another(path: Path) -> Iterator[None]:
    """As by a browser of tables whose user has not pressed Save."""
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        other.close()


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """No file of this process grows, until something is cleared away."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    log = path.with_name(f"{path.name}-wal")
    resource.setrlimit(resource.RLIMIT_FSIZE, (log.stat().st_size, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


Trouble = Callable[[Path], AbstractContextManager[None]]
Waiting = tuple[Easel, Call]


@pytest.fixture
async def waits(caplog: pytest.LogCaptureFixture) -> Callable[[str], object]:
    caplog.set_level(logging.WARNING)

    async def until(step: str) -> None:
        async with asyncio.timeout(10):
            while f"{step} waits for the database" not in caplog.text:  # noqa: ASYNC110
                await asyncio.sleep(0.001)

    return until


async def assert_delivered(easel: Easel, call) -> None:
    message = await easel.finished(call)
    assert message.attachments, said(message)
    assert len(easel.providers.submissions) == 1
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR


@asynccontextmanager
async def after_effect(easel: Easel, at: VendorCall) -> AsyncIterator[Hold]:
    hold = Hold(asyncio.Event(), after_effect=True)
    easel.providers.faults.add(at, hold)
    yield hold


@pytest.mark.parametrize("trouble", [held_by_another, full_disk])
async def test_an_order_that_the_vendor_took_is_not_lost(
    opened: OpenEasel, waits, trouble: Trouble
) -> None:
    async with opened() as easel, after_effect(easel, VendorCall.CREATE) as order:
        call = await easel.imagine()
        await order.reached.wait()
        with trouble(easel.folder / "easel.db"):
            order.until.set()
            await waits("submitted")
        await assert_delivered(easel, call)


async def test_an_order_that_is_about_to_be_sent_waits_too(
    opened: OpenEasel, waits, caplog: pytest.LogCaptureFixture
) -> None:
    async with opened() as easel, after_effect(easel, VendorCall.UPLOAD) as upload:
        image = Upload("photo.png", noise())
        call = await easel.discord.run_command(
            "Ada", "studio", "edit", {"image": image, "prompt": "in winter"}
        )
        await upload.reached.wait()
        with held_by_another(easel.folder / "easel.db"):
            upload.until.set()
            await waits("begin_submit")
        await assert_delivered(easel, call)
    assert "Traceback" not in caplog.text


async def test_a_result_for_which_there_is_no_room_yet_is_not_lost(
    opened: OpenEasel, caplog: pytest.LogCaptureFixture
) -> None:
    async with (
        opened(paint=lambda _: LARGE) as easel,
        after_effect(easel, VendorCall.RESULT) as result,
    ):
        call = await easel.imagine()
        await result.reached.wait()
        with full_disk(easel.folder / "easel.db"):
            result.until.set()
            async with asyncio.timeout(10):
                # Longer than the patience with a host of results.
                while caplog.text.count("could not be stored") < 12:  # noqa: ASYNC110
                    await asyncio.sleep(0.001)
        await assert_delivered(easel, call)


@asynccontextmanager
async def no_room_for_an_image_inside_an_answer(opened: OpenEasel) -> AsyncIterator[Waiting]:
    """There is room for the database's log, but not for the image that is being written."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    async with opened(apimodels_api_key=None) as easel:
        keys = {
            "openai_api_key": SecretStr(easel.providers.api_key),
            "openai_base_url": easel.providers.openai_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        async with after_effect(easel, VendorCall.CREATE) as order:
            call = await easel.imagine()
            await order.reached.wait()
            resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, limits[1]))
            try:
                order.until.set()
                async with asyncio.timeout(10):
                    while _written(easel.folder / "images") < ROOM_BYTES:  # noqa: ASYNC110
                        await asyncio.sleep(0.001)
                yield easel, call
            finally:
                resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def _written(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.glob("next-*"))


async def test_an_image_inside_an_answer_waits_for_room(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.providers.answers.FULL_WAIT_S", 0.01)
    async with no_room_for_an_image_inside_an_answer(opened) as (easel, call):
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1], limits[1]))
        message = await easel.finished(call)
        assert message.attachments, said(message)


async def test_a_stop_waits_for_no_room(opened: OpenEasel, monkeypatch: pytest.MonkeyPatch) -> None:
    """The image is lost, for the vendor gives it once; nothing is charged."""
    monkeypatch.setattr("bot.engine.runner.STOP_GRACE_S", 0.1)
    async with no_room_for_an_image_inside_an_answer(opened) as (easel, call):
        stopping = asyncio.create_task(easel.bot.aclose())
        await asyncio.wait({stopping}, timeout=5)
        assert stopping.done()
        limits = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (limits[1], limits[1]))
        await easel.restart()
        assert "Nothing was charged." in said(await easel.finished(call))
        assert not list((easel.folder / "images").iterdir())


@asynccontextmanager
async def no_room_to_mend(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch, *, times: int
) -> AsyncIterator[tuple[Easel, list[OSError]]]:
    """
    The image that comes inside an answer says more than a decoder takes in, so it is written anew
    without that, for which there is no room the first times.
    """
    full = no_room_for(monkeypatch, "check_image", times=times)
    async with opened(apimodels_api_key=None, paint=lambda _: WORDY) as easel:
        keys = {
            "openai_api_key": SecretStr(easel.providers.api_key),
            "openai_base_url": easel.providers.openai_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        yield easel, full


async def test_an_image_inside_an_answer_that_there_is_no_room_to_mend_is_not_lost(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with no_room_to_mend(opened, monkeypatch, times=3) as (easel, full):
        message = await easel.finished(await easel.imagine())
        assert message.attachments, said(message)
        assert not full
        [kept] = (easel.folder / "images").iterdir()
        assert kept.stat().st_size < len(WORDY)


async def test_an_image_that_there_was_never_room_to_mend_takes_none_in_the_end(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(carrier.TRIES_MAX, FetchTrouble.OUR_DISK, 2)
    async with no_room_to_mend(opened, monkeypatch, times=3) as (easel, _):
        message = await easel.finished(await easel.imagine())
        assert "Nothing was charged" in said(message)
        assert not list((easel.folder / "images").iterdir())


@pytest.mark.parametrize(("times", "delivered"), [(TRANSFERS_MAX - 1, True), (99, False)])
@pytest.mark.parametrize("step", ["convert", "make_plain"])
async def test_a_reference_for_which_there_is_no_room_is_tried_again_but_not_for_ever(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch, step: str, times: int, delivered: bool
) -> None:
    """Nothing is ordered yet, so nothing is lost with the job."""
    no_room_for(monkeypatch, step, times=times)
    async with opened(apimodels_api_key=None) as easel:
        keys = {
            "runninghub_api_key": SecretStr(easel.providers.api_key),
            "runninghub_base_url": easel.providers.runninghub_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        await set_filter(easel, "off")
        # RunningHub's low-price route takes no WebP.
        image = Upload("photo.webp", written(drawn(), "WEBP"))
        message = await easel.finished(await easel.imagine(model="gpt-image-2", reference1=image))

        assert bool(message.attachments) is delivered, said(message)
        if not delivered:
            assert "inside this bot" in said(message)
            assert "Nothing was charged." in said(message)
            assert not easel.providers.submissions


async def test_a_result_for_whose_smaller_copy_there_is_no_room_is_tried_again(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    left = no_room_for(monkeypatch, "_copy", times=1)
    too_large = {"code": 40005, "message": "Request entity too large"}
    easel.discord.faults.add(method="PATCH", path="@original", status=413, body=too_large, times=2)
    await assert_delivered(easel, await easel.imagine())
    assert not left


async def test_an_image_that_was_fetched_is_not_lost(opened: OpenEasel, waits) -> None:
    async with opened() as easel, after_effect(easel, VendorCall.RESULT) as result:
        call = await easel.imagine()
        await result.reached.wait()
        with held_by_another(easel.folder / "easel.db"):
            result.until.set()
            await waits("stored")
        await assert_delivered(easel, call)


async def test_a_result_that_stands_in_discord_is_not_posted_again(
    opened: OpenEasel, waits
) -> None:
    async with opened() as easel:
        call = await easel.imagine()
        edit = easel.discord.faults.add(
            method="PATCH", path="@original", hold=asyncio.Event(), after_effect=True, times=99
        )
        await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'delivering'"))
        with held_by_another(easel.folder / "easel.db"):
            assert edit.hold
            edit.hold.set()
            await waits("finish")
        await assert_delivered(easel, call)


async def test_an_answer_that_stands_in_discord_has_its_job_made(opened: OpenEasel, waits) -> None:
    async with opened() as easel:
        until = asyncio.Event()
        easel.discord.faults.add(method="POST", path="/callback", hold=until, after_effect=True)
        call = await easel.imagine()
        await call.acknowledged()
        with held_by_another(easel.folder / "easel.db"):
            until.set()
            await waits("hand_over")
        await assert_delivered(easel, call)


async def test_a_vendors_refusal_is_told_and_released(opened: OpenEasel, waits) -> None:
    async with opened() as easel, after_effect(easel, VendorCall.POLL) as poll:
        easel.providers.endings.append(Fails("CONTENT_MODERATION", "no"))
        call = await easel.imagine()
        await poll.reached.wait()
        with held_by_another(easel.folder / "easel.db"):
            poll.until.set()
            await waits("failed")
        assert "content filter" in said(await easel.finished(call))
        assert len(await easel.entries(EntryKind.RELEASE)) == 1


async def test_that_a_moderator_deleted_a_message_is_recorded_all_the_same(
    easel: Easel, waits
) -> None:
    message = await easel.finished(await easel.imagine())
    with held_by_another(easel.folder / "easel.db"):
        await easel.discord.press("Cleo", message, label="Delete")
        await waits("note_deleted")
    await easel.until(lambda: easel.rows("SELECT 1 FROM acts WHERE action = 'delete'"))


async def test_a_command_meanwhile_is_refused_in_a_sentence(opened: OpenEasel) -> None:
    async with opened() as easel:
        with held_by_another(easel.folder / "easel.db"):
            message = await (await easel.imagine()).response()

        assert said(message).startswith(
            "My database is busy at the moment. Please try again in a minute. Nothing was charged."
        )
        assert message.is_ephemeral
        assert (await easel.finished(await easel.imagine())).attachments


async def test_a_database_that_is_held_after_the_start_ends_no_bot(easel: Easel, waits) -> None:
    """The commands are compared then, and which servers have some is remembered."""
    await easel.bot.aclose()
    async with open_app(easel.settings, easel.clock) as easel.app:
        with held_by_another(easel.folder / "easel.db"):
            serving = asyncio.create_task(easel.app.run())
            await waits("remember_servers")
            assert not serving.done()
        await easel.app.client.synced.wait()
        await assert_delivered(easel, await easel.imagine())
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)
