"""What a server allows: refused by command, form and button alike, and not offered elsewhere."""

import json
import re
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.app import SHIPPED_CATALOG
from bot.domain.preferences import Preferences
from bot.playground.discord import DM, Message, PlaygroundDiscord
from bot.playground.discord.validation import walk
from bot.playground.discord.world import PUBLIC_THREAD
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.counted import counted
from tests.support.easel import Easel, images, labels, said, selects, told
from tests.support.pictures import noise
from tests.support.settings import decide, set_filter

PICTURE = noise()
SERVER = "Lantern Community"
#: what is decided, and what is said of a request for four private images at 2K by a named model
REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "paused": ("pause", {}, "have paused making images. They have set no end"),
    "paused for a while": (
        "pause",
        {"hours": 2.0, "reason": "A contest"},
        "They say: “A contest”.",
    ),
    "channel": ("allowed_channels", {"allow": "after-dark"}, "Please go to <#"),
    "model": ("allowed_models", {"allow": "gpt-image-2-lite"}, "It allows gpt-image-2-lite;"),
    "resolution": ("resolution_max", {"resolution": "1K"}, "does not allow 2K. It allows 1K."),
    "count": ("count_max", {"count": 2}, "allows up to 2 images at a time."),
    "private": ("private_allowed", {"allowed": False}, "/edit with `private` set to False"),
}
WANTED = {"model": "gpt-image-2", "resolution": "2K", "count": 4, "private": True}


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00", confirm_above="5") as easel:
        await set_filter(easel, "off")
        yield easel


async def press(easel: Easel, message: Message, label: str) -> Any:
    shown = [part["label"] for part in walk(message.components) if "label" in part]
    [found] = [each for each in shown if each.partition(" · ")[0] == label]
    return await easel.discord.press("Ada", message, label=found)


async def jobs(easel: Easel) -> list[dict[str, Any]]:
    rows = await easel.rows("SELECT request FROM jobs ORDER BY id")
    return [json.loads(row.request) for row in rows]


@pytest.mark.parametrize("what", REFUSED)
@pytest.mark.parametrize("way", ["command", "form", "button"])
async def test_what_is_not_allowed_is_refused_by_each_way(
    easel: Easel, what: str, way: str
) -> None:
    setting, given, words = REFUSED[what]
    made = await easel.finished(await easel.imagine(**WANTED)) if way == "button" else None
    form = None
    if way == "form":
        call = await easel.discord.run_command("Ada", "studio", "imagine", WANTED)
        form = await call.opened_modal()
    await decide(easel, setting, **given)
    if way == "command":
        call = await easel.imagine(**WANTED)
    elif way == "form":
        call = await easel.discord.submit_modal("Ada", form, {"prompt": "a heron"})
    else:
        assert made is not None
        call = await press(easel, made, "Again")
    refused = await easel.finished(call)
    assert words in said(refused)
    assert "Nothing was charged." in said(refused)
    assert refused.is_ephemeral
    assert len(await jobs(easel)) == (way == "button")


@pytest.mark.parametrize("what", ["paused", "channel"])
async def test_where_nothing_is_made_nobody_is_asked_in_vain(easel: Easel, what: str) -> None:
    setting, given, words = REFUSED[what]
    made = await easel.finished(await easel.imagine())
    await decide(easel, "confirm_above", credits=0.01)
    await decide(easel, setting, **given)
    for label in ("Again", "Edit"):
        assert words in said(await (await press(easel, made, label)).response())
    unopened = await easel.discord.run_command("Ada", "studio", "imagine", {})
    assert words in said(await unopened.response())


async def test_a_pause_ends_by_itself_or_is_resumed(easel: Easel) -> None:
    await decide(easel, "pause", hours=2.0)
    assert "The pause ends <t:" in said(await easel.finished(await easel.imagine()))
    easel.clock.advance(timedelta(hours=2).total_seconds() + 1)
    assert (await easel.finished(await easel.imagine())).attachments
    await decide(easel, "pause")
    assert not (await easel.finished(await easel.imagine())).attachments
    await decide(easel, "resume")
    assert (await easel.finished(await easel.imagine())).attachments


