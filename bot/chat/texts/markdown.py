"""What others have written, as Discord is to show it: nothing of it acts, and it fits."""

import re
from collections.abc import Sequence

from bot.domain.words import set_apart

#: what Discord's markdown reads (Discord support, Markdown Text 101), and a link's colon
ACTING = re.compile(r"[\\*_~|`\[\]()<>#:-]")
#: characters of an embed's description, and of a field's value (Discord docs, Embed Limits)
DESCRIPTION_CHARS_MAX = 4_096
FIELD_CHARS_MAX = 1_024
#: characters and bytes of a name, or of a prompt, in a line or in a choice
LINE_CHARS, LINE_BYTES = 60, 180
#: between the backticks of what would end a block of code; a prompt that holds it is rid of it
APART = "\u200b"
#: each two backticks with another behind them
FENCE = re.compile("``(?=`)")


def shortened(text: str, chars_max: int, bytes_max: int) -> str:
    """The text, or its beginning and an ellipsis, within both bounds; no letter is cut apart."""
    if len(text) <= chars_max and len(text.encode()) <= bytes_max:
        return text
    kept = text[: chars_max - 1].encode()[: bytes_max - 3].decode(errors="ignore")
    return f"{kept.rstrip()}…"


def inert(text: str) -> str:
    """The text in which no markdown, link or mention acts."""
    # An escaped colon begins no link; what stands behind a mention's sign is not seen.
    return set_apart(ACTING.sub(r"\\\g<0>", text).replace("@", f"@{APART}"))


def inert_line(text: str) -> str:
    """As much of a name as a line takes."""
    return inert(shortened(" ".join(text.split()), LINE_CHARS, LINE_BYTES))


def block(text: str) -> str:
    """The text as it is, to be copied: a block of code, out of which nothing leads."""
    return f"```\n{FENCE.sub(f'``{APART}', text)}\n```"


def fitting(lines: Sequence[str], chars_max: int) -> tuple[str, int]:
    """The first lines that fit together, and how many do not."""
    text = ""
    for number, line in enumerate(lines):
        if len(text) + len(line) + 1 > chars_max:
            return text.rstrip(), len(lines) - number
        text += f"{line}\n"
    return text.rstrip(), 0


def joined(lines: Sequence[str], chars_max: int) -> str:
    """As many of the lines as fit, and an ellipsis where not all do."""
    text, rest = fitting(lines, chars_max - len("\n…"))
    return f"{text}\n…" if rest else text
