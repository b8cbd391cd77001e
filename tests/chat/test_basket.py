"""The basket: pictures that a member gathers over messages and commands."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.requests import REFERENCES_MAX
from bot.playground.discord import DM, Call, Message, Upload
from bot.playground.discord.validation import walk
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said, selects
from tests.support.pictures import noise, picture

PICTURE = noise()
EMPTY = "Your basket is empty."
DAY_S = 24 * 3_600


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


def upload(name: str) -> Upload:
    return Upload(name, picture(64, 48))


async def post(easel: Easel, *names: str, member: str = "Ada", channel: str = "studio") -> Message:
    files = [upload(name) for name in names]
    return await easel.discord.post(member, channel, "", files)


async def gather(easel: Easel, *names: str, channel: str = "studio") -> Message:
    """Put them into Ada's basket, ten of a message at most."""
    for first in range(0, len(names), 10):
        posted = await post(easel, *names[first : first + 10], channel=channel)
        call = await easel.discord.run_message_command("Ada", channel, "Use as reference", posted)
        answer = await call.response()
    return answer


async def basket(easel: Easel, member: str = "Ada", channel: str = "studio") -> Message:
    message = await (await easel.discord.run_command(member, channel, "basket")).response()
    assert message.is_ephemeral
    return message


def names_in(message: Message) -> list[str]:
    """Of the pictures that its select lists."""
    [options] = selects(message).values()
    return [each["description"] for each in options]


async def references(easel: Easel) -> list[str]:
    """Of the latest job, by their files' names."""
    rows = await easel.rows("SELECT request FROM jobs ORDER BY id DESC LIMIT 1")
    return [each["filename"] for each in json.loads(rows[0].request)["references"]]


async def run(easel: Easel, command: str, **given: Any) -> Call:
    return await easel.discord.run_command("Ada", "studio", command, given, check=False)


async def test_it_is_empty_at_first_and_says_how_to_fill_it(easel: Easel) -> None:
    message = await basket(easel)
    assert EMPTY in said(message)
    assert message.components == ()


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_what_is_gathered_is_its_members_alone_and_wherever_they_are(
    easel: Easel, channel: str
) -> None:
    await gather(easel, "a.png", "b.png", channel=channel)
    await easel.restart()
    shown = await basket(easel, channel="mockups")
    assert names_in(shown) == ["a.png", "b.png"]
    assert "2 of 16 in your basket" in said(shown)
    assert EMPTY in said(await basket(easel, "Ben", channel="studio"))


async def test_the_same_picture_is_there_once(easel: Easel) -> None:
    posted = await post(easel, "a.png")
    for _ in range(2):
        easel.discord.clock.advance(60)
        call = await easel.discord.run_message_command("Ada", "studio", "Use as reference", posted)
        assert names_in(await call.response()) == ["a.png"]


async def test_sixteen_fit_and_one_more_is_refused_in_a_sentence(easel: Easel) -> None:
    names = [f"{number}.png" for number in range(REFERENCES_MAX)]
    full = await gather(easel, *names)
    assert names_in(full) == names
    assert "and 6 more" in said(full)
    refused = await gather(easel, "more.png")
    assert "A basket holds 16 pictures at most, so nothing was added." in said(refused)
    assert names_in(await basket(easel)) == names


async def test_names_of_any_kind_are_shown_and_do_not_act(easel: Easel) -> None:
    names = ["**bold** @everyone.png", "🏮" * 60 + ".png", "_" * 200 + ".png", "灯籠" * 60 + ".png"]
    shown = await gather(easel, *names)
    assert len(names_in(shown)) == 4
    assert "**bold**" not in said(shown)
    taken = await easel.discord.select("Ada", shown, [options(shown)[1]["value"]])
    assert len(names_in(await taken.response())) == 3


def options(message: Message) -> list[dict[str, Any]]:
    [found] = selects(message).values()
    return found


async def test_one_is_taken_out_by_what_it_is_and_the_rest_by_emptying(easel: Easel) -> None:
    stale = await gather(easel, "a.png", "b.png", "c.png")
    first, second, _ = [each["value"] for each in options(stale)]
    await easel.restart()
    fresh = await basket(easel)
    taken = await easel.discord.select("Ada", fresh, [first])
    assert names_in(await taken.response()) == ["b.png", "c.png"]
    # The older list still counts from before.
    again = await easel.discord.select("Ada", stale, [second])
    assert names_in(await again.response()) == ["c.png"]
    unknown = easel.forge("Ada", fresh, "take_out", ["0"])
    assert "does not work any more" in said(await unknown.response())
    emptied = await easel.discord.press("Ada", fresh, label="Empty the basket")
    gone = await emptied.response()
    assert EMPTY in said(gone)
    assert gone.components == ()
    assert EMPTY in said(await basket(easel))
    # What cannot be gone on with any more says so.
    late = await easel.discord.press("Ada", stale, label="Edit the first")
    assert EMPTY in said(await late.response())


