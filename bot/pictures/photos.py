"""
Converts a picture from a member into a plain one that every vendor takes, so that the vendor gets
what a viewer shows. Knows no vendor and no network.

A plain picture is a PNG, JPEG or WebP of eight bits, RGB or RGBA, in sRGB, upright, of one frame
and without metadata. Pixels that are so already stay as they are to the bit.
"""

import contextlib
import hashlib
import io
import math
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from msgspec import Struct

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.domain.requests import PHOTO_PIXELS_MAX
from bot.errors import Flaw, UnusableImage
from bot.pictures.check import DECODER_ERRORS, HELD_BYTES_MAX, check_pixels, held_bytes, opened
from bot.pictures.containers import PROFILE_BYTES_MAX, Bare, strip
from bot.pictures.kinds import KIND_BYTES, KINDS, STRIPPABLE, kind_of

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile as PillowFile

FORMATS = {"PNG": ImageFormat.PNG, "JPEG": ImageFormat.JPEG, "WEBP": ImageFormat.WEBP}
#: what is written as a JPEG again, if the vendor takes that and nothing is transparent
PHOTOS = frozenset({"JPEG", "MPO", "HEIF", "AVIF", "WEBP"})
UNLIMITED = ImageLimits(size_bytes_max=1 << 62, pixels_max=1 << 62)
JPEG_QUALITY = 95
#: of zlib: a tenth larger than by default, in a third of the time
PNG_LEVEL = 1
#: share of its sides with which a file that is too large is tried again, and the tries in all
SCALE = 0.75
SCALES_MAX = 12
#: pixels at most of a picture that has to be converted; a JPEG with more is decoded at half its
#: sides or less
WORKED_PIXELS_MAX = 12_300_000
#: frames that are compared at most, and their pixels together, to see whether a picture moves
FRAMES_MAX = 200
COMPARED_PIXELS_MAX = 200_000_000
#: the tag in EXIF that says how a picture is to be turned (EXIF 2.32)
ORIENTATION = 0x0112


def make_plain(path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]) -> ImageFile:
    """
    Overwrite the file with the plain picture. Blocks, and needs memory for each pixel: call it in
    the decoder's process.

    Args:
        limits: bytes of the plain picture, and pixels that are decoded.
        formats: what may be written.
    Raises:
        UnusableImage: it is no picture, is too large, moves, or is damaged.
        MemoryError: it does not fit into the process.
    """
    found = _read(path, limits, formats)
    if isinstance(found, Kept):
        path.write_bytes(found.data)
        return _described(path, found.format, found.size_px, found.size_px, alpha=found.alpha)
    return _saved(found, path, limits, formats)


class Kept(Struct, frozen=True):
    """A picture whose pixels stay as they are."""

    data: bytes
    format: ImageFormat
    size_px: tuple[int, int]
    alpha: bool


def _read(path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]) -> "Kept | Picture":
    with path.open("rb") as file:
        head = file.read(KIND_BYTES)
        if not head:
            raise UnusableImage(Flaw.EMPTY)
        kind = kind_of(head)
        data = path.read_bytes() if kind in STRIPPABLE else b""
        try:
            bare = strip(data) if data else Bare()
            del data
            picture = opened(io.BytesIO(bare.to_decode) if bare.data else file, kind, limits)
            size_px = picture.size
            kept = _kept_format(picture, bare, limits)
            if kept and kept in formats and len(bare.data) <= limits.size_bytes_max:
                return Kept(bare.data, kept, size_px, _decoded_whole(picture, limits))
            profile, exif = bare.profile, bare.exif
            # Decoding needs its memory.
            del bare
            return _plain(picture, profile, exif, limits)
        except (UnusableImage, MemoryError):
            raise
        except Exception as error:
            # Those of HEIC and AVIF have only words for it: "Out of memory", among others.
            if "memory" in str(error).lower():
                raise MemoryError from error
            # Whatever else a decoder raises at hostile bytes, the picture cannot be used.
            raise UnusableImage(Flaw.DAMAGED) from error


def convert(
    image: ImageFile, path: Path, size_px: tuple[int, int], formats: tuple[ImageFormat, ...]
) -> ImageFile:
    """
    Write a plain picture to another file, in another format or size.

    Args:
        size_px: width and height of the new picture.
    """
    with image.path.open("rb") as file:
        picture = opened(file, KINDS[image.format], UNLIMITED)
        picture.draft(None, size_px)
        _check_worked(picture)
        resized = picture.convert("RGBA" if image.alpha else "RGB").resize(size_px)
    return _saved(resized, path, UNLIMITED, formats)


