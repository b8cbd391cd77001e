"""A duty that fails ends nothing, and a start waits for none."""

import asyncio
import os
import threading
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.app import SHIPPED_CATALOG
from bot.domain.queue import QueuePosition
from bot.engine import duties, runner
from bot.engine.duties import Duties, guarded
from bot.playground.discord import Call, Permission
from bot.playground.faults import VendorCall
from bot.store import privacy
from bot.store.jobs import claim
from bot.store.lock import sole_use
from tests.chat.test_privacy import sweep
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise

PICTURE = noise()

#: two days; the sign of life bears the real time, and the tests' clock is up to one day ahead
LONG_AGO = "UPDATE jobs SET finished_at = finished_at - 172800000 WHERE message_id = :message"


async def test_a_start_whose_duties_fail_takes_commands_all_the_same(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(_: Duties) -> None:
        raise OSError("no such folder")

    for duty in ("tidy_what_was_left", "tell_cancelled"):
        monkeypatch.setattr(Duties, duty, fail)
    await easel.restart()

    assert (await easel.finished(await easel.imagine())).attachments

    async def both_failed() -> bool:
        # Those of the first start may be among them.
        return caplog.text.count("duty failed") >= 2

    await easel.until(both_failed)


async def test_a_member_is_told_again_only_of_what_was_cancelled_just_before_the_end(
    opened: OpenEasel,
) -> None:
    async with opened(max_running_jobs=1) as easel:
        async with easel.held(VendorCall.CREATE):
            old, new = [await easel.imagine() for _ in range(2)]
            for call in (old, new):
                shown = await call.until(lambda message: bool(message.components))
                await easel.discord.press("Ada", shown, label="Cancel")
                await call.until(lambda message: "Cancelled" in said(message))
        await easel.idle()
        long_ago = {"message": old.messages[0].id}
        await easel.app.database.write(lambda tx: tx.execute(LONG_AGO, long_ago))
        before = len(easel.discord.requests)
        await easel.restart()

        def edited(call: Call) -> bool:
            requests = list(easel.discord.requests)[before:]
            return any(call.interaction.token in request.path for request in requests)

        await easel.discord.wait_for(lambda: edited(new), "an update")
        assert not edited(old)


def test_a_process_leaves_a_sign_of_how_long_it_lived(tmp_path: Path) -> None:
    url, lock = f"sqlite:///{tmp_path / 'easel.db'}", tmp_path / "easel.db.lock"
    long_ago = datetime(2025, 1, 1, tzinfo=UTC)

    def is_new() -> bool:
        """Whether there is a sign of late; it is then made an old one."""
        signed_at = lock.stat().st_mtime
        os.utime(lock, (long_ago.timestamp(),) * 2)
        return signed_at > long_ago.timestamp()

    with sole_use(url) as first:
        assert first.last_sign is None
        assert is_new()
    assert is_new()
    with sole_use(url) as second:
        assert second.last_sign == long_ago
        assert is_new()
        second.give_sign()
        assert is_new()


async def has_signed(lock: Path) -> bool:
    return await asyncio.to_thread(os.path.getmtime, lock) > 0


async def test_what_is_to_be_done_now_and_then_is_done_while_the_bot_runs(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RENEW_EVERY_S", "TIDY_EVERY_S"):
        monkeypatch.setattr(duties, name, 0.02)
    for name in ("PRIVACY_EVERY_S", "SWEEP_EVERY_S"):
        monkeypatch.setattr(f"bot.app.{name}", 0.02)
    async with opened(paint=lambda _: PICTURE) as easel:
        async with easel.held(VendorCall.CREATE):
            [job] = await easel.rows("SELECT lease_until AS ends FROM jobs")
            lock = easel.folder / "easel.db.lock"
            os.utime(lock, (0, 0))
            easel.clock.advance(30)
            renewed = f"SELECT 1 FROM jobs WHERE lease_until > {job.ends}"
            await easel.until(lambda: easel.rows(renewed))
            await easel.until(lambda: has_signed(lock))
        await easel.idle()
        await (await easel.discord.run_command("Ada", "studio", "imagine")).opened_modal()
        ben = easel.discord.world.user("Ben").id
        await easel.app.database.write(privacy.begin, ben, -77, easel.clock.now())
        easel.clock.advance(91 * 24 * 3_600)
        left = (
            "SELECT 1 FROM drafts"
            " UNION ALL SELECT 1 FROM jobs WHERE token != ''"
            " UNION ALL SELECT 1 FROM erasures WHERE erased_id IS NOT NULL"
        )

        async def nothing_is_left() -> bool:
            return not await easel.rows(left)

        await easel.until(nothing_is_left)


async def test_leases_are_renewed_even_where_the_lock_file_was_removed(easel: Easel) -> None:
    """Else each job under way is claimed again a minute later, and given up after so many."""
    async with easel.held(VendorCall.CREATE):
        (easel.folder / "easel.db.lock").unlink()
        easel.clock.advance(50)
        duties, job_ids = easel.app.runner._duties, easel.app.runner.job_ids
        await guarded(lambda: duties._renew(job_ids))
        easel.clock.advance(50)
        claimed = await easel.app.database.write(claim, duties._shop.house, easel.clock.now(), 1)
        assert claimed.jobs == ()


def edits(easel: Easel, call: Call) -> int:
    """How often the answer to the call was changed."""
    return sum(call.interaction.token in each.path for each in easel.discord.requests)


async def test_places_in_the_queue_are_told_as_they_change_and_few_at_a_time(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "QUEUE_SHOWN_MAX", 2)
    async with opened(max_running_jobs=1) as easel, easel.held(VendorCall.CREATE):
        calls = [await easel.imagine("Ben") for _ in range(3)]

        async def are_shown() -> bool:
            return len(await easel.rows("SELECT 1 FROM jobs WHERE message_id IS NOT NULL")) == 4

        await easel.until(are_shown)
        told = []
        for _ in range(3):
            before = sum(edits(easel, call) for call in calls)
            await easel.app.runner._duties._show_queue()
            told.append(sum(edits(easel, call) for call in calls) - before)
        assert told == [2, 1, 0]


async def test_what_comes_after_a_place_in_the_queue_waits_for_that_to_be_shown(
    opened: OpenEasel,
) -> None:
    async with opened(max_running_jobs=1) as easel:
        go_on, tells = asyncio.Event(), easel.app.runner._duties
        async with easel.held(VendorCall.CREATE):
            call = await easel.imagine("Ben")
            queued = "SELECT id FROM jobs WHERE state = 'queued' AND message_id IS NOT NULL"
            await easel.until(lambda: easel.rows(queued))
            [job] = await easel.rows(queued)
            update = easel.discord.faults.add(
                method="PATCH", path=call.interaction.token, hold=go_on
            )
            look = asyncio.create_task(tells._show_queue())
            await easel.held_by(update)
            lands = asyncio.create_task(tells.let_land(job.id))
            await asyncio.sleep(0)
            assert not lands.done()
            go_on.set()
            await asyncio.gather(look, lands)
        assert (await easel.finished(call)).attachments


async def test_neither_a_place_in_the_queue_nor_a_late_cancel_replaces_a_result(
    easel: Easel,
) -> None:
    call = await easel.imagine()
    await easel.finished(call)
    [job] = await easel.rows("SELECT id FROM jobs")
    before = edits(easel, call)
    await easel.app.runner._duties._show_position(job.id, QueuePosition(1, 60))
    await easel.app.runner._duties.show_cancelled(job.id)
    assert edits(easel, call) == before


async def test_of_too_many_kept_images_the_oldest_go_and_none_that_is_under_way(
    opened: OpenEasel, caplog: pytest.LogCaptureFixture
) -> None:
    size_bytes = len(PICTURE)
    async with opened(keep_bytes_max=2 * size_bytes, paint=lambda _: PICTURE) as easel:
        dead = {"code": 10015, "message": "Unknown Webhook"}
        for _ in range(3):
            easel.discord.set_bot_permissions("studio")
            async with easel.held(VendorCall.CREATE):
                easel.discord.set_bot_permissions("studio", deny=Permission.SEND_MESSAGES)
                easel.discord.faults.add(
                    method="PATCH", path="/messages/@original", status=404, body=dead, times=2
                )
            await easel.idle()
        folder = easel.folder / "images"
        kept = sorted(folder.glob("*.png"))
        assert len(kept) == 3
        under_way = folder / "0000000000000000000-0.png"
        under_way.write_bytes(PICTURE)
        for age, path in enumerate(kept):
            os.utime(path, (time.time() - 1_000 + age,) * 2)
        os.utime(under_way, (0, time.time() - 2_000))
        await easel.app.runner._duties.tidy()
        assert sorted(folder.glob("*.png")) == [under_way, kept[2]]
        assert "2 kept images removed before their time" in caplog.text


async def test_kept_images_go_after_their_days(opened: OpenEasel) -> None:
    async with opened(keep_results=2, paint=lambda _: PICTURE) as easel:
        for _ in range(2):
            await easel.finished(await easel.imagine())
        old, new = sorted((easel.folder / "images").glob("*.png"))
        for path, age in ((old, timedelta(days=2, minutes=1)), (new, timedelta(days=1, hours=23))):
            os.utime(path, ((easel.clock.now() - age).timestamp(),) * 2)
        await easel.app.runner._duties.tidy()
        assert (old.exists(), new.exists()) == (False, True)


async def test_no_command_waits_while_a_slow_disk_removes_images(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those past their days, those beyond the room, and those of no job."""
    async with opened(keep_results=2, keep_bytes_max=0, paint=lambda _: PICTURE) as easel:
        for _ in range(2):
            await easel.finished(await easel.imagine())
        folder = easel.folder / "images"
        old, _ = sorted(folder.glob("*.png"))
        orphan = folder / "0000000000000000000-0.png"
        orphan.write_bytes(PICTURE)
        for path in (old, orphan):
            os.utime(path, ((easel.clock.now() - timedelta(days=3)).timestamp(),) * 2)
        unlink, removed_in = Path.unlink, []

        def remove(path: Path, *, missing_ok: bool = False) -> None:
            removed_in.append(threading.current_thread())
            unlink(path, missing_ok=missing_ok)

        monkeypatch.setattr(Path, "unlink", remove)
        await easel.app.runner._duties.tidy()
        await sweep(easel)
        assert list(folder.glob("*.png")) == []
        # The sheet that the job of none may have had is the fourth.
        assert len(removed_in) == 4
        assert threading.main_thread() not in removed_in


async def test_where_none_are_kept_those_under_way_stay_until_they_are_shown(
    opened: OpenEasel,
) -> None:
    async with opened(keep_results=0, paint=lambda _: PICTURE) as easel:
        go_on, folder = asyncio.Event(), easel.folder / "images"
        async with easel.held(VendorCall.CREATE) as call:
            upload = easel.discord.faults.add(
                method="PATCH", path=call.interaction.token, hold=go_on
            )
        await easel.held_by(upload)
        await easel.app.runner._duties.tidy()
        assert len(list(folder.glob("*.png"))) == 1
        go_on.set()
        assert (await easel.finished(call)).attachments
        assert list(folder.glob("*.png")) == []


@pytest.mark.parametrize("keep_days", [0, 7])
async def test_a_result_is_delivered_however_long_the_bot_was_down(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch, keep_days: int
) -> None:
    monkeypatch.setattr(runner, "STOP_GRACE_S", 0.0)
    async with opened(keep_results=keep_days) as easel:
        easel.discord.faults.add(method="PATCH", path="@original", hold=asyncio.Event(), times=99)
        await easel.imagine()
        await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'delivering'"))
        await easel.bot.aclose()
        easel.discord.faults.clear()
        easel.clock.advance(timedelta(days=keep_days + 2).total_seconds())
        posts = easel.discord.faults.add(method="POST", path="/channels/", hold=asyncio.Event())
        await easel.restart()
        await easel.held_by(posts)
        await easel.app.runner._duties.tidy()
        # It is sent again, for the connection was lost.
        posts.reset = True
        assert posts.hold
        posts.hold.set()

        assert await easel.discord.wait_for_message("studio", lambda it: bool(it.attachments))
        await easel.idle()


async def test_the_host_is_warned_a_month_before_a_model_ends(
    opened: OpenEasel, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    catalog = tmp_path / "catalog.toml"
    shipped = SHIPPED_CATALOG.read_text(encoding="utf-8")
    async with opened() as easel:
        today = easel.clock.now().date()
        soon, later = today + timedelta(days=29), today + timedelta(days=31)
        text = shipped
        for model, day in (
            ("gpt-image-2", soon),
            ("gpt-image-2-quality", later),
            ("gpt-image-2-beta", today),
        ):
            head = f"[models.{model}]\n"
            text = text.replace(head, f"{head}retires = {day}\n")
        catalog.write_text(text, encoding="utf-8")
        easel.settings = easel.settings.model_copy(update={"catalog_file": catalog})
        await easel.restart()

        async def warned() -> bool:
            return "the makers of gpt-image-2 end it on" in caplog.text

        await easel.until(warned)
        assert f"the makers of gpt-image-2-beta ended it on {today}" in caplog.text
        assert "gpt-image-2-quality end" not in caplog.text
