"""Prepares texts that others wrote for Discord: no markup takes effect, and they fit."""

import re
from collections.abc import Sequence

from bot.domain.words import set_apart

#: characters of Discord's markdown (Discord support, Markdown Text 101), and a link's colon
ACTING = re.compile(r"[\\*_~|`\[\]()<>#:-]")
#: characters of an embed's description and of a field's value (Discord docs, Embed Limits)
DESCRIPTION_CHARS_MAX = 4_096
FIELD_CHARS_MAX = 1_024
#: characters and bytes of a name or prompt in a line or a choice
LINE_CHARS, LINE_BYTES = 60, 180
#: put between backticks that would end a code block; stored prompts never hold this character
APART = "\u200b"
#: two backticks before another one
FENCE = re.compile("``(?=`)")


def shortened(text: str, chars_max: int, bytes_max: int) -> str:
    """The text, or its beginning and an ellipsis, within both bounds; no character is cut."""
    if len(text) <= chars_max and len(text.encode()) <= bytes_max:
        return text
    kept = text[: chars_max - 1].encode()[: bytes_max - 3].decode(errors="ignore")
    return f"{kept.rstrip()}…"


def capital(words: str) -> str:
    """Words of a sentence as they stand by themselves, such as on a button."""
    return words[:1].upper() + words[1:]


def inert(text: str) -> str:
    """The text, with markdown, links and mentions escaped so that none takes effect."""
    # An escaped colon makes no link; the invisible character after @ makes no mention.
    return set_apart(ACTING.sub(r"\\\g<0>", text).replace("@", f"@{APART}"))


def inert_line(text: str) -> str:
    """As much of a name as a line takes, made inert."""
    return inert(shortened(" ".join(text.split()), LINE_CHARS, LINE_BYTES))


def block(text: str) -> str:
    """The text as it is, to be copied: in a code block, which it cannot end."""
    return f"```\n{FENCE.sub(f'``{APART}', text)}\n```"


def fitting(lines: Sequence[str], chars_max: int) -> tuple[str, int]:
    """The first lines that fit, and how many do not."""
    text = ""
    for number, line in enumerate(lines):
        if len(text) + len(line) + 1 > chars_max:
            return text.rstrip(), len(lines) - number
        text += f"{line}\n"
    return text.rstrip(), 0


def joined(lines: Sequence[str], chars_max: int) -> str:
    """As many of the lines as fit, and an ellipsis if not all do."""
    text, rest = fitting(lines, chars_max - len("\n…"))
    return f"{text}\n…" if rest else text
