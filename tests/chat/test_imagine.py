"""/imagine and /edit from the member's click to the picture in the channel."""

import io
import re

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.chat import intake
from bot.chat.texts import tell_cost
from bot.domain.ledger import EntryKind
from bot.playground.discord import DM, Permission, Upload
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import mask, picture
from tests.support.settings import set_filter
from tests.vendors import AllVendors


async def test_imagine_delivers_an_image_and_charges_what_it_cost(easel: Easel) -> None:
    call = await easel.imagine(prompt="a paper lantern", aspect_ratio="16:9")
    message = await easel.finished(call)

    [attachment] = message.attachments
    with Image.open(io.BytesIO(await easel.discord.read_attachment(attachment))) as image:
        assert (image.format, image.size) == ("PNG", (1280, 720))
    assert attachment.description == "An image made by AI from the words: a paper lantern"
    assert "a paper lantern" in said(message)
    assert "· gpt-image-2-beta" in said(message)
    assert "· 0.06 cr" in said(message)
    # What is left is for the member alone.
    assert "0.94" not in said(message)
    assert await easel.balance_ucr() == 940_000
    assert [entry.kind for entry in await easel.entries()] == ["allowance", "hold", "settle"]
    [kept] = (easel.folder / "images").glob("*.png")
    assert kept.read_bytes() == await easel.discord.read_attachment(attachment)


async def test_the_status_message_becomes_the_result(easel: Easel) -> None:
    call = await easel.imagine()
    status = await call.response()
    message = await easel.finished(call)

    assert message.id == status.id
    assert len(call.messages) == 1
    assert [message.id] == [shown.id for shown in easel.discord.messages_for("Ben", "studio")]


async def test_what_is_asked_for_reaches_the_provider(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt="a canal", aspect_ratio="9:16"))

    [submission] = easel.providers.submissions
    assert submission.body == {
        "model": "gpt-image-2-beta",
        "prompt": "a canal",
        "aspect_ratio": "9:16",
        "nsfw_checker": True,
    }


async def test_several_images_come_in_one_message_for_one_hold(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(count=3))

    assert len(message.attachments) == 3
    assert "· 0.18 cr" in said(message)
    assert len(await easel.entries(EntryKind.HOLD)) == 1
    assert await easel.balance_ucr() == 820_000


async def test_sixteen_references_reach_the_provider_in_order(easel: Easel) -> None:
    references = {
        f"reference{number}": Upload(f"{number}.png", picture(64 + number, 64))
        for number in range(1, 17)
    }
    message = await easel.finished(await easel.imagine(**references))

    assert message.attachments, said(message)
    [submission] = easel.providers.submissions
    links = submission.body["image_urls"]
    assert len(links) == 16
    widths = []
    for link in links:
        with Image.open(easel.providers.uploads[link].path) as image:
            widths.append(image.width)
    assert widths == [64 + number for number in range(1, 17)]
    assert not list((easel.folder / "images").glob("*reference*"))


async def test_edit_sends_its_image_first(easel: Easel) -> None:
    call = await easel.discord.run_command(
        "Ada",
        "studio",
        "edit",
        {
            "prompt": "make it winter",
            "image": Upload("source.png", picture(100, 50)),
            "reference2": Upload("style.webp", picture(60, 60, "WEBP")),
        },
    )
    message = await easel.finished(call)

    assert "2 references" in said(message)
    [submission] = easel.providers.submissions
    first = easel.providers.uploads[submission.body["image_urls"][0]]
    with Image.open(first.path) as image:
        assert image.size == (100, 50)
    assert len(submission.body["image_urls"]) == 2


async def test_a_private_image_is_for_its_member_alone(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(private=True))

    assert message.attachments
    assert message.visible_to_id == easel.discord.world.user("Ada").id
    assert not easel.discord.messages_for("Ben", "studio")


async def test_imagine_works_in_direct_messages(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(channel=DM))

    assert message.attachments
    assert easel.providers.submissions[0].body["nsfw_checker"] is True


async def test_a_member_has_an_account_in_each_server(easel: Easel) -> None:
    await easel.finished(await easel.imagine("Ada", "studio"))
    await easel.finished(await easel.imagine("Ada", "mockups"))

    accounts = await easel.rows("SELECT allowance_ucr FROM accounts")
    assert [account.allowance_ucr for account in accounts] == [940_000, 940_000]


