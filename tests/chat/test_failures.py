"""Every bad input and every broken part: a plain sentence, nothing charged, and the bot goes on."""

import asyncio
import io
import logging
import re
from collections.abc import Callable
from decimal import Decimal

import pytest
from PIL import Image

from bot.domain.ledger import EntryKind
from bot.engine.carrier import LIMITS_MAX, SPOILT_WAITS_S, TRIES_MAX
from bot.engine.traffic import FAULTS_MAX, MISCONFIGURED_FOR
from bot.errors import FetchTrouble
from bot.playground.discord import Message, Upload
from bot.playground.drawing import draw
from bot.playground.faults import Reset, Respond, VendorCall
from bot.playground.studio import Completes, Fails
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import animation, blank, picture
from tests.support.settings import set_filter

ALLOWANCE_UCR = 1_000_000
HTML = b"<!DOCTYPE html><html><body>502 Bad Gateway</body></html>"


async def assert_uncharged_and_well(easel: Easel, message: Message) -> None:
    """Nobody was charged, the sentence says so, and the next image works."""
    assert not message.attachments
    assert "Nothing was charged." in said(message)
    assert await easel.balance_ucr() in (0, ALLOWANCE_UCR)
    held, released = await easel.entries(EntryKind.HOLD), await easel.entries(EntryKind.RELEASE)
    assert len(held) == len(released)
    stored = await easel.rows("SELECT count(*) FROM tasks WHERE state = 'stored'")
    assert len(list((easel.folder / "images").glob("*.*[gdp]"))) == stored[0][0]
    # A bad key closes its route for a while.
    easel.clock.advance(MISCONFIGURED_FOR.total_seconds())
    assert (await easel.finished(await easel.imagine())).attachments


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"prompt": "   "}, "The prompt is empty"),
        ({"prompt": "x" * 4_001}, "at most 4,000 fit"),
        ({"count": 5}, "1 to 4 images"),
        ({"aspect_ratio": "7:5"}, "no such aspect ratio"),
        ({"aspect_ratio": "3:1"}, "gpt-image-2-beta cannot do 3:1"),
        ({"resolution": "4K"}, "gpt-image-2-beta cannot do 4K; it does 1K"),
        ({"quality": "high"}, "has no quality setting"),
        ({"model": "dall-e-2"}, "There is no such model"),
        ({"model": "gpt-image-2"}, "has no NSFW filter"),
        ({"reference1": Upload("big.png", bytes(50_000_001))}, "`reference1` is larger than 50 MB"),
    ],
    ids=lambda value: "-".join(value) if isinstance(value, dict) else value,
)
async def test_a_request_that_cannot_be_taken_is_refused_to_the_member_alone(
    easel: Easel, options: dict[str, object], words: str
) -> None:
    call = await easel.discord.run_command(
        "Ada", "studio", "imagine", {"prompt": "a cat"} | options, check=False
    )
    message = await easel.finished(call)

    assert words in said(message)
    assert message.is_ephemeral
    assert await easel.entries() == []
    await assert_uncharged_and_well(easel, message)


async def test_edit_without_an_image_is_refused(easel: Easel) -> None:
    call = await easel.discord.run_command(
        "Ada", "studio", "edit", {"prompt": "make it winter"}, check=False
    )
    message = await easel.finished(call)

    assert "There is no image to edit" in said(message)
    assert message.is_ephemeral
    await assert_uncharged_and_well(easel, message)


async def test_more_references_than_the_route_takes_are_refused(easel: Easel) -> None:
    await set_filter(easel, "off")
    references = {f"reference{n}": Upload(f"{n}.png", picture()) for n in range(1, 12)}
    message = await easel.finished(await easel.imagine(model="gpt-image-2", **references))

    assert "gpt-image-2 takes at most 10 references" in said(message)
    await assert_uncharged_and_well(easel, message)


@pytest.mark.parametrize(
    ("upload", "words"),
    [
        (Upload("fake.png", b"this is no picture at all"), "is not a picture: PNG, JPEG, WebP,"),
        (Upload("notes.txt", b"words"), "is not a picture"),
        (Upload("clip.mp4", b"\x00\x00\x00\x18ftypmp42" + bytes(40)), "is a video"),
        (Upload("huge.png", blank(8_000, 6_000)), "has more than 40 megapixels"),
        (Upload("cut.png", picture(400, 400)[:-200]), "is damaged or cut off"),
        (Upload("moving.png", animation("PNG")), "is animated"),
        (Upload("moving.webp", animation("WEBP")), "is animated"),
        (Upload("moving.gif", animation("GIF")), "is animated"),
        (Upload("page.png", HTML), "is not a picture"),
        (Upload("empty.png", b""), "is empty"),
    ],
    ids=lambda value: getattr(value, "filename", ""),
)
async def test_a_reference_that_is_not_what_it_says_ends_the_job_unsubmitted(
    easel: Easel, upload: Upload, words: str
) -> None:
    call = await easel.imagine(reference1=Upload("good.png", picture()), reference7=upload)
    message = await easel.finished(call)

    # By the option, as the member filled it in.
    assert f"`reference7` {words}" in said(message)
    assert not easel.providers.submissions
    await assert_uncharged_and_well(easel, message)


