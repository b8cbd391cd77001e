"""
Reads the languages when needed: English from en.toml, the others from PO files beside it.

What is compiled from a file is kept, so that a start need not parse it.
"""

import contextlib
import gettext
import io
import os
import secrets
import tomllib
from collections.abc import Callable
from functools import cache
from pathlib import Path

from msgspec import Struct, json

FALLBACK = "en"
FOLDER = Path(__file__).parent
#: folder beside the files for what is compiled from them, as Python has for its own sources
COMPILED = "__pycache__"


class Sentence(Struct, frozen=True):
    """
    An English sentence, with places for facts.

    Args:
        other: the words; if they depend on a number, those for any number but one.
        one: the words for the number one.
        count: the fact that is the number; empty: the words are always the same.
    """

    other: str
    one: str = ""
    count: str = ""


@cache
def english() -> dict[str, Sentence]:
    """
    The English sentences by key, such as `refusals.credits`.

    The names of the commands and options that the tables describe are among them, such as
    `names.imagine`, because they are translated, too.
    """
    content = _compiled(FOLDER / f"{FALLBACK}.toml", ".json", _json)
    document = json.decode(content, type=dict[str, dict[str, str | Sentence]])
    sentences = {
        f"{table}.{key}": Sentence(words) if isinstance(words, str) else words
        for table, entries in document.items()
        for key, words in entries.items()
    }
    names = [name for command in document["commands"] for name in command.split()]
    names += [option.split()[-1] for option in document["options"]]
    return sentences | {f"names.{name}": Sentence(name) for name in names}


@cache
def languages() -> frozenset[str]:
    """The languages' names, as the files beside this one have them: `en`, `pt_BR`."""
    return frozenset({FALLBACK, *(path.stem for path in FOLDER.glob("*.po"))})


@cache
def nearest(locale: str) -> str:
    """
    The language to use for a reader's locale.

    Args:
        locale: Discord's name of it: `de`, `en-US`, `es-419`.
    """
    exact = locale.replace("-", "_")
    known = (name for name in (exact, exact.partition("_")[0]) if name in languages())
    return next(known, FALLBACK)


@cache
def translations(name: str) -> gettext.NullTranslations:
    """
    A language's translations; what is empty or fuzzy in its file stays English.

    Args:
        name: one of `languages()`.
    """
    if name == FALLBACK:
        return gettext.NullTranslations()
    content = _compiled(FOLDER / f"{name}.po", ".mo", _mo)
    return gettext.GNUTranslations(io.BytesIO(content))


def _compiled(source: Path, suffix: str, compile_: Callable[[Path], bytes]) -> bytes:
    """What is compiled from a file, anew if the file has changed."""
    compiled = FOLDER / COMPILED / f"{source.stem}{suffix}"
    # The time is read before the file: what changes in between is compiled anew the next time.
    mtime_ns = source.stat().st_mtime_ns
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if compiled.stat().st_mtime_ns == mtime_ns:
            return compiled.read_bytes()
    content = compile_(source)
    # If nothing can be written here, the file is compiled at each start.
    with contextlib.suppress(OSError):
        _save(compiled, content, mtime_ns)
    return content


def _json(source: Path) -> bytes:
    return json.encode(tomllib.loads(source.read_text(encoding="utf-8")))


def _mo(source: Path) -> bytes:
    # Imported here, because a file that is compiled already needs none of it.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=source.stem))
    return compiled.getvalue()


def _save(path: Path, content: bytes, mtime_ns: int) -> None:
    """Write the file whole or not at all, even if another process writes it, too."""
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(f".{secrets.token_hex(4)}")
    unfinished.write_bytes(content)
    os.utime(unfinished, ns=(mtime_ns, mtime_ns))
    unfinished.replace(path)