async def test_a_prompt_mentions_nobody_and_formats_nothing(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(prompt="@everyone **loud** <@1> `code`"))

    assert not message.mentions
    assert not message.mentions_everyone
    assert r"\*\*loud\*\*" in said(message)


@pytest.mark.parametrize(
    ("permission", "words"),
    [
        (Permission.ATTACH_FILES, "Attach Files"),
        (Permission.SEND_MESSAGES, "Send Messages"),
        (Permission.EMBED_LINKS, "Embed Links"),
    ],
)
async def test_a_channel_the_bot_may_not_post_in_is_refused_before_a_hold(
    easel: Easel, permission: Permission, words: str
) -> None:
    easel.discord.set_bot_permissions("studio", deny=permission)
    message = await easel.finished(await easel.imagine())

    assert words in said(message)
    assert message.is_ephemeral
    assert await easel.entries() == []


async def test_credits_that_pay_for_no_image_say_so(opened: OpenEasel) -> None:
    async with opened(allowance="0.05") as easel:
        shown = await (await easel.discord.run_command("Ada", "studio", "credits")).response()
        assert "0.05 cr left" in said(shown)
        assert "Not enough for a plain image, which costs 0.06 cr." in said(shown)


async def test_credits_shows_what_is_left_to_the_member_alone(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    call = await easel.discord.run_command("Ada", "studio", "credits")
    message = await call.response()

    assert message.is_ephemeral
    assert "0.94 cr left" in said(message)
    assert "0.94 cr of 1.00 cr" in said(message)
    assert "Enough for about 15 plain images at 0.06 cr each." in said(message)
    assert re.search(r"Spent last: <t:\d+:R> 0\.06 cr", said(message))
    assert not re.search("Held|Granted", said(message))
    async with easel.held(VendorCall.CREATE):
        call = await easel.discord.run_command("Ada", "studio", "credits")
        held = "Held: 0.06 cr for images under way; what they do not cost comes back"
        assert held in said(await call.response())


async def test_what_would_fit_is_told_whom_the_credits_do_not_suffice(opened) -> None:
    async with opened(allowance="0.05") as easel:
        await set_filter(easel, "off")
        given = {"model": "gpt-image-2-quality", "quality": "high", "aspect_ratio": "1:1"}
        message = await easel.finished(await easel.imagine(**given))
        fits = "2K at medium quality for 0.04 cr, 1K at medium quality for 0.03 cr."
        assert f"What would fit: {fits}" in said(message)


async def test_what_is_usual_is_told_where_more_is_held(opened) -> None:
    """Of a route that is billed by use, once there were ten images of the kind."""
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            allowance="0.09",
            apimodels_api_key=None,
            openai_api_key=SecretStr(vendor.api_key),
            openai_base_url=vendor.openai_base_url,
        ) as easel,
    ):
        given = {"model": "gpt-image-2.5-flare", "quality": "low", "aspect_ratio": "1:1"}
        for _ in range(5):
            await easel.finished(await easel.imagine(**given, count=2))
        message = await easel.finished(await easel.imagine(**given, count=4))
        assert "This may cost up to 0.05 cr" in said(message)
        assert "usually" not in said(message)
        await easel.restart()
        usual = "What you asked for usually costs 0.03 cr; the rest is given back."

        async def is_told() -> bool:
            # It is read beside the first commands.
            return usual in said(await easel.finished(await easel.imagine(**given, count=4)))

        await easel.until(is_told)


async def test_each_quality_is_offered_beside_its_price(easel: Easel) -> None:
    await set_filter(easel, "off")
    given = {"prompt": "a lantern", "model": "gpt-image-2-quality", "resolution": "2K"}
    offered = await easel.discord.autocomplete("Ada", "studio", "imagine", "quality", "", given)
    assert [(each["name"], each["value"]) for each in offered] == [
        ("auto: up to 0.04 cr an image", "auto"),
        ("low: up to 0.03 cr an image", "low"),
        ("medium: up to 0.04 cr an image", "medium"),
        ("high: up to 0.10 cr an image", "high"),
    ]


