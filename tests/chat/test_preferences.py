"""/preferences: what counts where an option is left out, and how it is chosen."""

import json
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest

from bot.playground.discord import DM, Message
from bot.playground.discord.validation import walk
from tests.chat.test_iterate import press
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said, selects
from tests.support.pictures import noise
from tests.support.settings import decide, set_filter

PICTURE = noise()


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def preferences(easel: Easel, member: str = "Ada", channel: str = "studio") -> Message:
    message = await (await easel.discord.run_command(member, channel, "preferences")).response()
    assert message.is_ephemeral
    return message


async def prefer(easel: Easel, **chosen: str) -> None:
    message = await preferences(easel)
    for name, value in chosen.items():
        call = await easel.discord.select("Ada", message, [value], custom_id=f"prefer:{name}")
        await call.response()


async def unfiltered(easel: Easel) -> None:
    """Where models without a filter draw, and larger sizes are to be had."""
    await set_filter(easel, "off")


def decided(message: Message) -> dict[str, str]:
    """What its selects stand at."""
    return {
        custom_id.partition(":")[2]: next(each["value"] for each in options if each.get("default"))
        for custom_id, options in selects(message).items()
    }


async def kept(easel: Easel) -> Mapping[str, Any]:
    [row] = await easel.rows("SELECT value FROM preferences")
    return json.loads(row.value)


async def requests(easel: Easel) -> list[dict[str, Any]]:
    rows = await easel.rows("SELECT request FROM jobs ORDER BY id")
    return [json.loads(row.request) for row in rows]


async def test_nothing_is_decided_at_first(easel: Easel) -> None:
    message = await preferences(easel)
    assert decided(message) == {
        "aspect_ratio": "auto",
        "size": "1K/1",
        "model": "any",
        "pings": "long",
    }
    assert labels(message) == ["Private: off", "Reset"]


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_each_choice_is_shown_and_kept_over_a_restart(easel: Easel, channel: str) -> None:
    message = await preferences(easel, channel=channel)
    await easel.restart()
    for name, value in {
        "aspect_ratio": "16:9",
        "size": "2K/3",
        "model": "gpt-image-2",
        "pings": "never",
    }.items():
        call = await easel.discord.select("Ada", message, [value], custom_id=f"prefer:{name}")
        assert decided(await call.response())[name] == value
    pressed = await easel.discord.press("Ada", message, label="Private: off")
    assert labels(await pressed.response()) == ["Private: on", "Reset"]
    assert await kept(easel) == {
        "aspect_ratio": "16:9",
        "resolution": "2K",
        "count": 3,
        "model": "gpt-image-2",
        "pings": "never",
        "private": True,
    }
    await easel.restart()
    assert decided(await preferences(easel))["size"] == "2K/3"
    # They are Ada's alone.
    assert decided(await preferences(easel, "Ben"))["size"] == "1K/1"
    await (await easel.discord.press("Ada", message, label="Reset")).response()
    assert await easel.rows("SELECT * FROM preferences") == []


async def test_they_count_where_an_option_is_left_out_and_only_there(easel: Easel) -> None:
    await unfiltered(easel)
    await prefer(easel, aspect_ratio="16:9", size="2K/2")
    await (
        await easel.discord.press("Ada", await preferences(easel), label="Private: off")
    ).response()
    await easel.restart()
    private = await easel.finished(await easel.imagine())
    public = await easel.finished(
        await easel.imagine(aspect_ratio="1:1", resolution="1K", count=1, private=False)
    )
    assert (private.is_ephemeral, len(private.attachments)) == (True, 2)
    assert (public.is_ephemeral, len(public.attachments)) == (False, 1)
    shapes = [(each["aspect_ratio"], each["resolution"]) for each in await requests(easel)]
    assert shapes == [("16:9", "2K"), ("1:1", "1K")]


