"""/privacy: what is stored is said, given out whole, and erased without trace in the files."""

import io
import json
import re
import sqlite3
import zipfile
from collections.abc import AsyncIterator
from contextlib import closing
from typing import Any

import pytest

from bot.books import grant
from bot.chat.wire import TRIES_MAX
from bot.domain.credits import parse_credits
from bot.domain.preferences import Pings, Preferences
from bot.playground.discord import DM, Message, Upload
from bot.playground.faults import VendorCall
from bot.playground.studio import Fails
from bot.store import privacy
from bot.store.ledger import audit
from bot.store.sql import Transaction, insert
from tests.chat.test_iterate import filled, press
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise, picture
from tests.support.settings import decide, set_filter

PICTURE = noise()
#: what nobody else says
WORDS = ("quixotic-heron", "vermilion-teapot", "secret-preset", "hidden-file", "basket-file")


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="1.00") as easel:
        yield easel


async def shown(easel: Easel, member: str = "Ada", channel: str = "studio") -> Message:
    message = await (await easel.discord.run_command(member, channel, "privacy")).response()
    assert message.is_ephemeral
    return message


async def erase(easel: Easel, member: str = "Ada") -> Message:
    asked = await (await press(easel, await shown(easel, member), "Erase mine", member)).response()
    assert asked.is_ephemeral
    pressed = await press(easel, asked, "Yes, erase all of it", member)
    return await pressed.until(lambda message: not message.is_loading)


async def export(easel: Easel, member: str = "Ada", channel: str = "studio") -> list[Message]:
    pressed = await press(easel, await shown(easel, member, channel), "Export mine", member)
    first = await pressed.until(lambda message: not message.is_loading)
    parts = re.search(r"in (\d+) ZIP", said(first))
    count = int(parts[1]) if parts else 1
    await easel.discord.wait_for(lambda: len(pressed.messages) == count, "all of the export")
    return list(pressed.messages)


async def unpacked(easel: Easel, message: Message) -> dict[str, bytes]:
    [attached] = message.attachments
    assert attached.filename.endswith(".zip")
    data = await easel.discord.read_attachment(attached)
    with zipfile.ZipFile(io.BytesIO(data)) as opened:
        assert opened.testzip() is None
        return {name: opened.read(name) for name in opened.namelist()}


async def use_everything(easel: Easel) -> Message:
    """Leave words of Ada's wherever they may lie; returns her first result."""
    first = await easel.finished(
        await easel.imagine(prompt=f"a {WORDS[0]}", reference1=Upload(f"{WORDS[3]}.png", picture()))
    )
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine(prompt=f"{WORDS[1]} that is refused"))
    await easel.finished(await easel.imagine(channel="mockups", prompt=WORDS[1]))
    form = await press(easel, first, "Edit")
    await easel.finished(await filled(easel, form, prompt=f"{WORDS[0]} at night"))
    save = {"name": WORDS[2]}
    await (await easel.discord.run_command("Ada", "studio", "presets save", save)).response()
    posted = await easel.discord.post("Ada", "studio", "", [Upload(f"{WORDS[4]}.png", picture())])
    menu = "Use as reference"
    await (await easel.discord.run_message_command("Ada", "studio", menu, posted)).response()
    await (await easel.imagine(prompt=f"{WORDS[0]}", count=4, quality="high")).response()
    await easel.idle()
    await (await easel.discord.run_command("Ada", "studio", "imagine")).opened_modal()
    return first


def traces(easel: Easel, *words: str) -> set[str]:
    """Files of the data folder that hold one of the words."""
    found = set()
    for path in easel.folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            found |= {f"{path.name}: {word}" for word in words if word.encode() in data}
    return found


async def sums(easel: Easel) -> list[Any]:
    """Of each server what its members' jobs were charged."""
    return await easel.rows(
        "SELECT server_id, sum(allowance_ucr + grant_ucr) FROM entries"
        " WHERE job_id IS NOT NULL GROUP BY server_id"
    )


