"""Waiting for one's turn, end to end: fairness, the place that is shown, the caps, a full queue."""

import asyncio
import re
from pathlib import Path

import pytest

from bot.app import SHIPPED_CATALOG
from bot.chat.render import SENT_WITHIN_S
from bot.engine import duties, runner
from bot.engine.duties import Duties
from bot.playground.discord import Message, Upload
from bot.playground.faults import Hold, VendorCall
from tests.support.easel import Easel, said
from tests.support.pictures import noise, picture

PICTURE = noise()
MANY = {"allowance": "10.00", "max_queued_per_user": 100}


@pytest.fixture(autouse=True)
def looks_at_the_queue_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """The look is for eyes, so it follows real time."""
    monkeypatch.setattr(Duties.__init__, "__defaults__", (0.02,))


def hold_orders(easel: Easel, times: int = 1) -> asyncio.Event:
    """Keep the next orders at the provider's door until the event is set."""
    until = asyncio.Event()
    easel.providers.faults.add(VendorCall.CREATE, Hold(until), times=times)
    return until


async def under_way(easel: Easel, count: int = 1) -> None:
    """Wait until so many orders stand at the provider's door."""
    await easel.until(lambda: reached(easel, count))


async def reached(easel: Easel, count: int) -> bool:
    return easel.providers.calls[VendorCall.CREATE] >= count


async def accepted(easel: Easel, count: int) -> bool:
    """Whether so many jobs were taken, and their members told."""
    [[found]] = await easel.rows("SELECT count(*) FROM jobs WHERE message_id IS NOT NULL")
    return bool(found == count)


def ordered(easel: Easel) -> list[str]:
    return [str(order.body["prompt"]) for order in easel.providers.submissions]


