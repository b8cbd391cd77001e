"""
Converts a picture from a member into a plain one that every vendor takes, so that the vendor gets
what a viewer shows. Knows no vendor and no network.

A plain picture is a PNG, JPEG or WebP of eight bits, RGB or RGBA, in sRGB, upright, of one frame
and without metadata. Pixels that are so already stay as they are to the bit.
"""

import hashlib
import io
import mmap
from pathlib import Path
from typing import TYPE_CHECKING

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.domain.requests import PHOTO_PIXELS_MAX
from bot.errors import Flaw, UnusableImage
from bot.pictures.avif import EXIF, NO_EXIF, coded_bytes
from bot.pictures.check import DECODER_ERRORS, check_pixels
from bot.pictures.containers import FRAMES_MAX, PROFILE_BYTES_MAX, Bare, Head, read_head, strip
from bot.pictures.kinds import AVIF, JPEG, KIND_BYTES, STRIPPABLE, TIFF, WEBP, Kind, kind_of
from bot.pictures.pool import THREADS, Need
from bot.pictures.tags import ORIENTATION, check_tags, orientation_in

if TYPE_CHECKING:
    from PIL.Image import Image as Picture
    from PIL.ImageFile import ImageFile as PillowFile

FORMATS = {"PNG": ImageFormat.PNG, "JPEG": ImageFormat.JPEG, "WEBP": ImageFormat.WEBP}
UNLIMITED = ImageLimits(size_bytes_max=1 << 62, pixels_max=1 << 62)
JPEG_QUALITY = 95
#: share of its sides with which a file that is too large is tried again, and the tries in all
SCALE = 0.75
SCALES_MAX = 12
#: pixels at most of a picture that has to be converted; a JPEG with more is decoded at half its
#: sides or less, and a progressive one has a lower limit
WORKED_PIXELS_MAX = 12_300_000
PROGRESSIVE_PIXELS_MAX = 6_000_000
#: bytes for each pixel of a picture that is converted: for decoding, and for each step's copies
WORKED_BYTES = 13.2
WEBP_BYTES = 20.5
#: the same of an AVIF that is decoded, beside its coded pictures
AVIF_BYTES = 8.5
#: the same of a HEIC with transparency and more than eight bits, measured with pi-heif 1.4
DEEP_HEIC_BYTES = 20.0
#: bytes for each pixel beside that: of a JPEG that is not in scans, and of other pictures
KEPT_JPEG_BYTES = 0.3
KEPT_BYTES = 0.5
#: the same of a picture with frames, which are compared; and pixels that are compared at most
MOVING_BYTES = 24.0
COMPARED_PIXELS_MAX = 200_000_000
#: TIFF 6.0, section 15
TILE_WIDTH, TILE_HEIGHT = 322, 323


def memory_of_plain(path: Path) -> Need:
    """What `make_plain` will take, judged by the head; only the file if there is none."""
    size_bytes = path.stat().st_size
    try:
        with _mapped(path) as data:
            kind = kind_of(data[:KIND_BYTES])
            picture = None if kind in STRIPPABLE else _seen(data, kind)
            head = _largest(picture) if picture else read_head(data)
            pixels = head.width_px * head.height_px
            coded = coded_bytes(data, pixels) if kind is AVIF else 0
    except Exception:
        # What a decoder raises at hostile bytes, it raises again.
        return Need(0, 1, size_bytes)
    if head.may_move:
        return Need(pixels, MOVING_BYTES, size_bytes)
    if kind is WEBP:
        return Need(pixels, WEBP_BYTES, size_bytes)
    if kind is JPEG:
        read = head.scan_bytes if head.in_scans else KEPT_JPEG_BYTES
        return Need(pixels, read + WORKED_BYTES / _scale(head) ** 2, size_bytes)
    if kind is AVIF:
        return Need(pixels, max(WORKED_BYTES, coded / pixels + AVIF_BYTES), size_bytes)
    if picture and picture.mode == "RGBA" and picture.info.get("bit_depth", 0) > 8:
        return Need(pixels, DEEP_HEIC_BYTES, size_bytes)
    # A picture that stays as it is takes less, and may have more pixels.
    worked_bytes = round(min(pixels, WORKED_PIXELS_MAX) * WORKED_BYTES)
    return Need(pixels, KEPT_BYTES, size_bytes + worked_bytes)


def _mapped(path: Path) -> mmap.mmap:
    """A file's bytes, by a copy of what is changed in them: an AVIF has no EXIF here."""
    with path.open("rb") as file:
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY)
    if kind_of(data[:KIND_BYTES]) is AVIF:
        for end in [found.end() for found in EXIF.finditer(data)]:
            data[end - len(NO_EXIF) : end] = NO_EXIF
    return data


