"""Every button, select and form works in a process that did not make it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from bot.domain.preferences import Pings
from bot.engine import runner
from bot.playground.discord import Call, Message, Permission, Upload
from bot.playground.discord.validation import SELECTS, STRING_SELECT, walk
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from tests.conftest import OpenEasel
from tests.support.easel import Easel, is_status, said
from tests.support.pictures import noise, picture
from tests.support.settings import set_filter

PICTURE = noise()


@pytest.fixture(autouse=True)
def no_grace(monkeypatch: pytest.MonkeyPatch) -> None:
    """A call to a vendor that is held outlasts any."""
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.0)


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def click(easel: Easel, message: Message, custom_id: str, *values: str) -> Call:
    """Press the one whose custom id begins so, or choose in it, in a new process."""
    await easel.restart()
    parts = [each for each in walk(message.components) if "custom_id" in each]
    [part] = [each for each in parts if f"{each['custom_id']}:".startswith(f"{custom_id}:")]
    if part["type"] in SELECTS:
        chosen = list(values) or [part["options"][0]["value"]]
        return await easel.discord.select("Ada", message, chosen, custom_id=part["custom_id"])
    return await easel.discord.press("Ada", message, custom_id=part["custom_id"])


async def submit(easel: Easel, call: Call, **values: Any) -> Call:
    form = await call.opened_modal()
    await easel.restart()
    return await easel.discord.submit_modal("Ada", form, values)


async def run(easel: Easel, command: str, **options: Any) -> Message:
    call = await easel.discord.run_command("Ada", "studio", command, options)
    return await call.until(lambda message: not message.is_loading and not is_status(message))


async def made(easel: Easel, call: Call) -> Message:
    message = await easel.finished(call)
    assert message.attachments, said(message)
    return message


async def again(easel: Easel) -> None:
    await made(easel, await click(easel, await made(easel, await easel.imagine()), "again"))


async def edit_and_form(easel: Easel) -> None:
    result = await made(easel, await easel.imagine())
    form = await click(easel, result, "edit")
    done = await made(easel, await submit(easel, form, prompt="at night"))
    assert "at night" in said(done)


async def edit_one_of_several(easel: Easel) -> None:
    result = await made(easel, await easel.imagine(count=3))
    form = await click(easel, result, "edit")
    await made(easel, await submit(easel, form, prompt="at night", which=["2"]))
    assert (await kept_as(easel))[-1].startswith("-2")


async def vary(easel: Easel) -> None:
    await made(easel, await click(easel, await made(easel, await easel.imagine()), "vary"))


async def chooser_of_several(easel: Easel) -> None:
    result = await made(easel, await easel.imagine(count=3))
    choice = await (await click(easel, result, "vary")).response()
    await made(easel, await click(easel, choice, "vary", "1"))
    assert (await kept_as(easel))[-1].startswith("-1")


async def kept_as(easel: Easel) -> list[str]:
    """Of each job, the end of its first reference's name: which image it was."""
    rows = await easel.rows(
        "SELECT json_extract(request, '$.references[0].kept_as') AS name FROM jobs ORDER BY id"
    )
    return [row.name[-6:] for row in rows if row.name]


async def larger(easel: Easel) -> None:
    await set_filter(easel, "off")
    result = await made(easel, await easel.imagine(model="gpt-image-2"))
    assert "larger" in said(await made(easel, await click(easel, result, "larger")))


async def details(easel: Easel) -> None:
    result = await made(easel, await easel.imagine())
    assert "Cost" in said(await (await click(easel, result, "details")).response())


async def publish(easel: Easel) -> None:
    draft = await made(easel, await easel.imagine(private=True))
    call = await click(easel, draft, "publish")
    assert not (await call.until(lambda message: bool(message.attachments))).is_ephemeral


async def delete(easel: Easel) -> None:
    result = await made(easel, await easel.imagine())
    await click(easel, result, "delete")
    shown = easel.discord.channel("studio").messages_by_id
    await easel.discord.wait_for(lambda: result.id not in shown, "its deletion")


async def try_again(easel: Easel) -> None:
    await made(easel, await click(easel, await failed(easel), "again"))


async def edit_prompt(easel: Easel) -> None:
    form = await click(easel, await failed(easel), "words")
    await made(easel, await submit(easel, form, prompt="a dance"))


async def failed(easel: Easel) -> Message:
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    return await easel.finished(await easel.imagine(prompt="a fight"))


