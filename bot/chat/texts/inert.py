"""Text of members in which nothing acts when Discord shows it."""

import re

from bot.domain.words import set_apart

#: what Discord's markdown reads (Discord support, Markdown Text 101), and a link's colon
ACTING = re.compile(r"[\\*_~|`\[\]()<>#:-]")


def inert(text: str) -> str:
    """The text in which no markdown, link or mention acts."""
    # An escaped colon begins no link; what stands behind a mention's sign is not seen.
    return set_apart(ACTING.sub(r"\\\g<0>", text).replace("@", "@\u200b"))