async def test_a_form_begins_with_them(easel: Easel) -> None:
    await unfiltered(easel)
    await prefer(easel, aspect_ratio="9:16", size="2K/2")
    call = await easel.discord.run_command("Ada", "studio", "imagine")
    modal = await call.opened_modal()
    chosen = {
        part["custom_id"]: [each["value"] for each in part["options"] if each.get("default")]
        for part in walk(modal.components)
        if "options" in part
    }
    assert chosen == {"ratio": ["9:16"], "kind": ["2K/auto"], "background": ["auto"]}
    sent = await easel.discord.submit_modal("Ada", modal, {"prompt": "a heron"})
    assert len((await easel.finished(sent)).attachments) == 2


async def test_a_preferred_model_draws(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE) as easel:
        await unfiltered(easel)
        await prefer(easel, model="gpt-image-2")
        message = await easel.finished(await easel.imagine())
        assert "gpt-image-2 · 1K" in said(message)
        assert "you prefer" not in said(message)
        named = await easel.finished(await easel.imagine(model="gpt-image-2-beta"))
        assert "gpt-image-2-beta" in said(named)


async def test_a_preferred_model_that_cannot_do_it_is_passed_over(easel: Easel) -> None:
    """gpt-image-2 has no filter, and the filter is on."""
    await prefer(easel, model="gpt-image-2")
    message = await easel.finished(await easel.imagine())
    assert message.attachments
    words = "gpt-image-2, which you prefer, could not do this, so gpt-image-2-beta drew it."
    assert words in said(message)
    # Whoever names it is told why it cannot.
    named = await easel.finished(await easel.imagine(model="gpt-image-2"))
    assert "gpt-image-2 has no NSFW filter" in said(named)


async def test_nobody_is_told_what_another_member_prefers(easel: Easel) -> None:
    await prefer(easel, model="gpt-image-2")
    first = await easel.finished(await easel.imagine())
    assert "which you prefer" in said(first)
    again = await easel.finished(await press(easel, first, "Again", member="Ben"))
    assert again.attachments
    assert "prefer" not in said(again)


async def test_what_nobody_can_do_is_refused_by_the_default(easel: Easel) -> None:
    await prefer(easel, model="gpt-image-2")
    refused = await easel.finished(await easel.imagine(aspect_ratio="1:3", resolution="4K"))
    assert "gpt-image-2-beta cannot do" in said(refused)


WITHOUT_4K = "4K, which you prefer, could not be had here."


async def test_a_preferred_size_that_cannot_be_had_is_left_out_and_said(easel: Easel) -> None:
    """With the filter on, there is only 1K here."""
    await prefer(easel, size="4K/2")
    message = await easel.finished(await easel.imagine())
    assert len(message.attachments) == 2
    assert "gpt-image-2-beta · 1K" in said(message)
    assert WITHOUT_4K in said(message)
    again = await easel.finished(await press(easel, message, "Again", member="Ben"))
    assert "prefer" not in said(again)
    # What is asked for is no wish.
    refused = await easel.finished(await easel.imagine(resolution="4K"))
    assert "gpt-image-2-beta cannot do" in said(refused)
    plain = await easel.finished(await easel.imagine(resolution="1K"))
    assert "prefer" not in said(plain)


async def test_of_a_shape_and_a_size_that_do_not_go_together_the_shape_stays(
    easel: Easel,
) -> None:
    await unfiltered(easel)
    await prefer(easel, model="gpt-image-2-quality", aspect_ratio="1:1", size="4K/1")
    assert "prefer" not in said(await easel.finished(await easel.imagine()))
    await prefer(easel, model="gpt-image-2-beta", aspect_ratio="21:9")
    named = await easel.finished(await easel.imagine(model="gpt-image-2-beta"))
    assert WITHOUT_4K in said(named)
    [*_, request] = await requests(easel)
    assert (request["aspect_ratio"], request["resolution"]) == ("21:9", "1K")


async def test_what_the_server_does_not_allow_is_left_out_of_what_is_preferred(
    easel: Easel,
) -> None:
    await unfiltered(easel)
    await prefer(easel, aspect_ratio="16:9", size="4K/1")
    await decide(easel, "resolution_max", resolution="2K")
    message = await easel.finished(await easel.imagine())
    assert "· 2K ·" in said(message)
    assert WITHOUT_4K in said(message)


