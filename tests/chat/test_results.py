"""A picture that was made is not thrown away; one that can never be had is not waited for."""

import asyncio
import base64
from collections.abc import Mapping

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from bot.domain.ledger import EntryKind
from bot.engine import runner
from bot.playground.faults import Hold, Respond, VendorCall
from bot.playground.studio import Completes
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import picture

ALLOWANCE_UCR = 1_000_000
PNG = picture()
DATA = f"data:image/png;base64,{base64.b64encode(PNG).decode()}"


def polled(links: object) -> Respond:
    data = {"taskId": "task-000001", "state": "completed", "resultUrls": links}
    return Respond(body={"code": 200, "msg": "success", "data": data})


async def assert_shown(easel: Easel, message) -> None:
    [attachment] = message.attachments
    assert await easel.discord.read_attachment(attachment) == PNG
    assert len(await easel.entries(EntryKind.SETTLE)) == 1


async def assert_refunded(easel: Easel, message, words: str) -> None:
    assert words in said(message)
    assert "Nothing was charged." in said(message)
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    assert len(await easel.entries(EntryKind.RELEASE)) == 1


async def test_a_link_that_is_the_picture_itself_is_kept(easel: Easel) -> None:
    easel.providers.faults.add(VendorCall.POLL, polled([DATA]))

    await assert_shown(easel, await easel.finished(await easel.imagine()))


@pytest.mark.parametrize("status", [302, 404, 500])
async def test_a_picture_in_an_answer_whose_code_overrules_its_status_is_kept(
    easel: Easel, status: int
) -> None:
    easel.providers.faults.add(VendorCall.POLL, replace(polled([DATA]), status=status))

    await assert_shown(easel, await easel.finished(await easel.imagine()))


async def test_a_picture_that_is_not_on_our_disk_is_not_waited_for(easel: Easel) -> None:
    """It came in an answer that is an error in all but its state, so it was not kept."""
    answer = {"code": 500, "data": {"state": "completed", "resultUrls": [DATA]}}
    easel.providers.faults.add(VendorCall.POLL, Respond(status=500, body=answer))
    message = await easel.finished(await easel.imagine())

    await assert_refunded(easel, message, "did not hand it over")
    assert sum(easel.clock.naps) < 120


@pytest.mark.parametrize("url", [DATA, DATA.partition(",")[2]], ids=["data address", "base64"])
async def test_an_answer_whose_url_is_the_picture_itself_is_kept(
    opened: OpenEasel, url: str
) -> None:
    """As New API and other gateways that speak OpenAI's shape answer."""
    async with opened(apimodels_api_key=None) as easel:
        keys = {
            "openai_api_key": SecretStr(easel.providers.api_key),
            "openai_base_url": easel.providers.openai_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        easel.providers.faults.add(VendorCall.CREATE, Respond(body={"data": [{"url": url}]}))

        await assert_shown(easel, await easel.finished(await easel.imagine()))


async def test_links_that_come_half_a_minute_after_success_are_waited_for(easel: Easel) -> None:
    easel.providers.endings.append(Completes(empty_polls=6))
    message = await easel.finished(await easel.imagine())

    assert message.attachments, said(message)
    assert [nap == pytest.approx(5, rel=0.06) for nap in easel.clock.naps].count(True) >= 6


@pytest.mark.parametrize(
    "links",
    [
        ["file:///etc/passwd"],
        ["/tmp/picture.png"],
        [""],
        "not a list",
        [{"url": "https://example.org"}],
    ],
    ids=str,
)
async def test_what_is_no_link_is_given_up_soon(easel: Easel, links: object) -> None:
    easel.providers.faults.add(VendorCall.POLL, polled(links), times=9)
    message = await easel.finished(await easel.imagine())

    await assert_refunded(easel, message, "did not hand it over")
    assert easel.providers.calls[VendorCall.POLL] == 3
    assert sum(easel.clock.naps) < 30


async def test_a_private_address_is_given_up_soon(opened: OpenEasel) -> None:
    """The vendor is asked for another link once."""
    async with opened(allow_private_addresses=False) as easel:
        message = await easel.finished(await easel.imagine())

        await assert_refunded(easel, message, "did not hand it over")
        assert easel.providers.calls[VendorCall.POLL] == 2


@pytest.mark.parametrize(
    ("fault", "fetches"),
    [
        (Respond(404), 4),
        (Respond(410), 4),
        (Respond(302, headers={"Location": "/results/round"}), 2 * 6),
    ],
    ids=["404", "410", "redirects"],
)
async def test_what_is_never_there_is_given_up_within_half_a_minute(
    easel: Easel, fault: Respond, fetches: int
) -> None:
    easel.providers.faults.add(VendorCall.RESULT, fault, times=99)
    message = await easel.finished(await easel.imagine())

    await assert_refunded(easel, message, "did not hand it over")
    assert easel.providers.calls[VendorCall.RESULT] <= fetches
    assert sum(easel.clock.naps) < 40
    assert not easel.app.runner._shop.finished, "it is noted as being fetched for ever"


async def test_the_status_says_that_a_finished_picture_is_fetched(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PROGRESS_S_MAX", 0.01)
    fetch = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.RESULT, fetch)
    call = await easel.imagine()
    await fetch.reached.wait()
    await call.until(lambda message: "is being fetched" in said(message))
    fetch.until.set()

    assert (await easel.finished(call)).attachments
    assert not easel.app.runner._shop.finished


EMPTY: Mapping[str, object] = {
    "empty list": [],
    "null": None,
    "empty object": {},
    "nothing in it": [{}],
}


@pytest.mark.parametrize("name", EMPTY)
async def test_an_answer_without_a_picture_is_known_to_be_one(opened: OpenEasel, name: str) -> None:
    async with opened(apimodels_api_key=None) as easel:
        keys = {
            "openai_api_key": SecretStr(easel.providers.api_key),
            "openai_base_url": easel.providers.openai_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        easel.providers.faults.add(VendorCall.CREATE, Respond(body={"data": EMPTY[name]}))
        message = await easel.finished(await easel.imagine())

        await assert_refunded(easel, message, "finished without an image")


async def test_a_clock_that_is_set_back_keeps_no_task_for_longer(easel: Easel) -> None:
    """It stood a day ahead when the task was submitted."""
    easel.clock.advance(86_400)
    poll = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.POLL, poll)
    call = await easel.imagine()
    await poll.reached.wait()
    easel.clock.advance(-86_400)
    poll.until.set()

    assert (await easel.finished(call)).attachments
    assert max(easel.clock.naps) < 60