async def test_fifty_jobs_of_one_delay_nobodys_first_by_more_than_one(opened) -> None:
    """One runs at a time, so the order of orders is the order of turns."""
    async with opened(**MANY, max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        go_on = hold_orders(easel)
        await easel.imagine("Ada", prompt="ada 0")
        await under_way(easel)
        for number in range(1, 50):
            await easel.imagine("Ada", prompt=f"ada {number}")
        ben = await easel.imagine("Ben", prompt="ben")
        cleo = await easel.imagine("Cleo", "mockups", prompt="cleo elsewhere")
        await easel.until(lambda: accepted(easel, 52))
        go_on.set()
        for call in (ben, cleo):
            message = await call.until(lambda message: bool(message.attachments))
            assert message.attachments

        # The other server's turn comes first, then the other member's of this one.
        assert ordered(easel)[:3] == ["ada 0", "cleo elsewhere", "ben"]


async def test_two_who_ask_for_much_take_turns(opened) -> None:
    async with opened(**MANY, max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        go_on = hold_orders(easel)
        await easel.imagine("Ada", prompt="ada")
        await under_way(easel)
        calls = [await easel.imagine("Ada", prompt="ada") for _ in range(3)]
        calls += [await easel.imagine("Ben", prompt="ben") for _ in range(4)]
        await easel.until(lambda: accepted(easel, 8))
        go_on.set()
        for call in calls:
            await easel.finished(call)

        assert ordered(easel) == ["ada", "ben"] * 4


async def test_the_place_in_the_queue_is_shown_and_kept_up_to_date(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(duties, "QUEUE_EVERY_S", 0.05)
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        go_on = hold_orders(easel)
        await easel.imagine("Ada")
        await under_way(easel)
        places = [
            "next in line",
            "1 ahead of you, 1 of them yours, about 2 min",
            "2 ahead of you, 2 of them yours, about 2 min",
        ]
        calls = []
        for place in places:
            calls.append(await easel.imagine("Ben"))
            assert place in said(await calls[-1].response())
        first, second, third = calls

        await easel.discord.press("Ben", await first.response(), label="Cancel")
        await second.until(lambda message: "next in line" in said(message))
        await third.until(
            lambda message: "1 ahead of you, 1 of them yours, about 2 min" in said(message)
        )
        go_on.set()
        for call in (second, third):
            assert (await easel.finished(call)).attachments


async def test_a_job_that_waits_for_its_route_is_shown_as_queued(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(runner, "PROGRESS_S_MAX", 0.02)
    reference = Upload("a.png", picture())
    async with easel.held(VendorCall.UPLOAD, reference1=reference) as call:
        easel.clock.advance(SENT_WITHIN_S + 1)
        message = await call.until(lambda message: "Queued" in said(message))
        assert "next in line" in said(message)
        assert message.components
    assert (await easel.finished(call)).attachments


async def test_a_full_queue_refuses_until_somebody_has_left_it(opened) -> None:
    async with opened(max_running_jobs=1, max_queued_jobs=1, paint=lambda _: PICTURE) as easel:
        go_on = hold_orders(easel)
        await easel.imagine("Ada")
        await under_way(easel)
        waiting = await (await easel.imagine("Ben")).response()
        refused = await (await easel.imagine("Cleo")).response()

        assert "This image was not taken" in said(refused)
        assert "Nothing was charged." in said(refused)
        assert refused.is_ephemeral
        await easel.discord.press("Ben", waiting, label="Cancel")
        await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'cancelled'"))
        taken = await easel.imagine("Cleo")
        assert "Queued" in said(await taken.response())
        go_on.set()
        assert (await easel.finished(taken)).attachments


def narrow_catalog(folder: Path) -> Path:
    """The shipped models, two with a filter; the first one's route takes one image at a time."""
    text = SHIPPED_CATALOG.read_text(encoding="utf-8")
    second = re.compile(
        r'("apimodels"\nupstream = "gpt-image-2"\n.*?nsfw_switch = )"none"', re.DOTALL
    )
    text = second.sub(r'\1"nsfw_checker"', text, count=1)
    path = folder / "narrow.toml"
    path.write_text(text.replace("running_max = 50", "running_max = 1", 1), encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("cap", "waits", "runs"),
    [
        ({"max_jobs_per_user": 1}, ("Ada", "studio", {}), ("Ben", "studio", {})),
        ({"max_jobs_per_user": 1}, ("Ada", "mockups", {}), ("Ben", "mockups", {})),
        ({"max_jobs_per_server": 1}, ("Ben", "after-dark", {}), ("Ada", "mockups", {})),
        ({"catalog_file": narrow_catalog}, ("Ben", "mockups", {}), ("Cleo", "studio", "other")),
    ],
    ids=["member", "member in two servers", "server", "route"],
)
async def test_what_is_capped_waits_and_holds_up_nothing_else(
    opened, tmp_path: Path, cap: dict[str, object], waits: tuple[str, ...], runs: tuple[str, ...]
) -> None:
    given = {name: make(tmp_path) if callable(make) else make for name, make in cap.items()}
    async with opened(**given, paint=lambda _: PICTURE) as easel:
        go_on = hold_orders(easel, times=2)
        await easel.imagine("Ada")
        await under_way(easel)
        capped = await easel.imagine(waits[0], waits[1])
        await capped.response()
        other = {"model": "gpt-image-2"} if runs[2] else {}
        free = await easel.imagine(runs[0], runs[1], **other)
        await under_way(easel, 2)

        assert "Queued" in said(await capped.response())
        go_on.set()
        for call in (free, capped):
            assert (await easel.finished(call)).attachments


async def test_never_more_run_at_once_than_the_overall_cap_allows(opened) -> None:
    async with opened(max_running_jobs=2, max_jobs_per_user=9, paint=lambda _: PICTURE) as easel:
        go_on = hold_orders(easel, times=5)
        calls = [await easel.imagine() for _ in range(5)]
        answers: list[Message] = [await call.response() for call in calls]
        assert len(answers) == 5
        await under_way(easel, 2)

        [[running]] = await easel.rows("SELECT count(*) FROM jobs WHERE state = 'running'")
        assert running == 2
        assert len(easel.app.runner.job_ids) == 2
        go_on.set()
        for call in calls:
            assert (await easel.finished(call)).attachments
