"""Column types: times, and what a problem's sentence is made with."""

import json
from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from bot.errors import Facts


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as whole milliseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


class FactsText(sa.TypeDecorator[Facts]):
    """The facts of a problem, stored as JSON; what cannot be read are none."""

    impl = sa.Text
    cache_ok = True

    def process_bind_param(self, value: Facts | None, dialect: sa.Dialect) -> str:
        return json.dumps(dict(value or {}), ensure_ascii=False)

    def process_result_value(self, value: str | None, dialect: sa.Dialect) -> Facts:
        try:
            facts = json.loads(value or "{}")
        except ValueError:
            return {}
        return facts if isinstance(facts, dict) else {}


def one_of(column: str, words: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(map(repr, map(str, words)))})"
