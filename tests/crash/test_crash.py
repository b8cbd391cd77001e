"""The bot is killed at its most telling boundaries; `python -m tests.crash` runs all of them."""

import sqlite3
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.domain import ports
from bot.playground.apimodels import Submission
from tests.crash import boundaries
from tests.crash.boundaries import PORTS, all_boundaries, coroutines
from tests.crash.invariants import check
from tests.crash.matrix import Matrix, open_matrix
from tests.crash.plan import CHAINS, NEEDS, Command, Kind, Life, Mishap, Plan

pytestmark = pytest.mark.slow

TWO = (
    Command(Kind.SEVERAL, "Ada", "studio", "two lanterns", count=2, repeat_after_s=0.0),
    Command(Kind.EDIT, "Ben", "mockups", "a green lantern", references=1),
)
CANCELLED = (
    Command(Kind.SEVERAL, "Ada", "studio", "two lanterns", count=2),
    Command(Kind.CANCELLED, "Ada", "studio", "no lantern", repeat_after_s=0.0),
)
ONE = (Command(Kind.PLAIN, "Cleo", "studio", "a lantern"),)


@pytest.fixture
async def opened(tmp_path: Path, schema: Path) -> AsyncIterator[Callable]:
    async with AsyncExitStack() as stack:
        yield lambda plan: stack.enter_async_context(open_matrix(plan, tmp_path, schema))


def planned(*lives: Life) -> Plan:
    needed = NEEDS.get(lives[0].kill_at.partition(":")[2])
    mishaps = (needed,) if isinstance(needed, Mishap) else ()
    return Plan(seed=0, kill_at=lives[0].kill_at, lives=lives, mishaps=mishaps, latency_s=0.1)


@pytest.mark.parametrize(
    ("kill_at", "commands"),
    [
        ("after:accept.accept_or_keep", ONE),
        ("before:jobs.hand_over", ONE),
        ("before:provider.submit", TWO),
        ("during:provider.submit", TWO),
        ("after:provider.submit", TWO),
        ("commit:tasks.fall_back", TWO),
        ("after:fetcher.check", TWO),
        ("after:tasks.submitted", TWO),
        ("after:file.rename", ONE),
        ("commit:tasks.stored", TWO),
        ("after:messenger.deliver/call", TWO),
        ("after:jobs.finish", ONE),
        ("after:jobs.cancel", CANCELLED),
    ],
)
async def test_nothing_is_lost_when_killed(
    opened: Callable, kill_at: str, commands: tuple[Command, ...]
) -> None:
    matrix = await opened(planned(Life(commands, kill_at)))
    await matrix.run()

    assert matrix.kills == [kill_at]
    assert await check(matrix) == []


@pytest.mark.parametrize("chain", CHAINS[:3], ids=lambda chain: chain[0][0])
@pytest.mark.parametrize("defers", [False, True])
async def test_nothing_is_lost_or_told_twice_when_killed_again_much_later(
    opened: Callable, chain: Sequence[tuple[str, float]], defers: bool
) -> None:
    (first, downtime_s), *others = chain
    lives = [Life((), kill_at, downtime_s=later_s) for kill_at, later_s in others]
    plan = planned(Life(ONE, first, downtime_s=downtime_s), *lives)
    matrix = await opened(replace(plan, defers=defers))
    await matrix.run()

    assert matrix.kills == [kill_at for kill_at, _ in chain]
    assert await check(matrix) == []


def _settle_nothing(matrix: Matrix) -> None:
    with sqlite3.connect(matrix.database) as connection:
        connection.execute("DELETE FROM entries WHERE kind = 'settle'")


def _lose_the_message(matrix: Matrix) -> None:
    for channel in matrix.discord.world.channels.values():
        channel.messages_by_id.clear()


def _post_it_again(matrix: Matrix) -> None:
    channel = matrix.discord.channel("studio")
    [message] = channel.messages
    channel.messages_by_id[1] = replace(message, id=1)


def _submit_again(matrix: Matrix) -> None:
    [submission] = matrix.providers.submissions
    matrix.providers.submissions.append(Submission(submission.body, "task-000099"))


def _leave_a_file(matrix: Matrix) -> None:
    (matrix.folder / "images" / "left.png").touch()


async def test_the_matrix_sees_what_is_wrong(opened: Callable) -> None:
    """Whatever is broken by hand is complained of: the checks can fail."""
    matrix = await opened(planned(Life(ONE, "before:jobs.finish")))
    await matrix.run()
    assert await check(matrix) == []
    seen = []
    for break_it in (_leave_a_file, _submit_again, _post_it_again, _lose_the_message):
        break_it(matrix)
        seen.append(await check(matrix))
    _settle_nothing(matrix)
    seen.append(await check(matrix))

    assert "files left" in str(seen[0])
    assert "2 submissions, more than were begun" in str(seen[1])
    assert "2 endings shown" in str(seen[2])
    assert "result not shown" in str(seen[3])
    assert "entries {'hold': 1}" in str(seen[4])


def test_every_method_of_the_ports_is_a_boundary() -> None:
    """A new port, or a new method of one, is killed at without anyone thinking of it."""
    defined = {
        name: value
        for name, value in vars(ports).items()
        if getattr(value, "_is_protocol", False) and value.__module__ == ports.__name__
    }
    watched = {port.__name__: name for name, port in PORTS.items()}
    assert set(defined) == set(watched) | set(boundaries.UNWATCHED)

    found = set(all_boundaries())
    expected = {
        f"{side}:{watched[name]}.{method}"
        for name in watched
        for method in coroutines(defined[name])
        for side in ("before", "after")
        if f"{watched[name]}.{method}" not in boundaries.UNREACHED
    }
    assert expected
    assert expected <= found


def test_every_transaction_of_a_job_is_a_boundary() -> None:
    """Those that change something have one inside, just before the commit."""
    commits = {name.rpartition(".")[2] for name in all_boundaries() if name.startswith("commit:")}
    steps = {"accept_or_keep", "hand_over", "claim", "begin_submit", "submitted", "not_accepted"}
    steps |= {"stored", "failed", "fall_back", "finish", "refund", "cancel", "renew_leases"}
    assert steps <= commits
    assert len(commits) < len(boundaries.steps())
