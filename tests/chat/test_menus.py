"""The menus of messages: edit a picture that is there, or keep it as a reference."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from msgspec.structs import replace

from bot.playground.discord import DM, Call, Message, Upload
from bot.playground.discord.validation import walk
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said, selects, told
from tests.support.pictures import noise, picture
from tests.support.settings import decide, set_filter

PICTURE = noise()
EDIT, KEEP = "Edit image", "Use as reference"


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


def upload(name: str = "cat.png", width_px: int = 64) -> Upload:
    return Upload(name, picture(width_px, 48))


async def menu(
    easel: Easel, entry: str, message: Message, member: str = "Ada", channel: str = "studio"
) -> Call:
    return await easel.discord.run_message_command(member, channel, entry, message)


async def edited(easel: Easel, call: Call, member: str = "Ada", **values: Any) -> Message:
    modal = await call.opened_modal()
    given = {"prompt": "make it winter"} | values
    sent = await easel.discord.submit_modal(member, modal, given)
    return await easel.finished(sent)


async def last_request(easel: Easel) -> dict[str, Any]:
    rows = await easel.rows("SELECT request FROM jobs ORDER BY id DESC LIMIT 1")
    return json.loads(rows[0].request)


async def shown(easel: Easel, message: Message, **part: Any) -> Message:
    """The message with something of another bot's or a site's in it."""
    changed = replace(message, **part)
    easel.discord.world.channels[message.channel_id].messages_by_id[message.id] = changed
    return changed


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_a_picture_of_a_message_is_edited(easel: Easel, channel: str) -> None:
    posted = await easel.discord.post("Ada", channel, "look", [upload()])
    call = await menu(easel, EDIT, posted, channel=channel)
    await call.opened_modal()
    await easel.restart()
    message = await edited(easel, call)
    assert message.attachments
    assert "Made from a picture by" not in said(message)
    request = await last_request(easel)
    assert (request["mode"], len(request["references"])) == ("edit", 1)


async def test_of_several_pictures_one_is_chosen(easel: Easel) -> None:
    names = ["a.png", "b.png", "c.png"]
    posted = await easel.discord.post("Ada", "studio", "", [upload(name) for name in names])
    call = await menu(easel, EDIT, posted)
    message = await edited(easel, call, which=["1"], references=[upload("style.png")])
    assert message.attachments
    request = await last_request(easel)
    assert [each["filename"] for each in request["references"]] == ["b.png", "style.png"]


async def test_whose_picture_it_was_is_said_and_pings_nobody(easel: Easel) -> None:
    posted = await easel.discord.post("Ben", "studio", "mine", [upload()])
    message = await edited(easel, await menu(easel, EDIT, posted))
    ben = easel.discord.world.user("Ben")
    assert f"Made from a picture by <@{ben.id}>." in said(message)
    assert ben not in message.mentions


@pytest.mark.parametrize("entry", ["option", KEEP, EDIT])
async def test_what_its_poster_has_covered_is_shown_beneath_no_result(
    easel: Easel, entry: str
) -> None:
    covered = upload("SPOILER_ending.png")
    if entry == "option":
        message = await easel.finished(await easel.imagine(reference1=covered))
    else:
        posted = await easel.discord.post("Ben", "studio", "the ending", [covered])
        call = await menu(easel, entry, posted)
        if entry == EDIT:
            message = await edited(easel, call)
        else:
            assert "thumbnail" not in (await call.response()).embeds[0]
            message = await easel.finished(await easel.imagine(use_basket=True))
    assert len(message.attachments) == 1
    assert "image" not in message.embeds[0]
    again = await easel.finished(await pressed(easel, message, "Again", "Ada"))
    assert len(again.attachments) == 1


async def test_the_picture_of_a_forward_is_taken(easel: Easel) -> None:
    posted = await easel.discord.post("Ben", "studio", "mine", [upload("forwarded.png")])
    forward = await easel.discord.forward("Ada", "studio", posted)
    message = await edited(easel, await menu(easel, EDIT, forward))
    assert message.attachments
    [reference] = (await last_request(easel))["references"]
    assert reference["filename"] == "forwarded.png"


async def test_the_pictures_of_embeds_are_taken_once(easel: Easel) -> None:
    posted = await easel.discord.post("Ada", "studio", "", [upload()])
    url = easel.discord.payloads.attachment(posted.attachments[0])["url"]
    long_name = "https://example.com/" + "%E7%81%AF" * 300 + ".png?size=1"
    embeds = [{"type": "rich", "image": {"url": url}, "thumbnail": {"url": long_name}}]
    message = await shown(easel, posted, embeds=tuple(embeds))
    kept = await (await menu(easel, KEEP, message)).response()
    assert len(kept.embeds) == 2


@pytest.mark.parametrize("entry", [EDIT, KEEP])
@pytest.mark.parametrize("link", ["https://example.com:99999/a.png", "https://[::1/a.png"])
async def test_an_embed_whose_link_is_none_shows_no_picture(
    easel: Easel, entry: str, link: str
) -> None:
    posted = await easel.discord.post("Ada", "studio", "look")
    message = await shown(easel, posted, embeds=({"type": "rich", "image": {"url": link}},))
    refused = await (await menu(easel, entry, message)).response()
    assert "no picture that I can work from" in said(refused)


async def test_a_picture_whose_name_is_blank_has_one_all_the_same(easel: Easel) -> None:
    posted = await easel.discord.post("Ada", "studio", "look")
    embeds = ({"type": "image", "thumbnail": {"url": "https://example.com/%20%20"}},)
    kept = await (await menu(easel, KEEP, await shown(easel, posted, embeds=embeds))).response()
    [[choice]] = selects(kept).values()
    assert choice["description"].strip()


async def test_pictures_whose_links_differ_behind_the_path_are_different(easel: Easel) -> None:
    """Search engines and proxies tell their pictures apart there."""
    posted = await easel.discord.post("Ada", "studio", "look")
    links = [f"https://example.com/th?id={number}" for number in (1, 2)]
    embeds = tuple({"type": "image", "thumbnail": {"url": link}} for link in links)
    message = await shown(easel, posted, embeds=embeds)
    for _ in range(2):
        kept = await (await menu(easel, KEEP, message)).response()
        assert [each["thumbnail"]["url"] for each in kept.embeds] == links
    [choices] = selects(kept).values()
    taken = await easel.discord.select("Ada", kept, [choices[0]["value"]])
    [left] = (await taken.response()).embeds
    assert left["thumbnail"]["url"] == links[1]


async def test_a_result_is_worked_from_as_it_was_made(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine(count=2, reference1=upload()))
    await easel.restart()
    message = await edited(easel, await menu(easel, EDIT, first, "Ben"), "Ben", which=["1"])
    [reference] = (await last_request(easel))["references"]
    assert reference["kept_as"].endswith("-1.png")
    first_id, last_id = [row.id for row in await easel.rows("SELECT id FROM jobs ORDER BY id")]
    [row] = await easel.rows(f"SELECT parent_id FROM jobs WHERE id = '{last_id}'")
    assert row.parent_id == first_id
    ada = easel.discord.world.user("Ada").id
    assert f"Made from a picture by <@{ada}>." in said(message)


async def test_the_sheet_beneath_a_covered_result_is_no_picture_of_it(easel: Easel) -> None:
    await set_filter(easel, "off")
    result = await easel.finished(await easel.imagine(reference1=upload()))
    assert [each.filename for each in result.attachments][1:] == ["SPOILER_references.webp"]
    kept = await (await menu(easel, KEEP, result)).response()
    assert len(kept.embeds) == 1


async def test_a_kept_original_is_given_to_no_other_bots_message(easel: Easel) -> None:
    """Its buttons say that it is a private result of Ada's."""
    private = await easel.finished(await easel.imagine(private=True))
    name = private.attachments[0].filename
    posted = await easel.discord.post("Ben", "studio", "", [Upload(name, picture())])
    forged = await shown(easel, posted, components=private.components)
    await edited(easel, await menu(easel, EDIT, forged, "Ben"), "Ben")
    [reference] = (await last_request(easel))["references"]
    assert reference["kept_as"] == ""


