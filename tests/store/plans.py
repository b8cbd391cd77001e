"""Which statements a piece of code does, and the plans that SQLite makes for them."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from types import ModuleType
from typing import Any

import pytest

from bot.store.sql import NOTHING, Transaction

PARAMETER = re.compile(r":(\w+)")
STATEMENT = re.compile(r"\s*(SELECT|INSERT|UPDATE|DELETE|WITH)\s")


def statements_of(module: ModuleType) -> dict[str, str]:
    """The statements of a module by their names, and those of a dict or a list by their places."""
    found: dict[str, Any] = {}
    for name, value in vars(module).items():
        # What is private may be half a statement.
        if not name.isupper() or name.startswith("_"):
            continue
        if isinstance(value, dict):
            found |= {f"{name} {key}": each for key, each in value.items()}
        elif isinstance(value, list):
            found |= {f"{name} {place}": each for place, each in enumerate(value)}
        else:
            found[name] = value
    return {
        name: value.strip()
        for name, value in found.items()
        if isinstance(value, str) and STATEMENT.match(value)
    }


def plan_of(tx: Transaction, statement: str, given: Mapping[str, Any] = NOTHING) -> list[str]:
    """
    The lines of a plan.

    Args:
        given: the parameters; those that are not there are null.
    """
    asked = dict.fromkeys(PARAMETER.findall(statement)) | dict(given)
    return [row.detail for row in tx.rows(f"EXPLAIN QUERY PLAN {statement}", asked)]


@contextmanager
def recorded() -> Iterator[list[tuple[str, Any]]]:
    """Every statement that is done meanwhile, in whichever database, with its parameters."""
    seen: list[tuple[str, Any]] = []
    run, run_each = Transaction._run, Transaction.executemany

    def record(tx: Transaction, statement: str, given: Any) -> Any:
        seen.append((statement, given))
        return run(tx, statement, given)

    def record_each(tx: Transaction, statement: str, rows: Any) -> None:
        several = list(rows)
        seen.append((statement, several))
        run_each(tx, statement, several)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Transaction, "_run", record)
        patch.setattr(Transaction, "executemany", record_each)
        yield seen
