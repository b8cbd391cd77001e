"""
Runs the store's statements: plain SQL with named parameters (`:server`), whose values are always
bound and never part of the text.
"""

import json
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from functools import cache
from typing import Any, TypeAlias, TypeVar

from msgspec import convert

from bot.errors import Facts

#: the largest number that a column of ids can hold
LAST_NUMBER = 2**63 - 1

#: a statement's parameter values by name; names that the statement does not have are ignored
Given = Mapping[str, Any]
NOTHING: Given = {}


def write_time(moment: datetime) -> int:
    """An aware time as whole milliseconds since 1970, in UTC."""
    return round(moment.timestamp() * 1000)


def _read_time(stored: int | None) -> datetime | None:
    return None if stored is None else datetime.fromtimestamp(stored / 1000, UTC)


def write_facts(facts: Facts) -> str:
    return json.dumps(dict(facts), ensure_ascii=False)


def read_facts(stored: str) -> Facts:
    """A problem's facts; empty if they cannot be read."""
    try:
        facts = json.loads(stored)
    except (ValueError, RecursionError):
        return {}
    return facts if isinstance(facts, dict) else {}


# With these, a parameter may be a datetime or a date.
sqlite3.register_adapter(datetime, write_time)
sqlite3.register_adapter(date, date.isoformat)


#: how the names of columns end that hold times
TIMES = ("_at", "until")
#: a named tuple of a statement's columns; times in it are aware, all else has its stored form
Row: TypeAlias = Any
T = TypeVar("T")


#: makes a row from its columns' values
Shape: TypeAlias = Callable[[Iterable[Any]], Row]


@cache
def _shape(columns: tuple[str, ...]) -> Shape:
    made: Any = namedtuple("Row", columns, rename=True)  # type: ignore[misc]
    shape: Shape = made._make
    times = [index for index, name in enumerate(columns) if name.endswith(TIMES)]

    def with_times(stored: Iterable[Any]) -> Row:
        values = list(stored)
        for index in times:
            values[index] = _read_time(values[index])
        return shape(values)

    return with_times if times else shape


def read_as(row: Row, kind: type[T], **others: object) -> T:
    """A value of the row's columns of the same names as its fields, and of these others."""
    return convert(row._asdict() | others, kind, strict=False)


class Transaction:
    """Runs a step's statements. It begins and ends outside, with the trip that carries the step."""

    __slots__ = ("_connection", "_shapes", "statements")

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        #: statement -> shape of its rows
        self._shapes: dict[str, Shape] = {}
        #: how many ran on this connection
        self.statements = 0

    def execute(self, statement: str, given: Given = NOTHING) -> int:
        """Returns how many rows were written."""
        return self._run(statement, given).rowcount

    def executemany(self, statement: str, rows: Iterable[Given]) -> None:
        self.statements += 1
        self._connection.executemany(statement, rows)

    def rows(self, statement: str, given: Given = NOTHING) -> Iterator[Row]:
        """Rows are read only as they are taken: take them before another statement changes them."""
        cursor = self._run(statement, given)
        return map(self._shape_of(statement, cursor), cursor)

    def values(self, kind: type[T], statement: str, given: Given = NOTHING) -> list[T]:
        """All rows, each as a value; see `read_as`."""
        return [read_as(row, kind) for row in self.rows(statement, given)]

    def one(self, statement: str, given: Given = NOTHING) -> Row:
        """
        Raises:
            LookupError: there is no row.
        """
        row = self.one_or_none(statement, given)
        if row is None:
            raise LookupError(f"no row: {statement}")
        return row

    def one_or_none(self, statement: str, given: Given = NOTHING) -> Row | None:
        """The first row. A statement that writes must return one row at most."""
        cursor = self._run(statement, given)
        row = cursor.fetchone()
        return None if row is None else self._shape_of(statement, cursor)(row)

    def scalars(self, statement: str, given: Given = NOTHING) -> list[Any]:
        """The first column of each row."""
        return [first for first, *_ in self._run(statement, given)]

    def scalar(self, statement: str, given: Given = NOTHING) -> Any:
        """The first column of the first row; None: there is no row."""
        row = self._run(statement, given).fetchone()
        return None if row is None else row[0]

    def _run(self, statement: str, given: Given) -> sqlite3.Cursor:
        self.statements += 1
        return self._connection.execute(statement, given)

    def _shape_of(self, statement: str, cursor: sqlite3.Cursor) -> Shape:
        shape = self._shapes.get(statement)
        if shape is None:
            shape = _shape(tuple(name for name, *_ in cursor.description))
            self._shapes[statement] = shape
        return shape


def insert(table: str, *columns: str) -> str:
    """A statement that inserts a row into these columns, from parameters of the same names."""
    values = ", ".join(f":{column}" for column in columns)
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({values})"


def upsert(table: str, key: tuple[str, ...], *columns: str) -> str:
    """As `insert`, but a row that has the key already is given the other columns."""
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns)
    return f"{insert(table, *key, *columns)} ON CONFLICT ({', '.join(key)}) DO UPDATE SET {changes}"


def one_of(column: str, words: Iterable[str]) -> str:
    """A condition that the column has one of these words, which are constants of this program."""
    return f"{column} IN ({', '.join(map(repr, map(str, words)))})"


def among(name: str) -> str:
    """The right side of IN or NOT IN, whose parameter is a list made by `listed`."""
    # PostgreSQL would say = ANY(:name).
    return f"(SELECT value FROM json_each(:{name}))"


def listed(values: Iterable[int | str]) -> str:
    """A list as the one parameter that `among` takes."""
    return json.dumps(list(values))