@pytest.mark.parametrize("entry", [EDIT, KEEP])
@pytest.mark.parametrize("name", ["notes.txt", "clip.mp4", "references.webp"])
async def test_what_is_no_picture_is_said_so(easel: Easel, entry: str, name: str) -> None:
    posted = await easel.discord.post("Ada", "studio", "hello", [Upload(name, b"hello")])
    answer = await (await menu(easel, entry, posted)).response()
    assert "no picture that I can work from" in said(answer)
    assert answer.is_ephemeral


@pytest.mark.parametrize(
    ("mode", "own", "others"),
    [("everyone", True, True), ("own", True, False), ("nobody", False, False)],
)
async def test_moderators_decide_whose_pictures_are_taken(
    easel: Easel, mode: str, own: bool, others: bool
) -> None:
    given = {"mode": mode}
    setting = await easel.discord.run_command("Cleo", "studio", "settings picture_menus", given)
    await setting.response()
    await easel.restart()
    for author, may in (("Ada", own), ("Ben", others)):
        posted = await easel.discord.post(author, "studio", "", [upload(f"{author}.png")])
        answer = await (await menu(easel, KEEP, posted)).response()
        assert ("This server's moderators do not allow" in said(answer)) is not may
        assert (f"{author}.png" in said(answer).replace("\\", "")) is may
    # What moderators decide is for their server alone.
    posted = await easel.discord.post("Ada", DM, "", [upload("dm.png")])
    assert "dm" in said(await (await menu(easel, KEEP, posted, channel=DM)).response())


