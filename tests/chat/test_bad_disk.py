"""What the folder of images does not let happen: it waits, or it holds up nothing else."""

import errno
import logging
import resource
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.engine.duties import Duties
from bot.playground.discord import Message, Upload
from bot.providers import answers
from tests.chat.test_privacy import erase, export
from tests.conftest import OpenEasel
from tests.support.easel import Easel, images, said
from tests.support.moderation import card, filled, press
from tests.support.pictures import noise, picture

PICTURE = noise()
READ_ONLY = (errno.EROFS, "Read-only file system")
DAY_S = 24 * 3_600
ROOM_BYTES = 4_096

Deny = Callable[..., None]


@pytest.fixture
def deny(monkeypatch: pytest.MonkeyPatch) -> Iterator[Deny]:
    """Makes a method of Path fail for files whose names end so, the first times."""

    def begin(method: str, ending: str, times: int = 10_000, mode: str = "") -> None:
        real, left = getattr(Path, method), [None] * times

        def denied(path: Path, *args: object, **given: object) -> object:
            if left and path.name.endswith(ending) and (not mode or args[:1] == (mode,)):
                left.pop()
                raise OSError(*READ_ONLY)
            return real(path, *args, **given)

        monkeypatch.setattr(Path, method, denied)

    yield begin
    monkeypatch.undo()


@pytest.fixture(params=["a link", "the answer"])
async def easel(request: pytest.FixtureRequest, opened: OpenEasel):
    """The image comes by a link, or inside the answer to its order."""
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        if request.param == "the answer":
            easel.settings = easel.settings.model_copy(
                update={
                    "apimodels_api_key": None,
                    "openai_api_key": SecretStr(easel.providers.api_key),
                    "openai_base_url": easel.providers.openai_base_url,
                }
            )
            await easel.restart()
        yield easel


async def delivered(easel: Easel, **options: object) -> Message:
    message = await easel.finished(await easel.imagine(**options))
    assert len(images(message)) == 1, said(message)
    assert len(easel.providers.submissions) == 1
    return message


def files(easel: Easel) -> list[str]:
    return sorted(path.name for path in (easel.folder / "images").glob("*-*.*"))


async def test_an_image_that_cannot_be_renamed_yet_is_not_lost(
    easel: Easel, deny: Deny, caplog: pytest.LogCaptureFixture
) -> None:
    deny("rename", "-0.fetched", times=3)
    await delivered(easel)
    assert caplog.text.count("result not fetched") == 3
    assert "Traceback" not in caplog.text
    assert [Path(name).suffix for name in files(easel)] == [".png"]


@pytest.mark.parametrize("easel", ["the answer"], indirect=True)
@pytest.mark.parametrize(("method", "mode"), [("open", "wb"), ("replace", "")])
async def test_an_image_inside_an_answer_that_cannot_be_written_yet_is_not_lost(
    easel: Easel, deny: Deny, monkeypatch: pytest.MonkeyPatch, method: str, mode: str
) -> None:
    monkeypatch.setattr(answers, "FULL_WAIT_S", 0.001)
    deny(method, "-0.fetched", times=3, mode=mode)
    await delivered(easel)
    assert [Path(name).suffix for name in files(easel)] == [".png"]


@pytest.mark.parametrize("easel", ["a link"], indirect=True)
async def test_a_folder_that_is_read_only_for_a_while_loses_no_image(
    easel: Easel, deny: Deny, caplog: pytest.LogCaptureFixture
) -> None:
    deny("open", "-0.fetched", times=30, mode="wb")
    deny("unlink", "-0.fetched", times=30)
    await delivered(easel)
    assert "Traceback" not in caplog.text


async def test_a_reference_that_cannot_be_removed_does_not_hold_up_its_result(
    easel: Easel, deny: Deny, caplog: pytest.LogCaptureFixture
) -> None:
    deny("unlink", "-reference1.fetched")
    await delivered(easel, reference1=Upload("photo.png", picture()))
    assert "not removed: [Errno 30]" in caplog.text
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("easel", ["a link"], indirect=True)
async def test_what_cannot_be_removed_at_a_start_does_not_hold_that_up(
    easel: Easel, deny: Deny, caplog: pytest.LogCaptureFixture
) -> None:
    deny("unlink", "-reference1.fetched")
    await delivered(easel, reference1=Upload("photo.png", picture()))
    await easel.restart()
    assert caplog.text.count("not removed: [Errno 30]") == 2


@pytest.mark.parametrize("easel", ["a link"], indirect=True)
async def test_what_a_moderator_removes_is_taken_away_though_its_file_stays(
    easel: Easel, deny: Deny, caplog: pytest.LogCaptureFixture
) -> None:
    message = await delivered(easel)
    deny("unlink", ".png")
    form = await press(easel, await card(easel, message), "Remove")
    await filled(easel, form, reason="spam")
    shown = easel.discord.world.channels[message.channel_id].messages_by_id
    await easel.discord.wait_for(lambda: message.id not in shown, "that it is gone")
    assert "Traceback" not in caplog.text


@pytest.mark.parametrize("easel", ["a link"], indirect=True)
async def test_a_file_that_cannot_be_removed_keeps_no_other(
    easel: Easel, deny: Deny, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    for _ in range(2):
        await easel.finished(await easel.imagine())
    stays, _ = files(easel)
    deny("unlink", stays)
    easel.clock.advance(30 * DAY_S)
    duties: Duties = easel.app.runner._duties
    await duties.tidy()
    assert files(easel) == [stays]


@pytest.mark.parametrize("easel", ["a link"], indirect=True)
async def test_an_export_for_which_there_is_no_room_leaves_none_of_it(easel: Easel) -> None:
    await delivered(easel)
    kept, limits = files(easel), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, limits[1]))
    try:
        [message] = await export(easel)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert said(message) == "Please try again in a few minutes."
    assert files(easel) == kept


@pytest.mark.parametrize("easel", ["a link"], indirect=True)
async def test_an_erasure_that_waits_for_a_file_holds_up_no_other(easel: Easel, deny: Deny) -> None:
    for member in ("Ada", "Ben"):
        await easel.finished(await easel.imagine(member))
    stays, _ = files(easel)
    deny("unlink", stays, times=2)
    assert "Something went wrong inside this bot" in said(await erase(easel, "Ada"))
    assert "Erased." in said(await erase(easel, "Ben"))
    assert files(easel) == [stays]
    refused = await easel.finished(await easel.imagine("Ada"))
    assert "being erased" in said(refused)

    assert "Erased." in said(await erase(easel, "Ada"))
    assert files(easel) == []
