"""Another database is not shut out: PostgreSQL's own grammar takes each table and statement."""

import importlib
import io
import pkgutil
import re
import sqlite3
from contextlib import closing

import pglast
import pytest
import sqlalchemy as sa
from alembic import op
from alembic.migration import MigrationContext
from alembic.operations import Operations
from alembic.script import ScriptDirectory
from pglast.ast import CreateStmt, DropStmt
from pglast.enums import ObjectType
from sqlalchemy.pool import StaticPool

from bot import store
from bot.store import schema
from bot.store.migrations.apply import MIGRATIONS, upgrade
from tests.store.plans import statements_of

#: the text of a statement -> one of its names
STATEMENTS = {
    statement: f"{module.name}.{name}"
    for module in pkgutil.iter_modules(store.__path__, "bot.store.")
    for name, statement in statements_of(importlib.import_module(module.name)).items()
}
#: what is quoted or said aside, or a parameter
TOKEN = re.compile(r"'[^']*'|--[^\n]*|:(\w+)")


def numbered(statement: str) -> str:
    """With parameters as PostgreSQL has them: by number."""
    numbers: dict[str, int] = {}

    def number(found: re.Match[str]) -> str:
        name = found[1]
        return f"${numbers.setdefault(name, len(numbers) + 1)}" if name else found[0]

    return TOKEN.sub(number, statement)


@pytest.mark.parametrize("statement", STATEMENTS, ids=STATEMENTS.get)
def test_postgresql_reads_a_statement(statement: str) -> None:
    assert len(pglast.parse_sql(numbered(statement))) == 1


def test_each_statement_is_among_them() -> None:
    assert len(STATEMENTS) > 150


@pytest.mark.parametrize(
    "statement",
    [
        "INSERT OR IGNORE INTO jobs (id) VALUES (:id)",
        "SELECT id FROM jobs WHERE failure IS :why",
        "SELECT `id` FROM jobs",
        "SELECT id FROM jobs INDEXED BY ix_jobs_server",
        "SELECT id FROM jobs LIMIT :skipped, 5",
    ],
)
def test_what_sqlite_alone_reads_is_found(statement: str) -> None:
    with pytest.raises(pglast.parser.ParseError):
        pglast.parse_sql(numbered(statement))


def test_the_migrations_make_the_same_tables_in_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that rewrite rows find none: they read empty tables, as 0003 left them."""
    said = io.StringIO()
    opts = {"as_sql": True, "output_buffer": said}
    migrating = MigrationContext.configure(dialect_name="postgresql", opts=opts)
    scripts = reversed(list(ScriptDirectory(str(MIGRATIONS)).walk_revisions()))
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as raw:
        upgrade(raw, "0003")
        engine = sa.create_engine("sqlite://", creator=lambda: raw, poolclass=StaticPool)
        with engine.connect() as empty, Operations.context(migrating):
            monkeypatch.setattr(op, "get_bind", lambda: empty)
            for script in scripts:
                script.module.upgrade()

    # Where the driver would put a value.
    text = re.sub(r"%\(\w+\)s", "$1", said.getvalue())
    tables = set()
    for statement in pglast.parse_sql(text):
        match statement.stmt:
            case CreateStmt(relation=made):
                tables.add(made.relname)
            case DropStmt(objects=names, removeType=ObjectType.OBJECT_TABLE):
                tables -= {name[-1].sval for name in names}
    of_sqlite = re.findall(r"^CREATE TABLE (\w+)", "\n".join(schema.statements()), re.MULTILINE)
    assert tables == set(of_sqlite)
    # Booleans are no numbers there.
    assert "BOOLEAN DEFAULT false" in text
    assert not re.search(r"BOOLEAN (NOT NULL )?DEFAULT '?\d", text)