async def test_what_is_under_way_is_made_although_it_is_paused(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as call:
        await decide(easel, "pause")
    assert (await easel.finished(call)).attachments


async def test_another_server_and_direct_messages_are_not_meant(easel: Easel) -> None:
    await decide(easel, "pause")
    assert (await easel.finished(await easel.imagine(channel="mockups"))).attachments
    assert (await easel.finished(await easel.imagine(channel=DM))).attachments


async def test_threads_are_allowed_with_their_channel(opened: OpenEasel) -> None:
    def prepare(discord: PlaygroundDiscord) -> None:
        for channel in ("studio", "after-dark"):
            parent = discord.channel(channel).id
            discord.world.add_channel(SERVER, f"in {channel}", PUBLIC_THREAD, parent_id=parent)

    async with opened(prepare=prepare) as easel:
        await decide(easel, "allowed_channels", allow="studio")
        for channel, allowed in (
            ("studio", True),
            ("in studio", True),
            ("after-dark", False),
            ("in after-dark", False),
        ):
            message = await easel.finished(await easel.imagine(channel=channel))
            assert bool(message.attachments) is allowed


async def test_a_model_that_was_not_named_is_one_of_the_allowed(easel: Easel) -> None:
    await decide(easel, "default_model", model="gpt-image-2-quality")
    made = await easel.finished(await easel.imagine())
    assert "gpt-image-2-quality" in said(made)
    await decide(easel, "allowed_models", allow="gpt-image-2")
    made = await easel.finished(await easel.imagine())
    assert "gpt-image-2 ·" in said(made)
    assert "cannot do this" not in said(made)
    assert [each["model"] for each in await jobs(easel)] == ["gpt-image-2-quality", "gpt-image-2"]


async def test_only_what_is_allowed_is_offered(easel: Easel) -> None:
    await decide(easel, "allowed_models", allow="gpt-image-2")
    await decide(easel, "resolution_max", resolution="2K")
    await decide(easel, "count_max", count=2)
    await easel.restart()

    offered = await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "")
    assert [each["value"] for each in offered] == ["gpt-image-2"]
    given = {"resolution": "4K", "model": "gpt-image-2"}
    offered = await easel.discord.autocomplete("Ada", "studio", "imagine", "quality", "", given)
    assert offered == []
    call = await easel.discord.run_command("Ada", "studio", "models")
    embed = (await call.response()).embeds[0]
    assert [field["name"] for field in embed["fields"]] == ["gpt-image-2 (used if you name none)"]
    assert "4K 0" not in str(embed)
    call = await easel.discord.run_command("Ada", "studio", "models", {"model": "gpt-image-2-lite"})
    assert "this server does not allow it" in said(await call.response())
    call = await easel.discord.run_command("Ada", "studio", "preferences")
    offered = {
        name: [each["value"] for each in options]
        for name, options in selects(await call.response()).items()
    }
    assert offered["prefer:model"] == ["any", "gpt-image-2"]
    assert offered["prefer:size"] == ["1K/1", "1K/2", "2K/1", "2K/2"]
    call = await easel.discord.run_command("Ada", "studio", "imagine")
    [kinds] = [
        part
        for part in walk((await call.opened_modal()).components)
        if part.get("custom_id") == "kind"
    ]
    assert {each["value"].split("/")[0] for each in kinds["options"]} == {"1K", "2K"}
    # Elsewhere, all of it is there.
    offered = await easel.discord.autocomplete("Ada", "mockups", "imagine", "model", "")
    assert len(offered) > 1


