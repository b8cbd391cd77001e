"""/jobs and /job: what is under way and what became of it, to cancel and to open."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from bot.chat.commands.jobs import LISTED_MAX
from bot.chat.translator import CHOICES_MAX
from bot.playground.discord import DM, Message
from bot.playground.discord.validation import BUTTON, walk
from bot.playground.faults import Hold, VendorCall
from bot.playground.studio import Fails
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said, selects
from tests.support.pictures import noise
from tests.support.settings import decide, set_filter

PICTURE = noise()
MARKDOWN = "**bold** [x](https://example.com) `code` @everyone "


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    given = {"max_jobs_per_user": 1}
    async with opened(paint=lambda _: PICTURE, allowance="10.00", **given) as easel:
        yield easel


async def jobs(easel: Easel, member: str = "Ada", channel: str = "studio") -> Message:
    message = await (await easel.discord.run_command(member, channel, "jobs")).response()
    assert message.is_ephemeral
    return message


async def job(easel: Easel, job_id: str, member: str = "Ada", channel: str = "studio") -> Message:
    call = await easel.discord.run_command(member, channel, "job", {"id": job_id}, check=False)
    message = await call.response()
    assert message.is_ephemeral
    return message


async def ids(easel: Easel) -> list[str]:
    """Of all jobs, the oldest first."""
    return [row.id for row in await easel.rows("SELECT id FROM jobs ORDER BY id")]


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_without_jobs_it_says_where_to_begin(easel: Easel, channel: str) -> None:
    message = await jobs(easel, channel=channel)
    assert "There are none yet: try `/imagine`." in said(message)
    assert message.components == ()


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_it_lists_what_is_under_way_before_what_has_ended(easel: Easel, channel: str) -> None:
    await easel.finished(await easel.imagine(channel=channel, prompt="first"))
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine(channel=channel, prompt="second"))
    async with easel.held(VendorCall.CREATE, channel=channel, prompt="third"):
        await (await easel.imagine(channel=channel, prompt="fourth")).response()
        await (await easel.imagine("Ben", prompt="not Ada's")).response()
        message = await jobs(easel, channel=channel)
    lines = said(message).splitlines()
    assert [lines[place] for place in (0, 1, 4, 5)] == [
        "Your jobs here",
        "**Under way**",
        "",
        "**Latest**",
    ]
    listed = enumerate(("fourth", "third", "second", "first"), start=1)
    for line, (number, words) in zip((*lines[2:4], *lines[6:]), listed, strict=True):
        assert line.startswith(f"`{number}` ")
        assert words in line
    assert lines[2].endswith("· waiting")
    assert lines[3].endswith("· under way")
    # What is drawn already is not taken back.
    assert labels(message) == ["Cancel 1"]
    [options] = selects(message).values()
    assert [each["label"] for each in options] == ["4 · first"]


async def test_one_is_cancelled_from_the_list_and_shown_so_where_it_waits(easel: Easel) -> None:
    async with easel.held(VendorCall.CREATE) as running:
        waiting = await easel.imagine(prompt="a fox")
        await waiting.response()
        shown = await jobs(easel)
        pressed = await easel.discord.press("Ada", shown, label="Cancel 1")
        after = await pressed.response()
        assert labels(after) == []
        assert "cancelled" in said(after)
        await waiting.until(lambda message: "Cancelled" in said(message))
    await easel.finished(running)


async def test_a_list_that_is_older_than_what_became_of_its_jobs_cancels_none(
    easel: Easel,
) -> None:
    gate = Hold(asyncio.Event())
    async with easel.held(VendorCall.CREATE) as running:
        waiting = await easel.imagine(prompt="a fox")
        await waiting.response()
        shown = await jobs(easel)
        easel.providers.faults.add(VendorCall.CREATE, gate)
    await running.until(lambda message: bool(message.attachments))
    await gate.reached.wait()
    late = await easel.discord.press("Ada", shown, label="Cancel 1")
    assert "too late to cancel" in said(await late.response())
    gate.until.set()
    await easel.finished(waiting)
    late = await easel.discord.press("Ada", shown, label="Cancel 1")
    assert "It has ended already." in said(await late.response())


async def test_a_press_in_the_list_does_not_wait_for_the_jobs_own_message(easel: Easel) -> None:
    """Discord waits three seconds for the first, and may hold the second for longer."""
    async with easel.held(VendorCall.CREATE) as running:
        waiting = await easel.imagine(prompt="a fox")
        await waiting.response()
        shown = await jobs(easel)
        edited = asyncio.Event()
        easel.discord.faults.add(method="PATCH", path="/messages/@original", hold=edited)
        pressed = await easel.discord.press("Ada", shown, label="Cancel 1")
        assert "cancelled" in said(await pressed.response(timeout_s=3))
        edited.set()
        await waiting.until(lambda message: "Cancelled" in said(message))
    await easel.finished(running)


async def test_the_list_works_after_a_restart(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt="a heron"))
    shown = await jobs(easel)
    await easel.restart()
    [options] = selects(shown).values()
    opened = await easel.discord.select("Ada", shown, [options[0]["value"]])
    message = await opened.until(lambda message: bool(message.attachments))
    assert await easel.discord.read_attachment(message.attachments[0]) == PICTURE
    assert labels(message) == ["Again", "Edit", "Vary", "Details", "Publish", "Delete"]


async def test_all_that_can_be_opened_are_listed(easel: Easel) -> None:
    for number in range(LISTED_MAX):
        await easel.finished(await easel.imagine(prompt=f"{number}: {'words and words ' * 10}"))
    message = await jobs(easel)
    [options] = selects(message).values()
    assert len(options) == LISTED_MAX
    for number in range(1, LISTED_MAX + 1):
        assert f"`{number}` <t:" in said(message)


async def test_many_with_long_words_are_listed_as_far_as_they_fit(easel: Easel) -> None:
    for number in range(LISTED_MAX + 2):
        await easel.finished(await easel.imagine(prompt=f"{number} {MARKDOWN * 20}"))
    async with easel.held(VendorCall.CREATE, prompt=MARKDOWN * 20):
        for _ in range(LISTED_MAX):
            await (await easel.imagine(prompt="灯籠" * 300)).response()
        message = await jobs(easel)
        assert labels(message) == [f"Cancel {number}" for number in range(1, 6)]
        for each in ("Ada", "Ben"):
            shown = await jobs(easel, each)
            assert "**bold**" not in said(shown)
        for waiting in await ids(easel):
            await easel.forge("Ada", message, f"cancel:{waiting}:list").response()


@pytest.mark.parametrize("member", ["Ada", "Ben", "Cleo"])
async def test_only_its_member_opens_a_job_by_its_id(easel: Easel, member: str) -> None:
    await easel.finished(await easel.imagine(private=True))
    [job_id] = await ids(easel)
    await easel.restart()
    message = await job(easel, f" {job_id} ", member)
    if member == "Ada":
        assert message.attachments
        assert "Again" in labels(message)
    else:
        assert "Only whoever asked" in said(message)
        assert not message.attachments


@pytest.mark.parametrize("channel", ["mockups", DM])
async def test_a_job_is_opened_elsewhere_too(easel: Easel, channel: str) -> None:
    await easel.finished(await easel.imagine())
    [job_id] = await ids(easel)
    assert (await job(easel, job_id, channel=channel)).attachments


@pytest.mark.parametrize(
    "job_id",
    ["", " ", "nothing", "019a" * 5, "\x00", "\ud83c", "🏮", "' OR '1'='1", "a" * 6_000, "../x"],
)
async def test_an_id_that_nobody_has_is_answered_in_a_sentence(
    easel: Easel, job_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert "There is no such image." in said(await job(easel, job_id))
    assert [each for each in caplog.records if each.exc_info] == []


async def test_what_is_not_there_says_why(easel: Easel) -> None:
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine(prompt="a fight"))
    async with easel.held(VendorCall.CREATE):
        waiting = await easel.imagine()
        await easel.discord.press("Ada", await waiting.response(), label="Cancel")
        await waiting.until(lambda message: "Cancelled" in said(message))
        failed, running, cancelled = await ids(easel)
        assert "not done yet" in said(await job(easel, running))
        shown = await job(easel, failed)
        assert "Refused by the content filter" in said(shown)
        assert labels(shown) == ["Try again", "Edit prompt"]
        shown = await job(easel, cancelled)
        assert "Cancelled" in said(shown)
        assert labels(shown) == ["Try again", "Edit prompt"]


async def test_jobs_are_offered_by_their_words(easel: Easel) -> None:
    for prompt in ("a red fox", "a blue fox", MARKDOWN * 50, "灯籠" * 2_000):
        await easel.finished(await easel.imagine(prompt=prompt))
    red, blue, _, lantern = await ids(easel)

    async def offered(typed: str, member: str = "Ada") -> list[str]:
        found = await easel.discord.autocomplete(member, "studio", "job", "id", typed)
        return [each["value"] for each in found]

    await easel.restart()
    assert await offered("") == (await ids(easel))[::-1]
    assert await offered("FOX") == [blue, red]
    assert await offered("fox red ") == [red]
    assert await offered("灯籠") == [lantern]
    assert await offered("\ud83c" + "x" * 5_000) == []
    assert await offered("", "Ben") == []


async def test_an_older_job_is_found_by_its_words(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        for prompt in ("a red fox", *("a heron" for _ in range(CHOICES_MAX + 1))):
            await easel.finished(await easel.imagine(prompt=prompt))
        for command, option in (("job", "id"), ("presets save", "job")):
            found = await easel.discord.autocomplete("Ada", "studio", command, option, "fox")
            assert [each["name"] for each in found] == ["a red fox"]
            found = await easel.discord.autocomplete("Ada", "studio", command, option, "heron")
            assert len(found) == CHOICES_MAX


@pytest.mark.parametrize(
    ("kind", "prompts"),
    [
        ("generate", ["a fight", "a heron"]),
        ("edit", ["winter"]),
        ("pictures", ["winter", "a heron"]),
        ("failed", ["a fight"]),
        ("open", []),
        ("dance", ["winter", "a fight", "a heron"]),
    ],
)
async def test_history_shows_one_kind(easel: Easel, kind: str, prompts: list[str]) -> None:
    """A changed client may send any word for it."""
    first = await easel.finished(await easel.imagine(prompt="a heron"))
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine(prompt="a fight"))
    form = await easel.discord.press(
        "Ada", first, custom_id=next(i for i in custom_ids(first) if i.startswith("edit:"))
    )
    given = {"prompt": "winter"}
    sent = await easel.discord.submit_modal("Ada", await form.opened_modal(), given)
    await easel.finished(sent)
    call = await easel.discord.run_command("Ada", "studio", "history", {"kind": kind}, check=False)
    shown = await call.until(lambda message: not message.is_loading)
    lines = said(shown).splitlines()[1:]
    if not prompts:
        assert lines == ["There are none yet: try `/imagine`."]
    else:
        assert len(lines) == len(prompts)
        for line, prompt in zip(lines, prompts, strict=True):
            assert prompt in line


def custom_ids(message: Message) -> list[str]:
    return [part["custom_id"] for row in message.components for part in row["components"]]


def prices(message: Message) -> dict[str, str]:
    """Of those that show what they may cost: the cost, by the button's label."""
    shown = [part["label"] for part in walk(message.components) if part["type"] == BUTTON]
    return dict(each.split(" · ") for each in shown if " · " in each)