async def test_without_credits_nothing_is_held_and_the_refill_is_named(opened) -> None:
    async with opened(allowance="0.10") as easel:
        await easel.finished(await easel.imagine("Ben"))
        message = await easel.finished(await easel.imagine("Ben"))

        words = "This may cost up to 0.06 cr, which is held until it is made, and you have 0.04 cr"
        assert words in said(message)
        assert "refills <t:" in said(message)
        assert message.is_ephemeral
        assert len(await easel.entries(EntryKind.HOLD)) == 1


async def test_a_refill_that_cannot_be_enough_is_not_named(opened) -> None:
    async with opened(allowance="0.05") as easel:
        message = await easel.finished(await easel.imagine("Ben"))
        assert "and you have 0.05 cr left. " in said(message)
        assert "refills" not in said(message)

        # Together with what is granted, it can be.
        granted = {"member": "Ben", "amount": "0.01", "reason": "a gift"}
        for refilled in (False, True):
            call = await easel.discord.run_command("Cleo", "studio", "quota grant", granted)
            await call.response()
            message = await easel.finished(await easel.imagine("Ben"))
            assert ("refills <t:" in said(message)) is refilled


async def test_without_a_provider_the_member_hears_who_can_help(opened) -> None:
    async with opened(apimodels_api_key=None) as easel:
        message = await easel.finished(await easel.imagine())

        assert "has not set up a provider" in said(message)
        assert message.is_ephemeral


async def test_a_full_queue_refuses_politely(opened) -> None:
    async with opened(max_queued_jobs=1, max_jobs_per_user=1) as easel:
        easel.providers.studio.latency_s = 1e9
        running = await easel.imagine()
        await running.until(lambda message: "Drawing" in said(message))
        await (await easel.imagine()).response()
        message = await (await easel.imagine()).response()

        assert "This image was not taken" in said(message)
        assert message.is_ephemeral


Faulty = Callable[[Easel], object]


def provider_fault(call: VendorCall, fault: Respond | Reset, times: int = 1) -> Faulty:
    return lambda easel: easel.providers.faults.add(call, fault, times=times)


def ending(what: Completes | Fails) -> Faulty:
    return lambda easel: easel.providers.endings.append(what)


def result(
    body: bytes, content_type: str = "image/png", *, times: int = 1, **more: object
) -> Faulty:
    return provider_fault(VendorCall.RESULT, Respond(200, body, content_type, **more), times)


def envelope(code: int, status: int = 200) -> Respond:
    return Respond(status, {"code": code, "msg": "vendor's own words", "data": None})


