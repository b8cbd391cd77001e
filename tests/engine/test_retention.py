"""What is kept for so many days goes then, in pieces, and what is left can be read and pressed."""

import json
import os
import time
from collections.abc import AsyncIterator

import pytest

from bot.playground.discord import Upload
from bot.playground.faults import VendorCall
from bot.store import retention
from bot.store.ledger import audit
from tests.chat.test_iterate import filled, press
from tests.chat.test_privacy import sweep
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise, picture

PICTURE = noise()
DAY_S = 24 * 3_600


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def test_words_and_references_go_after_their_days_and_the_ledger_stays(
    easel: Easel,
) -> None:
    reference = Upload("hidden-file.png", picture())
    old = await easel.finished(await easel.imagine(prompt="quixotic heron", reference1=reference))
    entries = await easel.entries()
    easel.clock.advance(89 * DAY_S)
    await sweep(easel)
    assert "quixotic heron" in str(await easel.rows("SELECT request FROM jobs"))
    easel.clock.advance(2 * DAY_S)
    await easel.finished(await easel.imagine(prompt="vermilion teapot"))
    await sweep(easel)

    first, second = await easel.rows("SELECT * FROM jobs ORDER BY id")
    request = json.loads(first.request)
    assert (request["prompt"], request["references"], first.token) == ("", [], "")
    assert request["resolution"] == "1K"
    assert first.message_id == old.id
    assert "vermilion teapot" in second.request
    assert (await easel.entries())[: len(entries)] == entries
    assert await easel.app.database.read(audit) == []

    for label in ("Again", "Vary"):
        answer = await (await press(easel, old, label)).response()
        assert "The words of this image are no longer kept" in said(answer)
    assert "Cost: 0.06 cr" in said(await (await press(easel, old, "Details")).response())
    form = await press(easel, old, "Edit")
    assert (await easel.finished(await filled(easel, form, prompt="at night"))).attachments
    history = await easel.discord.run_command("Ada", "studio", "history")
    assert "…" in said(await history.until(lambda message: not message.is_loading))
    opened = await easel.discord.run_command("Ada", "studio", "job", {"id": first.id})
    again = await opened.until(lambda message: bool(message.attachments))
    assert said(again).startswith("-# <@")


async def test_the_small_picture_of_references_goes_with_them(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, keep_prompts=1, keep_results=7) as easel:
        await easel.finished(await easel.imagine(reference1=Upload("a.png", picture())))
        names = [path.suffix for path in (easel.folder / "images").iterdir()]
        assert sorted(names) == [".png", ".webp"]
        await sweep(easel)
        assert len(list((easel.folder / "images").iterdir())) == 2
        easel.clock.advance(2 * DAY_S)
        await sweep(easel)
        assert [path.suffix for path in (easel.folder / "images").iterdir()] == [".png"]


async def test_it_goes_on_where_it_was_and_stops_at_what_is_under_way(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    of_two = retention.NEXT.replace(f"LIMIT {retention.JOBS_AT_ONCE}", "LIMIT 2")
    monkeypatch.setattr(retention, "NEXT", of_two)
    monkeypatch.setattr(retention, "JOBS_AT_ONCE", 2)
    for _ in range(5):
        await easel.finished(await easel.imagine())
    until = "f"
    pieces = 0
    while await easel.app.database.write(retention.empty_some, until):
        pieces += 1
    assert pieces == 2
    assert await easel.rows("SELECT 1 FROM jobs WHERE token != ''") == []
    async with easel.held(VendorCall.CREATE, prompt="under way"):
        assert not await easel.app.database.write(retention.empty_some, until)
        assert "under way" in str(await easel.rows("SELECT request FROM jobs"))
    await easel.idle()
    await easel.app.database.write(retention.empty_some, until)
    assert "under way" not in str(await easel.rows("SELECT request FROM jobs"))


async def test_a_job_is_reduced_to_what_the_ledger_needs(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, keep_jobs=2, keep_prompts=0) as easel:
        old = await easel.finished(await easel.imagine(prompt="quixotic heron"))
        before = await easel.rows("SELECT id, user_id, created_at, state, cost_ucr FROM jobs")
        easel.clock.advance(3 * DAY_S)
        await sweep(easel)
        after = await easel.rows("SELECT id, user_id, created_at, state, cost_ucr FROM jobs")
        assert before == after
        [job] = await easel.rows("SELECT * FROM jobs")
        assert (job.channel_id, job.message_id, job.token) == (0, None, "")
        assert not job.keeps_images
        assert "heron" not in job.request
        assert await easel.rows("SELECT 1 FROM tasks") == []
        assert await easel.app.database.read(audit) == []
        answer = await (await press(easel, old, "Again")).response()
        assert "no longer kept" in said(answer)
        assert "no longer kept" in said(await (await press(easel, old, "Edit")).response())
        assert (await easel.finished(await easel.imagine())).attachments


async def test_what_could_not_be_read_and_what_an_image_failed_for_is_emptied_too(
    easel: Easel,
) -> None:
    await easel.finished(await easel.imagine())
    broken = "UPDATE jobs SET request = 'not JSON but secret'"
    named = """UPDATE tasks SET facts = '{"filename": "secret.png"}'"""
    for statement in (broken, named):
        await easel.app.database.write(lambda tx, each=statement: tx.execute(each))
    await easel.app.database.write(retention.empty_some, "f")
    [row] = await easel.rows("SELECT request FROM jobs")
    assert json.loads(row.request)["private"] is True
    [task] = await easel.rows("SELECT facts FROM tasks")
    assert task.facts == "{}"


async def test_files_of_no_job_are_removed_once_they_are_old(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    folder = easel.folder / "images"
    [kept] = folder.iterdir()
    orphan, new = folder / "0000000000000000000-0.png", folder / "1111111111111111111-0.png"
    for path in (orphan, new):
        path.write_bytes(PICTURE)
    long_ago = time.time() - 2 * DAY_S
    os.utime(orphan, (long_ago, long_ago))
    os.utime(kept, (long_ago, long_ago))
    await sweep(easel)
    assert set(folder.iterdir()) == {kept, new}