async def edit_a_refused_prompt(easel: Easel) -> None:
    easel.settings = easel.settings.model_copy(update={"allowance": "0.01"})
    await easel.restart()
    refused = await (await easel.imagine()).response()
    form = await click(easel, refused, "reword")
    again = await (await submit(easel, form, prompt="a dance")).response()
    assert "a dance" in said(again)
    assert "Nothing was charged." in said(again)


async def confirm(easel: Easel) -> None:
    easel.settings = easel.settings.model_copy(update={"confirm_above": "0.05"})
    result = await made(easel, await easel.imagine())
    asked = await (await click(easel, result, "again")).response()
    assert "Go on?" in said(asked)
    await made(easel, await click(easel, asked, "go"))


async def get_the_images(easel: Easel) -> None:
    explicit = {"code": 20009, "message": "Explicit content cannot be sent"}
    async with easel.held(VendorCall.CREATE) as call:
        easel.discord.faults.add(method="PATCH", path="@original", status=403, body=explicit)
    card = await easel.finished(call)
    opened = await click(easel, card, "images")
    assert (await opened.until(lambda message: bool(message.attachments))).is_ephemeral


async def cancel(easel: Easel) -> None:
    upload = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.UPLOAD, upload, times=9)
    call = await easel.imagine(reference1=Upload("a.png", picture()))
    await upload.reached.wait()
    pressed = await click(easel, await call.response(), "cancel")
    assert "Cancelled" in said(await pressed.response())
    upload.until.set()
    assert await easel.balance_ucr() == 10_000_000


async def stop_waiting(easel: Easel) -> None:
    poll = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.POLL, poll, times=9)
    call = await easel.imagine()
    shown = await call.until(lambda message: "Stop waiting" in str(message.components))
    await poll.reached.wait()
    pressed = await click(easel, shown, "stop")
    assert "Stopped waiting" in said(await pressed.response())
    await easel.restart()
    poll.until.set()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'done'"))
    assert not call.messages[0].attachments


async def open_one(easel: Easel) -> None:
    await made(easel, await easel.imagine())
    opened = await click(easel, await run(easel, "history"), "open")
    await opened.until(lambda message: bool(message.attachments))


async def older_and_newest(easel: Easel) -> None:
    for number in range(9):
        await made(easel, await easel.imagine(prompt=f"picture {number}"))
    first = await run(easel, "history", kind="generate")
    call = await click_page(easel, first, "Older")
    older = await call.until(lambda message: "picture 0" in said(message))
    call = await click_page(easel, older, "Newest")
    await call.until(lambda message: "picture 8" in said(message))


async def click_page(easel: Easel, message: Message, label: str) -> Call:
    await easel.restart()
    return await easel.discord.press("Ada", message, label=label)


async def cancel_in_the_list(easel: Easel) -> None:
    upload = Hold(asyncio.Event())
    easel.providers.faults.add(VendorCall.UPLOAD, upload, times=9)
    call = await easel.imagine(reference1=Upload("a.png", picture()))
    await upload.reached.wait()
    pressed = await click(easel, await run(easel, "jobs"), "cancel")
    assert "cancelled" in said(await pressed.response())
    await call.until(lambda message: "Cancelled" in said(message))
    upload.until.set()


async def basket(easel: Easel) -> None:
    posted = await easel.discord.post("Ada", "studio", files=[Upload("a.png", picture())] * 2)
    menu = await easel.discord.run_message_command("Ada", "studio", "Use as reference", posted)
    shown = await menu.response()
    form = await click(easel, shown, "from_basket:edit")
    await made(easel, await submit(easel, form, prompt="at night"))
    [menu] = [part for part in walk(shown.components) if part["type"] == STRING_SELECT]
    await (await click(easel, shown, "take_out", menu["options"][0]["value"])).response()
    emptied = await (await click(easel, await run(easel, "basket"), "empty")).response()
    assert "empty" in said(emptied)
    form = await click(easel, shown, "from_basket:generate")
    assert "empty" in said(await form.response())


async def preferences(easel: Easel) -> None:
    panel = await run(easel, "preferences")
    for part, value in {"aspect_ratio": "16:9", "size": "2K/2", "pings": "never"}.items():
        panel = await (await click(easel, panel, f"prefer:{part}", value)).response()
    panel = await (await click(easel, panel, "prefer:private")).response()
    assert "Private: on" in str(panel.components)
    ada = easel.discord.world.user("Ada").id
    kept = easel.app.client.easel.preferences_of(ada)
    assert (kept.aspect_ratio, kept.resolution, kept.count) == ("16:9", "2K", 2)
    assert kept.pings is Pings.NEVER
    await (await click(easel, panel, "prefer:reset")).response()


