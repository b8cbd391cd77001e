import contextlib
import io
import random
import struct
import subprocess
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.errors import UnusableImage
from bot.pictures.check import check_image, check_whole_png
from tests.providers.conftest import LIMITS
from tests.support.photos import chunk as png_chunk

NOISE = Image.frombytes("RGB", (97, 61), random.Random(1).randbytes(97 * 61 * 3))


def encoded(image: Image.Image, pillow_format: str, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, pillow_format, **options)
    return file.getvalue()


GOOD = {
    "png": encoded(NOISE, "PNG"),
    "png, palette": encoded(NOISE.quantize(16), "PNG"),
    "png, alpha": encoded(NOISE.convert("RGBA"), "PNG"),
    "png, 16 bit": encoded(Image.new("I;16", (97, 61)), "PNG"),
    "jpg": encoded(NOISE, "JPEG"),
    "jpg, progressive": encoded(NOISE, "JPEG", progressive=True),
    "jpg, grey": encoded(NOISE.convert("L"), "JPEG"),
    "jpg, cmyk": encoded(NOISE.convert("CMYK"), "JPEG"),
    "webp": encoded(NOISE, "WEBP"),
    "webp, lossless": encoded(NOISE, "WEBP", lossless=True),
    "webp, alpha": encoded(NOISE.convert("RGBA"), "WEBP"),
    "webp, extended": encoded(NOISE, "WEBP", exif=b"Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x00"),
}


def checked(tmp_path: Path, content: bytes, limits: ImageLimits = LIMITS) -> ImageFile:
    path = tmp_path / "image"
    path.write_bytes(content)
    return checked_twice(path, limits)


def checked_twice(path: Path, limits: ImageLimits) -> ImageFile:
    """A glance says the same as a decoder, or nothing."""
    at_a_glance = check_whole_png(path, limits)
    image = check_image(path, limits)
    assert at_a_glance in (None, image)
    return image


def problem_of(tmp_path: Path, content: bytes, limits: ImageLimits = LIMITS) -> str:
    with pytest.raises(UnusableImage) as caught:
        checked(tmp_path, content, limits)
    return str(caught.value)


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_good_image_is_taken_with_its_format_and_size(tmp_path: Path, kind: str) -> None:
    assert checked(tmp_path, GOOD[kind]) == ImageFile(
        path=tmp_path / "image",
        format=ImageFormat(kind.partition(",")[0]),
        width_px=97,
        height_px=61,
        size_bytes=len(GOOD[kind]),
        # A WebP that is opaque all over is saved without it.
        alpha=kind == "png, alpha",
    )


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"", "empty"),
        (b"hello", "no_picture"),
        (bytes(5_000), "no_picture"),
        (encoded(NOISE, "GIF"), "other_format, found GIF"),
        (encoded(NOISE, "BMP"), "other_format, found BMP"),
        (encoded(NOISE, "TIFF"), "other_format, found TIFF"),
        (b"\x00\x00\x00\x1cftypheic" + bytes(40), "other_format, found HEIC, AVIF or video"),
        (
            b"\n <!doctype html><title>Error</title>",
            "other_format, found web page",
        ),
        (
            b'<svg xmlns="http://www.w3.org/2000/svg"/>',
            "other_format, found web page",
        ),
        (b"RIFF\x00\x00\x00\x00WAVEfmt ", "no_picture"),
    ],
)
def test_what_is_no_image_we_take_is_called_by_its_name(
    tmp_path: Path, content: bytes, problem: str
) -> None:
    assert problem_of(tmp_path, content).startswith(problem)


