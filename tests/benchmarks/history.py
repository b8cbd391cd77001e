"""
How long commands that look back take, with a long history and with none.

    python -m tests.benchmarks.history --jobs 300000

Lays jobs of three years in a hundred servers, with more than three entries each, beside a month of
a thousand jobs in one server that is there in both cases. Prints the median and the 95th percentile
in milliseconds, how many times the history costs, and what a member's erasure holds others up.
"""

import argparse
import asyncio
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from bot.domain.jobs import id_at
from bot.domain.ledger import Period, period_start
from bot.engine.privacy import Privacy
from bot.store import jobs, quota, stats
from bot.store.database import Database, open_database
from tests.benchmarks.store import timed
from tests.store.bench import NOW, Bench, lay, make_job

ROUNDS = 200
SERVERS, MEMBERS = 100, 500
#: jobs of the server and month that are looked at
OF_MONTH = 1_000
OURS = 7
YEARS = timedelta(days=3 * 365)
REQUEST = (
    '{"mode": "generate", "prompt": "' + "a paper lantern " * 25 + '", "model": "gpt-image-2-beta",'
    ' "aspect_ratio": "auto", "resolution": "1K", "quality": "auto", "count": 1, "references": [],'
    ' "mask": null, "private": false}'
)

Row = tuple[str, int, int, int]


def history(count: int) -> list[Row]:
    """Id, server, member and milliseconds of each job, before this month."""
    end = period_start(NOW, Period.MONTH)
    gap = YEARS / max(count, 1)
    begins = NOW.replace(year=end.year, month=end.month, day=1) - YEARS
    return [
        (f"{id_at(at)}{n:08x}", OURS + n % SERVERS, 1_000 + n % MEMBERS, _ms(at))
        for n in range(count)
        for at in (begins + gap * n,)
    ]


def this_month() -> list[Row]:
    begins = NOW - timedelta(days=15)
    return [
        (f"{id_at(at)}{n:08x}", OURS, 1_000 + n % 50, _ms(at))
        for n in range(OF_MONTH)
        for at in (begins + timedelta(minutes=20 * n),)
    ]


def _ms(at: Any) -> int:
    return round(at.timestamp() * 1000)


def fill(path: Path, rows: list[Row]) -> None:
    connection = sqlite3.connect(path)
    connection.executemany(
        "INSERT INTO accounts (server_id, user_id, allowance_ucr, grant_ucr, period_start)"
        " VALUES (?, ?, 1000000, 0, '2025-11-20')",
        sorted({(server, member) for _, server, member, _ in rows}),
    )
    connection.executemany(
        "INSERT INTO jobs (id, server_id, party_id, channel_id, user_id, state, request, quote_ucr,"
        " cost_ucr, nsfw_checker, spoiler, application_id, token, token_expires_at, file_bytes_max,"
        " created_at, started_at, finished_at, interaction_id) VALUES (?, ?, ?, 70, ?, 'done', ?,"
        " 60000, 60000, 1, 0, 5, 'token', ?, 1, ?, ?, ?, ?)",
        (
            (job, server, server, member, REQUEST, at, at, at, at + 9_000, 10**15 + n)
            for n, (job, server, member, at) in enumerate(rows)
        ),
    )
    connection.executemany(
        "INSERT INTO tasks (id, job_id, image_index, route_id, price_ucr, state, image_name,"
        " cost_ucr) VALUES (?, ?, 0, 'apimodels/gpt-image-2-beta', 60000, 'stored', 'x', 60000)",
        ((f"{job}-0", job) for job, *_ in rows),
    )
    kinds = (("hold", -60_000), ("settle", 0), ("allowance", 1_060_000), ("expire", -1_000_000))
    for kind, amount in kinds:
        connection.executemany(
            "INSERT INTO entries (server_id, user_id, kind, allowance_ucr, grant_ucr,"
            " period_start, job_id, created_at) VALUES (?, ?, ?, ?, 0, '2025-11-20', ?, ?)",
            (
                (server, member, kind, amount, None if kind == "allowance" else job, at)
                for job, server, member, at in rows
            ),
        )
    connection.commit()
    connection.close()


