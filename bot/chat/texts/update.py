"""
Brings the PO files up to date with en.toml and the shipped models.

Run `python -m bot.chat.texts.update`. Entries that are new stay empty, those whose English changed
become fuzzy, and those that are gone are removed. A language's name (`it`, `pt_PT`) as an argument
begins its file.
"""

import io
import sys
import tomllib
from pathlib import Path
from typing import Any

from babel.messages.catalog import Catalog, Message
from babel.messages.pofile import read_po, write_po

from bot.chat.texts.languages import FALLBACK, FOLDER, english, languages

MODELS = Path(__file__).parents[2] / "catalog.toml"


def template() -> Catalog:
    """A catalog of all entries, without translations."""
    catalog = Catalog(fuzzy=False, header_comment="")
    for key, words in english().items():
        id_ = (words.one, words.other) if words.count else words.other
        catalog.add(id_, context=key)
    models = tomllib.loads(MODELS.read_text(encoding="utf-8"))["models"]
    for model_id, model in models.items():
        catalog.add(model["summary"], context=f"models.{model_id}")
    return catalog


def updated(language: str, before: bytes) -> bytes:
    """
    A PO file's new content.

    Args:
        before: the file's content; empty for a language that is begun.

    Raises:
        PoFileError: the content is no PO file.
    """
    catalog = read_po(io.BytesIO(before), locale=language, abort_invalid=True)
    if not before:
        catalog.header_comment = "# Easel's sentences. CONTRIBUTING says how to translate them."
        catalog.project, catalog.version = "Easel", "1"
        catalog.msgid_bugs_address = catalog.last_translator = catalog.language_team = ""
    # Babel guesses by likeness which sentences changed; here each sentence has a key.
    catalog.update(template(), no_fuzzy_matching=True, update_creation_date=False)
    catalog.fuzzy = False
    gone = catalog.obsolete.values()
    former = {entry.context: entry.string for entry in gone if any(entry.string or ())}
    for entry in catalog:
        if entry.context in former:
            entry.string = _shaped(former[entry.context], entry, catalog.num_plurals)
            entry.flags.add("fuzzy")
    after = io.BytesIO()
    write_po(after, catalog, width=0, ignore_obsolete=True)
    return after.getvalue()


def _shaped(words: Any, entry: Message, num_plurals: int) -> str | tuple[str, ...]:
    """A translation in the shape of its entry, which may have gained or lost plural forms."""
    if entry.pluralizable:
        return (words,) * num_plurals if isinstance(words, str) else tuple(words)
    return words if isinstance(words, str) else words[-1]


def main(begun: list[str]) -> None:
    for language in sorted({*languages(), *begun} - {FALLBACK}):
        path = FOLDER / f"{language}.po"
        path.write_bytes(updated(language, path.read_bytes() if path.exists() else b""))


if __name__ == "__main__":
    main(sys.argv[1:])