async def models(easel: Easel) -> None:
    shown = await run(easel, "models")
    one = await (await click(easel, shown, "model", "gpt-image-2-beta")).response()
    assert "Up to 16 references" in said(one)
    every = await (await click(easel, one, "model:all")).response()
    assert "used if you name none" in said(every)


async def help_begins(easel: Easel) -> None:
    shown = await run(easel, "help")
    form = await click(easel, shown, "begin:imagine")
    await made(easel, await submit(easel, form, prompt="a heron"))
    for task in ("history", "credits", "preferences"):
        await (await click(easel, shown, f"begin:{task}")).response()


async def an_old_form_of_a_day_ago(easel: Easel) -> None:
    form = await easel.discord.run_command("Ada", "studio", "imagine")
    modal = await form.opened_modal()
    easel.clock.advance(25 * 3_600)
    await easel.restart()
    await easel.app.runner._duties.tidy()
    call = await easel.discord.submit_modal("Ada", modal, {"prompt": "a heron"})
    assert "does not work any more" in said(await call.response())


CASES: dict[str, tuple[Callable[[Easel], Awaitable[None]], set[str]]] = {
    each.__name__: (each, actions)
    for each, actions in (
        (again, {"again"}),
        (edit_and_form, {"edit", "form"}),
        (edit_one_of_several, {"edit", "form"}),
        (vary, {"vary"}),
        (chooser_of_several, {"vary"}),
        (larger, {"larger"}),
        (details, {"details"}),
        (publish, {"publish"}),
        (delete, {"delete"}),
        (try_again, {"again"}),
        (edit_prompt, {"words", "form"}),
        (edit_a_refused_prompt, {"reword", "form"}),
        (confirm, {"go"}),
        (get_the_images, {"images"}),
        (cancel, {"cancel"}),
        (stop_waiting, {"stop"}),
        (open_one, {"open"}),
        (older_and_newest, {"page"}),
        (cancel_in_the_list, {"cancel"}),
        (basket, {"from_basket", "take_out", "empty", "form"}),
        (preferences, {"prefer"}),
        (models, {"model"}),
        (help_begins, {"begin", "form"}),
        (an_old_form_of_a_day_ago, {"form"}),
    )
}


@pytest.mark.parametrize("case", CASES)
async def test_it_works_in_a_new_process(easel: Easel, case: str) -> None:
    await CASES[case][0](easel)
    await easel.idle()


#: pressed in new processes by test_settings_panel, test_moderation_acts, test_report,
#: test_privacy and test_stats
ELSEWHERE = {
    *("settings", "privacy", "stats", "report_why", "cancel_why"),
    *("mod_card", "mod_spoiler", "mod_remove", "mod_refund", "mod_block"),
    *("mod_remove_why", "mod_block_why", "mod_recent", "mod_open", "mod_blocks", "mod_acts"),
}


async def test_each_press_that_there_is_has_a_case(easel: Easel) -> None:
    pressed = set().union(*(actions for _, actions in CASES.values()))
    assert pressed == set(easel.app.client.presses) - ELSEWHERE


@pytest.mark.parametrize("case", ["again", "vary", "edit", "words", "go"])
async def test_what_the_bot_lacks_is_said_to_a_press_before_anything_is_held(
    easel: Easel, case: str
) -> None:
    """As to a command; a form is looked at when it is sent in."""
    message = await (failed(easel) if case == "words" else made(easel, await easel.imagine()))
    if case == "go":
        easel.settings = easel.settings.model_copy(update={"confirm_above": "0.05"})
        message = await (await click(easel, message, "again")).response()
    before = await easel.entries()
    easel.discord.set_bot_permissions("studio", deny=Permission.ATTACH_FILES)
    pressed = await click(easel, message, case)
    if case in ("edit", "words"):
        pressed = await submit(easel, pressed, prompt="at night")
    told = await pressed.response()
    assert "I lack Attach Files." in said(told)
    assert told.is_ephemeral
    assert await easel.entries() == before
    assert len(await easel.rows("SELECT 1 FROM jobs")) == 1
