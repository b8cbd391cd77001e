"""Another database is not shut out: each table and statement can be said in its words as well."""

from collections.abc import Iterator

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlalchemy.schema import CreateIndex, CreateTable

from bot.store import jobs, learned, ledger, members, oversight, queue, settings, tasks
from bot.store.schema import metadata

MODULES = (jobs, learned, ledger, members, oversight, queue, settings, tasks)


def statements() -> Iterator[tuple[str, sa.ClauseElement]]:
    for module in MODULES:
        for name, value in vars(module).items():
            if not name.isupper():
                continue
            several = value.values() if isinstance(value, dict) else value
            for each in several if isinstance(value, dict | list) else [value]:
                if isinstance(each, sa.Select | sa.Insert | sa.Update | sa.Delete):
                    yield f"{module.__name__}.{name}", each


@pytest.mark.parametrize(("name", "statement"), list(statements()))
def test_a_statement_can_be_said_in_postgresql(name: str, statement: sa.ClauseElement) -> None:
    assert str(statement.compile(dialect=postgresql.dialect())), name


def test_each_statement_is_among_them() -> None:
    assert len({name for name, _ in statements()}) > 50


@pytest.mark.parametrize("table", metadata.sorted_tables, ids=str)
def test_a_table_can_be_made_in_postgresql(table: sa.Table) -> None:
    dialect = postgresql.dialect()
    said = str(CreateTable(table).compile(dialect=dialect))
    # Booleans are no numbers there.
    assert "BOOLEAN DEFAULT 0" not in said
    assert "BOOLEAN DEFAULT 1" not in said
    for index in table.indexes:
        assert str(CreateIndex(index).compile(dialect=dialect))
