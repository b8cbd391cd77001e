"""/presets: options and references under a name, wherever a model can be named."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.preferences import PRESETS_MAX
from bot.playground.discord import DM, Message, Upload
from bot.store import members
from bot.store.rows import read_request
from tests.chat.test_privacy import sweep
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import mask, noise, picture
from tests.support.settings import set_filter

PICTURE = noise()
DAY_S = 24 * 3_600


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


def upload(name: str, width_px: int = 64) -> Upload:
    return Upload(name, picture(width_px, 48))


async def presets(
    easel: Easel, what: str, member: str = "Ada", channel: str = "studio", **given: Any
) -> Message:
    """What /presets save, list or remove answers."""
    call = await easel.discord.run_command(member, channel, f"presets {what}", given, check=False)
    answer = await call.response()
    assert answer.is_ephemeral
    return answer


async def use(easel: Easel, name: str, member: str = "Ada", **given: Any) -> Message:
    given = {"name": name} | given
    call = await easel.discord.run_command(member, "studio", "presets use", given)
    return await easel.finished(call)


async def requests(easel: Easel) -> list[dict[str, Any]]:
    rows = await easel.rows("SELECT request FROM jobs ORDER BY id")
    return [json.loads(row.request) for row in rows]


async def choices(easel: Easel, command: str, option: str, text: str, **given: Any) -> list[str]:
    found = await easel.discord.autocomplete("Ada", "studio", command, option, text, given)
    return [each["value"] for each in found]


async def test_without_an_image_there_is_nothing_to_keep(easel: Easel) -> None:
    assert "You have no image" in said(await presets(easel, "save", name="cats"))
    assert "You have none yet." in said(await presets(easel, "list"))
    assert "You have no preset “cats”." in said(await presets(easel, "use", name="cats"))
    assert "You have no preset “cats”." in said(await presets(easel, "remove", name="cats"))


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_the_latest_image_is_kept_and_made_again(easel: Easel, channel: str) -> None:
    given = {"aspect_ratio": "16:9", "count": 2, "private": True, "reference1": upload("a.png")}
    await easel.finished(await easel.imagine(channel=channel, **given))
    kept = await presets(easel, "save", channel=channel, name=" my  cats ")
    assert "Kept as “my cats”: gpt-image-2-beta · 16:9 · 1K · 1 reference." in said(kept)
    await easel.restart()
    assert "**my cats** · gpt-image-2-beta · 16:9 · 1K · 1 reference" in said(
        await presets(easel, "list")
    )
    message = await use(easel, "my cats", prompt="at night")
    assert message.is_ephemeral
    one, other = await requests(easel)
    for name in ("model", "aspect_ratio", "count", "private"):
        assert one[name] == other[name]
    assert [each["filename"] for each in other["references"]] == ["a.png"]
    assert (one["prompt"], other["prompt"]) == ("a paper lantern", "at night")
    # Its own words count where it is given none.
    await use(easel, "MY CATS")
    assert (await requests(easel))[-1]["prompt"] == "a paper lantern"
    assert "was removed" in said(await presets(easel, "remove", name="My Cats"))
    assert "You have none yet." in said(await presets(easel, "list"))


async def test_in_the_place_of_a_model_options_count_before_it(easel: Easel) -> None:
    await easel.finished(await easel.imagine(aspect_ratio="16:9", reference1=upload("a.png")))
    await presets(easel, "save", name="cats")
    for model in ("★ cats", "★cats", "★ Cats "):
        message = await easel.finished(
            await easel.imagine(model=model, aspect_ratio="1:1", reference2=upload("own.png"))
        )
        assert message.attachments
        request = (await requests(easel))[-1]
        assert request["aspect_ratio"] == "1:1"
        assert [each["filename"] for each in request["references"]] == ["own.png", "a.png"]
    unknown = await (await easel.imagine(model="★ dogs **x**")).response()
    assert r"You have no preset “dogs \*\*x\*\*”." in said(unknown)


async def test_an_edit_is_kept_and_its_mask_is_for_its_own_image(easel: Easel) -> None:
    await set_filter(easel, "off")
    given = {
        "prompt": "make it winter",
        "image": upload("a.png"),
        "mask": Upload("mask.png", mask(64, 48)),
        "model": "gpt-image-2-quality",
    }
    call = await easel.discord.run_command("Ada", "studio", "edit", given)
    assert (await easel.finished(call)).attachments
    await presets(easel, "save", name="winter")
    assert (await use(easel, "winter")).attachments
    assert (await requests(easel))[-1]["mask"]
    given = {"image": upload("b.png", 96), "model": "★ winter"}
    call = await easel.discord.run_command("Ada", "studio", "edit", given)
    assert (await easel.finished(call)).attachments
    request = (await requests(easel))[-1]
    assert request["mask"] is None
    assert [each["filename"] for each in request["references"]] == ["b.png", "a.png"]


async def test_the_image_that_a_preset_edits_comes_before_what_is_attached(easel: Easel) -> None:
    given = {"prompt": "make it winter", "image": upload("a.png"), "reference2": upload("b.png")}
    await easel.finished(await easel.discord.run_command("Ada", "studio", "edit", given))
    await presets(easel, "save", name="winter")
    own = {"reference1": upload("one.png"), "reference2": upload("two.png")}
    await easel.finished(await easel.imagine(model="★ winter", **own))
    request = (await requests(easel))[-1]
    assert request["mode"] == "edit"
    names = [each["filename"] for each in request["references"]]
    assert names == ["a.png", "one.png", "two.png", "b.png"]


async def test_of_an_older_job_the_options_can_be_kept_but_of_ones_own_alone(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt="a red fox", aspect_ratio="3:2"))
    await easel.finished(await easel.imagine("Ben", prompt="a bear"))
    await easel.finished(await easel.imagine(prompt="a heron"))
    fox, bear, _ = [row.id for row in await easel.rows("SELECT id FROM jobs ORDER BY id")]
    assert await choices(easel, "presets save", "job", "FOX red", name="fox") == [fox]
    assert "3:2" in said(await presets(easel, "save", name="fox", job=f" {fox} "))
    for job in (bear, "nothing", "\ud83c", "'; --", "🏮" * 50):
        assert "You have no image" in said(await presets(easel, "save", name="x", job=job))
    assert await easel.rows("SELECT name FROM presets WHERE name <> 'fox'") == []


@pytest.mark.parametrize("jobs", [0, 1])
async def test_of_a_job_whose_words_are_kept_no_longer_there_is_nothing_to_keep(
    opened: OpenEasel, jobs: int
) -> None:
    """Its references are gone as well, so an edit kept without them could never be used."""
    async with opened(keep_prompts=1, keep_jobs=jobs) as easel:
        options = {"prompt": "in winter", "image": upload("a.png")}
        await easel.finished(await easel.discord.run_command("Ada", "studio", "edit", options))
        [job] = await easel.rows("SELECT id FROM jobs")
        easel.clock.advance(40 * DAY_S)
        await sweep(easel)

        for which in ({}, {"job": job.id}):
            told = said(await presets(easel, "save", name="cats", **which))
            assert "The words and references of that image are no longer kept" in told
        assert "You have none yet." in said(await presets(easel, "list"))
        assert await choices(easel, "presets save", "job", "", name="cats") == []


async def test_they_are_their_members_alone(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    await presets(easel, "save", name="cats")
    assert "You have none yet." in said(await presets(easel, "list", "Ben"))
    assert "no preset" in said(await presets(easel, "remove", "Ben", name="cats"))
    assert "no preset" in said(await presets(easel, "use", "Ben", name="cats"))
    assert await choices(easel, "presets use", "name", "AT") == ["cats"]


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("**bold** [x](https://example.com) @everyone", r"\*\*bold\*\*"),
        ("🏮🎏 灯籠", "🏮🎏 灯籠"),
        ("`code` ★ star", r"\`code\`"),
        ("שלום", "שלום"),
        ("a" * 50, "a" * 50),
    ],
)
async def test_a_name_of_any_kind_is_kept_shown_and_used(
    easel: Easel, name: str, shown: str
) -> None:
    await easel.finished(await easel.imagine())
    assert shown in said(await presets(easel, "save", name=name))
    await easel.restart()
    assert shown in said(await presets(easel, "list"))
    assert (await easel.finished(await easel.imagine(model=f"★ {name}"))).attachments
    assert await choices(easel, "imagine", "model", "★", prompt="x") == [f"★ {name}"]
    assert shown in said(await presets(easel, "remove", name=name))


@pytest.mark.parametrize("name", ["a" * 100, " ", "\u200b", "a" * 6_000, "@everyone " * 600])
async def test_what_is_no_name_is_answered_in_a_sentence(easel: Easel, name: str) -> None:
    await easel.finished(await easel.imagine())
    assert "1 to 50 characters" in said(await presets(easel, "save", name=name))
    for what in ("use", "remove"):
        assert "You have no preset" in said(await presets(easel, what, name=name))


async def test_fifty_with_long_names_are_listed_as_far_as_they_fit(easel: Easel) -> None:
    await easel.finished(await easel.imagine(aspect_ratio="16:9"))
    [row] = await easel.rows("SELECT request FROM jobs")
    request = read_request(row.request)
    assert request
    ada = easel.discord.world.user("Ada").id
    for number in range(PRESETS_MAX):
        name = f"{number:02}" + "*" * 48
        await easel.app.database.write(members.save_preset, ada, name, request, easel.clock.now())
    words = said(await presets(easel, "list"))
    assert "more: /presets use offers them as you type." in words
    assert "remove one" in said(await presets(easel, "save", name="one more")).lower()
    assert len(await choices(easel, "presets remove", "name", "")) == 25
    assert len(await choices(easel, "imagine", "model", "", prompt="x")) == 25
    easel.discord.set_locale("Ada", "de")
    assert "weitere" in said(await presets(easel, "list"))


async def test_references_whose_links_have_aged_are_fetched_all_the_same(easel: Easel) -> None:
    """Of an attachment by a new link, of a result as it was made."""
    first = await easel.finished(await easel.imagine(reference1=upload("a.png")))
    await presets(easel, "save", name="attached")
    form = await easel.discord.run_message_command("Ada", "studio", "Edit image", first)
    given = {"prompt": "at night"}
    sent = await easel.discord.submit_modal("Ada", await form.opened_modal(), given)
    await easel.finished(sent)
    await presets(easel, "save", name="result")
    for clock in (easel.discord.clock, easel.clock):
        clock.advance(2 * DAY_S)
    await easel.restart()
    for name in ("attached", "result"):
        assert (await use(easel, name)).attachments
    # Its file is kept for a week; after that the link does.
    for path in (easel.folder / "images").glob("*.png"):
        path.unlink()
    assert (await use(easel, "result")).attachments


async def test_a_reference_that_is_gone_is_named_by_its_file(easel: Easel) -> None:
    await easel.finished(await easel.imagine(reference1=upload("a.png")))
    await presets(easel, "save", name="cats")
    easel.discord.cdn._attachments.clear()
    failed = await use(easel, "cats")
    assert r"The image a\.png" in said(failed) or "The image a.png" in said(failed)
    assert "Nothing was charged." in said(failed)


@pytest.mark.parametrize(
    "typed",
    ["GPT image 2 beta", "gpt-image-2-BETA", "gpt_image_2_beta", " 2-beta ", "gptimage2beta: fast"],
)
async def test_a_model_is_found_however_it_is_typed(easel: Easel, typed: str) -> None:
    message = await easel.finished(await easel.imagine(model=typed))
    assert "gpt-image-2-beta" in said(message)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("GPT image 2 lite", "gpt-image-2-lite"),
        ("2 LITE gpt", "gpt-image-2-lite"),
        ("masks", "gpt-image-2-quality"),
    ],
)
async def test_models_are_offered_for_what_people_type(
    easel: Easel, typed: str, offered: str
) -> None:
    assert await choices(easel, "imagine", "model", typed, prompt="x") == [offered]


async def test_a_model_that_nobody_knows_is_refused_in_a_sentence(easel: Easel) -> None:
    for typed in ("dall-e 9", "gpt", "🏮", "★", "-", "a" * 6_000):
        refused = await (await easel.imagine(model=typed)).response()
        words = "You have no preset" if typed == "★" else "There is no such model."
        assert words in said(refused)


async def test_qualities_are_priced_for_the_model_of_a_preset(easel: Easel) -> None:
    await set_filter(easel, "off")
    await easel.finished(await easel.imagine(model="gpt-image-2-quality"))
    await presets(easel, "save", name="fine")
    named = await choices(easel, "imagine", "quality", "", prompt="x", model="gpt-image-2-quality")
    preset = await choices(easel, "imagine", "quality", "", prompt="x", model="★ fine")
    assert preset == named != []
    assert await choices(easel, "imagine", "quality", "", prompt="x", model="★ dogs") == []
