"""Two hundred jobs at once against a server's budget for twenty."""

import asyncio
from collections import Counter

from bot.errors import InsufficientCredits, Reason
from bot.store.database import Database
from tests.store.bench import NOW, SERVER, lay

JOBS = 200
PAID_FOR = 20


async def test_two_hundred_jobs_at_once_against_a_budget_for_twenty_leave_twenty(
    database: Database,
) -> None:
    bench = lay(database, budget=PAID_FOR * 60_000 + 59_999, total=10**9)
    asked = (bench.accept(f"job{n:03}", user=1 + n % 50) for n in range(JOBS))
    ended = await asyncio.gather(*asked, return_exceptions=True)

    refused = [each for each in ended if isinstance(each, InsufficientCredits)]
    assert Counter(each.reason for each in refused) == {Reason.BUDGET: JOBS - PAID_FOR}
    assert len(ended) - len(refused) == PAID_FOR
    assert await bench.rows("SELECT count(*) FROM jobs") == [(PAID_FOR,)]
    # Half of them are taken back, and as many others fit again.
    kept = [row[0] for row in await bench.rows("SELECT id FROM jobs ORDER BY id")]
    await asyncio.gather(*(bench.jobs.cancel(job_id, NOW) for job_id in kept[:10]))
    again = (bench.accept(f"more{n:03}", user=1 + n % 50) for n in range(JOBS))
    ended = await asyncio.gather(*again, return_exceptions=True)
    assert sum(not isinstance(each, Exception) for each in ended) == 10
    left = await bench.rows(
        f"SELECT allowance_ucr FROM accounts WHERE server_id = {SERVER} AND user_id = 0"
    )
    assert left == [(59_999,)]
    assert await bench.differences() == []
