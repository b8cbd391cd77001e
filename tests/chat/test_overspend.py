"""A member who asks a thousand times at once gets what the quota pays for, to the image."""

import asyncio

import pytest

from bot.domain.ledger import EntryKind
from tests.support.easel import Easel, said
from tests.support.pictures import noise

COMMANDS = 1_000
#: at 0.06 credits an image
PAID_FOR = 7
ALLOWANCE = "0.45"
LEFT_UCR = 450_000 - PAID_FOR * 60_000


@pytest.mark.timeout(180)
async def test_a_thousand_commands_at_once_against_a_quota_for_seven_leave_seven_jobs(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Discord and bot share one core here: the three seconds for an answer are another test's.
    monkeypatch.setattr("bot.playground.discord.interactions.FIRST_ANSWER_S_MAX", 120.0)
    picture = noise()
    async with opened(paint=lambda _: picture, allowance=ALLOWANCE) as easel:
        calls = [await easel.imagine("Ben") for _ in range(COMMANDS)]
        answers = await asyncio.gather(*(call.response(timeout_s=120) for call in calls))
        await easel.until(lambda: has_ended(easel))

        refused = [said(message) for message in answers if "This needs" in said(message)]
        assert len(refused) == COMMANDS - PAID_FOR
        assert all("you have 0.03 cr left" in words for words in refused)
        assert all("Nothing was charged." in words for words in refused)
        [[jobs, done]] = await easel.rows("SELECT count(*), sum(state = 'done') FROM jobs")
        assert (jobs, done) == (PAID_FOR, PAID_FOR)
        assert len(await easel.entries(EntryKind.HOLD)) == PAID_FOR
        assert len(await easel.entries(EntryKind.SETTLE)) == PAID_FOR
        assert len(easel.providers.submissions) == PAID_FOR
        assert await easel.balance_ucr() == LEFT_UCR


async def has_ended(easel: Easel) -> bool:
    return not await easel.rows("SELECT 1 FROM jobs WHERE finished_at IS NULL")
