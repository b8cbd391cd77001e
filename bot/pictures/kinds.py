"""Tells a picture's format by its first bytes, and which Pillow class reads it."""

from bot.errors import Flaw, UnusableImage

#: enough of a file to tell its kind
KIND_BYTES = 64
#: What the bytes begin with -> Pillow's plugin and class. A file's name proves nothing.
KINDS = {
    b"\x89PNG\r\n\x1a\n": ("PngImagePlugin", "PngImageFile"),
    b"\xff\xd8\xff": ("JpegImagePlugin", "JpegImageFile"),
    b"GIF8": ("GifImagePlugin", "GifImageFile"),
    b"BM": ("BmpImagePlugin", "BmpImageFile"),
    b"II*\x00": ("TiffImagePlugin", "TiffImageFile"),
    b"MM\x00*": ("TiffImagePlugin", "TiffImageFile"),
}
#: The brands in a file's first box "ftyp" that say its format (ISO/IEC 14496-12 and 23008-12).
AVIF_BRANDS = frozenset({b"avif", b"avis"})
HEIC_BRANDS = frozenset({b"heic", b"heix", b"hevc", b"hevx", b"heim", b"heis", b"mif1", b"msf1"})
STRIPPABLE = frozenset({"PngImageFile", "JpegImageFile", "WebPImageFile", "GifImageFile"})


def kind_of(data: bytes) -> tuple[str, str]:
    """
    Args:
        data: at least a file's first KIND_BYTES, if it has so many.
    Returns:
        Pillow's module and class.
    Raises:
        UnusableImage: it is no picture.
    """
    for magic, (module, name) in KINDS.items():
        if data.startswith(magic):
            return f"PIL.{module}", name
    if data.startswith(b"RIFF") and data[8:12] == b"WEBP":
        return "PIL.WebPImagePlugin", "WebPImageFile"
    if data[4:8] == b"ftyp":
        brands = {data[place : place + 4] for place in (8, *range(16, KIND_BYTES, 4))}
        if brands & AVIF_BRANDS:
            return "PIL.AvifImagePlugin", "AvifImageFile"
        if brands & HEIC_BRANDS:
            return "pi_heif.as_plugin", "HeifImageFile"
        raise UnusableImage(Flaw.VIDEO)
    raise UnusableImage(Flaw.NO_PICTURE)