@pytest.mark.parametrize("channel", ["studio", "mockups", DM])
async def test_its_buttons_show_what_they_cost_where_it_is_opened(
    easel: Easel, channel: str
) -> None:
    await set_filter(easel, "age_restricted")
    made = await easel.finished(await easel.imagine(channel="after-dark", model="gpt-image-2"))
    assert prices(made) == dict.fromkeys(["Again", "Edit", "Vary", "Larger"], "0.03 cr")
    [job_id] = await ids(easel)
    opened = await job(easel, job_id, channel=channel)
    assert prices(opened) == dict.fromkeys(["Again", "Edit", "Vary"], "0.06 cr")
    pressed = await easel.discord.press("Ada", opened, label="Again · 0.06 cr")
    assert (await easel.finished(pressed)).attachments


async def test_what_it_cannot_do_where_it_is_opened_is_not_offered(easel: Easel) -> None:
    private = await easel.finished(await easel.imagine(private=True))
    assert "Publish" in labels(private)
    [job_id] = await ids(easel)
    assert "Publish" in labels(await job(easel, job_id))
    for channel in ("mockups", DM):
        opened = await job(easel, job_id, channel=channel)
        assert labels(opened) == ["Again", "Edit", "Vary", "Details", "Delete"]
    await decide(easel, "private_allowed", allowed=False)
    assert labels(await job(easel, job_id)) == ["Details", "Publish", "Delete"]
    assert "Again" in labels(await job(easel, job_id, channel=DM))