async def measure(count: int) -> dict[str, list[list[float]]]:
    """
    Of each command the milliseconds of each round, with no history and with one; the rounds take
    turns, so that whatever else the machine does weighs on both.
    """
    took: dict[str, list[list[float]]] = {}
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="easel-history-")))
        benches = []
        for name, rows in (("empty", []), ("full", history(count))):
            url = f"sqlite:///{folder / name / 'easel.db'}"
            async with open_database(url):
                pass
            fill(folder / name / "easel.db", [*rows, *this_month()])
            database = await stack.enter_async_context(open_database(url))
            benches.append(lay(database, per_server=10_000))
        both = [acts(bench.database, bench) for bench in benches]
        for name in both[0]:
            took[name] = [[], []]
            for _ in range(ROUNDS):
                for cases, each in zip(took[name], both, strict=True):
                    cases.append(await timed(each[name]))
        await measure_erasure(benches[1].database, benches[1], folder / "full")
    return took


def acts(database: Database, bench: Bench) -> dict[str, Callable[[], Awaitable[Any]]]:
    first = period_start(NOW, Period.MONTH)
    numbers = iter(range(10**6))

    async def accepted() -> None:
        n = next(numbers)
        await bench.accept(f"{id_at(NOW)}f{n:07x}", user=100_000 + n, server=OURS)

    return {
        "/stats": lambda: database.read(stats.some_numbers, OURS, first, ""),
        "/history": lambda: database.read(jobs.history, OURS, 1_007, limit=9),
        "/credits": lambda: database.read(quota.statement, bench.jobs.house, OURS, 1_007, (), NOW),
        "/imagine": accepted,
    }


class Silent:
    """A messenger: nobody looks."""

    async def show_progress(self, *_: Any, **__: Any) -> None:
        return


class Now:
    def now(self) -> Any:
        return NOW


async def measure_erasure(database: Database, bench: Bench, folder: Path) -> None:
    """How long one takes whose member has a third of all jobs, and how long others wait for it."""
    ours, theirs = 1_007, "user_id % 3 = 0"
    raw = sqlite3.connect(folder / "easel.db")
    raw.execute("PRAGMA foreign_keys = OFF")
    raw.execute(f"UPDATE jobs SET user_id = {ours} WHERE server_id < {OURS + SERVERS} AND {theirs}")
    raw.execute(
        f"UPDATE entries SET user_id = {ours} WHERE server_id < {OURS + SERVERS} AND {theirs}"
    )
    raw.execute(
        "INSERT OR IGNORE INTO accounts SELECT DISTINCT server_id, user_id, 0, 0, NULL, NULL, NULL"
        f" FROM entries WHERE user_id = {ours}"
    )
    raw.commit()
    count = raw.execute(f"SELECT count(*) FROM jobs WHERE user_id = {ours}").fetchone()[0]
    raw.close()
    erasing: Any = Privacy
    shop = SimpleNamespace(database=database, clock=Now(), folder=folder)
    easel = SimpleNamespace(
        cancel=lambda job_id: database.keep(jobs.cancel, bench.jobs.house, job_id, NOW),
        forget_preferences=lambda _: None,
    )
    privacy = erasing(shop, easel, Silent())
    begun = time.perf_counter()
    work = asyncio.create_task(privacy.erase(ours))
    waits = []
    n = 0
    while not work.done():
        n += 1
        job, tasks = make_job(f"{id_at(NOW)}e{n:07x}", user=500_000 + n, server=OURS)
        waits.append(await timed(lambda job=job, tasks=tasks: bench.take(job, tasks)))
        await asyncio.sleep(0.02)
    await work
    took_s = time.perf_counter() - begun
    high = statistics.quantiles(waits, n=20)[-1]
    print(
        f"erasure of {count} jobs: {took_s:.1f} s; an acceptance meanwhile took"
        f" {statistics.median(waits):.1f} ms ({high:.1f}), {max(waits):.0f} at most"
    )


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=300_000, help="jobs before this month")
    given = parser.parse_args()
    took = await measure(given.jobs)
    print(f"{'':>10}{'empty':>18}{f'{given.jobs} jobs':>18}{'times':>8}")
    for name, cases in took.items():
        medians = [statistics.median(each) for each in cases]
        cells = [
            f"{median:.2f} ({statistics.quantiles(each, n=20)[-1]:.2f})"
            for median, each in zip(medians, cases, strict=True)
        ]
        print(f"{name:>10}{cells[0]:>18}{cells[1]:>18}{medians[1] / medians[0]:>8.2f}")


if __name__ == "__main__":
    asyncio.run(main())