@pytest.mark.parametrize(
    ("label", "mode"), [("New image with them", "generate"), ("Edit the first", "edit")]
)
async def test_a_form_begins_with_them(easel: Easel, label: str, mode: str) -> None:
    shown = await gather(easel, "a.png", "b.png")
    assert labels(shown) == ["New image with them", "Edit the first", "Empty the basket"]
    await easel.restart()
    call = await easel.discord.press("Ada", shown, label=label)
    given = {"prompt": "at night", "references": [upload("c.png")]}
    done = await easel.finished(
        await easel.discord.submit_modal("Ada", await call.opened_modal(), given)
    )
    assert done.attachments
    assert await references(easel) == ["a.png", "b.png", "c.png"]
    [row] = await easel.rows("SELECT mode FROM jobs")
    assert row.mode == mode
    # It can be used again.
    assert len(names_in(await basket(easel))) == 2


async def test_a_form_with_a_full_basket_takes_no_more_files(easel: Easel) -> None:
    shown = await gather(easel, *(f"{number}.png" for number in range(REFERENCES_MAX)))
    call = await easel.discord.press("Ada", shown, label="New image with them")
    modal = await call.opened_modal()
    assert "references" not in [part.get("custom_id") for part in walk(modal.components)]
    sent = await easel.discord.submit_modal("Ada", modal, {"prompt": "a crowd"})
    assert (await easel.finished(sent)).attachments


async def test_commands_take_it_behind_what_they_have_of_their_own(easel: Easel) -> None:
    await gather(easel, "a.png", "b.png")
    given: dict[str, Any] = {"prompt": "at night", "use_basket": True}
    await easel.finished(await run(easel, "imagine", **given, reference3=upload("own.png")))
    assert await references(easel) == ["own.png", "a.png", "b.png"]
    await easel.finished(await run(easel, "edit", **given, image=upload("own.png")))
    assert await references(easel) == ["own.png", "a.png", "b.png"]
    # Without an image, the first of the basket is changed.
    done = await easel.finished(await run(easel, "edit", **given))
    assert done.attachments
    assert await references(easel) == ["a.png", "b.png"]


async def test_without_an_image_the_first_of_the_basket_is_edited(easel: Easel) -> None:
    await gather(easel, "a.png", "c.png")
    given = {"prompt": "image 1 with the hat of image 2", "reference2": upload("b.png")}
    assert (await easel.finished(await run(easel, "edit", **given, use_basket=True))).attachments
    assert await references(easel) == ["a.png", "b.png", "c.png"]


async def test_a_form_of_a_command_takes_it_too(easel: Easel) -> None:
    await gather(easel, "a.png")
    call = await run(easel, "edit", use_basket=True)
    sent = await easel.discord.submit_modal("Ada", await call.opened_modal(), {"prompt": "winter"})
    assert (await easel.finished(sent)).attachments
    assert await references(easel) == ["a.png"]


@pytest.mark.parametrize("prompt", [{}, {"prompt": "a crowd"}])
async def test_more_than_sixteen_together_are_refused_in_a_sentence(
    easel: Easel, prompt: dict[str, str]
) -> None:
    await gather(easel, *(f"{number}.png" for number in range(REFERENCES_MAX)))
    call = await run(easel, "imagine", **prompt, use_basket=True, reference1=upload("own.png"))
    refused = await call.response()
    assert "At most 16 references fit" in said(refused)
    assert "Nothing was charged." in said(refused)
    assert refused.is_ephemeral


async def test_an_empty_one_is_said_so(easel: Easel) -> None:
    call = await run(easel, "imagine", prompt="a crowd", use_basket=True)
    assert EMPTY in said(await call.response())
    assert await easel.entries() == []


async def test_it_is_kept_for_a_day_and_its_links_are_renewed(easel: Easel) -> None:
    await gather(easel, "a.png")
    for clock in (easel.discord.clock, easel.clock):
        clock.advance(DAY_S - 60)
    call = await run(easel, "imagine", prompt="at night", use_basket=True)
    assert (await easel.finished(call)).attachments
    easel.clock.advance(120)
    assert EMPTY in said(await basket(easel))