@pytest.mark.parametrize(
    ("settings", "sentences"),
    [
        ({}, ("for 90 days", "Images are kept for 7 days", "as long as this bot is hosted")),
        (
            {"keep_prompts": 0, "keep_results": 0, "keep_jobs": 400},
            ("until you erase them", "Images are not kept", "After 400 days, all that is left"),
        ),
        ({"keep_prompts": 1, "keep_results": 1}, ("for 1 day.", "Images are kept for 1 day,")),
    ],
)
async def test_it_says_what_is_stored_by_the_real_settings(
    opened: OpenEasel, settings: dict[str, Any], sentences: tuple[str, ...]
) -> None:
    async with opened(**settings) as easel:
        message = await shown(easel, "Ben")
        assert labels(message) == ["Export mine", "Erase mine"]
        for sentence in sentences:
            assert sentence in said(message)


async def test_it_says_whether_moderators_see_private_images(easel: Easel) -> None:
    assert "private images, too" not in said(await shown(easel))
    await decide(easel, "private_seen", seen=True)
    assert "private images, too" in said(await shown(easel))
    assert "private images, too" not in said(await shown(easel, channel=DM))


async def test_erasing_asks_first_and_does_nothing_until_then(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt=WORDS[0]))
    asked = await (await press(easel, await shown(easel), "Erase mine")).response()
    assert "It cannot be undone." in said(asked)
    assert await easel.rows("SELECT * FROM erasures") == []
    assert traces(easel, WORDS[0])


async def test_what_is_erased_is_in_no_file_any_more(easel: Easel) -> None:
    await use_everything(easel)
    await easel.finished(await easel.imagine("Ben", prompt="a paper lantern of Ben's"))
    ada, members = easel.discord.world.user("Ada").id, easel.app.client.easel
    await members.prefer(ada, Preferences(pings=Pings.ALWAYS))
    before = await sums(easel)
    images = set((easel.folder / "images").iterdir())
    assert {each.partition(": ")[2] for each in traces(easel, *WORDS)} == set(WORDS)

    assert "Erased." in said(await erase(easel))

    assert traces(easel, *WORDS) == set()
    assert (easel.folder / "easel.db-wal").stat().st_size == 0
    assert await sums(easel) == before
    assert members.preferences_of(ada) == Preferences()
    for table in ("jobs", "drafts", "presets", "preferences", "basket", "queue"):
        assert await easel.rows(f"SELECT 1 FROM {table} WHERE user_id = {ada}") == []
    assert await easel.rows(f"SELECT 1 FROM acts WHERE {ada} IN (user_id, by_id)") == []
    assert await easel.rows("SELECT 1 FROM jobs WHERE token != '' AND user_id < 0") == []
    left = set((easel.folder / "images").iterdir())
    assert len(left) == 1
    assert left < images
    assert traces(easel, "of Ben's")
    assert await easel.app.database.read(audit) == []
    # With every copy of a page that the file has, also of those that are free.
    await easel.bot.aclose()
    assert traces(easel, *WORDS) == set()
    await easel.restart()


