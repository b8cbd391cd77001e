"""
How long an acceptance, a claim and a settlement take, with history and with a queue.

    python -m tests.benchmarks.store --old 300000 --waiting 1000

Prints the median and the 95th percentile in milliseconds, beside those of an empty database.
"""

import argparse
import asyncio
import itertools
import sqlite3
import statistics
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from bot.store.database import open_database
from tests.store.bench import NOW, PRICE_UCR, Bench, lay

ROUNDS = 200
MEMBERS = 500


def fill(path: Path, old: int) -> None:
    """Jobs that were delivered and settled: one task, three entries and a bit each."""
    now = round(NOW.timestamp() * 1000)
    connection = sqlite3.connect(path)
    connection.executemany(
        "INSERT INTO accounts (server_id, user_id, allowance_ucr, grant_ucr, period_start)"
        " VALUES (7, ?, 1000000000000, 0, '2025-11-20')",
        ((1_000 + member,) for member in range(MEMBERS)),
    )
    connection.executemany(
        "INSERT INTO jobs (id, server_id, party_id, channel_id, user_id, state, request, quote_ucr,"
        " cost_ucr, nsfw_checker, spoiler, application_id, token, token_expires_at, file_bytes_max,"
        " created_at, started_at, finished_at, interaction_id)"
        " VALUES (?, 7, 7, 70, ?, 'done', ?, 60000, 60000, 1, 0, 5, 'token', ?, 1, ?, ?, ?, ?)",
        (
            (f"old{n:07}", 1_000 + n % MEMBERS, "{}" + " " * 400, at, at, at, at, 10**15 + n)
            for n in range(old)
            for at in (now - (old - n) * 20_000,)
        ),
    )
    connection.executemany(
        "INSERT INTO tasks (id, job_id, image_index, route_id, price_ucr, state, image_name,"
        " cost_ucr) VALUES (?, ?, 0, 'apimodels/gpt-image-2-beta', 60000, 'stored', 'x', 60000)",
        ((f"old{n:07}-0", f"old{n:07}") for n in range(old)),
    )
    for kind, amount in (("hold", -60_000), ("settle", 0), ("allowance", 60_000)):
        connection.executemany(
            "INSERT INTO entries (server_id, user_id, kind, allowance_ucr, grant_ucr, period_start,"
            " job_id, created_at) VALUES (7, ?, ?, ?, 0, '2025-11-20', ?, 0)",
            (
                (1_000 + n % MEMBERS, kind, amount, None if kind == "allowance" else f"old{n:07}")
                for n in range(old)
            ),
        )
    connection.commit()
    connection.execute("ANALYZE")
    connection.close()


async def timed(act: Callable[[], Awaitable[Any]]) -> float:
    begun = time.perf_counter()
    await act()
    return (time.perf_counter() - begun) * 1000


async def measure(old: int, waiting: int) -> dict[str, list[float]]:
    """Of each step the milliseconds of each round."""
    with tempfile.TemporaryDirectory(prefix="easel-store-") as folder:
        path = Path(folder) / "easel.db"
        async with open_database(f"sqlite:///{path}"):
            pass
        fill(path, old)
        took: dict[str, list[float]] = {"accept": [], "claim": [], "settle": [], "finish": []}
        async with open_database(f"sqlite:///{path}") as database:
            bench = lay(database, per_server=10_000, allowance=10**9)
            # In ten servers, and in direct messages: each of another member.
            for n in range(waiting):
                server = n % 11 and 20 + n % 11
                await bench.accept(f"waiting{n:05}", user=50_000 + n, server=server)
            for n in range(ROUNDS):
                await one_job(bench, f"new{n:05}", 100_000 + n, took)
        return took


async def one_job(bench: Bench, job_id: str, user: int, took: dict[str, list[float]]) -> None:
    took["accept"].append(await timed(lambda: bench.accept(job_id, user=user, server=9)))
    begun = time.perf_counter()
    [(job, [task])] = (await bench.jobs.claim(NOW, 1)).jobs
    took["claim"].append((time.perf_counter() - begun) * 1000)
    task = await bench.submit(task)
    took["settle"].append(await timed(lambda: bench.store(task, PRICE_UCR)))
    took["finish"].append(await timed(lambda: bench.jobs.finish(job, 1, NOW)))


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--old", type=int, default=300_000, help="jobs that have ended")
    parser.add_argument("--waiting", type=int, default=1_000, help="jobs in the queue")
    given = parser.parse_args()
    cases = list(dict.fromkeys(itertools.product((0, given.old), (10, given.waiting))))
    print(f"{'old':>8} {'waiting':>8}  " + "".join(f"{name:>18}" for name in STEPS))
    for old, waiting in cases:
        took = await measure(old, waiting)
        cells = [
            f"{statistics.median(each):.2f} ({statistics.quantiles(each, n=20)[-1]:.2f})"
            for each in took.values()
        ]
        print(f"{old:>8} {waiting:>8}  " + "".join(f"{cell:>18}" for cell in cells))


STEPS = ("accept+hand over", "claim", "settle", "finish")

if __name__ == "__main__":
    asyncio.run(main())
