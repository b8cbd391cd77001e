"""
The long run: `python -m tests.crash --kills 500 --parallel 2`.

Every boundary several times, then chains and random moments, until so many processes have been
killed. Exits 1 on any violation, saying how to repeat its scenario.
"""

# ruff: noqa: T201 - a command, whose output is what it is for

import argparse
import asyncio
import logging
import random
import shutil
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from msgspec import Struct, field

from bot.store.database import open_database
from tests.crash.boundaries import all_boundaries
from tests.crash.invariants import cases_of, check
from tests.crash.matrix import open_matrix
from tests.crash.plan import Plan, plan

#: how often each boundary has its turn before chance decides
ROUNDS = 3
#: how often a boundary that was not reached is tried again, with other commands
TRIES_MAX = 4
#: seconds one scenario may take
SCENARIO_S_MAX = 150.0
#: after the rounds, every third scenario is a chain
CHAIN_EVERY = 3
#: scenarios between two lines of progress
PROGRESS_EVERY = 20


class Tally(Struct):
    """What came of the scenarios so far."""

    kills: Counter[str] = field(default_factory=Counter)
    failed: Counter[str] = field(default_factory=Counter)
    jobs: Counter[str] = field(default_factory=Counter)
    scenarios: int = 0
    violations: int = 0
    started: float = field(default_factory=time.monotonic)
    missed: set[str] = field(default_factory=set)

    @property
    def killed(self) -> int:
        return self.kills.total()


async def main() -> int:
    arguments = _parser().parse_args()
    folder = Path(tempfile.mkdtemp(prefix="easel-crash-"))
    schema = folder / "schema.db"
    async with open_database(f"sqlite:///{schema}"):
        pass
    tally = Tally()
    # The playground's servers complain of each client that was killed while it sent.
    logging.getLogger("aiohttp.server").setLevel(logging.CRITICAL)
    try:
        if arguments.scenario is not None:
            await _scenario(plan(arguments.scenario, arguments.kill_at), folder, schema, tally)
            print(f"killed at {', '.join(tally.kills)}: {tally.violations} violations")
        else:
            turns = _turns(arguments.seed)
            works = [
                _work(turns, arguments.kills, folder, schema, tally)
                for _ in range(arguments.parallel)
            ]
            await asyncio.gather(*works)
            _report(tally)
    finally:
        if not tally.violations:
            await asyncio.to_thread(shutil.rmtree, folder)
    return 1 if tally.violations else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.crash", description=__doc__)
    parser.add_argument("--kills", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--parallel", type=int, default=2)
    parser.add_argument("--scenario", type=int, help="repeat this one alone")
    parser.add_argument("--kill-at", default="", help="of the scenario that is repeated")
    return parser


def _turns(seed: int) -> Iterator[tuple[int, str]]:
    """Seeds of scenarios and where their first process is to die; without an end."""
    number = seed * 1_000_000
    chance = random.Random(seed)
    for turn in range(1, ROUNDS + 1):
        boundaries = all_boundaries()
        chance.shuffle(boundaries)
        for boundary in boundaries:
            number += TRIES_MAX
            held = boundary.startswith("during:")
            yield number, boundary if turn == 1 or held else f"{boundary}#{turn}"
    while True:
        number += TRIES_MAX
        yield number, "chain" if number // TRIES_MAX % CHAIN_EVERY == 0 else ""


async def _work(
    turns: Iterator[tuple[int, str]], kills_max: int, folder: Path, schema: Path, tally: Tally
) -> None:
    for seed, kill_at in turns:
        if tally.killed >= kills_max:
            return
        for attempt in range(TRIES_MAX):
            # Not every process reaches it, or so often.
            again = kill_at if attempt < TRIES_MAX - 1 else kill_at.partition("#")[0]
            if await _scenario(plan(seed + attempt, again), folder, schema, tally):
                break
        else:
            tally.missed.add(kill_at)


async def _scenario(planned: Plan, folder: Path, schema: Path, tally: Tally) -> bool:
    """Run and check one; returns whether its first process died where it was to."""
    own = folder / str(planned.seed)
    own.mkdir()
    async with open_matrix(planned, own, schema) as matrix:
        try:
            async with asyncio.timeout(SCENARIO_S_MAX):
                await matrix.run()
            violations = await check(matrix)
            tally.jobs.update(case.job["state"] for case in cases_of(matrix) if case.job)
        except Exception as error:
            violations = [f"the scenario broke: {error!r}"]
    tally.scenarios += 1
    tally.kills.update(matrix.kills)
    if violations:
        tally.violations += len(violations)
        tally.failed.update(set(matrix.kills))
        print(f"\nVIOLATION after kills at {', '.join(matrix.kills)}; repeat with")
        print(f"  {planned.repeat}   (files in {own})")
        print("".join(f"  - {violation}\n" for violation in violations), flush=True)
    else:
        await asyncio.to_thread(shutil.rmtree, own)
    if tally.scenarios % PROGRESS_EVERY == 0:
        seconds = time.monotonic() - tally.started
        print(f"{tally.killed} kills in {seconds:.0f} s, {tally.violations} violations", flush=True)
    first = planned.lives[0].kill_at
    return first not in matrix.missed


def _report(tally: Tally) -> None:
    width = max(map(len, tally.kills))
    print(f"\n{'killed':<{width}}  kills  violated")
    for boundary in [*all_boundaries(), "random"]:
        print(f"{boundary:<{width}}  {tally.kills[boundary]:5}  {tally.failed[boundary]:8}")
    unreached = [name for name in all_boundaries() if not tally.kills[name]]
    print(f"\nnever killed at: {', '.join(unreached) or 'none'}")
    print(
        f"{tally.scenarios} scenarios, {tally.killed} kills, {tally.jobs.total()} jobs"
        f" ({', '.join(f'{count} {state}' for state, count in sorted(tally.jobs.items()))})"
        f" in {time.monotonic() - tally.started:.0f} s: {tally.violations} violations"
    )


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
