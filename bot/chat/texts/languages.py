"""The languages: English from en.toml, each other from a PO file beside it, read when needed."""

import contextlib
import gettext
import io
import os
import secrets
import tomllib
from dataclasses import dataclass
from functools import cache
from pathlib import Path

FALLBACK = "en"
FOLDER = Path(__file__).parent
#: beside a PO file: what was compiled of it, as Python does with its own sources
COMPILED = "__pycache__"


@dataclass(frozen=True, slots=True)
class Sentence:
    """
    English words with places for facts.

    Args:
        other: the words, or those for any number but one.
        one: those for one.
        count: the fact that is the number; none: the words are always the same.
    """

    other: str
    one: str = ""
    count: str = ""


@cache
def english() -> dict[str, Sentence]:
    """
    By key, as `refusals.credits`.

    The names of the commands and options that the tables describe are among them, as
    `names.imagine`, for these are translated, too.
    """
    document = tomllib.loads((FOLDER / f"{FALLBACK}.toml").read_text(encoding="utf-8"))
    sentences = {
        f"{table}.{key}": Sentence(words) if isinstance(words, str) else Sentence(**words)
        for table, entries in document.items()
        for key, words in entries.items()
    }
    names = [name for command in document["commands"] for name in command.split()]
    names += [option.split()[-1] for option in document["options"]]
    return sentences | {f"names.{name}": Sentence(name) for name in names}


@cache
def languages() -> frozenset[str]:
    """As the files beside this one are named: `en`, `pt_BR`."""
    return frozenset({FALLBACK, *(path.stem for path in FOLDER.glob("*.po"))})


@cache
def nearest(locale: str) -> str:
    """
    The language to use for a reader.

    Args:
        locale: as Discord names it: `de`, `en-US`, `es-419`.
    """
    exact = locale.replace("-", "_")
    known = (name for name in (exact, exact.partition("_")[0]) if name in languages())
    return next(known, FALLBACK)


@cache
def translations(name: str) -> gettext.NullTranslations:
    """
    What a language says instead of the English; what is empty or fuzzy in its file stays English.

    Args:
        name: one of `languages()`.
    """
    if name == FALLBACK:
        return gettext.NullTranslations()
    source = FOLDER / f"{name}.po"
    compiled = FOLDER / COMPILED / f"{name}.mo"
    # Looked up before it is read: what is changed meanwhile is compiled anew the next time.
    mtime_ns = source.stat().st_mtime_ns
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        if compiled.stat().st_mtime_ns == mtime_ns:
            return gettext.GNUTranslations(io.BytesIO(compiled.read_bytes()))
    content = _compile(source)
    # Where nothing can be written, it is compiled at each start.
    with contextlib.suppress(OSError):
        _save(compiled, content, mtime_ns)
    return gettext.GNUTranslations(io.BytesIO(content))


def _compile(source: Path) -> bytes:
    # Imported here: what is compiled already needs none of it.
    from babel.messages.mofile import write_mo
    from babel.messages.pofile import read_po

    compiled = io.BytesIO()
    with source.open("rb") as file:
        write_mo(compiled, read_po(file, locale=source.stem))
    return compiled.getvalue()


def _save(path: Path, content: bytes, mtime_ns: int) -> None:
    """Whole or not at all, whoever else does it at the same time."""
    path.parent.mkdir(exist_ok=True)
    unfinished = path.with_suffix(f".{secrets.token_hex(4)}")
    unfinished.write_bytes(content)
    os.utime(unfinished, ns=(mtime_ns, mtime_ns))
    unfinished.replace(path)
