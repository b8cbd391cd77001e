"""Tells a picture's format by its first bytes, and opens it with that format's own Pillow class."""

import importlib
from typing import TYPE_CHECKING, BinaryIO

from msgspec import Struct

from bot.domain.ports import ImageFormat
from bot.errors import Flaw, UnusableImage

if TYPE_CHECKING:
    from PIL.ImageFile import ImageFile as PillowFile


class Kind(Struct, frozen=True):
    """A format that can be read, by Pillow's module and class."""

    module: str
    reader: str

    def open(self, file: BinaryIO) -> "PillowFile":
        """
        Open a file, but do not decode it yet.

        Unlike Image.open, this loads one decoder rather than all, never guesses another format, and
        leaves the verdict on large images to Easel (Image.open warns of a "decompression bomb" by a
        limit of its own).
        """
        opened: PillowFile = getattr(importlib.import_module(self.module), self.reader)(file)
        return opened


PNG = Kind("PIL.PngImagePlugin", "PngImageFile")
JPEG = Kind("PIL.JpegImagePlugin", "JpegImageFile")
WEBP = Kind("PIL.WebPImagePlugin", "WebPImageFile")
GIF = Kind("PIL.GifImagePlugin", "GifImageFile")
BMP = Kind("PIL.BmpImagePlugin", "BmpImageFile")
TIFF = Kind("PIL.TiffImagePlugin", "TiffImageFile")
AVIF = Kind("PIL.AvifImagePlugin", "AvifImageFile")
HEIC = Kind("pi_heif.as_plugin", "HeifImageFile")
#: the formats that vendors take and answer with
KINDS = {ImageFormat.PNG: PNG, ImageFormat.JPEG: JPEG, ImageFormat.WEBP: WEBP}

#: enough of a file to tell its kind
KIND_BYTES = 64
#: What files of other formats begin with. A file's name proves nothing.
OTHERS = {b"GIF8": GIF, b"BM": BMP, b"II*\x00": TIFF, b"MM\x00*": TIFF}
#: The brands in a file's first box "ftyp" that say its format (ISO/IEC 14496-12 and 23008-12).
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
#: those whose metadata can be taken out
STRIPPABLE = frozenset({PNG, JPEG, WEBP})


def format_of(data: bytes) -> ImageFormat | None:
    """
    Args:
        data: a file's first bytes.
    Returns:
        None: it is no PNG, JPEG or WebP.
    """
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return ImageFormat.PNG
    if data.startswith(b"\xff\xd8\xff"):
        return ImageFormat.JPEG
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return ImageFormat.WEBP
    return None


def kind_of(data: bytes) -> Kind:
    """
    Args:
        data: at least a file's first KIND_BYTES, if it has so many.
    Raises:
        UnusableImage: it is no picture.
    """
    if known := format_of(data):
        return KINDS[known]
    for magic, kind in OTHERS.items():
        if data.startswith(magic):
            return kind
    if data[4:8] == b"ftyp":
        brands = {data[offset : offset + 4] for offset in (8, *range(16, KIND_BYTES, 4))}
        if brands & AVIF_BRANDS:
            return AVIF
        if brands & HEIC_BRANDS:
            return HEIC
        raise UnusableImage(Flaw.VIDEO)
    raise UnusableImage(Flaw.NO_PICTURE)