#: of a result that is no image
TRIES = len(SPOILT_WAITS_S) + 1
FAULTS = {
    "provider refuses connections": (
        provider_fault(VendorCall.CREATE, envelope(503, 503), times=3),
        "cannot be reached right now",
    ),
    "rate limited for good": (
        provider_fault(VendorCall.CREATE, envelope(429, 429), times=LIMITS_MAX),
        "cannot be reached right now",
    ),
    "reset after the order was sent": (
        provider_fault(VendorCall.CREATE, Reset(after_effect=True)),
        "unknown whether it is being made",
    ),
    "order answered with garbage": (
        provider_fault(VendorCall.CREATE, Respond(200, HTML, "text/html")),
        "unknown whether it is being made",
    ),
    "our key is wrong": (
        provider_fault(VendorCall.CREATE, envelope(401, 401)),
        "access to the image service does not work",
    ),
    "our money is gone, said in a 200": (
        provider_fault(VendorCall.CREATE, envelope(402)),
        "access to the image service does not work",
    ),
    "bad request": (
        provider_fault(VendorCall.CREATE, envelope(422, 422)),
        "did not accept this combination",
    ),
    "moderation": (ending(Fails("CONTENT_MODERATION", "vendor's own words")), "content filter"),
    "upstream busy": (
        ending(Fails("UPSTREAM_BUSY", "vendor's own words", retryable=True)),
        "could not finish this image",
    ),
    "finished without an image": (
        ending(Completes(empty_polls=999)),
        "finished without an image",
    ),
    "result is a web page": (result(HTML, "text/html", times=TRIES), "not a usable image"),
    "result is no image": (result(b"\x00" * 1_000, times=TRIES), "not a usable image"),
    "result is cut off": (result(picture(500, 500)[:-300], times=TRIES), "not a usable image"),
    "result is larger than the cap": (
        result(b"\x00" * 1_000_000, repeat=60),
        "not a usable image",
    ),
    "result is endless": (
        result(b"\x00" * 1_000_000, repeat=60, chunked=True),
        "not a usable image",
    ),
    "result link is dead": (
        provider_fault(
            VendorCall.RESULT, Respond(404, b"", "text/plain"), times=TRIES_MAX[FetchTrouble.GONE]
        ),
        "did not hand it over",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_of_the_provider_costs_nobody_anything(easel: Easel, name: str) -> None:
    cause, words = FAULTS[name]
    cause(easel)
    message = await easel.finished(await easel.imagine())

    assert words in said(message)
    assert "vendor's own words" not in said(message)
    await assert_uncharged_and_well(easel, message)


async def test_a_provider_that_is_down_is_said_so(opened) -> None:
    async with opened(apimodels_base_url="http://127.0.0.1:9/v1") as easel:
        message = await easel.finished(await easel.imagine())

        assert "cannot be reached right now" in said(message)
        assert await easel.balance_ucr() == ALLOWANCE_UCR
        # Once enough have failed, its route is shut for a while, and the card says until when.
        for _ in range(FAULTS_MAX):
            message = await easel.finished(await easel.imagine())
        assert re.search(r"Please try again <t:\d+:R>\.", said(message))


@pytest.mark.parametrize(
    ("call", "fault"),
    [
        (VendorCall.CREATE, envelope(503, 503)),
        (VendorCall.POLL, envelope(500, 500)),
        (VendorCall.POLL, Reset()),
        (VendorCall.POLL, Respond(200, HTML, "text/html")),
        (VendorCall.RESULT, Reset()),
        (VendorCall.RESULT, Respond(200, HTML, "text/html")),
        (VendorCall.RESULT, Respond(200, picture(500, 500)[:-300], "image/png")),
        (VendorCall.RESULT, Respond(200, b"", "image/png")),
        (VendorCall.UPLOAD, Reset(after_effect=True)),
    ],
    ids=lambda each: str(each)[:60],
)
async def test_a_fault_that_passes_is_not_seen(
    easel: Easel, call: VendorCall, fault: Respond | Reset, caplog: pytest.LogCaptureFixture
) -> None:
    easel.providers.faults.add(call, fault)
    message = await easel.finished(await easel.imagine(reference1=Upload("a.png", picture())))

    assert message.attachments, said(message)
    assert len(easel.providers.submissions) == 1
    # Nor by whoever looks for what was lost.
    assert [each.message for each in caplog.records if each.levelno >= logging.ERROR] == []


async def test_an_image_that_never_comes_is_given_up_with_its_id_kept(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits_s = []

    async def pass_by(seconds: float) -> None:
        waits_s.append(seconds)
        easel.clock.advance(seconds)
        await asyncio.sleep(0)

    monkeypatch.setattr(easel.clock, "sleep", pass_by)
    easel.providers.studio.latency_s = 1e9
    message = await easel.finished(await easel.imagine())

    assert "did not finish in time" in said(message)
    # Its route's deadline is at 600 s; no two polls are further apart than 16 s. The mention that
    # tells its member is taken away after a minute, which may have begun by now.
    assert 590 < sum(each for each in waits_s if each <= 16) < 620
    [task] = await easel.rows("SELECT provider_task_id FROM tasks")
    assert task.provider_task_id == "task-000001"
    easel.providers.studio.latency_s = 0
    await assert_uncharged_and_well(easel, message)


async def test_one_failed_image_of_several_is_not_charged(easel: Easel) -> None:
    easel.providers.endings.append(Fails("UPSTREAM_BUSY", "busy"))
    message = await easel.finished(await easel.imagine(count=3))

    assert len(message.attachments) == 2
    assert "1 of 3 images could not be made" in said(message)
    assert "· 0.12 cr" in said(message)
    assert await easel.balance_ucr() == ALLOWANCE_UCR - 120_000


async def test_an_image_larger_than_discord_takes_is_sent_smaller_and_said_so(
    opened: OpenEasel,
) -> None:
    async with opened(paint=draw) as easel:
        easel.discord.interactions.file_bytes_max = 40_000
        message = await easel.finished(await easel.imagine())

        [attachment] = message.attachments
        assert attachment.size_bytes <= 40_000
        content = await easel.discord.read_attachment(attachment)
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == "WEBP"
        assert "this is a smaller copy; the original is kept." in said(message)
        assert await easel.balance_ucr() == ALLOWANCE_UCR - 60_000
        assert len(list((easel.folder / "images").glob("*.png"))) == 1


async def test_where_no_result_is_kept_no_original_is_said_to_be(opened: OpenEasel) -> None:
    async with opened(keep_results=0, paint=draw) as easel:
        easel.discord.interactions.file_bytes_max = 40_000
        message = await easel.finished(await easel.imagine())
        assert "this is a smaller copy." in said(message)
        assert not list((easel.folder / "images").glob("*.png"))


async def test_the_vendors_account_is_charged_once_an_image(easel: Easel) -> None:
    before = easel.providers.studio.balance_usd
    await easel.finished(await easel.imagine(count=2))

    assert before - easel.providers.studio.balance_usd == Decimal("0.12")