@pytest.mark.parametrize("kind", list(GOOD))
def test_a_png_is_known_at_a_glance_and_no_other(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(GOOD[kind])
    seen = check_whole_png(path, LIMITS)
    assert (seen is not None) is kind.startswith("png")


@pytest.mark.parametrize(
    ("mode", "keyed"),
    [
        *((mode, None) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
        ("1", 0),
        ("L", 3),
        ("P", 3),
        ("RGB", (1, 2, 3)),
        ("I;16", 3),
    ],
)
def test_a_glance_tells_transparency(
    tmp_path: Path, mode: str, keyed: int | tuple[int, ...] | None
) -> None:
    picture = Image.new("I;16", (8, 8)) if mode == "I;16" else NOISE.convert(mode)
    image = checked(tmp_path, encoded(picture, "PNG", transparency=keyed))
    assert check_whole_png(image.path, LIMITS) == (image if keyed is None else None)
    assert image.alpha is (mode in ("LA", "RGBA") or keyed is not None)


def added(chunk: bytes) -> bytes:
    """A good PNG with one chunk more, behind its first."""
    return GOOD["png"][:33] + chunk + GOOD["png"][33:]


@pytest.mark.parametrize("name", ["zTXt", "iTXt", "iCCP"])
def test_what_may_be_packed_in_a_png_is_left_to_the_decoder(tmp_path: Path, name: str) -> None:
    path = tmp_path / "image"
    path.write_bytes(added(png_chunk(name.encode(), b"a\0\0" + zlib.compress(bytes(2 << 20)))))
    assert check_whole_png(path, LIMITS) is None
    assert check_image(path, LIMITS).width_px == 97


@pytest.mark.parametrize(
    "chunk",
    [
        *(png_chunk(name, b"") for name in (b"cHRM", b"gAMA", b"sRGB", b"pHYs", b"fcTL")),
        png_chunk(b"iCCP", b"a\0\1"),
        png_chunk(b"zTXt", b"a\0\1"),
        png_chunk(b"zTXt", b"a\0\0" + zlib.compress(bytes(900_000), 9)) * 80,
        png_chunk(b"\0\0\0\0", b""),
        png_chunk(b"IDAT", b"") * 50_000,
    ],
)
def test_what_pillow_refuses_in_a_png_is_taken_out(tmp_path: Path, chunk: bytes) -> None:
    path = tmp_path / "image"
    path.write_bytes(added(chunk))
    assert check_whole_png(path, LIMITS) is None
    check_image(path, LIMITS)
    with Image.open(path) as picture:
        assert picture.convert("RGB").tobytes() == NOISE.tobytes()


@pytest.mark.parametrize("pillow_format", ["PNG", "WEBP"])
def test_an_animation_is_refused(tmp_path: Path, pillow_format: str) -> None:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    content = encoded(frames[0], pillow_format, save_all=True, append_images=frames[1:])
    assert problem_of(tmp_path, content) == "animated"


@pytest.mark.parametrize("kind", list(GOOD))
def test_an_image_cut_off_anywhere_is_refused(tmp_path: Path, kind: str) -> None:
    """Up to where all pixels are there: before checksums, end marks and metadata behind them."""
    content = GOOD[kind]
    behind = {"png": 22, "jpg": 8, "jpg, progressive": 1, "webp, extended": 30}
    last = len(content) - behind.get(kind, behind.get(kind.partition(",")[0], 1))
    for length in {*range(1, last, max(len(content) // 40, 1)), last}:
        with pytest.raises(UnusableImage):
            checked(tmp_path, content[:length])


@given(data=st.data())
def test_damage_is_seen_or_harmless_and_raises_nothing_else(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    content = bytearray(GOOD[data.draw(st.sampled_from(sorted(GOOD)))])
    for _ in range(data.draw(st.integers(1, 8))):
        # Heads decide more than pixels do.
        top = min(data.draw(st.sampled_from([40, 200, 1_000_000])), len(content))
        content[data.draw(st.integers(0, top - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path_factory.getbasetemp() / "damaged"
    path.write_bytes(content)
    with contextlib.suppress(UnusableImage):
        assert checked_twice(path, LIMITS).size_bytes == path.stat().st_size


def test_too_many_bytes_are_refused(tmp_path: Path) -> None:
    limits = ImageLimits(size_bytes_max=len(GOOD["png"]) - 1, pixels_max=1_000_000)
    assert (
        problem_of(tmp_path, GOOD["png"], limits)
        == f"too_many_bytes, bytes_max {len(GOOD['png']) - 1}"
    )


@pytest.mark.parametrize("kind", list(GOOD))
def test_one_pixel_too_many_is_refused(tmp_path: Path, kind: str) -> None:
    limits = ImageLimits(size_bytes_max=1_000_000, pixels_max=97 * 61)
    assert checked(tmp_path, GOOD[kind], limits).width_px == 97
    limits = ImageLimits(size_bytes_max=1_000_000, pixels_max=97 * 61 - 1)
    assert problem_of(tmp_path, GOOD[kind], limits) == "too_many_pixels, pixels_max 5916"


def png_claiming(width_px: int, height_px: int) -> bytes:
    head = struct.pack(">IIBBBBB", width_px, height_px, 8, 2, 0, 0, 0)
    pixels = png_chunk(b"IDAT", zlib.compress(b"")) + png_chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + png_chunk(b"IHDR", head) + pixels


BOMBS = {
    "png": png_claiming(60_000, 60_000),
    "webp, extended": b"RIFF\x20\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"
    + bytes(4)
    + (16_382).to_bytes(3, "little") * 2
    + bytes(8),
    "webp, lossless": b"RIFF\x20\x00\x00\x00WEBPVP8L\x14\x00\x00\x00\x2f" + b"\xff" * 20,
    "webp": b"RIFF\x20\x00\x00\x00WEBPVP8 \x14\x00\x00\x00"
    + b"\x10\x00\x00\x9d\x01\x2a"
    + b"\xff\x3f\xff\x3f"
    + bytes(10),
    "jpg": encoded(Image.new("L", (16, 16)), "JPEG").replace(
        b"\x00\x10\x00\x10\x01", b"\xff\xff\xff\xff\x01"
    ),
}


@pytest.mark.parametrize("kind", list(BOMBS))
def test_a_decompression_bomb_is_refused_by_its_head(tmp_path: Path, kind: str) -> None:
    """No warning of Pillow's comes up either: warnings are errors here."""
    assert problem_of(tmp_path, BOMBS[kind]) == "too_many_pixels, pixels_max 1000000"


def test_an_image_without_pixels_is_refused(tmp_path: Path) -> None:
    assert problem_of(tmp_path, png_claiming(0, 10)) == "damaged"


def test_pillow_is_not_loaded_before_there_is_an_image() -> None:
    """It takes a tenth of a second and megabytes that an idle bot can do without."""
    program = "import sys, bot.providers.registry, bot.pictures.fetch; print('PIL' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout == "False\n"
