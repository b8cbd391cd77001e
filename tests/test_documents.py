"""The documents, held to the code: settings, commands, vendors, files and links."""

import argparse
import re
import tomllib
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from pathlib import Path

import pytest

from bot.app import SHIPPED_CATALOG
from bot.catalog import parse_catalog
from bot.chat.texts.languages import FOLDER
from bot.cli import _parser
from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.credits import parse_credits
from bot.providers.registry import VENDORS
from bot.settings import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])


def text_of(*names: str) -> str:
    return "\n".join((ROOT / name).read_text(encoding="utf-8") for name in names)


def rows_of(text: str) -> Iterator[list[str]]:
    """The cells of each row of each table."""
    for line in re.findall(r"^\| (.+) \|$", text, flags=re.MULTILINE):
        yield line.split(" | ")


def defaults() -> dict[str, str]:
    """Each environment variable and its default, as it is written in a .env file."""
    return {field.upper(): written(info.default) for field, info in Settings.model_fields.items()}


def written(default: object) -> str:
    match default:
        case None | ():
            return ""
        case bool():
            return str(default).lower()
        case StrEnum():
            return default.value
        case _:
            return str(default)


def test_the_example_of_the_environment_has_each_setting_with_its_default() -> None:
    lines = text_of(".env.example").splitlines()
    pairs = [line.partition("=")[::2] for line in lines if line and not line.startswith("#")]
    assert dict(pairs) == defaults()
    assert len(pairs) == len(dict(pairs))


def test_readme_has_a_row_for_each_setting_with_its_default_and_for_nothing_else() -> None:
    """A default in backquotes is a value; where there is none, words say what counts."""
    text = text_of("README.md")
    rows = re.findall(r"^\| `([A-Z][A-Z0-9_]*)` \| (?:`(.+?)`|[^|`]+) \|", text, flags=re.MULTILINE)
    assert dict(rows) == defaults()
    assert len(rows) == len(dict(rows))


def test_each_command_and_entry_of_a_menu_stands_in_a_table() -> None:
    rows = list(rows_of(text_of("README.md", "docs/moderating.md")))
    english = tomllib.loads((FOLDER / "en.toml").read_text(encoding="utf-8"))
    missing = []
    for whole in english["commands"]:
        name, _, sub = whole.partition(" ")
        of_it = " ".join(" ".join(row) for row in rows if re.search(rf"`/{name}\b", row[0]))
        if not of_it or (sub and not re.search(rf"`(/{name} )?{sub}`", of_it)):
            missing.append(f"/{whole}")
    menus = " ".join(row[0] for row in rows)
    assert missing + [each for each in english["menus"].values() if f"*{each}*" not in menus] == []


def commands_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    """Each command that does something, by its whole name."""
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for name, below in action.choices.items():
                further = [(f"{name} {each}", leaf) for each, leaf in commands_of(below)]
                yield from further or [(name, below)]


COMMANDS = dict(commands_of(_parser()))


def test_each_command_of_the_command_line_is_described() -> None:
    text = " ".join(text_of("README.md", "docs/hosting.md").split())
    unnamed = [name for name in COMMANDS if not re.search(rf"easel {name}\b", text)]
    assert unnamed == []


@pytest.mark.parametrize("name", COMMANDS)
def test_the_help_of_a_command_says_what_it_does_and_what_each_argument_is(name: str) -> None:
    assert COMMANDS[name].description
    assert [each.dest for each in COMMANDS[name]._actions if not each.help] == []


def test_what_each_key_gives_is_what_the_catalog_has() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text(encoding="utf-8")))
    routes: dict[str, list[tuple[str, Route]]] = defaultdict(list)
    for model in catalog.models.values():
        for route in model.routes:
            routes[route.provider].append((model.id, route))
    found = {}
    for row in rows_of(text_of("docs/hosting.md")):
        if len(row) == 5 and row[1].startswith("`"):
            models, filtered, prices = (re.findall(r"[\w.-]+", cell) for cell in row[2:])
            filtered = {"all": models, "none": []}.get(row[3], filtered)
            found[row[1].strip("`")] = (models, filtered, *map(parse_credits, prices[::2]))
    for vendor in VENDORS:
        of_it = routes[vendor.name]
        prices = [price for _, route in of_it for price in route.price.images.values()]
        filtered = [name for name, route in of_it if route.nsfw_switch is not NsfwSwitch.NONE]
        models = list(dict.fromkeys(name for name, _ in of_it))
        assert found.pop(vendor.key) == (models, filtered, min(prices), max(prices)), vendor.name
    assert found == {}


def slugs(text: str) -> set[str]:
    """The anchors of a document's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", each.lower()).replace(" ", "-") for each in headings}


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_each_link_and_each_file_that_is_named_leads_somewhere(document: Path) -> None:
    text = document.read_text(encoding="utf-8")
    broken = []
    for target in re.findall(r"""\]\(([^)\s]+)\)|<img src="([^"]+)""", text):
        path, _, anchor = "".join(target).partition("#")
        if path.startswith("https:"):
            continue
        file = document.parent / path if path else document
        if not file.exists() or (anchor and anchor not in slugs(file.read_text(encoding="utf-8"))):
            broken.append("".join(target))
    named = re.findall(r"`((?:bot|tests|docs|\.ci)/[\w./]+)(?:::\w+)?`", text)
    assert broken + [name for name in named if not (ROOT / name).exists()] == []
