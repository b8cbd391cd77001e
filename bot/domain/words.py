"""The rules for texts that members give: what is left out, and whether a reader sees anything."""

import re
import unicodedata

#: Line ends of all systems, and Unicode's own.
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")
#: Characters that are left out, by their codes. A pattern would take 20 ms to compile.
_LEFT_OUT = {
    code: None
    for first, last in (
        # What no text has: control characters but tab and line feed, halves of surrogate pairs, and
        # non-characters.
        *((0x00, 0x08), (0x0B, 0x1F), (0x7F, 0x9F), (0xD800, 0xDFFF), (0xFFFE, 0xFFFF)),
        # What turns the direction of text until it is closed, even beyond the text's end (Unicode
        # Annex 9). Arabic and Hebrew need none of it.
        *((0x202A, 0x202E), (0x2066, 0x2069)),
        # What shows nothing and joins nothing. The joiners U+200C and U+200D stay, because Persian
        # and emoji need them, and so do variation selectors.
        *((0xAD, 0xAD), (0x34F, 0x34F), (0x180E, 0x180E), (0x200B, 0x200B), (0x2060, 0x2064)),
        *((0x206A, 0x206F), (0xFEFF, 0xFEFF), (0xFFF9, 0xFFFB)),
    )
    for code in range(first, last + 1)
}
#: Tag characters can hide text. Only those stay that spell a flag, such as that of England.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)|[\U000e0000-\U000e007f]")

#: Categories of characters that show nothing by themselves (Unicode Annex 44).
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me", "Mc", "Zl", "Zp", "Zs"})
#: Other characters that are blank: fillers of Hangul, Braille without dots, the null notehead.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")


def clean(text: str) -> str:
    """The text as it is stored, sent to a vendor and shown: without what shows nothing."""
    text = _TAGS.sub(r"\1", _LINE_ENDS.sub("\n", text).translate(_LEFT_OUT))
    return unicodedata.normalize("NFC", text).strip()


def is_seen(text: str) -> bool:
    """Whether a reader sees anything of the text."""
    return any(
        unicodedata.category(letter) not in _UNSEEN and letter not in _BLANK for letter in text
    )


def set_apart(text: str) -> str:
    """The text as part of a line: its right-to-left letters do not turn the rest of the line."""
    turns = not text.isascii() and any(
        unicodedata.bidirectional(letter) in ("R", "AL") for letter in text
    )
    return f"\u2068{text}\u2069" if turns else text