async def test_a_preferred_model_is_shown_where_the_server_does_not_allow_it(
    easel: Easel,
) -> None:
    await prefer(easel, model="gpt-image-2")
    await decide(easel, "allowed_models", allow="gpt-image-2-beta")
    message = await preferences(easel)
    assert decided(message)["model"] == "gpt-image-2"
    [offered] = [each for name, each in selects(message).items() if name == "prefer:model"]
    assert {each["value"] for each in offered} == {"any", "gpt-image-2", "gpt-image-2-beta"}


async def test_a_preferred_size_that_is_allowed_no_longer_is_left_out_of_a_draft(
    easel: Easel,
) -> None:
    """As of a command that is given only now."""
    await unfiltered(easel)
    await decide(easel, "confirm_above", credits=0.01)
    await prefer(easel, size="4K/1")
    modal = await (await easel.discord.run_command("Ada", "studio", "imagine")).opened_modal()
    sent = await easel.discord.submit_modal("Ada", modal, {"prompt": "a heron"})
    asked = await sent.response()
    await decide(easel, "resolution_max", resolution="2K")
    message = await easel.finished(await press(easel, asked, "Yes, go on"))
    assert "· 2K ·" in said(message)
    assert WITHOUT_4K in said(message)


async def test_credits_and_qualities_tell_the_price_without_what_cannot_be_had(
    easel: Easel,
) -> None:
    await prefer(easel, size="4K/1")
    shown = await (await easel.discord.run_command("Ada", "studio", "credits")).response()
    assert "at 0.06 cr each" in said(shown)
    choices = await easel.discord.autocomplete("Ada", "studio", "imagine", "quality", "")
    assert [choice["value"] for choice in choices] == ["auto"]


async def test_a_form_offers_what_can_be_had_and_stands_at_what_would_be_made(
    easel: Easel,
) -> None:
    await prefer(easel, size="4K/1")
    modal = await (await easel.discord.run_command("Ada", "studio", "imagine")).opened_modal()
    [kinds] = [
        [(each["value"], each.get("default")) for each in part["options"]]
        for part in walk(modal.components)
        if part.get("custom_id") == "kind"
    ]
    assert kinds == [("1K/auto", True)]
    sent = await easel.discord.submit_modal("Ada", modal, {"prompt": "a heron"})
    assert "prefer" not in said(await easel.finished(sent))


async def test_a_model_that_the_catalog_no_longer_has_is_no_preference(easel: Easel) -> None:
    await prefer(easel, pings="never")
    ada = easel.discord.world.user("Ada").id
    text = json.dumps({"model": "dall-e", "pings": "hourly", "count": 9, "aspect_ratio": "7:1"})
    await easel.app.database.write(
        lambda tx: tx.execute(
            "UPDATE preferences SET value = :text WHERE user_id = :ada", {"text": text, "ada": ada}
        )
    )
    await easel.restart()
    assert decided(await preferences(easel))["model"] == "any"
    message = await easel.finished(await easel.imagine())
    assert message.attachments
    assert "dall-e" not in said(message)


async def test_credits_tell_the_price_of_what_is_preferred(easel: Easel) -> None:
    async def told() -> str:
        return said(await (await easel.discord.run_command("Ada", "studio", "credits")).response())

    await unfiltered(easel)
    before = await told()
    await prefer(easel, size="2K/1")
    assert await told() != before


@pytest.mark.parametrize(("pings", "told"), [("always", True), ("never", False)])
async def test_who_wants_to_be_told_is_told(easel: Easel, pings: str, told: bool) -> None:
    await prefer(easel, pings=pings)
    await easel.finished(await easel.imagine())

    def pinged() -> bool:
        posts = [each.body for each in easel.discord.requests if each.path.endswith("/messages")]
        return any("your image is ready" in (each or {}).get("content", "") for each in posts)

    if told:
        await easel.discord.wait_for(pinged, "ping")
    else:
        assert not pinged()