@pytest.mark.parametrize(
    ("command", "files"),
    [("imagine", {"reference1"}), ("edit", {"image", "reference2"}), ("edit", {"image", "mask"})],
)
async def test_a_qualitys_price_counts_the_references(
    opened, command: str, files: set[str]
) -> None:
    async with (
        AllVendors(latency_s=0) as vendor,
        opened(
            apimodels_api_key=None,
            openai_api_key=SecretStr(vendor.api_key),
            openai_base_url=vendor.openai_base_url,
            allowance="10.00",
        ) as easel,
    ):
        given = {"prompt": "a lantern", "model": "gpt-image-2-quality"}
        given |= {name: Upload(f"{name}.png", mask(64, 64)) for name in files}
        [high] = await easel.discord.autocomplete("Ada", "studio", command, "quality", "hi", given)
        call = await easel.discord.run_command(
            "Ada", "studio", command, given | {"quality": "high"}
        )
        await easel.finished(call)
        [hold] = await easel.entries(EntryKind.HOLD)
        assert high["name"] == f"high: up to {tell_cost(-hold.allowance_ucr)} an image"


async def test_a_qualitys_price_is_that_of_the_model_that_can_do_the_rest(opened) -> None:
    async with AllVendors(latency_s=0) as vendor, opened(allowance="10.00") as easel:
        given = {
            "openai_api_key": SecretStr(vendor.api_key),
            "openai_base_url": vendor.openai_base_url,
        }
        easel.settings = easel.settings.model_copy(update=given)
        await easel.restart()
        # The default model cannot make it.
        given = {"prompt": "a lantern", "background": "transparent"}
        [auto] = await easel.discord.autocomplete(
            "Ada", "studio", "imagine", "quality", "auto", given
        )
        call = await easel.discord.run_command("Ada", "studio", "imagine", given)
        await easel.finished(call)
        [hold] = await easel.entries(EntryKind.HOLD)
        assert auto["name"] == f"auto: up to {tell_cost(-hold.allowance_ucr)} an image"


async def test_fifty_commands_at_once_against_a_quota_for_five_make_five_images(opened) -> None:
    async with opened(allowance="0.30", max_jobs_per_user=50) as easel:
        calls = [await easel.imagine() for _ in range(50)]
        messages = [await easel.finished(call) for call in calls]

        assert sum(bool(message.attachments) for message in messages) == 5
        assert len(easel.providers.submissions) == 5
        refusals = [message for message in messages if not message.attachments]
        assert all("you have 0.00 cr left" in said(message) for message in refusals)
        assert all(message.is_ephemeral for message in refusals)
        assert await easel.balance_ucr() == 0


async def test_a_member_over_the_running_cap_waits_in_the_queue(opened) -> None:
    async with opened(max_jobs_per_user=1) as easel:
        calls = [await easel.imagine() for _ in range(4)]
        messages = [await easel.finished(call) for call in calls]

        assert all(message.attachments for message in messages)


async def test_nobody_works_on_a_job_whose_member_was_never_answered(easel: Easel) -> None:
    unknown = {"code": 10062, "message": "Unknown interaction"}
    easel.discord.faults.add(method="POST", path="/callback", status=404, body=unknown)
    await easel.imagine()
    await easel.until(lambda: easel.entries(EntryKind.RELEASE))

    assert not easel.providers.submissions
    [job] = await easel.rows("SELECT state FROM jobs")
    assert job.state == "cancelled"


async def test_a_slow_acceptance_is_deferred_and_still_delivers(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "DEFER_AFTER_S", 0.0)
    call = await easel.imagine()
    assert await call.acknowledged() == 5
    message = await easel.finished(call)

    assert message.attachments
    assert len(easel.discord.messages_for("Ben", "studio")) == 1


async def test_a_refusal_after_a_public_deferral_is_for_the_member_alone(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "DEFER_AFTER_S", 0.0)
    call = await easel.imagine(model="gpt-image-2")
    assert await call.acknowledged() == 5
    message = await call.until(lambda message: "has no NSFW filter" in said(message))

    assert message.is_ephemeral
    assert easel.discord.messages_for("Ben", "studio") == []