async def test_what_a_reader_holds_in_the_log_is_erased_from_it_once_they_are_done(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.store.database.BUSY_TIMEOUT_MS", 10)
    async with opened(paint=lambda _: PICTURE) as easel:
        await easel.finished(await easel.imagine(prompt=WORDS[0]))
        with closing(sqlite3.connect(easel.folder / "easel.db", isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT id FROM jobs").fetchall()
            assert "Erased." in said(await erase(easel))
            assert traces(easel, WORDS[0])
        await look(easel)
        assert traces(easel, WORDS[0]) == set()


async def test_erasing_refills_nothing_and_takes_nothing(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="0.10") as easel:
        await easel.finished(await easel.imagine())
        credits_before = said(await balance(easel))
        assert "0.04 cr left" in credits_before
        await erase(easel)
        assert "0.04 cr left" in said(await balance(easel))
        assert "Spent last" not in said(await balance(easel))
        refused = await easel.finished(await easel.imagine())
        assert "you have 0.04 cr left" in said(refused)
        # And not by doing it again, nor by a restart.
        await erase(easel)
        await easel.restart()
        refused = await easel.finished(await easel.imagine())
        assert "you have 0.04 cr left" in said(refused)

        easel.clock.advance(24 * 3_600)
        assert (await easel.finished(await easel.imagine())).attachments


async def test_what_was_granted_is_not_lost(easel: Easel) -> None:
    ada = easel.discord.world.user("Ada").id
    await grant(
        easel.settings, easel.discord.channel("studio").guild_id, ada, parse_credits("2.50")
    )
    await easel.finished(await easel.imagine())
    before = said(await balance(easel))
    await erase(easel)
    after = said(await balance(easel))
    assert "2.50 cr" in before
    assert "2.50 cr, does not expire" in after


async def balance(easel: Easel, member: str = "Ada") -> Message:
    return await (await easel.discord.run_command(member, "studio", "credits")).response()


async def test_what_is_left_under_a_members_id_goes_with_its_period(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    await erase(easel)
    ada = easel.discord.world.user("Ada").id
    theirs = f"SELECT 1 FROM accounts WHERE user_id = {ada}"
    assert len(await easel.rows(theirs)) == 1
    await sweep(easel)
    assert len(await easel.rows(theirs)) == 1
    easel.clock.advance(24 * 3_600)
    await sweep(easel)
    assert await easel.rows(theirs) == []
    assert await easel.rows(f"SELECT 1 FROM entries WHERE user_id = {ada}") == []
    assert await easel.rows("SELECT 1 FROM erasures") == []
    assert (await easel.finished(await easel.imagine())).attachments


async def sweep(easel: Easel) -> None:
    _, duty = easel.app.runner._duties._others[2]
    await duty()


@pytest.mark.parametrize("late", [False, True])
async def test_what_was_posted_can_be_deleted_by_its_member_alone_after_an_erasure(
    easel: Easel, *, late: bool
) -> None:
    async with easel.held(VendorCall.CREATE) as call:
        if late:
            for clock in (easel.discord.clock, easel.clock):
                clock.advance(15 * 60 + 1)
    result = await easel.discord.wait_for_message("studio", lambda each: bool(each.attachments))
    await easel.idle()
    await erase(easel)
    refused = await (await press(easel, result, "Delete", "Ben")).response()
    assert "Only whoever asked for this image" in said(refused)
    await press(easel, result, "Delete", "Ada")
    shown = call.interaction.channel.messages_by_id
    await easel.discord.wait_for(lambda: result.id not in shown, "the message is gone")
    assert await easel.rows("SELECT 1 FROM acts") == []


async def test_jobs_that_wait_are_cancelled_and_those_being_made_finished_first(
    opened: OpenEasel,
) -> None:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        async with easel.held(VendorCall.CREATE, prompt=WORDS[0]) as made:
            for _ in range(2):
                waiting = await easel.imagine(prompt=WORDS[1])
                await waiting.until(lambda message: bool(message.components))
            bens = await easel.imagine("Ben")
            await bens.until(lambda message: bool(message.components))
            told = said(await erase(easel))
            assert "2 waiting jobs were cancelled and cost nothing." in told
            assert "1 job is being made, and is finished first." in told
            await waiting.until(lambda message: "Cancelled" in said(message))
            refused = await (await easel.imagine(prompt=WORDS[1])).response()
            assert "is being erased, as you asked" in said(refused)
        for call in (made, bens):
            assert (await easel.finished(call)).attachments
        assert traces(easel, WORDS[0])
        await look(easel)
        assert traces(easel, *WORDS) == set()
        done = await easel.finished(await easel.imagine())
        assert done.attachments


async def look(easel: Easel) -> None:
    """What is done every half minute."""
    _, duty = easel.app.runner._duties._others[1]
    await duty()


@pytest.mark.parametrize("step", ["erase_jobs", "move_entries", "settle_up", "finish"])
async def test_an_erasure_that_a_crash_cut_short_goes_on_at_the_next_start(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    await use_everything(easel)
    before = await sums(easel)
    for name in ("ENTRIES", "WROTE"):
        of_two = getattr(privacy, name).replace(f"LIMIT {privacy.ENTRIES_AT_ONCE}", "LIMIT 2")
        monkeypatch.setattr(privacy, name, of_two)
    real, calls = getattr(privacy, step), []

    def dies(*args: Any) -> Any:
        calls.append(args)
        if len(calls) > 1 or step in ("settle_up", "finish"):
            raise RuntimeError("killed here")
        return real(*args)

    with monkeypatch.context() as broken:
        broken.setattr(privacy, step, dies)
        told = await erase(easel)
        assert "Something went wrong" in said(told)
        assert await easel.app.database.read(audit) == []
    await easel.restart()

    async def is_over() -> bool:
        return not await easel.rows("SELECT 1 FROM erasures WHERE erased_id IS NOT NULL")

    await easel.until(is_over)
    assert await sums(easel) == before
    # It may not have folded the log yet.
    await look(easel)
    assert traces(easel, *WORDS) == set()


async def test_a_form_of_before_is_not_said_to_be_a_day_old(easel: Easel) -> None:
    form = await easel.discord.run_command("Ada", "studio", "imagine", {})
    await form.opened_modal()
    await erase(easel)
    refused = said(await (await filled(easel, form, prompt=WORDS[0])).response())
    assert "This form or button does not work any more, or it is another member's." in refused
    assert WORDS[0] in refused


async def test_buttons_beneath_what_was_erased_answer_in_a_sentence(easel: Easel) -> None:
    first = await easel.finished(await easel.imagine(prompt=WORDS[0]))
    await erase(easel)
    for label in ("Again", "Vary"):
        for member in ("Ada", "Ben"):
            answer = await (await press(easel, first, label, member)).response()
            assert "The words of this image are no longer kept" in said(answer)
    details = await (await press(easel, first, "Details", "Ben")).response()
    assert "Asked by: someone whose data was erased" in said(details)
    form = await press(easel, first, "Edit", "Ben")
    assert (await easel.finished(await filled(easel, form, "Ben", prompt="at night"))).attachments


async def test_a_moderators_name_goes_from_the_trail(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_one = privacy.WROTE.replace(f"LIMIT {privacy.ENTRIES_AT_ONCE}", "LIMIT 1")
    monkeypatch.setattr(privacy, "WROTE", of_one)
    await set_filter(easel, "off")
    cleo, ada = (easel.discord.world.user(name).id for name in ("Cleo", "Ada"))
    for member in ("Ada", "Ben"):
        await easel.finished(await easel.imagine(member))
    now = easel.clock.now()

    def act(tx: Transaction) -> None:
        granted = {
            "server_id": 1,
            "by_id": cleo,
            "action": "grant",
            "user_id": ada,
            "reason": f"for {WORDS[0]}",
            "created_at": now,
        }
        tx.execute(insert("acts", *granted), granted)
        blocked = {
            "server_id": 1,
            "user_id": ada,
            "by_id": cleo,
            "reason": "spam",
            "created_at": now,
        }
        tx.execute(insert("blocks", *blocked), blocked)
        tx.execute(
            "UPDATE entries SET by_id = :by, reason = :why WHERE kind = 'allowance'",
            {"by": cleo, "why": WORDS[1]},
        )

    await easel.app.database.write(act)
    await erase(easel, "Cleo")
    assert traces(easel, WORDS[0], WORDS[1]) == set()
    [[by, user]] = await easel.rows("SELECT by_id, user_id FROM acts")
    assert by < 0
    assert user == ada
    assert await easel.rows(f"SELECT 1 FROM entries WHERE by_id = {cleo}") == []
    [[changed_by]] = await easel.rows("SELECT user_id FROM setting_changes")
    assert changed_by == by
    # A block of her own stays: erasing lifts none.
    await erase(easel, "Ada")
    [[*block]] = await easel.rows("SELECT user_id, by_id FROM blocks")
    assert block == [ada, by]
    [[of]] = await easel.rows("SELECT user_id FROM acts")
    assert of < 0


async def test_an_account_that_rolls_is_forgotten_once_all_has_come_back(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance_period="rolling") as easel:
        await easel.finished(await easel.imagine())
        await erase(easel)
        ada = easel.discord.world.user("Ada").id
        theirs = f"SELECT 1 FROM accounts WHERE user_id = {ada}"
        await sweep(easel)
        assert await easel.rows(theirs)
        easel.clock.advance(2 * 24 * 3600)
        await sweep(easel)
        for table in ("accounts", "returns", "erasures"):
            assert await easel.rows(f"SELECT 1 FROM {table} WHERE user_id = {ada}") == []


async def test_why_a_moderator_cancelled_a_job_is_erased_with_them(opened: OpenEasel) -> None:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        async with easel.held(VendorCall.CREATE):
            waiting = await easel.imagine("Ben")
            shown = await waiting.until(lambda message: bool(message.components))
            form = await easel.discord.press("Cleo", shown, label="Cancel")
            because = {"reason": "vermilion words"}
            sent = await easel.discord.submit_modal("Cleo", await form.opened_modal(), because)
            await sent.until(lambda message: "vermilion" in said(message))
        await easel.idle()
        await erase(easel, "Ada")
        [facts] = await easel.rows("SELECT facts FROM jobs WHERE state = 'cancelled'")
        assert "vermilion" in facts.facts
        await erase(easel, "Cleo")
        cleo = easel.discord.world.user("Cleo").id
        facts = [row.facts for row in await easel.rows("SELECT facts FROM jobs")]
        assert not [each for each in facts if str(cleo) in each or "vermilion" in each]


async def test_everything_is_given_out_to_its_member_alone(easel: Easel) -> None:
    await use_everything(easel)
    await easel.finished(await easel.imagine("Ben", prompt="of Ben's"))
    [message] = await export(easel)
    assert message.is_ephemeral
    files = await unpacked(easel, message)
    jobs = [
        job for name, data in files.items() if name.startswith("jobs-") for job in json.loads(data)
    ]
    ada = easel.discord.world.user("Ada").id
    assert {job["user_id"] for job in jobs} == {ada}
    assert {job["server_id"] for job in jobs} == {
        easel.discord.channel(name).guild_id for name in ("studio", "mockups")
    }
    assert WORDS[0] in jobs[0]["request"]["prompt"]
    assert "token" not in jobs[0]
    [preset] = json.loads(files["presets.json"])
    assert preset["name"] == WORDS[2]
    entries = [
        entry
        for name, data in files.items()
        if name.startswith("entries-")
        for entry in json.loads(data)
    ]
    assert {entry["user_id"] for entry in entries} == {ada}
    made = [name for job in jobs for name in job["images"]]
    sheets = [name for name in files if name.endswith("-sheet.webp")]
    assert sorted([*sheets, *(f"images/{name}" for name in made)]) == sorted(
        name for name in files if name.startswith("images/")
    )
    assert files[f"images/{made[0]}"] == PICTURE
    accounts = json.loads(files["accounts.json"])
    assert {each["user_id"] for each in accounts} == {ada}
    assert len(accounts) == 2
    assert {"returns.json", "acts_to_you.json", "acts_by_you.json"} <= files.keys()
    assert not list((easel.folder / "images").glob("*export*"))
    assert "of Ben's" not in str(files)


async def test_what_is_too_much_for_one_file_comes_in_several(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        for _ in range(3):
            await easel.finished(await easel.imagine())
        limit = len(PICTURE) + 4_000
        easel.discord.interactions.file_bytes_max = limit
        messages = await export(easel)
        assert f"in {len(messages)} ZIP files" in said(messages[0])
        names = []
        for message in messages:
            assert message.is_ephemeral
            assert message.attachments[0].size_bytes <= limit
            names += list(await unpacked(easel, message))
        assert len([name for name in names if name.startswith("images/")]) == 3

        monkeypatch.setattr("bot.chat.commands.privacy.PARTS_MAX", 2)
        messages = await export(easel)
        assert len(messages) == 2
        assert "did not fit into what Discord takes here" in said(messages[0])
        [newest] = await easel.rows("SELECT max(image_name) AS name FROM tasks")
        assert f"images/{newest.name}" in {
            name for message in messages for name in await unpacked(easel, message)
        }
        easel.discord.interactions.file_bytes_max = 100
        [message] = await export(easel)
        assert "does not fit into the files" in said(message)
        assert not message.attachments


@pytest.mark.parametrize(
    ("mishap", "words"),
    [
        ({"reset": True, "times": TRIES_MAX}, "Please try again in a few minutes."),
        ({"status": 413, "body": {"code": 40005, "message": "no"}}, "does not fit into the files"),
    ],
)
async def test_why_an_export_is_not_taken_is_told(
    easel: Easel, mishap: dict[str, Any], words: str
) -> None:
    easel.discord.faults.add(method="PATCH", path="@original", **mishap)
    pressed = await press(easel, await shown(easel), "Export mine")
    await pressed.until(lambda message: words in said(message))


async def test_where_only_its_member_has_installed_the_bot_an_export_has_fewer_files(
    opened: OpenEasel,
) -> None:
    """There, Discord takes five messages after the answer."""
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        for _ in range(7):
            await easel.finished(await easel.imagine())
        easel.discord.interactions.file_bytes_max = len(PICTURE) + 4_000
        easel.discord.world.private_channel("group", ["Ada", "Ben"])
        easel.discord.install("Ada")
        for channel, parts in (("group", 6), ("studio", 7), (DM, 7)):
            messages = await export(easel, channel=channel)
            assert len(messages) == parts
            left_out = "did not fit into what Discord takes here" in said(messages[0])
            assert left_out == (channel == "group")


async def test_who_has_nothing_here_gets_an_export_all_the_same(easel: Easel) -> None:
    [message] = await export(easel, "Ben")
    assert json.loads((await unpacked(easel, message))["presets.json"]) == []
    assert "Erased." in said(await erase(easel, "Ben"))


async def test_an_export_has_the_small_pictures_of_references_too(easel: Easel) -> None:
    await easel.finished(await easel.imagine("Ada", reference1=Upload("a.png", picture())))
    [job] = await easel.rows("SELECT id FROM jobs")
    [message] = await export(easel, "Ada")
    files = await unpacked(easel, message)
    stored = {f"images/{path.name}" for path in (easel.folder / "images").iterdir()}
    assert f"images/{job.id}-sheet.webp" in stored
    assert stored <= set(files)


async def test_whose_pictures_others_work_from_is_erased_there_too(easel: Easel) -> None:
    result = await easel.finished(await easel.imagine("Ben"))
    ben, discord = easel.discord.world.user("Ben").id, easel.discord
    opened = await discord.run_message_command("Ada", "studio", "Edit image", result)
    edited = await easel.finished(await filled(easel, opened, prompt="at night"))
    await (
        await discord.run_message_command("Ada", "studio", "Use as reference", result)
    ).response()
    save = {"name": "night"}
    await (await discord.run_command("Ada", "studio", "presets save", save)).response()
    await (await discord.run_message_command("Ada", "studio", "Edit image", result)).opened_modal()
    places = ("jobs.request", "basket.reference", "presets.request", "drafts.request")

    async def naming() -> list[str]:
        found = []
        for table, column in (place.split(".") for place in places):
            query = f"SELECT 1 FROM {table} WHERE {column} LIKE '%{ben}%'"
            found += [table] * bool(await easel.rows(query))
        return found

    assert await naming() == ["jobs", "basket", "presets", "drafts"]
    await erase(easel, "Ben")
    assert await naming() == []
    again = await easel.finished(await press(easel, edited, "Again"))
    assert "Made from a picture by someone whose data was erased." in said(again)
