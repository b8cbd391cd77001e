"""Going on from a result: every button, its price, its restart, and files that are gone."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.domain.ledger import EntryKind
from bot.playground.discord import DM, Call, Message, Modal, NotOfferedError, Upload
from bot.playground.discord.validation import STRING_SELECT, walk
from bot.playground.studio import Fails
from tests.conftest import OpenEasel
from tests.support import moderation
from tests.support.easel import Easel, labels, said
from tests.support.pictures import mask, noise, picture
from tests.support.settings import decide, set_filter

PICTURE = noise()


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def press(easel: Easel, message: Message, label: str, member: str = "Ada") -> Call:
    """Press the button whose label begins so; what it costs stands behind it."""
    shown = [part["label"] for part in walk(message.components) if "label" in part]
    [found] = [each for each in shown if each.partition(" · ")[0] == label]
    return await easel.discord.press(member, message, label=found)


async def filled(easel: Easel, call: Call, member: str = "Ada", **values: Any) -> Call:
    return await easel.discord.submit_modal(member, await call.opened_modal(), values)


def fields_of(form: Modal) -> dict[str, dict[str, Any]]:
    return {part["custom_id"]: part for part in walk(form.components) if "custom_id" in part}


async def requests(easel: Easel) -> list[dict[str, Any]]:
    """Of all jobs, the oldest first."""
    rows = await easel.rows("SELECT request FROM jobs ORDER BY id")
    return [json.loads(row.request) for row in rows]


async def parents(easel: Easel) -> list[str | None]:
    return [row.parent_id for row in await easel.rows("SELECT parent_id FROM jobs ORDER BY id")]


async def unfiltered(easel: Easel) -> None:
    """Where the model may be one that has no filter, but larger sizes."""
    await set_filter(easel, "off")


async def test_a_result_offers_what_can_be_done_with_it_and_says_what_it_costs(
    easel: Easel,
) -> None:
    await unfiltered(easel)
    message = await easel.finished(await easel.imagine(resolution="2K", model="gpt-image-2"))
    assert labels(message) == ["Again", "Edit", "Vary", "Larger", "Details", "Delete"]
    shown = [part["label"] for part in walk(message.components) if "label" in part]
    assert all(" cr" in label for label in shown[:4])


async def test_again_makes_the_same_anew_for_whoever_presses(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine(aspect_ratio="16:9"))
    await easel.restart()
    message = await easel.finished(await press(easel, first, "Again", member="Ben"))

    assert message.attachments
    assert message.reply_to_id == first.id
    one, other = await requests(easel)
    assert {**one, "parent_id": ""} == {**other, "parent_id": ""}
    [ids] = [[row.id for row in await easel.rows("SELECT id FROM jobs ORDER BY id")]]
    assert await parents(easel) == [None, ids[0]]
    ben = easel.discord.world.user("Ben").id
    spent = [each.user_id for each in await easel.entries(EntryKind.SETTLE)]
    assert spent[-1] == ben


async def test_edit_opens_a_form_and_changes_the_original(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine())
    await easel.restart()
    form = await press(easel, first, "Edit")
    upload = Upload("style.png", picture(64, 64))
    message = await easel.finished(
        await filled(easel, form, prompt="make it winter", references=[upload])
    )

    assert message.attachments
    assert "make it winter" in said(message)
    _, submission = easel.providers.submissions
    assert len(submission.body["image_urls"]) == 2
    _, edited = await requests(easel)
    assert edited["mode"] == "edit"
    # It went out byte for byte, and is worked from as it was made.
    assert edited["references"][0]["kept_as"].endswith(".png")


async def test_vary_and_larger_work_from_the_result(easel: Easel) -> None:
    await unfiltered(easel)
    first = await easel.finished(await easel.imagine(model="gpt-image-2"))
    varied = await easel.finished(await press(easel, first, "Vary"))
    assert "variation" in said(varied)
    larger = await easel.finished(await press(easel, first, "Larger"))
    assert "larger" in said(larger)

    plain, vary, large = easel.providers.submissions
    assert vary.body["prompt"].endswith(plain.body["prompt"])
    assert vary.body["prompt"] != plain.body["prompt"]
    assert len(large.body["image_urls"]) == 1
    assert [each["resolution"] for each in await requests(easel)] == ["1K", "1K", "2K"]


async def test_of_several_images_a_select_says_which(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine(count=3))
    choice = await (await press(easel, first, "Vary")).response()
    assert choice.is_ephemeral
    assert "Which image?" in said(choice)
    chosen = await easel.discord.select("Ada", choice, ["1"])
    assert (await easel.finished(chosen)).attachments
    _, varied = await requests(easel)
    assert varied["references"][0]["kept_as"].split(".")[0].endswith("-1")

    form = await press(easel, first, "Edit")
    fields = fields_of(await form.opened_modal())
    named = [option["description"] for option in fields["which"]["options"]]
    assert named == [each.filename for each in first.attachments]
    done = await easel.finished(await filled(easel, form, prompt="at night", which=["2"]))
    assert done.attachments
    edited = (await requests(easel))[-1]
    assert edited["references"][0]["kept_as"].split(".")[0].endswith("-2")


async def test_nobody_is_asked_which_image_in_vain(easel: Easel) -> None:
    private = await easel.finished(await easel.imagine(count=2, private=True))
    await decide(easel, "private_allowed", allowed=False)
    refused = await (await press(easel, private, "Vary")).response()
    assert "This server does not allow private images." in said(refused)
    await decide(easel, "private_allowed", allowed=True)
    await moderation.command(easel, "block", member="Ada", reason="spam")
    refused = await (await press(easel, private, "Vary")).response()
    assert "You are blocked from making images here." in said(refused)


@pytest.mark.parametrize("label", ["Vary", "Larger"])
async def test_of_several_images_whose_files_are_gone_one_is_chosen_as_well(
    easel: Easel, label: str
) -> None:
    """The question shows no pictures, but the message that it is asked about does."""
    await unfiltered(easel)
    first = await easel.finished(await easel.imagine(count=2, model="gpt-image-2"))
    for path in (easel.folder / "images").glob("*.png"):
        path.unlink()
    choice = await (await press(easel, first, label)).response()
    await easel.restart()
    chosen = await easel.discord.select("Ada", choice, ["1"])
    assert (await easel.finished(chosen)).attachments
    _, request = await requests(easel)
    links = [easel.discord.payloads.attachment(each)["url"] for each in first.attachments]
    assert request["references"][0]["url"].partition("?")[0] == links[1].partition("?")[0]


async def test_an_image_keeps_its_number_where_an_earlier_one_is_gone(easel: Easel) -> None:
    """Where kept results take too much room, their files go one by one."""
    await easel.finished(await easel.imagine(count=2))
    [job] = await easel.rows("SELECT id FROM jobs")
    first, second = sorted((easel.folder / "images").glob("*.png"))
    first.unlink()
    call = await easel.discord.run_command("Ada", "studio", "job", {"id": job.id})
    shown = await call.response()
    assert [each.filename for each in shown.attachments] == [f"easel-{job.id[-8:]}-2.png"]
    assert (await easel.finished(await press(easel, shown, "Vary"))).attachments
    _, request = await requests(easel)
    assert [each["kept_as"] for each in request["references"]] == [second.name]


async def test_what_goes_on_from_one_of_several_published_images_is_public(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(count=2, private=True))
    published = await press(easel, draft, "Publish")
    message = await published.until(lambda message: bool(message.attachments))
    choice = await (await press(easel, message, "Vary", member="Ben")).response()
    varied = await easel.finished(await easel.discord.select("Ben", choice, ["0"]))
    assert varied.attachments
    assert not varied.is_ephemeral


async def test_what_costs_much_is_asked_for_first_and_ordered_once(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="10.00", confirm_above="0.05") as easel:
        first = await easel.finished(await easel.imagine())
        asked = await (await press(easel, first, "Again")).response()
        assert asked.is_ephemeral
        assert "This may cost up to 0.06 cr. Go on?" in said(asked)
        assert len(await requests(easel)) == 1
        await easel.restart()

        done = await easel.finished(await press(easel, asked, "Yes, go on"))
        assert done.attachments
        again = await (await press(easel, asked, "Yes, go on")).response()
        assert "This was asked for already" in said(again)
        assert len(await requests(easel)) == 2


async def test_what_was_asked_about_and_refused_can_be_ordered_later(opened: OpenEasel) -> None:
    async with opened(allowance="0.10", confirm_above="0.05") as easel:
        first = await easel.finished(await easel.imagine())
        asked = await (await press(easel, first, "Again")).response()
        refused = await (await press(easel, asked, "Yes, go on")).response()
        assert "you have 0.04 cr left" in said(refused)
        given = {"member": "Ada", "amount": "5", "reason": "a gift"}
        await (await easel.discord.run_command("Cleo", "studio", "quota grant", given)).response()
        assert (await easel.finished(await press(easel, asked, "Yes, go on"))).attachments


async def test_a_price_that_has_risen_is_asked_for(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine())
    [job] = await easel.rows("SELECT id FROM jobs")
    [row] = first.components
    row["components"][0]["custom_id"] = f"again:{job.id}:10"
    asked = await (await press(easel, first, "Again")).response()
    assert "more than the button said" in said(asked)


async def test_details_tell_all_of_a_result(easel: Easel) -> None:
    prompt = "a lantern " * 300
    first = await easel.finished(await easel.imagine(prompt=prompt))
    again = await easel.finished(await press(easel, first, "Again", member="Ben"))
    details = await (await press(easel, again, "Details", member="Cleo")).response()

    assert details.is_ephemeral
    words = said(details)
    assert prompt.strip() in words
    assert "Provider: apimodels" in words
    assert "Cost: 0.06 cr" in words
    assert "Based on: [a lantern" in words
    assert "Used again: 1 time" in said(await (await press(easel, first, "Details")).response())


async def test_a_private_draft_is_published_as_its_members(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(private=True))
    assert "Publish" in labels(draft)
    assert "left" in said(draft)
    await easel.restart()
    pressed = await press(easel, draft, "Publish")
    message = await pressed.until(lambda message: bool(message.attachments))

    assert not message.is_ephemeral
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE
    ada = easel.discord.world.user("Ada").id
    assert f"<@{ada}>" in said(message)
    assert "Publish" not in labels(message)
    assert " left" not in said(message)
    # Whoever sees it may go on from it.
    assert (await easel.finished(await press(easel, message, "Again", member="Ben"))).attachments


async def test_it_is_published_once_however_often_that_is_pressed(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(private=True))
    studio = easel.discord.channel("studio")

    def copies() -> int:
        return sum(bool(each.attachments) and not each.is_ephemeral for each in studio.messages)

    go_on = asyncio.Event()
    upload = easel.discord.faults.add(method="PATCH", path="@original", hold=go_on)
    first = await press(easel, draft, "Publish")
    await easel.held_by(upload)
    second = await press(easel, draft, "Publish")
    await second.acknowledged()
    go_on.set()
    message = await first.until(lambda message: bool(message.attachments))
    assert copies() == 1

    await easel.restart()
    third = await press(easel, draft, "Publish")
    told = await third.until(lambda message: "It is published here already: " in said(message))
    assert told.is_ephemeral
    assert f"/{message.id}" in said(told)
    assert copies() == 1

    await easel.discord.press("Ada", message, label="Delete")
    await easel.discord.wait_for(lambda: not copies(), "its deletion")
    fourth = await press(easel, draft, "Publish")
    await fourth.until(lambda message: bool(message.attachments))
    assert copies() == 1


@pytest.mark.parametrize(
    ("code", "words"), [(20009, "takes them for explicit content"), (50001, "did not take these")]
)
async def test_why_a_private_image_is_not_published_is_told_to_its_member_alone(
    easel: Easel, code: int, words: str
) -> None:
    draft = await easel.finished(await easel.imagine(private=True))
    refusal = {"code": code, "message": "refused"}
    easel.discord.faults.add(method="PATCH", path="/messages/@original", status=400, body=refusal)
    pressed = await press(easel, draft, "Publish")
    told = await pressed.until(lambda message: words in said(message))
    assert told.is_ephemeral
    assert all(message.is_ephemeral for message in pressed.messages)


async def test_why_it_is_not_published_is_told_although_news_of_a_deletion_are_lost(
    easel: Easel,
) -> None:
    """Discord took the waiting answer away; a try that finds it gone keeps nothing from anyone."""
    draft = await easel.finished(await easel.imagine(private=True))
    refusal = {"code": 50001, "message": "refused"}
    path = "/messages/@original"
    easel.discord.faults.add(method="PATCH", path=path, status=400, body=refusal)
    easel.discord.faults.add(method="DELETE", path=path, after_effect=True)
    pressed = await press(easel, draft, "Publish")
    told = await pressed.until(lambda message: "did not take these" in said(message))
    assert told.is_ephemeral


async def test_a_smaller_copy_says_what_discord_takes_where_it_is_shown(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: noise(900)) as easel:
        await easel.finished(await easel.imagine())
        [job] = await easel.rows("SELECT id FROM jobs")
        easel.discord.interactions.file_bytes_max = 2 * 1024**2
        call = await easel.discord.run_command("Ada", DM, "job", {"id": job.id})
        assert "Discord takes files of up to 2 MiB here" in said(await call.response())


async def test_a_public_result_is_gone_on_from_where_no_private_ones_are_allowed(
    easel: Easel,
) -> None:
    await easel.finished(await easel.imagine())
    await decide(easel, "private_allowed", allowed=False)
    [job] = await easel.rows("SELECT id FROM jobs")
    for place in ("studio", DM):
        call = await easel.discord.run_command("Ada", place, "job", {"id": job.id})
        shown = await call.response()
        assert labels(shown)[:3] == ["Again", "Edit", "Vary"]
    call = await easel.discord.run_command("Ada", "studio", "job", {"id": job.id})
    again = await easel.finished(await press(easel, await call.response(), "Again"))
    assert again.attachments
    assert not again.is_ephemeral


@pytest.mark.parametrize(("member", "may"), [("Ada", True), ("Cleo", True), ("Ben", False)])
async def test_its_member_and_moderators_may_delete_a_result(
    easel: Easel, member: str, may: bool
) -> None:
    message = await easel.finished(await easel.imagine())
    pressed = await press(easel, message, "Delete", member=member)
    if may:
        await easel.discord.wait_for(lambda: message.id not in ids(easel), "deletion")
    else:
        assert "Only whoever asked" in said(await pressed.response())
        assert message.id in ids(easel)


@pytest.mark.parametrize(("member", "acts"), [("Ada", []), ("Cleo", ["delete"])])
async def test_a_result_that_was_deleted_is_not_said_to_be_there(
    easel: Easel, member: str, acts: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    """Discord deletes it, and the news of that is lost; the next try finds nothing to delete."""
    caplog.set_level("INFO")
    message = await easel.finished(await easel.imagine())
    easel.discord.faults.add(method="DELETE", path="/messages/@original", after_effect=True)
    pressed = await press(easel, message, "Delete", member=member)

    async def ended() -> bool:
        logged = {vars(each).get("action") for each in caplog.records}
        return bool(logged & {"result_deleted", "not_deleted"})

    await easel.until(ended)
    await easel.restart()
    assert message.id not in ids(easel)
    assert pressed.messages == []
    assert [row.action for row in await easel.rows("SELECT action FROM acts")] == acts


async def test_no_list_links_to_a_result_that_was_deleted(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(prompt="a heron"))
    listed = await (await easel.discord.run_command("Ada", "studio", "jobs")).response()
    assert f"/{message.id}) · 0.06 cr" in said(listed)
    await press(easel, message, "Delete")

    async def forgotten() -> bool:
        return await easel.rows("SELECT 1 FROM jobs WHERE message_id IS NOT NULL") == []

    await easel.until(forgotten)
    listed = await (await easel.discord.run_command("Ada", "studio", "jobs")).response()
    assert said(listed).splitlines()[-1].endswith("a heron · 0.06 cr")


def ids(easel: Easel) -> set[int]:
    return {each.id for each in easel.discord.channel("studio").messages}


@pytest.mark.parametrize("label", ["Again", "Edit", "Vary", "Details"])
async def test_a_press_works_where_the_files_are_gone(easel: Easel, label: str) -> None:
    """The message still has the pictures; the links of its attachments are taken."""
    message = await easel.finished(await easel.imagine())
    for path in (easel.folder / "images").glob("*.png"):
        path.unlink()
    await easel.restart()
    pressed = await press(easel, message, label)
    if label == "Edit":
        pressed = await filled(easel, pressed, prompt="at night")
    if label == "Details":
        assert "Cost" in said(await pressed.response())
        return
    done = await easel.finished(pressed)
    assert done.attachments
    assert len(easel.providers.submissions) == 2


async def test_where_files_and_message_are_gone_again_is_offered(easel: Easel) -> None:
    await easel.finished(await easel.imagine(private=True))
    for path in (easel.folder / "images").glob("*.png"):
        path.unlink()
    listed = await easel.discord.run_command("Ada", "studio", "history")
    shown = await listed.until(lambda message: not message.is_loading)
    [menu] = [part for part in walk(shown.components) if part["type"] == STRING_SELECT]
    opened = await easel.discord.select("Ada", shown, [menu["options"][0]["value"]])
    gone = await opened.response()
    assert "no longer kept" in said(gone)
    assert (await easel.finished(await press(easel, gone, "Try again"))).attachments


async def test_a_failure_can_be_tried_again_or_worded_anew(easel: Easel) -> None:
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    failed = await easel.finished(await easel.imagine(prompt="a fight"))
    assert labels(failed) == ["Try again", "Edit prompt"]
    assert "Refused by the content filter" in said(failed)
    assert "Nothing was charged." in said(failed)
    await easel.restart()
    form = await press(easel, failed, "Edit prompt")
    assert fields_of(await form.opened_modal())["prompt"]["value"] == "a fight"
    done = await easel.finished(await filled(easel, form, prompt="a dance"))
    assert done.attachments
    assert (await easel.finished(await press(easel, failed, "Try again"))).attachments


async def test_a_failure_for_an_image_is_worded_anew_with_other_images(easel: Easel) -> None:
    """The same image would fail for the same reason for ever."""
    cut = Upload("cut.png", picture()[:-200])
    given = {"prompt": "at night", "image": cut, "reference2": Upload("style.png", picture())}
    call = await easel.discord.run_command("Ada", "studio", "edit", given)
    failed = await easel.finished(call)
    assert labels(failed) == ["Edit prompt"]
    form = await press(easel, failed, "Edit prompt")
    assert fields_of(await form.opened_modal())["prompt"]["value"] == "at night"
    whole = [Upload("whole.png", picture())]
    assert (await easel.finished(await filled(easel, form, references=whole))).attachments
    assert [each["filename"] for each in (await requests(easel))[-1]["references"]] == ["whole.png"]


@pytest.mark.parametrize("wrong", ["mask", "image"])
async def test_a_failure_for_an_edit_with_a_mask_is_worded_anew(easel: Easel, wrong: str) -> None:
    await unfiltered(easel)
    opaque, whole = Upload("opaque.png", picture()), Upload("whole.png", picture())
    files = {"image": whole, "mask": Upload("mask.png", mask(64, 64))}
    files[wrong] = opaque if wrong == "mask" else Upload("cut.png", picture()[:-200])
    given = {"prompt": "at night", "model": "gpt-image-2-quality", **files}
    failed = await easel.finished(await easel.discord.run_command("Ada", "studio", "edit", given))
    assert labels(failed) == ["Edit prompt"]
    form = await press(easel, failed, "Edit prompt")
    fields = fields_of(await form.opened_modal())
    assert fields["prompt"]["value"] == "at night"
    assert ("references" in fields) is (wrong == "image")
    if wrong == "mask":
        # The same again, for the same reason; nothing but the mask is to be attached anew.
        failed = await easel.finished(await filled(easel, form))
        assert "`mask` must be a picture with transparent parts" in said(failed)
        form = await press(easel, failed, "Edit prompt")
        other = {"mask": [Upload("other.png", mask(64, 64))]}
    else:
        other = {"references": [whole]}
    assert (await easel.finished(await filled(easel, form, **other))).attachments
    request = (await requests(easel))[-1]
    assert [each["filename"] for each in request["references"]] == ["whole.png"]
    assert request["mask"]["filename"] == ("other.png" if wrong == "mask" else "mask.png")


async def test_a_request_refused_for_an_image_is_worded_anew_with_other_images(
    easel: Easel,
) -> None:
    large = Upload("large.png", bytes(50_000_001))
    refused = await (await easel.imagine(reference1=large)).response()
    form = await press(easel, refused, "Edit prompt")
    whole = [Upload("whole.png", picture())]
    assert (await easel.finished(await filled(easel, form, references=whole))).attachments
    assert [each["filename"] for each in (await requests(easel))[-1]["references"]] == ["whole.png"]


async def test_a_refused_command_gives_its_words_back(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="0.01") as easel:
        refused = await easel.finished(await easel.imagine(prompt="a *long* tale", quality="auto"))
        assert refused.is_ephemeral
        assert "```\na *long* tale\n```" in said(refused)
        await easel.restart()
        form = await press(easel, refused, "Edit prompt")
        modal = await form.opened_modal()
        [words] = [part for part in walk(modal.components) if part.get("custom_id") == "prompt"]
        assert words["value"] == "a *long* tale"


BLOCK = "moderation block"
BACK = "```\na *long* tale\n```"


async def test_a_form_that_is_too_old_gives_its_words_back(easel: Easel) -> None:
    form = await easel.discord.run_command("Ada", "studio", "imagine", {})
    await form.opened_modal()
    await easel.app.database.write(lambda tx: tx.execute("DELETE FROM drafts", {}))
    refused = await (await filled(easel, form, prompt="a *long* tale")).response()
    assert "does not work any more" in said(refused)
    assert BACK in said(refused)


async def test_a_form_gives_its_words_back_where_nothing_is_asked_any_more(
    opened: OpenEasel,
) -> None:
    async with opened(confirm_above="0.01") as easel:
        form = await easel.discord.run_command("Ada", "studio", "imagine", {})
        await form.opened_modal()
        blocking = {"member": "Ada", "reason": "a pause"}
        await (await easel.discord.run_command("Cleo", "studio", BLOCK, blocking)).response()
        refused = await (await filled(easel, form, prompt="a *long* tale")).response()
        assert "You are blocked" in said(refused)
        assert BACK in said(refused)


@pytest.mark.parametrize(
    ("given", "words"),
    [({"use_basket": True}, "Your basket is empty"), ({"model": "★ gone"}, "no preset “gone”")],
)
async def test_a_command_without_its_basket_or_preset_gives_its_words_back(
    easel: Easel, given: dict[str, Any], words: str
) -> None:
    refused = await (await easel.imagine(prompt="a *long* tale", **given)).response()
    assert words in said(refused)
    assert BACK in said(refused)


async def test_imagine_with_nothing_opens_a_form(easel: Easel) -> None:
    call = await easel.discord.run_command("Ada", "studio", "imagine", {"count": 2})
    await call.opened_modal()
    await easel.restart()
    done = await easel.finished(
        await filled(easel, call, prompt="a heron", ratio=["16:9"], kind=["1K/auto"])
    )
    assert len(done.attachments) == 2
    [request] = await requests(easel)
    assert (request["prompt"], request["aspect_ratio"], request["count"]) == ("a heron", "16:9", 2)


async def test_the_form_of_edit_asks_for_the_image_first(easel: Easel) -> None:
    call = await easel.discord.run_command("Ada", "studio", "edit")
    modal = await call.opened_modal()
    first, *_ = modal.components
    assert first["label"] == "The image to change, and others"
    with pytest.raises(NotOfferedError, match="is required"):
        await filled(easel, call, prompt="at night")
    image = [Upload("a.png", picture())]
    done = await easel.finished(await filled(easel, call, prompt="at night", references=image))
    assert done.attachments


async def test_edit_keeps_the_shape_of_the_first_picture(easel: Easel) -> None:
    image = Upload("wide.png", picture(1_600, 900))
    given = {"prompt": "at night", "image": image}
    await easel.finished(await easel.discord.run_command("Ada", "studio", "edit", given))
    [request] = await requests(easel)
    assert request["aspect_ratio"] == "16:9"


async def test_an_image_of_another_shape_is_said_so(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: picture(1_024, 1_024)) as easel:
        message = await easel.finished(await easel.imagine(aspect_ratio="16:9"))
        assert "The shape is not 16:9: the service drew 1024\N{MULTIPLICATION SIGN}1024." in said(
            message
        )


async def test_references_are_shown_small_beneath_the_result(easel: Easel) -> None:
    references = {f"reference{n}": Upload(f"{n}.png", picture(40 * n, 60)) for n in (1, 2, 3)}
    message = await easel.finished(await easel.imagine(**references))
    assert [each.filename for each in message.attachments][1:] == ["references.webp"]
    assert "references.webp" in message.embeds[0]["image"]["url"]
    details = await (await press(easel, message, "Details")).response()
    assert "references.webp" in details.embeds[0]["image"]["url"]


async def test_references_of_a_covered_result_are_covered(easel: Easel) -> None:
    """An embed has no cover, so no embed shows them."""
    await set_filter(easel, "off")
    message = await easel.finished(await easel.imagine(reference1=Upload("a.png", picture(40, 60))))
    details = await (await press(easel, message, "Details")).response()
    for shown in (message, details):
        assert shown.attachments[-1].filename == "SPOILER_references.webp"
        assert not any("image" in embed for embed in shown.embeds)


async def test_details_are_in_the_language_of_whoever_reads_them(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    await easel.app.database.write(lambda tx: tx.execute("UPDATE tasks SET cost_known = FALSE"))
    easel.discord.set_locale("Ben", "de")
    details = await (await press(easel, message, "Details", member="Ben")).response()
    assert "Kosten: 0,06 cr (wie veranschlagt)" in said(details)
