"""The house style, held by tests: sizes, docstrings, the direction of imports."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
BOT = ROOT / "bot"

FUNCTION_LINES_MAX = 70
FILE_LINES_MAX = 400
LINE_CHARS_MAX = 100

#: folder of bot, the inner one of two -> what it may import: other parts of bot, and packages from
#: outside
MAY_SEE: dict[str, tuple[set[str], set[str]]] = {
    "domain": ({"errors"}, set()),
    "engine": ({"about", "domain", "errors", "pictures", "store"}, set()),
    "pictures": ({"domain", "errors"}, {"aiohttp", "yarl", "PIL", "matplotlib"}),
    "providers": (
        {"domain", "errors", "pictures"},
        {"aiohttp", "yarl", "pybase64", "pydantic"},
    ),
    "store": ({"domain", "errors"}, {"aiosqlite"}),
    "store/migrations": (set(), {"alembic", "sqlalchemy"}),
    "chat": (
        {"about", "domain", "engine", "errors", "pictures"},
        {"discord", "aiohttp", "babel", "yarl"},
    ),
    "ops": (
        {"about", "domain", "engine", "errors", "store"},
        {"aiohttp", "prometheus_client"},
    ),
    "playground": (set(), {"aiohttp", "PIL", "yarl"}),
}
#: what every part may see: the classes of its values
FOR_ALL = {"msgspec"}
#: what some commands, languages, pictures or first times need: it would delay every start
LATER = {
    *("PIL", "alembic", "babel", "matplotlib", "multiprocessing", "pi_heif", "prometheus_client"),
    *("sqlalchemy", "bot.ops.health", "bot.playground"),
}
#: now, ids and chance come into the domain as arguments
NOT_IN_DOMAIN = {"asyncio", "random", "secrets", "time"}

MODULES = sorted(BOT.rglob("*.py"))
# Alembic writes these, and a released step is never edited.
WRITTEN = [path for path in MODULES if path.parent != BOT / "store" / "migrations" / "versions"]


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


@cache
def parsed(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"), filename=name(path))


LOGS = {"debug", "info", "warning", "error", "exception", "log"}


def test_every_log_line_says_what_it_is_about() -> None:
    """By its action, which a search finds whatever the words are."""
    unsaid = []
    for path in WRITTEN:
        for node in ast.walk(parsed(path)):
            if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                continue
            if getattr(node.func.value, "id", "") != "log" or node.func.attr not in LOGS:
                continue
            extra = {word.arg: ast.unparse(word.value) for word in node.keywords}.get("extra", "")
            if not any(name in extra for name in ("action", "fields")):
                unsaid.append(f"{name(path)}:{node.lineno}")
    assert [each for each in unsaid if "playground" not in each] == []


def test_functions_are_short() -> None:
    assert [
        f"{name(path)}:{node.lineno} {node.name} has {lines} lines"
        for path in MODULES
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or 0) - node.lineno + 1) > FUNCTION_LINES_MAX
    ] == []


def test_files_are_short() -> None:
    assert [
        f"{name(path)} has {count} lines"
        for path in WRITTEN
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > FILE_LINES_MAX
    ] == []


def test_lines_are_short() -> None:
    assert [
        f"{name(path)}:{number} has {len(line)} characters"
        for path in WRITTEN
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if len(line) > LINE_CHARS_MAX
    ] == []


def test_each_module_says_what_it_is_for() -> None:
    assert [name(path) for path in MODULES if not ast.get_docstring(parsed(path))] == []


def imported(path: Path) -> Iterator[str]:
    """Every module that a file imports, wherever in the file."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level:
            yield "a relative import"
        elif isinstance(node, ast.ImportFrom):
            # `from bot import errors` is an import of bot.errors.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def layer_of(path: Path) -> str:
    folders = [each.relative_to(BOT).as_posix() for each in path.parents if BOT in each.parents]
    return next((folder for folder in folders if folder in MAY_SEE), "")


@pytest.mark.parametrize("layer", MAY_SEE)
def test_imports_point_inwards(layer: str) -> None:
    parts, packages = MAY_SEE[layer]
    files = [path for path in (BOT / layer).rglob("*.py") if layer_of(path) == layer]
    assert files
    wrong = []
    for path in files:
        for module in imported(path):
            package, _, rest = module.partition(".")
            if package == "bot":
                allowed = rest.partition(".")[0] in parts | {layer.partition("/")[0]}
            else:
                allowed = package in sys.stdlib_module_names | packages | FOR_ALL
            if layer == "domain":
                allowed = allowed and package not in NOT_IN_DOMAIN
            if not allowed:
                wrong.append(f"{name(path)} imports {module}")
    assert wrong == []


def test_chat_takes_no_more_of_the_workshop_than_it_shows_and_draws_with() -> None:
    """All that changes or reads a job goes through the engine's use cases."""
    taken = {
        node.attr
        for path in (BOT / "chat").rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value).rpartition(".")[2] in ("shop", "_shop")
    }
    assert taken == {"clock", "decoder", "folder", "house", "routing"}


def test_the_domain_reads_no_clock() -> None:
    assert [
        f"{name(path)}:{node.lineno} {node.attr}"
        for path in (BOT / "domain").rglob("*.py")
        for node in ast.walk(parsed(path))
        if isinstance(node, ast.Attribute)
        and node.attr in ("now", "utcnow", "today")
        and isinstance(node.value, ast.Name)
        and node.value.id in ("date", "datetime")
    ] == []


def test_a_start_imports_only_what_every_start_needs(tmp_path: Path) -> None:
    program = (
        "import sys, bot.cli, bot.app, bot.ops.log; from bot.settings import load_settings;"
        "bot.app.load_catalog(load_settings()); print(*sys.modules)"
    )
    ended = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", program],
        cwd=tmp_path,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert LATER.intersection(ended.stdout.split()) == set()


def test_each_folder_has_its_rule() -> None:
    folders = {path.parent.name for path in BOT.glob("*/__init__.py")}
    assert folders == {layer for layer in MAY_SEE if "/" not in layer}


def test_values_are_structs() -> None:
    assert [name(path) for path in MODULES if "dataclasses.dataclass" in imported(path)] == []


def test_sqlalchemy_is_only_for_migrations() -> None:
    assert [
        f"{name(path)} imports {module}"
        for path in MODULES
        if layer_of(path) != "store/migrations"
        for module in imported(path)
        if module.partition(".")[0] in ("alembic", "sqlalchemy")
    ] == []


def test_nothing_names_a_place_on_somebodys_machine_or_puts_work_off() -> None:
    """In the bot and the tests, except for this file, which spells the words."""
    wanted = {".py", ".toml", ".json", ".html", ".css", ".js", ".mako", ".svg", ".md", ".po"}
    unwanted = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/|\b(?:TODO|FIXME|XXX)\b")
    files = [
        path
        for folder in (BOT, ROOT / "tests")
        for path in folder.rglob("*")
        if path.suffix in wanted and path != Path(__file__)
    ]
    assert [
        f"{name(path)}:{number} {line.strip()}"
        for path in files
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if unwanted.search(line)
    ] == []
