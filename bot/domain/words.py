"""The one rule for texts that members give: what stays of them, and whether anything is seen."""

import re
import unicodedata

#: Line ends of all systems, and Unicode's own.
_LINE_ENDS = re.compile("\r\n?|[\u0085\u2028\u2029]")
#: What no text is made of: control characters but tab and line feed, and halves of pairs.
_NO_TEXT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufffe\uffff]")
#: What turns around how text is shown until it is closed, also behind its end (Unicode Annex 9).
#: Arabic and Hebrew need none of it.
_TURNING = re.compile("[\u202a-\u202e\u2066-\u2069]")
#: What shows nothing and joins nothing. The joiners U+200C and U+200D stay, which Persian and
#: emoji need, and so do variation selectors.
_NOTHING = re.compile("[\u00ad\u034f\u180e\u200b\u2060-\u2064\u206a-\u206f\ufeff\ufff9-\ufffb]")
#: Tag characters hide text, but for the flags that they spell: those of England and its like.
_TAGS = re.compile("(\U0001f3f4[\U000e0020-\U000e007e]{1,8}\U000e007f)|[\U000e0000-\U000e007f]")

#: Categories of characters that show nothing by themselves (Unicode Annex 44).
_UNSEEN = frozenset({"Cc", "Cf", "Cn", "Co", "Cs", "Mn", "Me", "Mc", "Zl", "Zp", "Zs"})
#: Letters and symbols that are blank all the same: fillers of Hangul, and Braille without dots.
_BLANK = frozenset("\u115f\u1160\u2800\u3164\uffa0\U0001d159")


def clean(text: str) -> str:
    """The text as it is stored, sent to a vendor and shown; what shows nothing is left out."""
    text = _NO_TEXT.sub("", _LINE_ENDS.sub("\n", text))
    text = _TAGS.sub(r"\1", _NOTHING.sub("", _TURNING.sub("", text)))
    return unicodedata.normalize("NFC", text).strip()


def is_seen(text: str) -> bool:
    """Whether a reader sees anything of it."""
    return any(
        unicodedata.category(letter) not in _UNSEEN and letter not in _BLANK for letter in text
    )


def set_apart(text: str) -> str:
    """The text for a line that goes on: letters from right to left do not draw that along."""
    turns = not text.isascii() and any(
        unicodedata.bidirectional(letter) in ("R", "AL") for letter in text
    )
    return f"\u2068{text}\u2069" if turns else text