def _kept_format(picture: "PillowFile", bare: Bare, limits: ImageLimits) -> ImageFormat | None:
    """The picture's format, if its pixels can stay as they are; else None."""
    keyed = "transparency" in picture.info
    if picture.mode not in ("RGB", "RGBA") or keyed or bare.animated:
        return None
    deep = picture.format == "PNG" and bare.data[24] > 8
    turned = orientation_in(bare.exif) not in (0, 1)
    large = picture.size[0] * picture.size[1] > limits.pixels_max
    if deep or turned or large or not _is_srgb(bare.profile):
        return None
    return FORMATS.get(picture.format or "")


def _decoded_whole(picture: "PillowFile", limits: ImageLimits) -> bool:
    """Decode a picture that stays as it is, as a check; returns whether parts are transparent."""
    check_pixels(picture.size, limits)
    # A JPEG is decoded at an eighth: all its data is read, but little memory is needed.
    picture.draft(None, (max(picture.size[0] // 8, 1), max(picture.size[1] // 8, 1)))
    picture.load()
    return _is_transparent(picture)


def _plain(picture: "PillowFile", profile: bytes, exif: bytes, limits: ImageLimits) -> "Picture":
    _check_still(picture, limits)
    _decode(picture, limits)
    orientation = orientation_in(exif) if exif else orientation_of(picture)
    profile = profile or picture.info.get("icc_profile") or b""
    plain: Picture = picture
    for step in (
        in_eight_bits,
        partial(_in_srgb, profile=profile),
        in_rgb,
        partial(upright, orientation=orientation),
    ):
        changed = step(plain)
        if changed is not plain:
            # Its memory is needed for the next step.
            plain.close()
        plain = changed
    plain.info.clear()
    plain.format = picture.format
    return plain


def _check_still(picture: "PillowFile", limits: ImageLimits) -> None:
    """
    Check that the picture does not move; several frames may be there if all are alike.

    Raises:
        UnusableImage: the picture moves, or has too many pixels.
    """
    if picture.format in ("TIFF", "HEIF"):
        # Further pages are no animation: a viewer shows the first.
        return
    if not getattr(picture, "is_animated", False):
        return
    check_pixels(picture.size, limits)
    _check_worked(picture)
    # Where the first picture is for viewers that know no animation, it is none of the frames.
    first = 1 if picture.info.get("default_image") else 0
    picture.seek(first)
    shown = _digest(picture)
    compared = COMPARED_PIXELS_MAX // (picture.size[0] * picture.size[1])
    with contextlib.suppress(EOFError):
        for frame in range(first + 1, first + min(FRAMES_MAX, compared)):
            picture.seek(frame)
            if _digest(picture) != shown:
                raise UnusableImage(Flaw.ANIMATED)
    picture.seek(first)


def _digest(picture: "Picture") -> bytes:
    return hashlib.blake2b(picture.convert("RGBA").tobytes()).digest()


def _decode(picture: "PillowFile", limits: ImageLimits) -> None:
    width_px, height_px = picture.size
    if picture.format == "JPEG":
        if width_px * height_px > PHOTO_PIXELS_MAX:
            raise UnusableImage(Flaw.TOO_MANY_PIXELS, pixels_max=PHOTO_PIXELS_MAX)
        scale = _scale(picture)
        picture.draft(None, (max(width_px // scale, 1), max(height_px // scale, 1)))
    check_pixels(picture.size, limits)
    _check_worked(picture)
    picture.load()
    # An AVIF's holds the picture as it was coded: half as much memory again.
    vars(picture).pop("_decoder", None)


def _scale(jpeg: "PillowFile") -> int:
    """By what a JPEG's sides are divided as it is decoded to be converted."""
    width_px, height_px = jpeg.size
    for scale in (1, 2, 4):
        pixels = -(-width_px // scale) * -(-height_px // scale)
        if pixels <= WORKED_PIXELS_MAX and held_bytes(jpeg) + 4 * pixels <= HELD_BYTES_MAX:
            return scale
    return 8


def _check_worked(picture: "PillowFile") -> None:
    if picture.size[0] * picture.size[1] > WORKED_PIXELS_MAX:
        raise UnusableImage(Flaw.TOO_MANY_PIXELS_BUT_AS_JPEG, pixels_max=WORKED_PIXELS_MAX)


def _is_transparent(picture: "Picture") -> bool:
    return picture.mode == "RGBA" and picture.getchannel("A").histogram()[255] < math.prod(
        picture.size
    )


def in_eight_bits(picture: "Picture") -> "Picture":
    """The picture itself if it has eight bits a band and no palette; else a copy that does."""
    from PIL import ImageOps

    match picture.mode:
        case "I;16" | "I;16B" | "I;16L" | "I":
            # Sixteen bits of grey; Pillow's own conversion would cut them off at 255.
            return picture.convert("I").point(lambda value: value / 257).convert("L")
        case "F":
            # Floating point, as in scientific TIFFs, where nothing tells the range.
            return ImageOps.autocontrast(picture.point(lambda value: value * 255.0).convert("L"))
        case "P" | "PA" | "LA" | "La" | "RGBa":
            return picture.convert("RGBA")
        case _:
            return picture


def _in_srgb(picture: "Picture", profile: bytes) -> "Picture":
    from PIL import ImageCms

    if _is_srgb(profile) or picture.mode not in ("RGB", "RGBA", "CMYK", "L", "LAB"):
        return picture
    mode = "RGBA" if picture.mode == "RGBA" else "RGB"
    is_same = mode == picture.mode
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        changed = ImageCms.profileToProfile(
            picture, source, target, outputMode=mode, inPlace=is_same
        )
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A profile that is damaged, or for another kind of picture, is ignored.
        return picture
    return changed or picture


def _is_srgb(profile: bytes) -> bool:
    from PIL import ImageCms

    if not profile or len(profile) > PROFILE_BYTES_MAX:
        return True
    try:
        described = ImageCms.getProfileDescription(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return described.strip().lower().startswith("srgb")


def in_rgb(picture: "Picture") -> "Picture":
    """RGBA if parts of it are transparent, else RGB."""
    mode = "RGBA" if picture.has_transparency_data else "RGB"
    coloured = picture if picture.mode == mode else picture.convert(mode)
    if mode == "RGB" or _is_transparent(coloured):
        return coloured
    return coloured.convert("RGB")


def upright(picture: "Picture", orientation: int) -> "Picture":
    """
    Turn or mirror the picture as viewers show it.

    Args:
        orientation: EXIF's, 1 to 8; any other number changes nothing.
    """
    from PIL.Image import Transpose

    ways = {
        2: Transpose.FLIP_LEFT_RIGHT,
        3: Transpose.ROTATE_180,
        4: Transpose.FLIP_TOP_BOTTOM,
        5: Transpose.TRANSPOSE,
        6: Transpose.ROTATE_270,
        7: Transpose.TRANSVERSE,
        8: Transpose.ROTATE_90,
    }
    way = ways.get(orientation)
    return picture if way is None else picture.transpose(way)


def orientation_of(picture: "Picture") -> int:
    """The orientation by the picture's EXIF, 1 to 8; 0 if that does not tell it."""
    if exif := picture.info.get("exif"):
        return orientation_in(exif)
    try:
        return int(picture.getexif().get(ORIENTATION) or 0)
    except (*DECODER_ERRORS, KeyError):
        return 0


def orientation_in(exif: bytes) -> int:
    """The same, by EXIF as it stands in a file."""
    from PIL.Image import Exif

    tags = Exif()
    try:
        tags.load(exif)
        return int(tags.get(ORIENTATION) or 0)
    except (*DECODER_ERRORS, KeyError):
        return 0


def _saved(
    plain: "Picture", path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]
) -> ImageFile:
    """Save in the first way within the limit: as a PNG, as a JPEG, then at smaller sizes."""
    opaque = plain.mode == "RGB"
    as_jpeg = opaque and plain.format in PHOTOS and ImageFormat.JPEG in formats
    full_px = plain.size
    for _ in range(SCALES_MAX):
        if not as_jpeg:
            plain.save(path, "PNG", compress_level=PNG_LEVEL)
            if path.stat().st_size <= limits.size_bytes_max:
                return _described(path, ImageFormat.PNG, plain.size, full_px, alpha=not opaque)
        if opaque and ImageFormat.JPEG in formats:
            plain.save(path, "JPEG", quality=JPEG_QUALITY)
            if path.stat().st_size <= limits.size_bytes_max:
                return _described(path, ImageFormat.JPEG, plain.size, full_px, alpha=False)
        width_px, height_px = (max(1, int(side * SCALE)) for side in plain.size)
        plain = plain.resize((width_px, height_px))
    raise UnusableImage(Flaw.TOO_MANY_BYTES, bytes_max=limits.size_bytes_max)


def _described(
    path: Path,
    image_format: ImageFormat,
    size_px: tuple[int, int],
    full_px: tuple[int, int],
    *,
    alpha: bool,
) -> ImageFile:
    size_bytes = path.stat().st_size
    return ImageFile(path, image_format, *size_px, size_bytes, alpha, full_px)