async def test_a_model_that_its_makers_have_ended_is_not_offered(
    opened: OpenEasel, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    heading = "[models.gpt-image-2]\n"
    catalog.write_text(shipped.replace(heading, f"{heading}retires = 2026-01-31\n"))
    async with opened(catalog_file=catalog) as easel:
        await set_filter(easel, "off")
        await decide(easel, "default_model", model="gpt-image-2")
        page = await (await easel.discord.run_command("Ada", "studio", "models")).response()
        names = [field["name"] for field in page.embeds[0]["fields"]]
        assert names[0].startswith("gpt-image-2-beta (used"), names
        assert "gpt-image-2" not in {name.partition(" ")[0] for name in names}
        one = {"model": "gpt-image-2"}
        call = await easel.discord.run_command("Ada", "studio", "models", one)
        ended = "gpt-image-2 is no longer available: its makers ended it on 31 January 2026."
        assert said(await call.response()) == f"gpt-image-2\n{ended}"
        for mode in ("imagine", "edit"):
            offered = await easel.discord.autocomplete("Ada", "studio", mode, "model", "")
            values = [each["value"] for each in offered]
            assert "gpt-image-2-beta" in values
            assert "gpt-image-2" not in values


@pytest.fixture
def with_one_ended(tmp_path: Path) -> Path:
    """A catalog in which the makers of gpt-image-2-lite have ended it."""
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    heading = "[models.gpt-image-2-lite]\n"
    catalog.write_text(shipped.replace(heading, f"{heading}retires = 2026-01-31\n"))
    return catalog


async def test_what_has_ended_is_no_choice_of_those_who_decide_or_look(
    opened: OpenEasel, with_one_ended: Path
) -> None:
    async with opened(catalog_file=with_one_ended) as easel:
        for command, option in (
            ("models", "model"),
            ("settings default_model", "model"),
            ("settings allowed_models", "allow"),
        ):
            found = await easel.discord.autocomplete("Cleo", "studio", command, option, "gpt")
            values = {each["value"] for each in found}
            assert values == {"gpt-image-2-beta", "gpt-image-2", "gpt-image-2-quality"}
        call = await easel.discord.run_command("Ada", "studio", "preferences")
        preferred = selects(await call.response())["prefer:model"]
        assert "gpt-image-2-lite" not in {each["value"] for each in preferred}
        assert "gpt-image-2-lite" not in await panel(easel, "default_model")
        assert "gpt-image-2-lite" not in await panel(easel, "allowed_models")
        # What remains of all is what can be used.
        await decide(easel, "allowed_models", forbid="gpt-image-2-beta")
        shown = await panel(easel, "allowed_models")
        assert [each for each in shown if shown[each]] == ["gpt-image-2", "gpt-image-2-quality"]


async def test_the_panel_opens_where_every_model_has_ended(
    opened: OpenEasel, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    heading = re.compile(r'^\[models\.("[^"]+"|[^.\]]+)\]\n', re.MULTILINE)
    catalog.write_text(heading.sub(r"\g<0>retires = 2026-01-31\n", shipped))
    async with opened(catalog_file=catalog) as easel:
        for field in ("allowed_models", "default_model"):
            assert "gpt-image-2" in await panel(easel, field)


async def test_what_has_ended_since_it_was_chosen_can_be_taken_out(
    opened: OpenEasel, with_one_ended: Path
) -> None:
    ended = "gpt-image-2-lite"
    async with opened(catalog_file=with_one_ended) as easel:
        await decide(easel, "allowed_models", allow=ended)
        await decide(easel, "allowed_models", allow="gpt-image-2")
        await decide(easel, "default_model", model=ended)
        await easel.app.client.easel.prefer(
            easel.discord.world.user("Ada").id, Preferences(model=ended)
        )
        for field in ("allowed_models", "default_model"):
            assert (await panel(easel, field))[ended]
        call = await easel.discord.run_command("Ada", "studio", "preferences")
        preferred = selects(await call.response())["prefer:model"]
        assert [each["value"] for each in preferred if each.get("default")] == [ended]
        found = await easel.discord.autocomplete(
            "Cleo", "studio", "settings allowed_models", "forbid", "lite"
        )
        assert [each["value"] for each in found] == [ended]
        await decide(easel, "allowed_models", forbid=ended)
        assert (await panel(easel, "allowed_models"))["gpt-image-2"]


async def panel(easel: Easel, field: str) -> dict[str, bool]:
    """The values that the panel offers for a setting, and whether each is chosen."""
    call = await easel.discord.run_command("Cleo", "studio", "settings panel")
    opened = await easel.discord.select("Cleo", await call.response(), [field])
    options = selects(await opened.response())[f"settings:set:{field}"]
    return {each["value"]: each.get("default", False) for each in options}


async def test_buttons_leave_out_what_is_above_the_maximum(easel: Easel) -> None:
    given = {"model": "gpt-image-2", "count": 2}
    assert "Larger" in labels(await easel.finished(await easel.imagine(**given)))
    await decide(easel, "resolution_max", resolution="1K")
    made = await easel.finished(await easel.imagine(**given))
    assert "Larger" not in labels(made)
    assert "Again" in labels(made)
    async with easel.held(VendorCall.CREATE, **given) as call:
        await decide(easel, "count_max", count=1)
    made = await easel.finished(call)
    assert "Again" not in labels(made)
    assert "Vary" in labels(made)
    async with easel.held(VendorCall.CREATE, model="gpt-image-2") as call:
        await decide(easel, "allowed_models", allow="gpt-image-2-lite")
    assert labels(await easel.finished(call)) == ["Details", "Delete"]
    elsewhere = await easel.finished(await easel.imagine(channel="mockups"))
    assert "Again" in labels(elsewhere)


async def test_what_was_refused_can_be_worded_anew_as_it_is_allowed(easel: Easel) -> None:
    await decide(easel, "allowed_models", allow="gpt-image-2-quality")
    await decide(easel, "resolution_max", resolution="1K")
    await decide(easel, "count_max", count=1)
    refused = await easel.finished(await easel.imagine(**WANTED))
    form = await press(easel, refused, "Edit prompt")
    call = await easel.discord.submit_modal("Ada", await form.opened_modal(), {"prompt": "a heron"})
    assert images(await easel.finished(call))
    [job] = await jobs(easel)
    assert (job["model"], job["resolution"], job["count"]) == ("gpt-image-2-quality", "1K", 1)
    assert job["private"]


async def test_preferences_count_as_far_as_the_server_allows(easel: Easel) -> None:
    await decide(easel, "allowed_models", allow="gpt-image-2")
    await decide(easel, "resolution_max", resolution="1K")
    await decide(easel, "count_max", count=1)
    message = await (await easel.discord.run_command("Ada", "mockups", "preferences")).response()
    for name, value in (("size", "2K/3"), ("model", "gpt-image-2-beta")):
        call = await easel.discord.select("Ada", message, [value], custom_id=f"prefer:{name}")
        message = await call.response()
    assert (await easel.finished(await easel.imagine())).attachments
    [job] = await jobs(easel)
    assert (job["model"], job["resolution"], job["count"]) == ("gpt-image-2", "1K", 1)


async def test_what_is_preferred_to_be_private_is_refused_and_not_shown_to_all(
    easel: Easel,
) -> None:
    await decide(easel, "private_allowed", allowed=False)
    message = await (await easel.discord.run_command("Ada", "studio", "preferences")).response()
    await (await easel.discord.press("Ada", message, label="Private: off")).response()
    refused = await easel.finished(await easel.imagine())
    assert "does not allow private images" in said(refused)
    assert refused.is_ephemeral
    # A form has nothing that would make it public.
    assert labels(refused) == []
    unopened = await easel.discord.run_command("Ada", "studio", "imagine")
    assert told(await unopened.response()) == told(refused)
    assert (await easel.finished(await easel.imagine(private=False))).attachments


async def test_the_server_decides_what_is_asked_for_first(easel: Easel) -> None:
    made = await easel.finished(await easel.imagine())
    await decide(easel, "confirm_above", credits=0.01)
    asked = await (await press(easel, made, "Again")).response()
    assert "Go on?" in said(asked)
    await decide(easel, "reset", setting="confirm_above")
    assert (await easel.finished(await press(easel, made, "Again"))).attachments


async def moderate(easel: Easel, act: str, **given: str) -> None:
    options = {"member": "Ada", **given}
    call = await easel.discord.run_command("Cleo", "studio", f"moderation {act}", options)
    await call.response()


async def test_what_costs_more_than_was_asked_about_is_asked_for_again(easel: Easel) -> None:
    await decide(easel, "confirm_above", credits=0.01)
    await decide(easel, "default_model", model="gpt-image-2")
    opened = await easel.discord.run_command("Ada", "studio", "imagine", {})
    form = await opened.opened_modal()
    sent = await easel.discord.submit_modal("Ada", form, {"prompt": "a lantern"})
    asked = await sent.response()
    assert "This may cost up to 0.03 cr. Go on?" in said(asked)
    await decide(easel, "reset", setting="default_model")
    await moderate(easel, "block", reason="a pause")
    refused = said(await (await press(easel, asked, "Yes, go on")).response())
    assert "You are blocked" in refused
    # As what is refused anywhere else, with its words.
    assert "```\na lantern\n```" in refused
    await moderate(easel, "unblock")
    again = await (await press(easel, asked, "Yes, go on")).response()
    assert "This now costs up to 0.06 cr, more than the button said. Go on?" in said(again)
    assert await jobs(easel) == []

    assert (await easel.finished(await press(easel, again, "Yes, go on"))).attachments
    twice = await (await press(easel, asked, "Yes, go on")).response()
    assert "asked for already" in said(twice)
    assert len(await jobs(easel)) == 1


async def test_what_another_model_makes_by_now_is_made_by_that_one(easel: Easel) -> None:
    await set_filter(easel, "off")
    await decide(easel, "confirm_above", credits=0.01)
    made = await easel.finished(await easel.imagine(model="gpt-image-2-quality"))
    asked = await (await press(easel, made, "Again")).response()
    await set_filter(easel, "on")
    again = await (await press(easel, asked, "Yes, go on")).response()
    assert "This now costs up to 0.06 cr, more than the button said. Go on?" in said(again)
    done = await easel.finished(await press(easel, again, "Yes, go on"))
    assert "gpt-image-2-beta" in said(done)
    assert done.attachments


async def test_public_text_is_in_the_servers_language(easel: Easel) -> None:
    await decide(easel, "locale", language="de")
    with counted(easel.app.database) as counts:
        made = await easel.finished(await easel.imagine())
    # As many as without the setting: tests/chat/test_cost.py.
    assert counts.trips <= 10
    assert "Noch einmal" in labels(made) or "Again" not in labels(made)
    assert [row.locale for row in await easel.rows("SELECT locale FROM jobs")] == ["de"]
    draft = await easel.finished(await easel.imagine(private=True))
    assert "Again" in labels(draft)
    published = await press(easel, draft, "Publish")
    shown = await published.until(lambda message: bool(message.attachments))
    assert "Again" not in labels(shown)
    assert images(shown)


async def test_a_pause_that_another_process_wrote_holds_at_once(easel: Easel) -> None:
    """What decides is read in the transaction that accepts, whatever is at hand."""
    await decide(easel, "count_max", count=3)
    text = "UPDATE server_settings SET value = '1' WHERE name = 'count_max'"

    await easel.app.database.write(lambda tx: tx.execute(text))
    refused = await easel.finished(await easel.imagine(count=2))
    assert "allows 1 image at a time" in said(refused)
    # And what is offered follows.
    server = easel.discord.channel("studio").guild_id
    assert easel.app.client.easel.servers.known(server).count_max == 1
