"""What a server's moderators are told of a month: numbers, and a table of its jobs."""

import asyncio
import csv
import re
import zipfile
from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from pathlib import Path

from msgspec import Struct

from bot.domain import policy
from bot.domain.credits import format_credits
from bot.domain.ledger import Allowance, Period, period_start
from bot.domain.statistics import Month, Tally
from bot.engine.workshop import Workshop
from bot.store import quota, stats
from bot.store.stats import Line

MONTH = re.compile(r"(20\d\d)-(0[1-9]|1[0-2])")
#: beginnings of a cell that a spreadsheet would take for a formula
FORMULA = ("=", "+", "-", "@", "\t", "\r")
COLUMNS = (
    "asked_at", "job", "member", "mode", "model", "routes", "resolution", "quality", "asked",
    "images", "state", "failure", "credits", "wait_s", "private", "prompt",
)  # fmt: skip


class Told(Struct, frozen=True):
    first: date
    month: Month
    #: the whole server's, and what is left of it; None: it has none, or the month is over
    budget: tuple[Allowance, int] | None = None


class Statistics:
    def __init__(self, shop: Workshop) -> None:
        self._database = shop.database
        self._house = shop.house
        self._clock = shop.clock
        models = shop.catalog.models.values()
        self._models = {route.id: model.id for model in models for route in model.routes}

    def model_of(self, route_id: str) -> str:
        """The model that a route makes; the route's id if the catalog no longer has the route."""
        return self._models.get(route_id, route_id)

    def months(self, count: int) -> list[str]:
        """This month and those before it, as 2026-11."""
        found = [period_start(self._clock.now(), Period.MONTH)]
        while len(found) < count:
            found.append((found[-1] - timedelta(days=1)).replace(day=1))
        return [f"{each:%Y-%m}" for each in found]

    def read_month(self, text: str) -> date | None:
        """
        Args:
            text: as 2026-11; empty: this month.
        Returns:
            The month's first day; None: the text is no month, or a month ahead.
        """
        now = self._clock.now()
        if not text:
            return period_start(now, Period.MONTH)
        found = MONTH.fullmatch(text.strip())
        first = date(int(found[1]), int(found[2]), 1) if found else None
        return first if first and first <= now.date() else None

    async def month(self, server_id: int, first: date) -> Told:
        month = await self._numbers(server_id, first)
        now = self._clock.now()
        if first != period_start(now, Period.MONTH):
            return Told(first, month)
        decided, account = await self._database.read(quota.of_server, self._house, server_id, now)
        budget = policy.budget(decided, self._house.budget_ucr)
        return Told(first, month, (budget, account.allowance_ucr) if budget and account else None)

    async def _numbers(self, server_id: int, first: date) -> Month:
        """Count a month's jobs in pieces, between which others may read."""
        tally, after, more = Tally(), "", True
        while more:
            some, after = await self._database.read(stats.some_numbers, server_id, first, after)
            tally.add(some)
            more = bool(after)
        return await asyncio.to_thread(tally.month)

    async def write_table(
        self, server_id: int, first: date, path: Path, bytes_max: int
    ) -> Path | None:
        """
        Write a month's jobs as a table, on disk and in pieces, without the prompts of private jobs.

        Args:
            path: of the CSV; if that is too large, a ZIP is written beside it.
        Returns:
            The file to send; None: the ZIP, too, has more than `bytes_max`.
        """
        await asyncio.to_thread(_write, path, [COLUMNS])
        after = ""
        while some := await self._database.read(stats.some_lines, server_id, first, after):
            await asyncio.to_thread(_write, path, map(_cells, some))
            after = some[-1].job_id
        return await asyncio.to_thread(_small_enough, path, bytes_max)


def _write(path: Path, lines: Iterable[Sequence[object]]) -> None:
    # A byte-order mark, which Python writes at the beginning alone, tells spreadsheets that this is
    # UTF-8.
    with path.open("a", encoding="utf-8-sig", errors="replace", newline="") as file:
        csv.writer(file).writerows(lines)


def _cells(line: Line) -> list[object]:
    request = line.request
    private = request is None or request.private
    return [
        line.asked_at.isoformat(timespec="seconds"),
        # With a private job's id, it could be asked for.
        "" if private else line.job_id,
        # As text, because a spreadsheet would round the number.
        f"id {line.user_id}",
        request.mode if request else "",
        _inert(request.model) if request else "",
        " ".join(dict.fromkeys(line.routes)),
        request.resolution if request else "",
        request.quality if request else "",
        request.count if request else 0,
        len(line.routes),
        line.state,
        line.failure,
        format_credits(line.cost_ucr).removesuffix(" cr"),
        "" if line.wait_s is None else f"{line.wait_s:.1f}",
        "yes" if private else "no",
        _inert(request.prompt) if request and not private else "",
    ]


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(FORMULA) else text


def _small_enough(path: Path, bytes_max: int) -> Path | None:
    if path.stat().st_size <= bytes_max:
        return path
    packed = path.with_suffix(".zip")
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as file:
        file.write(path, path.name)
    return packed if packed.stat().st_size <= bytes_max else None
