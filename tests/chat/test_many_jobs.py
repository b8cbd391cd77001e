"""Three hundred jobs under way at once: what Discord is asked for, and that nothing waits."""

import asyncio
import re
from functools import partial
from pathlib import Path

import pytest

from bot.app import SHIPPED_CATALOG
from bot.engine import runner
from bot.playground.faults import Hold, VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel
from tests.support.pictures import noise

pytestmark = pytest.mark.slow

PICTURE = noise(16)
JOBS = 300
SETTINGS = {
    "allowance": "1000.00",
    "max_running_jobs": JOBS,
    "max_jobs_per_user": JOBS,
    "max_jobs_per_server": JOBS,
    "max_queued_per_user": JOBS,
}


def catalog(folder: Path) -> Path:
    """The shipped one, whose routes take as many images at once."""
    text = SHIPPED_CATALOG.read_text(encoding="utf-8")
    path = folder / "catalog.toml"
    path.write_text(re.sub(r"running_max = \d+", f"running_max = {JOBS}", text), encoding="utf-8")
    return path


def updates(easel: Easel) -> int:
    """Some were told their place in the queue before."""
    return sum(
        each.method == "PATCH" and "Drawing" in str(each.body) for each in easel.discord.requests
    )


async def waiting(easel: Easel, jobs: int) -> bool:
    [[found]] = await easel.rows("SELECT count(*) FROM tasks WHERE state = 'submitted'")
    return bool(found >= jobs)


async def test_their_results_wait_for_none_of_their_updates(
    opened: OpenEasel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """So few updates that one has its turn: all others wait for theirs until their results come."""
    monkeypatch.setattr(runner, "UPDATES_A_SECOND_MAX", 1e-6)
    given = {**SETTINGS, "catalog_file": catalog(tmp_path), "paint": lambda _: PICTURE}
    async with opened(**given) as easel:
        polls = Hold(asyncio.Event())
        easel.providers.faults.add(VendorCall.POLL, polls, times=JOBS)
        calls = [await easel.imagine() for _ in range(JOBS)]
        for some in range(50, JOBS + 1, 50):
            # A busy machine takes its time over all of them.
            await easel.until(partial(waiting, easel, some))
        await easel.discord.wait_for(lambda: updates(easel) > 0, "the one update")
        assert updates(easel) == 1
        edits = [each for each in easel.discord.requests if each.method == "PATCH"]
        before = len(edits)
        polls.until.set()
        for call in calls:
            assert (await call.until(lambda message: bool(message.attachments))).attachments
        await easel.idle()
        edits = [each for each in easel.discord.requests if each.method == "PATCH"]
        assert len(edits) == before + JOBS