def _seen(data: bytes | mmap.mmap, kind: Kind) -> "PillowFile":
    """The picture, not decoded yet."""
    if kind is TIFF:
        check_tags(data)
    elif kind is AVIF:
        from PIL import AvifImagePlugin

        # By default it decodes with as many threads as there are cores, each with its own memory.
        AvifImagePlugin.DEFAULT_MAX_THREADS = THREADS
    return kind.open(data if isinstance(data, mmap.mmap) else io.BytesIO(data))


def _largest(picture: "PillowFile") -> Head:
    """The picture's size, or that of a TIFF's tiles, which may be larger than the picture."""
    width_px, height_px = picture.size
    tags = getattr(picture, "tag_v2", {})
    tile_px = int(tags.get(TILE_WIDTH, 0)), int(tags.get(TILE_HEIGHT, 0))
    return Head(max(width_px, tile_px[0]), max(height_px, tile_px[1]))


def _scale(jpeg: Head) -> int:
    """By what a JPEG's sides are divided as it is decoded to be converted."""
    pixels_max = PROGRESSIVE_PIXELS_MAX if jpeg.in_scans else WORKED_PIXELS_MAX
    scale = 1
    while -(-jpeg.width_px // scale) * -(-jpeg.height_px // scale) > pixels_max and scale < 8:
        scale *= 2
    return scale


def make_plain(path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]) -> ImageFile:
    """
    Overwrite the file with the plain picture. Blocks, and needs memory for each pixel: call it off
    the event loop.

    Args:
        limits: bytes of the plain picture, and pixels that are decoded.
        formats: what may be written.
    Raises:
        UnusableImage: it is no picture, is too large, moves, or is damaged.
    """
    data = path.read_bytes()
    if not data:
        raise UnusableImage(Flaw.EMPTY)
    kind = kind_of(data)
    try:
        if kind is AVIF:
            data = EXIF.sub(rb"\1" + NO_EXIF, data)
        bare = strip(data) if kind in STRIPPABLE else Bare(data, to_decode=data)
        del data
        with _opened(bare, kind, limits) as picture:
            size_px = picture.size
            kept = _kept_format(picture, bare, limits)
            if kept in formats and len(bare.data) <= limits.size_bytes_max:
                alpha = _decoded_whole(picture, limits)
            else:
                kept, plain = None, _plain(picture, bare, limits)
    except UnusableImage:
        raise
    except Exception as error:
        # Whatever else a decoder raises at hostile bytes, the picture cannot be used.
        raise UnusableImage(Flaw.DAMAGED) from error
    if kept is None:
        return _saved(plain, path, limits, formats)
    path.write_bytes(bare.data)
    return _described(path, kept, size_px, size_px, alpha=alpha)


def convert(
    image: ImageFile, path: Path, size_px: tuple[int, int], formats: tuple[ImageFormat, ...]
) -> ImageFile:
    """
    Write a plain picture to another file, in another format or size.

    Args:
        size_px: width and height of the new picture.
    """
    data = image.path.read_bytes()
    with _opened(Bare(data, to_decode=data), kind_of(data), UNLIMITED) as picture:
        plain = picture.convert("RGBA" if image.alpha else "RGB")
    return _saved(plain.resize(size_px), path, UNLIMITED, formats)


def _opened(bare: Bare, kind: Kind, limits: ImageLimits) -> "PillowFile":
    """
    Open the picture to decode it.

    Raises:
        UnusableImage: a WebP is too large to be opened, or an AVIF is not what it says.
    """
    if kind is WEBP:
        # Pillow allocates the whole canvas as soon as it opens a WebP.
        head = read_head(bare.to_decode)
        check_pixels((head.width_px, head.height_px), limits)
    picture = _seen(bare.to_decode, kind)
    if kind is AVIF:
        coded_bytes(bare.to_decode, picture.size[0] * picture.size[1])
    return picture


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


