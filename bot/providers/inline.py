"""
Takes the image out of a JSON answer while the answer arrives; knows no vendor and no network.

An image inside an answer is base64 text of up to 90 MB. Neither the text nor the answer is ever
whole in memory: each piece of the text is decoded into a file, and INLINE takes the text's place.
"""

import json
import re
import secrets
from collections import deque
from io import RawIOBase
from pathlib import Path

import pybase64

#: Stands in a decoded answer for the image that was written to a file; no vendor can guess it.
INLINE = f"(in the file {secrets.token_hex(8)})"
#: Stands in a decoded answer for an image's text that is not base64.
DROPPED = ""

#: Where an image's text begins: after OpenAI's `b64_json`; after Gemini's `inlineData.data` or the
#: `url` of some gateways, if the text begins like a PNG, JPEG or WebP, because these fields may
#: hold other things; and at a `data:image/` address wherever a link may stand. No string in valid
#: JSON can contain this pattern, because its quotes would be escaped.
START = re.compile(
    rb'(?<!\\)"(?:'
    rb'b64_json"\s{0,8}:\s{0,8}"(?=[^"])|'
    rb'(?:data|url)"\s{0,8}:\s{0,8}"(?=iVBORw|\\?/9j|UklGR)|'
    rb"(?=data:image\\?/))"
)
#: No match of START is longer, its lookarounds included.
START_BYTES_MAX = 48
#: The longest escape in a JSON string: a backslash, u and four digits.
ESCAPE_BYTES_MAX = 6
#: Base64 is often broken into lines; a text with a space is not base64.
LINE_BREAKS = b"\r\n"
#: Room for a data URI's head: some gateways put `data:image/png;base64,` before the image.
DATA_URI_BYTES_MAX = 64
#: Letters that need translation. They are rare, so a text is first searched for them.
UNUSUAL = (b"-", b"_", b"\r", b"\n")
URL_SAFE = bytes.maketrans(b"-_", b"+/")


class InlineImage:
    """
    Takes an answer in pieces and keeps the rest of it without images.

    Args:
        path: gets the last image, because drafts come before it; without an image, no file is made.
        rest_bytes_max: the longest rest of the answer, without its images, that is kept.
    """

    def __init__(self, path: Path, rest_bytes_max: int) -> None:
        self._path = path
        #: where an image is written until it is whole
        self._next = path.with_name(f"next-{path.name}")
        self._rest_bytes_max = rest_bytes_max
        self._rest = bytearray()
        self._searched = 0
        self._pieces: deque[bytes] = deque()
        #: whether an image is being read, or still has to be written, and is kept
        self._keeps = False
        #: of that image; None: not opened yet
        self._file: RawIOBase | None = None
        self._unwritten = b""
        self._text: Base64Text | None = None

    @property
    def rest(self) -> bytes | None:
        """The whole answer without its images, to be read as JSON; None if it is too long."""
        return None if len(self._rest) > self._rest_bytes_max else bytes(self._rest)

    def feed(self, *pieces: bytes) -> bool:
        """
        Take the next pieces. It blocks, but waits for nothing: use a thread.

        Returns:
            Whether all is written; if not, the disk does not let it, and the next call goes on from
            there.
        """
        self._pieces.extend(pieces)
        while self._is_written():
            if not self._pieces:
                return True
            piece = self._pieces.popleft()
            end = self._feed_image(piece) if self._text else self._feed_rest(piece)
            if end < len(piece):
                self._pieces.appendleft(piece[end:])
        return False

    def close(self) -> None:
        """Drop an image that is not whole; may be called again."""
        self._unwritten, self._keeps = b"", False
        if self._file is not None:
            self._file.close()
            self._file = None
            self._next.unlink(missing_ok=True)

    def _feed_rest(self, piece: bytes) -> int:
        """Keep text outside images; returns where an image begins, or the end of the piece."""
        if len(self._rest) > self._rest_bytes_max:
            return len(piece)
        # An image's beginning may lie across two pieces; START also looks one letter back.
        back = min(self._searched, 1)
        kept = self._searched - back
        before = bytes(self._rest[kept:])
        text = before + piece
        start = START.search(text, back)
        self._rest[kept:] = text[: start.end()] if start else text
        if start is None:
            self._searched = max(self._searched, len(self._rest) - START_BYTES_MAX)
            return len(piece)
        self._text, self._keeps = Base64Text(), True
        # START looks ahead, so its first letters may have come before.
        self._feed_image(text[start.end() : len(before)])
        return max(start.end() - len(before), 0)

    def _feed_image(self, piece: bytes) -> int:
        """Decode up to the closing quote; returns where that is, or the end of the piece."""
        assert self._text is not None
        quote = piece.find(b'"')
        is_final = quote >= 0
        end = quote if is_final else len(piece)
        if self._keeps:
            try:
                self._unwritten = self._text.decode(piece[:end], final=is_final)
            except ValueError:
                self.close()
        if is_final:
            self._rest += (INLINE if self._keeps else DROPPED).encode()
            self._text = None
            self._searched = len(self._rest)
        return end

    def _is_written(self) -> bool:
        """Write what is decoded; False: the disk is full, or does not let it for another reason."""
        if not self._keeps:
            return True
        try:
            if self._file is None:
                self._file = self._next.open("wb", buffering=0)
            while self._unwritten:
                self._unwritten = self._unwritten[self._file.write(self._unwritten) or 0 :]
            if self._text is None:
                # The closing quote was read, so the image is whole.
                self._file.close()
                self._next.replace(self._path)
                self._file, self._keeps = None, False
        except OSError:
            return False
        return True


class Base64Text:
    """
    Decodes base64 as it stands in a JSON string, in pieces.

    It accepts escapes, line breaks, a data URI's head, the URL-safe letters and missing padding.
    Anything else raises ValueError.
    """

    def __init__(self) -> None:
        self._escaped = b""
        self._letters = b""
        self._head_passed = False
        self._padded = False

    def decode(self, piece: bytes, *, final: bool) -> bytes:
        letters = self._letters + self._unescaped(piece, final=final)
        if not self._head_passed:
            if len(letters) < DATA_URI_BYTES_MAX and not final:
                self._letters = letters
                return b""
            self._head_passed = True
            if letters.startswith(b"data:"):
                _, comma, letters = letters.partition(b",")
                if not comma:
                    raise ValueError("a data URI without data")
        if any(each in letters for each in UNUSUAL):
            letters = letters.translate(URL_SAFE, LINE_BREAKS)
        whole = len(letters) if final else len(letters) // 4 * 4
        letters, self._letters = letters[:whole], letters[whole:]
        if final:
            letters += b"=" * (-len(letters) % 4)
        if letters and self._padded:
            raise ValueError("text after the padding")
        self._padded = letters.endswith(b"=")
        # The standard library takes sixty times as long, and everything else waits for it.
        image: bytes = pybase64.b64decode(letters, validate=True)
        return image

    def _unescaped(self, piece: bytes, *, final: bool) -> bytes:
        r"""Undo JSON's escapes: some vendors write `\/` for `/`, others `\u002b` for `+`."""
        piece = self._escaped + piece
        self._escaped = b""
        if not final:
            cut = piece.rfind(b"\\", max(len(piece) - ESCAPE_BYTES_MAX + 1, 0))
            if cut >= 0:
                piece, self._escaped = piece[:cut], piece[cut:]
        if b"\\" not in piece:
            return piece
        # `strict=False` accepts raw line breaks, as this class does in a text without escapes.
        unescaped: str = json.loads(b'"' + piece + b'"', strict=False)
        return unescaped.encode("ascii")