async def pressed(easel: Easel, message: Message, label: str, member: str = "Ben") -> Call:
    shown = [part["label"] for part in walk(message.components) if "label" in part]
    [found] = [each for each in shown if each.partition(" · ")[0] == label]
    return await easel.discord.press(member, message, label=found)


async def gone_on(easel: Easel, message: Message, label: str, member: str = "Ben") -> Message:
    """What a member reads who presses a button of a result; a form is filled in."""
    call = await pressed(easel, message, label, member)
    return await (edited(easel, call, member) if label == "Edit" else easel.finished(call))


@pytest.mark.parametrize("label", ["Edit", "Vary", "Larger", "Again"])
async def test_a_button_names_whose_picture_it_goes_on_from(easel: Easel, label: str) -> None:
    await set_filter(easel, "off")
    first = await easel.imagine(reference1=upload(), model="gpt-image-2")
    message = await gone_on(easel, await easel.finished(first), label)
    ada = easel.discord.world.user("Ada")
    assert f"Made from a picture by <@{ada.id}>." in said(message)
    assert ada not in message.mentions
    back = await gone_on(easel, message, "Again", "Ada")
    assert back.attachments
    assert "Made from a picture by" not in said(back)


async def test_of_several_images_the_chosen_one_names_whose_it_was(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine(count=2))
    choice = await (await pressed(easel, first, "Vary")).response()
    message = await easel.finished(await easel.discord.select("Ben", choice, ["1"]))
    ada = easel.discord.world.user("Ada")
    assert f"Made from a picture by <@{ada.id}>." in said(message)


@pytest.mark.parametrize("mode", ["own", "nobody"])
@pytest.mark.parametrize("label", ["Edit", "Vary", "Again"])
async def test_what_moderators_decide_of_pictures_counts_for_buttons(
    easel: Easel, mode: str, label: str
) -> None:
    first = await easel.finished(await easel.imagine(reference1=upload(), count=2))
    await decide(easel, "picture_menus", mode=mode)
    refused = await (await pressed(easel, first, label)).response()
    assert told(refused).startswith("This server's moderators do not allow")
    assert refused.is_ephemeral
    # A form could not change whose picture it is.
    assert labels(refused) == []
    assert len(await easel.rows("SELECT id FROM jobs")) == 1
    own = await easel.finished(await pressed(easel, first, "Again", "Ada"))
    assert own.attachments


async def test_words_alone_are_nobodys_picture(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine())
    await decide(easel, "picture_menus", mode="own")
    assert (await gone_on(easel, first, "Again")).attachments


async def test_a_basket_is_ordered_as_moderators_decide_by_then(easel: Easel) -> None:
    posted = await easel.discord.post("Ben", "studio", "", [upload()])
    await (await menu(easel, KEEP, posted)).response()
    await decide(easel, "picture_menus", mode="own")
    refused = await (await easel.imagine(use_basket=True)).response()
    assert told(refused).startswith("This server's moderators do not allow")
    assert labels(refused) == []


@pytest.mark.parametrize(("member", "mode"), [("Ada", "own"), ("Cleo", "anything")])
async def test_only_moderators_decide_and_only_among_what_there_is(
    easel: Easel, member: str, mode: str
) -> None:
    call = await easel.discord.run_command(
        member, "studio", "settings picture_menus", {"mode": mode}, check=False
    )
    words = {"Ada": "Only members who may manage this server", "Cleo": "Restart Discord"}
    assert words[member] in said(await call.response())
    assert await easel.rows("SELECT * FROM setting_changes") == []


async def test_whoever_installed_the_bot_for_themselves_edits_anywhere(easel: Easel) -> None:
    easel.discord.install("Ada")
    place = easel.discord.world.private_channel("holiday", ["Ada", "Ben"])
    posted = await easel.discord.post("Ben", place, "", [upload()])
    call = await easel.discord.run_message_command("Ada", place, EDIT, posted)
    assert (await edited(easel, call)).attachments
