"""A member who asks a thousand times at once gets what the quota pays for, to the image."""

import asyncio
from collections import Counter

import pytest

from bot.domain.ledger import EntryKind
from tests.support.easel import Easel, said
from tests.support.pictures import noise

COMMANDS = 1_000
#: at 0.06 credits an image
PAID_FOR = 7
QUOTA = "0.45"
LEFT_UCR = 450_000 - PAID_FOR * 60_000


@pytest.mark.slow
@pytest.mark.timeout(180)
@pytest.mark.parametrize(
    ("limit", "words", "accounts"),
    [
        ("allowance", "you have 0.03 cr left", 1),
        ("server_budget", "has 0.03 cr of its budget left", 2),
    ],
)
async def test_a_thousand_commands_at_once_against_a_quota_for_seven_leave_seven_jobs(
    opened, monkeypatch: pytest.MonkeyPatch, limit: str, words: str, accounts: int
) -> None:
    # Discord and bot share one core here: the three seconds for an answer are another test's.
    monkeypatch.setattr("bot.playground.discord.interactions.FIRST_ANSWER_S_MAX", 120.0)
    picture = noise()
    async with opened(paint=lambda _: picture, **{"allowance": "1000", limit: QUOTA}) as easel:
        calls = [await easel.imagine("Ben") for _ in range(COMMANDS)]
        answers = await asyncio.gather(*(call.response(timeout_s=120) for call in calls))
        await easel.until(lambda: has_ended(easel))

        refused = [said(message) for message in answers if words in said(message)]
        assert len(refused) == COMMANDS - PAID_FOR
        assert all("Nothing was charged." in text for text in refused)
        [[jobs, done]] = await easel.rows("SELECT count(*), sum(state = 'done') FROM jobs")
        assert (jobs, done) == (PAID_FOR, PAID_FOR)
        for kind in (EntryKind.HOLD, EntryKind.SETTLE):
            users = Counter(entry.user_id for entry in await easel.entries(kind))
            assert list(users.values()) == [PAID_FOR] * accounts
        assert len(easel.providers.submissions) == PAID_FOR
        [[least]] = await easel.rows("SELECT min(allowance_ucr) FROM accounts")
        assert least == LEFT_UCR


async def has_ended(easel: Easel) -> bool:
    return not await easel.rows("SELECT 1 FROM jobs WHERE finished_at IS NULL")