def _decode(picture: "PillowFile", bare: Bare, limits: ImageLimits) -> None:
    width_px, height_px = picture.size
    if picture.format == "JPEG":
        if width_px * height_px > PHOTO_PIXELS_MAX:
            raise UnusableImage(Flaw.TOO_MANY_PIXELS, pixels_max=PHOTO_PIXELS_MAX)
        scale = _scale(read_head(bare.to_decode))
        picture.draft(None, (max(width_px // scale, 1), max(height_px // scale, 1)))
    check_pixels(picture.size, limits)
    _check_worked(picture)
    picture.load()
    # An AVIF's holds the picture as it was coded: half as much memory again.
    vars(picture).pop("_decoder", None)


def _check_worked(picture: "PillowFile") -> None:
    largest = _largest(picture)
    if largest.width_px * largest.height_px > WORKED_PIXELS_MAX:
        raise UnusableImage(Flaw.TOO_MANY_PIXELS_BUT_AS_JPEG, pixels_max=WORKED_PIXELS_MAX)


def _is_transparent(picture: "Picture") -> bool:
    if picture.mode != "RGBA":
        return False
    histogram = picture.getchannel("A").histogram()
    return sum(histogram[:255]) > 0


def _plain(picture: "PillowFile", bare: Bare, limits: ImageLimits) -> "Picture":
    _check_still(picture, limits)
    _decode(picture, bare, limits)
    orientation = orientation_in(bare.exif) if bare.exif else orientation_of(picture)
    profile = bare.profile or picture.info.get("icc_profile") or b""
    if len(profile) > PROFILE_BYTES_MAX:
        profile = b""
    eight_bit = in_eight_bits(picture)
    coloured = _in_srgb(eight_bit, profile)
    plain = coloured.convert("RGBA" if coloured.has_transparency_data else "RGB")
    plain = plain if _is_transparent(plain) else plain.convert("RGB")
    plain.info.clear()
    plain = upright(plain, orientation)
    plain.format = picture.format
    return plain


def upright(picture: "Picture", orientation: int) -> "Picture":
    """
    Turn or mirror the picture as viewers show it.

    Args:
        orientation: EXIF's, 1 to 8; any other number changes nothing.
    """
    from PIL import ImageOps

    if orientation not in range(2, 9):
        return picture
    picture.getexif()[ORIENTATION] = orientation
    return ImageOps.exif_transpose(picture)


def _check_still(picture: "PillowFile", limits: ImageLimits) -> None:
    """
    Check that the picture does not move; several frames may be there if all are alike.

    Raises:
        UnusableImage: the picture moves, or has too many pixels.
    """
    if picture.format in ("TIFF", "HEIF"):
        # Further pages are no animation: a viewer shows the first.
        return
    frames = getattr(picture, "n_frames", 1)
    if frames < 2:
        return
    check_pixels(picture.size, limits)
    _check_worked(picture)
    # Where the first picture is for viewers that know no animation, it is none of the frames.
    first = 1 if picture.info.get("default_image") else 0
    picture.seek(first)
    shown = _digest(picture)
    compared = COMPARED_PIXELS_MAX // (picture.size[0] * picture.size[1])
    for frame in range(first + 1, min(frames, FRAMES_MAX, first + compared)):
        picture.seek(frame)
        if _digest(picture) != shown:
            raise UnusableImage(Flaw.ANIMATED)
    picture.seek(first)


def _digest(picture: "Picture") -> bytes:
    return hashlib.blake2b(picture.convert("RGBA").tobytes()).digest()


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
    try:
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        mode = "RGBA" if picture.mode == "RGBA" else "RGB"
        return ImageCms.profileToProfile(picture, source, target, outputMode=mode) or picture
    except (ImageCms.PyCMSError, OSError, ValueError):
        # A profile that is damaged, or for another kind of picture, is ignored.
        return picture


def _is_srgb(profile: bytes) -> bool:
    from PIL import ImageCms

    if not profile:
        return True
    try:
        described = ImageCms.getProfileDescription(io.BytesIO(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return False
    return described.strip().lower().startswith("srgb")


def orientation_of(picture: "Picture") -> int:
    """The orientation by the picture's EXIF, 1 to 8; 0 if that does not tell it."""
    if exif := picture.info.get("exif"):
        return orientation_in(exif)
    try:
        return int(picture.getexif().get(ORIENTATION) or 0)
    except (*DECODER_ERRORS, KeyError):
        return 0


def _saved(
    plain: "Picture", path: Path, limits: ImageLimits, formats: tuple[ImageFormat, ...]
) -> ImageFile:
    """Save in the first way within the limit: as a PNG, as a JPEG, then at smaller sizes."""
    opaque = plain.mode == "RGB"
    from_photo = plain.format in ("JPEG", "MPO", "HEIF", "AVIF", "WEBP")
    as_jpeg = opaque and from_photo and ImageFormat.JPEG in formats
    picture = plain
    for _ in range(SCALES_MAX):
        if not as_jpeg:
            picture.save(path, "PNG")
            if path.stat().st_size <= limits.size_bytes_max:
                return _described(path, ImageFormat.PNG, picture.size, plain.size, alpha=not opaque)
        if opaque and ImageFormat.JPEG in formats:
            picture.save(path, "JPEG", quality=JPEG_QUALITY)
            if path.stat().st_size <= limits.size_bytes_max:
                return _described(path, ImageFormat.JPEG, picture.size, plain.size, alpha=False)
        width_px, height_px = (max(1, int(side * SCALE)) for side in picture.size)
        picture = picture.resize((width_px, height_px))
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
