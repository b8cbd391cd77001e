"""Each refusal of Discord on delivery: where the member reads what, and what is charged."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bot.chat.wire import TRIES_MAX
from bot.domain.ledger import EntryKind
from bot.playground.discord import Call, Message
from bot.playground.discord.validation import STRING_SELECT, walk
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said

pytestmark = pytest.mark.slow

ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000
EVER = 1_000
#: seconds, past the life of an interaction's token, and after which Discord has forgotten a nonce
TOKEN_OVER_S = 15 * 60 + 1
NONCE_OVER_S = 4 * 60
#: code -> HTTP status (Discord docs, "JSON Error Codes", read 2026-11)
STATUSES = {
    10003: 404,
    10008: 404,
    10015: 404,
    10062: 404,
    20009: 403,
    20016: 400,
    20028: 400,
    30046: 400,
    40094: 400,
    50001: 403,
    50007: 403,
    50013: 403,
    50027: 401,
    50035: 400,
    50083: 400,
    50278: 403,
    160005: 403,
    200000: 400,
}
#: Discord refuses the picture itself, in this place and the next
OF_THE_PICTURE = (20009, 200000)
#: refusals that pass
FOR_A_WHILE = (20016, 20028)


def refuse(easel: Easel, method: str, path: str, code: int, times: int = EVER):
    body = {"code": code, "message": "Playground refusal"}
    return easel.discord.faults.add(
        method=method, path=path, status=STATUSES[code], body=body, times=times
    )


@asynccontextmanager
async def delivered_against(easel: Easel) -> AsyncIterator[Call]:
    """The faults that are added inside are met by the delivery, not by what comes before it."""
    async with easel.held(VendorCall.RESULT) as call:
        await easel.until(lambda: easel.rows("SELECT 1 FROM tasks WHERE state = 'submitted'"))
        await easel.discord.wait_for(lambda: is_shown(easel), "how it goes")
        yield call


def is_shown(easel: Easel) -> bool:
    """How the job goes stands in its status message."""
    return any(each.method == "PATCH" and each.status == 200 for each in easel.discord.requests)


def endings(easel: Easel) -> list[Message]:
    shown = easel.discord.messages_for("Ada", "studio")
    return [each for each in shown if each.attachments or "No image this time" in said(each)]


async def assert_refunded_and_kept(easel: Easel) -> None:
    assert len(await easel.entries(EntryKind.REFUND)) == 1
    assert await easel.balance_ucr() == ALLOWANCE_UCR
    assert len(list((easel.folder / "images").glob("*.png"))) == 1
    easel.discord.faults.clear()
    history = await (await easel.discord.run_command("Ada", "studio", "history")).response()
    assert history.components
    assert "Nothing was charged." in said(history)


@pytest.mark.parametrize("code", sorted(set(STATUSES) - {*OF_THE_PICTURE, *FOR_A_WHILE}))
async def test_what_cannot_be_edited_in_is_posted_in_the_channel(
    easel: Easel, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    async with delivered_against(easel) as call:
        refuse(easel, "PATCH", "@original", code)
    await easel.idle()

    [message] = endings(easel)
    assert message.attachments
    assert message.id not in call.interaction.message_ids
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR
    assert f"error code: {code}" in caplog.text


@pytest.mark.parametrize("code", OF_THE_PICTURE)
async def test_where_the_picture_is_refused_the_member_reads_words(
    easel: Easel, caplog: pytest.LogCaptureFixture, code: int
) -> None:
    caplog.set_level(logging.INFO)
    async with delivered_against(easel) as call:
        refuse(easel, "PATCH", "@original", code, times=1)
    await easel.idle()

    [message] = endings(easel)
    assert message.id == call.messages[0].id
    assert "takes it for explicit content" in said(message)
    assert "paper lantern" not in said(message)
    await assert_refunded_and_kept(easel)
    assert "job_undeliverable" in {getattr(record, "action", "") for record in caplog.records}


async def test_a_picture_refused_in_the_channel_too_leaves_words_there(easel: Easel) -> None:
    async with delivered_against(easel):
        refuse(easel, "PATCH", "@original", 10008)
        refuse(easel, "POST", "/channels/", 20009, times=1)
    await easel.idle()

    [message] = endings(easel)
    assert "takes it for explicit content" in said(message)
    await assert_refunded_and_kept(easel)


@pytest.mark.parametrize("code", FOR_A_WHILE)
async def test_a_limit_for_a_while_is_waited_out(easel: Easel, code: int) -> None:
    async with delivered_against(easel):
        refuse(easel, "PATCH", "@original", code, times=3)
    await easel.idle()

    [message] = endings(easel)
    assert message.attachments
    assert len(await easel.entries(EntryKind.SETTLE)) == 1


@pytest.mark.parametrize("code", [50001, 50013, 50083, 160005, 10003, 50278])
async def test_what_goes_nowhere_is_refunded_and_offered_by_history(
    easel: Easel, code: int
) -> None:
    async with delivered_against(easel):
        refuse(easel, "PATCH", "@original", 10015, times=2)
        refuse(easel, "POST", "/channels/", code)
    await easel.idle()

    assert endings(easel) == []
    await assert_refunded_and_kept(easel)


async def test_words_go_where_only_pictures_are_forbidden(easel: Easel) -> None:
    """As when Attach Files is taken away meanwhile."""
    async with delivered_against(easel):
        refuse(easel, "PATCH", "@original", 10015)
        refuse(easel, "POST", "/channels/", 50013, times=1)
    await easel.idle()

    [message] = endings(easel)
    assert "get it with /history" in said(message)
    await assert_refunded_and_kept(easel)


@pytest.mark.parametrize(
    ("lost", "unread", "before_s", "wait_s"),
    [
        (("PATCH", "@original"), r"/messages/\{", 0, TOKEN_OVER_S),
        (("POST", "/channels/"), r"/messages$", TOKEN_OVER_S, NONCE_OVER_S),
    ],
)
async def test_what_may_stand_there_already_is_posted_only_once_that_is_known(
    easel: Easel,
    monkeypatch: pytest.MonkeyPatch,
    lost: tuple[str, str],
    unread: str,
    before_s: int,
    wait_s: int,
) -> None:
    """The result is there, its answer was lost, and then the channel cannot be read for a while."""
    (method, path), sleep = lost, easel.clock.sleep

    async def wait(_: float) -> None:
        monkeypatch.setattr(easel.clock, "sleep", sleep)
        pass_time(easel, wait_s)
        easel.discord.faults.add(method="GET", path=unread, status=503, times=TRIES_MAX)

    async with delivered_against(easel):
        pass_time(easel, before_s)
        answer_lost = {"reset": True, "after_effect": True, "times": TRIES_MAX}
        easel.discord.faults.add(method=method, path=path, **answer_lost)
        monkeypatch.setattr(easel.clock, "sleep", wait)
    await easel.idle()

    [message] = endings(easel)
    assert len(message.attachments) == 1
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR


def pass_time(easel: Easel, seconds: int) -> None:
    for clock in (easel.clock, easel.discord.clock):
        clock.advance(seconds)


async def test_a_status_message_that_was_deleted_is_followed_by_the_picture(easel: Easel) -> None:
    async with delivered_against(easel) as call:
        [status] = call.messages
        del call.interaction.channel.messages_by_id[status.id]
    await easel.idle()

    [message] = endings(easel)
    assert message.attachments
    assert "own answer is gone" in str(message.embeds[0])


async def test_an_update_that_is_refused_is_seen_nowhere(easel: Easel) -> None:
    refuse(easel, "PATCH", "@original", 30046, times=1)
    message = await easel.finished(await easel.imagine())

    assert message.attachments, said(message)


@pytest.mark.parametrize(
    ("code", "words"), [(20009, "takes them for explicit content"), (50035, "did not take these")]
)
async def test_history_says_when_discord_refuses_the_picture_there_too(
    easel: Easel, caplog: pytest.LogCaptureFixture, code: int, words: str
) -> None:
    async with delivered_against(easel):
        refuse(easel, "PATCH", "@original", 20009, times=1)
    await easel.idle()
    history = await (await easel.discord.run_command("Ada", "studio", "history")).response()
    refuse(easel, "PATCH", "@original", code, times=1)
    press = await open_first(easel, history)
    answer = await press.until(lambda message: bool(said(message)))

    assert words in said(answer)
    assert answer.is_ephemeral
    assert "Traceback" not in caplog.text
    again = await open_first(easel, history)
    assert (await again.until(lambda message: bool(message.attachments))).attachments


async def test_history_makes_smaller_what_discord_finds_too_large_after_all(easel: Easel) -> None:
    async with delivered_against(easel):
        refuse(easel, "PATCH", "@original", 20009, times=1)
    await easel.idle()
    history = await (await easel.discord.run_command("Ada", "studio", "history")).response()
    too_large = {"code": 40005, "message": "Request entity too large"}
    easel.discord.faults.add(method="PATCH", path="@original", status=413, body=too_large)
    press = await open_first(easel, history)
    answer = await press.until(lambda message: bool(message.attachments))

    assert answer.attachments[0].filename.endswith(".webp")


async def open_first(easel: Easel, history: Message) -> Call:
    [menu] = [part for part in walk(history.components) if part["type"] == STRING_SELECT]
    return await easel.discord.select("Ada", history, [menu["options"][0]["value"]])


async def test_a_refund_that_was_not_told_before_a_crash_is_told_after_it(
    opened: OpenEasel,
) -> None:
    """The images stay for /history then, too."""
    async with opened() as easel:
        until = asyncio.Event()
        async with delivered_against(easel) as call:
            refuse(easel, "PATCH", "@original", 20009, times=1)
            easel.discord.faults.add(method="PATCH", path="@original", hold=until)
        await easel.until(lambda: easel.entries(EntryKind.REFUND))
        await easel.restart()
        until.set()
        await call.until(lambda message: "explicit content" in said(message))
        await easel.idle()

        await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'failed'"))
        await assert_refunded_and_kept(easel)
