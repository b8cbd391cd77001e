"""Presses and forms as only a changed client sends them: each is answered in a sentence."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from bot.chat import buttons
from bot.playground.discord import Modal
from bot.playground.discord.interactions import MODAL_SUBMIT
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise
from tests.support.settings import set_filter

PICTURE = noise()
UNKNOWN = "This button does not work any more."
JOB = "019a0000000abcdef12"
#: custom ids, and what was chosen with them
FORGED: list[tuple[str, list[str]]] = [
    ("", []),
    ("nothing:such", []),
    ("again", []),
    (f"again:{JOB}:1:2:3", []),
    (f"again:{JOB}", []),
    ("again:\ud83c", []),
    ("details:\x00", []),
    ("details:🏮", []),
    ("delete:" + "9" * 90, []),
    (f"cancel:{JOB}:list:more", []),
    ("open", []),
    ("open", ["\ud83c"]),
    ("open", ["' OR 1=1"]),
    ("page:dance", []),
    ("page:dance:1", []),
    ("page", []),
    ("take_out", []),
    ("empty:all", []),
    ("from_basket:dance", []),
    ("from_basket", []),
    ("prefer:size", ["9K/1"]),
    ("prefer:size", ["1K/a"]),
    ("prefer:size", []),
    ("prefer:model", ["dall-e"]),
    ("prefer:pings", ["hourly"]),
    ("prefer:aspect_ratio", ["1:99"]),
    ("prefer:user_id", ["1"]),
    ("prefer", []),
    ("begin:settings", []),
    ("begin", []),
    ("words:nobody", []),
    ("model:none", []),
    ("privacy:all", []),
    ("privacy", []),
]
#: the same of the panel, which only a moderator may press
FORGED_SETTINGS: list[tuple[str, list[str]]] = [
    ("settings:dance", []),
    ("settings:open", []),
    ("settings:open", ["user_id"]),
    ("settings:set:user_id", ["1"]),
    ("settings:set", []),
    ("settings:set:count_max", ["a thousand"]),
    ("settings:set:count_max", []),
    ("settings:set:allowed_channels", ["' OR 1=1"]),
    ("settings:set:log_channel_id", ["here"]),
    ("settings:flag:private_seen:perhaps", []),
    ("settings:form:user_id", []),
    ("settings:reset:user_id", []),
    ("settings:trail:latest", []),
]


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


def defects(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.getMessage() for each in caplog.records if each.exc_info]


async def test_a_press_that_no_message_offers_is_answered_in_a_sentence(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    message = await easel.finished(await easel.imagine())
    for custom_id, values in FORGED:
        answer = await easel.forge("Ben", message, custom_id, values).response()
        assert (custom_id, values, said(answer)) == (custom_id, values, UNKNOWN)
        assert answer.is_ephemeral
    assert await easel.rows("SELECT user_id FROM preferences") == []
    assert defects(caplog) == []


async def test_a_moderators_press_that_no_panel_offers_changes_no_setting(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    panel = await easel.discord.run_command("Cleo", "studio", "settings panel")
    message = await panel.response()
    for custom_id, values in FORGED_SETTINGS:
        answer = await easel.forge("Cleo", message, custom_id, values).response()
        assert (custom_id, values, said(answer)) == (custom_id, values, UNKNOWN)
    assert await easel.rows("SELECT * FROM server_settings") == []
    assert defects(caplog) == []


@pytest.mark.parametrize("action", sorted(buttons.OF_OWN_LIST))
async def test_no_result_is_turned_into_a_list(easel: Easel, action: str) -> None:
    """What these lists offer, pressed on a message that everybody sees."""
    pressed: dict[str, tuple[str, list[str]]] = {
        buttons.PAGE: ("page:", []),
        buttons.TAKE_OUT: ("take_out", ["0"]),
        buttons.PREFER: ("prefer:size", ["1K/1"]),
        buttons.MODEL: ("model", ["gpt-image-2-beta"]),
        buttons.SETTINGS: ("settings:open", ["locale"]),
    }
    shown = await easel.finished(await easel.imagine())
    before = shown.embeds
    answer = await easel.forge("Ada", shown, *pressed.get(action, (action, []))).response()
    assert said(answer) == UNKNOWN
    assert answer.is_ephemeral
    assert easel.discord.channel("studio").messages_by_id[shown.id].embeds == before


async def test_numbers_that_no_button_has_are_answered_in_a_sentence(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    message = await easel.finished(await easel.imagine(count=2))
    [job] = await easel.rows("SELECT id FROM jobs")
    for custom_id, values in (
        (f"again:{job.id}:much", []),
        (f"again:{job.id}:-1", []),
        (f"again:{job.id}:{'9' * 60}", []),
        (f"vary:{job.id}:0", ["7"]),
        (f"vary:{job.id}:0", ["-1"]),
        (f"vary:{job.id}:0", ["one"]),
        (f"vary:{job.id}:²", ["0"]),
        (f"vary:{job.id}", []),
        (f"larger:{job.id}:0", ["9" * 99]),
    ):
        forged = easel.forge("Ada", message, custom_id, values)
        assert said(await forged.response()) == UNKNOWN, (custom_id, values)
    assert len(await easel.rows("SELECT id FROM jobs")) == 1
    assert defects(caplog) == []


async def test_what_has_no_larger_size_is_not_made_larger(easel: Easel) -> None:
    await set_filter(easel, "off")
    message = await easel.finished(await easel.imagine(resolution="4K", model="gpt-image-2"))
    [job] = await easel.rows("SELECT id FROM jobs")
    forged = easel.forge("Ada", message, f"larger:{job.id}:0")
    assert said(await forged.response()) == UNKNOWN


async def test_a_button_of_another_message_takes_nothing_away(easel: Easel) -> None:
    """Ben's own job, named on Ada's message."""
    hers = await easel.finished(await easel.imagine())
    await easel.finished(await easel.imagine("Ben"))
    _, his = await easel.rows("SELECT id FROM jobs ORDER BY id")
    assert said(await easel.forge("Ben", hers, f"delete:{his.id}").response()) == UNKNOWN
    assert hers.id in easel.discord.channel("studio").messages_by_id


async def test_a_private_job_is_opened_from_no_other_message(easel: Easel) -> None:
    private = await easel.finished(await easel.imagine(private=True, prompt="a secret"))
    public = await easel.finished(await easel.imagine("Ben"))
    job, _ = await easel.rows("SELECT id FROM jobs ORDER BY id")
    assert private.is_ephemeral
    for custom_id in (f"details:{job.id}", f"words:{job.id}", f"again:{job.id}:0"):
        answer = await easel.forge("Ben", public, custom_id).response()
        assert said(answer) == UNKNOWN


async def test_of_a_published_set_anyone_may_vary_one(easel: Easel) -> None:
    draft = await easel.finished(await easel.imagine(private=True, count=2))
    published = await easel.discord.press("Ada", draft, label="Publish")
    shown = await published.until(lambda message: bool(message.attachments))
    [vary] = [
        part["custom_id"]
        for part in shown.components[0]["components"]
        if part["custom_id"].startswith(buttons.VARY)
    ]
    choice = await (await easel.discord.press("Ben", shown, custom_id=vary)).response()
    await easel.restart()
    done = await easel.finished(await easel.discord.select("Ben", choice, ["1"]))
    assert done.attachments


async def form(easel: Easel, **given: Any) -> Modal:
    call = await easel.discord.run_command("Ada", "studio", "imagine", given)
    return await call.opened_modal()


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"prompt": "a" * 4_001}, "at most 4,000 fit"),
        ({"prompt": " \u200b"}, "The prompt is empty."),
        ({"prompt": "a heron", "ratio": ["7:1"]}, "no such aspect ratio"),
        ({"prompt": "a heron", "ratio": ["1:1:1"]}, "no such aspect ratio"),
        ({"prompt": "a heron", "kind": ["9K"]}, "no such resolution"),
        ({"prompt": "a heron", "kind": ["1K/best/worst"]}, "no such quality"),
    ],
)
async def test_a_form_with_words_that_it_does_not_offer_is_refused_in_a_sentence(
    easel: Easel, values: dict[str, Any], words: str, caplog: pytest.LogCaptureFixture
) -> None:
    modal = await form(easel)
    await easel.restart()
    sent = await easel.discord.submit_modal("Ada", modal, values, check=False)
    refused = await sent.response()
    assert words in said(refused)
    assert "Nothing was charged." in said(refused)
    # Its words are not lost, however many they are.
    again = await easel.discord.press("Ada", refused, label="Edit prompt")
    await again.opened_modal()
    assert defects(caplog) == []


@pytest.mark.parametrize("which", [["9"], ["-1"], ["first"], ["1", "2"]])
async def test_a_form_that_chooses_what_is_not_there_is_answered_in_a_sentence(
    easel: Easel, which: list[str], caplog: pytest.LogCaptureFixture
) -> None:
    message = await easel.finished(await easel.imagine(count=2))
    edit = await easel.discord.press(
        "Ada",
        message,
        custom_id=next(
            part["custom_id"]
            for part in message.components[0]["components"]
            if part["custom_id"].startswith("edit")
        ),
    )
    values = {"prompt": "at night", "which": which}
    modal = await edit.opened_modal()
    sent = await easel.discord.submit_modal("Ada", modal, values, check=False)
    if len(which) > 1:
        assert (await easel.finished(sent)).attachments
    else:
        assert said(await sent.response()) == UNKNOWN
    assert defects(caplog) == []


async def test_a_form_of_another_member_says_so(easel: Easel) -> None:
    modal = await form(easel)
    opened = easel.discord.interactions.open(
        MODAL_SUBMIT,
        easel.discord.world.user("Ben"),
        easel.discord.channel("studio"),
        {"custom_id": modal.custom_id, "components": []},
    )
    answer = await easel.discord.wait_for_message("studio", lambda m: m.is_ephemeral)
    assert opened.user.name == "Ben"
    assert "it is another member's" in said(answer)


async def test_four_thousand_japanese_letters_are_drawn_and_come_back_whole(easel: Easel) -> None:
    prompt = "灯籠と桜の夜" * 666 + "灯籠の夜"
    assert len(prompt) == 4_000
    modal = await form(easel)
    sent = await easel.discord.submit_modal("Ada", modal, {"prompt": prompt})
    done = await easel.finished(sent)
    assert done.attachments
    details = await easel.discord.press("Ada", done, label="Details")
    assert prompt in said(await details.response())


async def test_words_that_grew_by_the_names_in_them_can_still_be_edited(easel: Easel) -> None:
    """A mention is shorter than the name that stands for it."""
    prompt = "<t:1>" * 500 + "a" * 1_500
    refused = await easel.finished(await easel.imagine(prompt=prompt))
    assert "at most 4,000 fit" in said(refused)
    again = await easel.discord.press("Ada", refused, label="Edit prompt")
    await again.opened_modal()
