"""What goes out as it is, and what a smaller copy says of itself: that a model made it, no more."""

import asyncio
import io
import signal
import struct
import sys
import threading
import zlib
from contextlib import closing
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from PIL import Image, PngImagePlugin

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.engine.carrier import RESULT_LIMITS
from bot.errors import Flaw, UnusableImage
from bot.pictures import fit as fitting
from bot.pictures.check import check_image
from bot.pictures.decoder import Decoder
from bot.pictures.fit import MADE_BY_MODEL, SIDE_PX_MAX, fit
from bot.pictures.photos import ORIENTATION
from bot.pictures.reduce import reduced
from tests.support.memory import forget_peak_of, peak_bytes_of
from tests.support.photos import other_primaries
from tests.support.pictures import noise

PROMPT = "a lighthouse that nobody else is to read of"
SIDE_PX = 200
LIMIT_BYTES = 20_000
#: RFC 9649: of a file that has more than pixels; what may stand in it
EXTENDED, PIXELS, XMP = b"VP8X", {b"VP8 ", b"VP8L", b"ALPH"}, b"XMP "
SOURCE_TYPE = "{http://iptc.org/std/Iptc4xmpExt/2008-02-29/}DigitalSourceType"
RDF = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}"


def told(path: Path, image_format: ImageFormat, mode: str = "RGB") -> ImageFile:
    """A result that says its prompt wherever its format has a place for it."""
    exif = Image.Exif()
    exif[0x010E] = PROMPT
    xmp = f"<x:xmpmeta xmlns:x='adobe:ns:meta/'>{PROMPT}</x:xmpmeta>".encode()
    options: dict[str, object] = {"exif": exif, "xmp": xmp, "icc_profile": other_primaries()}
    if image_format is ImageFormat.PNG:
        texts = PngImagePlugin.PngInfo()
        texts.add_text("parameters", PROMPT)
        texts.add_itxt("prompt", PROMPT)
        texts.add_itxt("XML:com.adobe.xmp", xmp.decode())
        options["pnginfo"] = texts
    elif image_format is ImageFormat.JPEG:
        options |= {"comment": PROMPT, "quality": 95}
    else:
        options["lossless"] = True
    path.with_suffix(".noise").write_bytes(noise(SIDE_PX))
    with Image.open(path.with_suffix(".noise")) as picture:
        drawn = picture.convert(mode)
        if mode == "RGBA":
            drawn.putalpha(Image.linear_gradient("L").resize(drawn.size))
        drawn.save(path, image_format.name, **options)
    assert PROMPT.encode() in path.read_bytes()
    size_bytes = path.stat().st_size
    return ImageFile(path, image_format, SIDE_PX, SIDE_PX, size_bytes, mode == "RGBA")


def webp_chunks(data: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], 12
    while place < len(data):
        kind, length = struct.unpack("<4sI", data[place : place + 8])
        found.append((kind, data[place + 8 : place + 8 + length]))
        place += 8 + length + length % 2
    return found


@pytest.mark.parametrize(
    ("image_format", "mode"),
    [
        *((each, "RGB") for each in ImageFormat),
        (ImageFormat.PNG, "RGBA"),
        (ImageFormat.WEBP, "RGBA"),
    ],
)
async def test_a_copy_says_that_a_model_made_it_and_nothing_else(
    tmp_path: Path, decoder: Decoder, image_format: ImageFormat, mode: str
) -> None:
    image = told(tmp_path / f"told.{image_format}", image_format, mode)
    fitted = await fit([image], LIMIT_BYTES, LIMIT_BYTES, decoder)
    [copy] = fitted.copies
    data = copy.read_bytes()
    assert len(data) <= LIMIT_BYTES
    kinds = [kind for kind, _ in webp_chunks(data)]
    assert set(kinds) - PIXELS == {EXTENDED, XMP}
    assert PROMPT.encode() not in data
    with Image.open(copy) as picture:
        assert picture.format == "WEBP"
        assert picture.mode == mode
        assert picture.info["xmp"] == MADE_BY_MODEL
        assert not picture.getexif()
        assert not {"exif", "icc_profile", "comment"} & set(picture.info)


def test_what_a_copy_says_is_read_by_whoever_reads_xmp() -> None:
    assert MADE_BY_MODEL.startswith(
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
    )
    assert MADE_BY_MODEL.endswith(b'<?xpacket end="r"?>')
    packet = ElementTree.fromstring(MADE_BY_MODEL)
    assert packet.tag == "{adobe:ns:meta/}xmpmeta"
    [described] = packet.findall(f"{RDF}RDF/{RDF}Description")
    assert described.attrib == {
        f"{RDF}about": "",
        SOURCE_TYPE: "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia",
    }


def test_what_a_copy_says_counts_toward_its_limit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = told(tmp_path / "told.png", ImageFormat.PNG)

    def sizes(limit: int) -> tuple[int, tuple[int, int]]:
        copy = tmp_path / "copy.webp"
        fitting._copy(image.path, copy, limit)
        with Image.open(copy) as picture:
            return copy.stat().st_size, picture.size

    size_bytes, size_px = sizes(LIMIT_BYTES)
    assert sizes(size_bytes) == (size_bytes, size_px)
    smaller_bytes, smaller_px = sizes(size_bytes - 1)
    assert smaller_bytes < size_bytes - 1
    assert smaller_px < size_px
    monkeypatch.setattr(fitting, "MADE_BY_MODEL", b"")
    assert sizes(size_bytes - 1)[1] == size_px


@pytest.mark.parametrize("image_format", list(ImageFormat))
async def test_what_fits_goes_out_to_the_byte(
    tmp_path: Path, decoder: Decoder, image_format: ImageFormat
) -> None:
    image = told(tmp_path / f"told.{image_format}", image_format)
    before = image.path.read_bytes()
    fitted = await fit([image], image.size_bytes, image.size_bytes, decoder)
    assert fitted.paths == (image.path,)
    assert not fitted.reduced
    assert image.path.read_bytes() == before


async def test_where_all_are_too_large_together_each_has_an_even_share(
    tmp_path: Path, decoder: Decoder
) -> None:
    images = [
        told(tmp_path / "large.png", ImageFormat.PNG),
        told(tmp_path / "small.jpeg", ImageFormat.JPEG),
    ]
    paths = tuple(image.path for image in images)
    large_bytes, small_bytes = (image.size_bytes for image in images)
    together = large_bytes + small_bytes
    assert (await fit(images, large_bytes, together, decoder)).paths == paths
    share = (together - 1) // 2
    assert small_bytes <= share < large_bytes
    fitted = await fit(images, large_bytes, together - 1, decoder)
    assert fitted.copies == fitted.paths[:1]
    assert fitted.paths[1:] == paths[1:]
    assert fitted.sizes_bytes[0] <= share


def room_for(patch: pytest.MonkeyPatch, webp_px: int, jpeg_px: int) -> None:
    """Have encoders find no memory for larger pictures."""
    as_webp, as_jpeg = fitting._as_webp, fitting._as_jpeg

    def webp(picture: Image.Image, *rest: Any) -> Path:
        if picture.width > webp_px:
            raise ValueError("encoding error 1")
        return as_webp(picture, *rest)

    def jpeg(picture: Image.Image, *rest: Any) -> int:
        if picture.width > jpeg_px:
            raise MemoryError
        return as_jpeg(picture, *rest)

    patch.setattr(fitting, "_as_webp", webp)
    patch.setattr(fitting, "_as_jpeg", jpeg)


@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
@pytest.mark.parametrize("divisor", [1, 2, 4, 8])
def test_a_copy_loses_pixels_at_once_only_where_memory_would_not_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: str, divisor: int
) -> None:
    image = told(tmp_path / "told.png", ImageFormat.PNG, mode)
    room_for(monkeypatch, SIDE_PX // divisor, 0)
    copy = fitting._copy(image.path, tmp_path / "copy.webp", image.size_bytes)
    with Image.open(copy) as picture:
        assert (picture.format, picture.size) == ("WEBP", (SIDE_PX // divisor, SIDE_PX // divisor))


def test_where_memory_would_do_for_no_copy_there_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = told(tmp_path / "told.png", ImageFormat.PNG)
    room_for(monkeypatch, 1, 1)
    with pytest.raises(ValueError, match="encoding error"):
        fitting._copy(image.path, tmp_path / "copy.webp", image.size_bytes)


def test_as_a_jpeg_a_copy_keeps_its_pixels_where_webp_takes_too_much_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A result in 4K is as large on Discord."""
    image = told(tmp_path / "told.png", ImageFormat.PNG)
    room_for(monkeypatch, SIDE_PX // 2, SIDE_PX)
    copy = fitting._copy(image.path, tmp_path / "copy.webp", image.size_bytes)
    assert copy == tmp_path / "copy.jpg"
    with Image.open(copy) as picture:
        assert (picture.format, picture.size) == ("JPEG", (SIDE_PX, SIDE_PX))
        assert picture.info["xmp"] == MADE_BY_MODEL
        assert not picture.getexif()
        assert not {"exif", "icc_profile", "comment"} & set(picture.info)
    fits_as_webp = fitting._copy(image.path, tmp_path / "copy.webp", copy.stat().st_size - 1)
    assert fits_as_webp == tmp_path / "copy.webp"


@pytest.mark.parametrize(
    ("size_px", "options"),
    [
        ((3_000, 2_400), {"format": "WEBP", "method": 0}),
        ((4_400, 4_000), {"format": "JPEG", "progressive": True}),
    ],
)
async def test_what_takes_more_memory_than_a_copy_may_is_copied_all_the_same(
    tmp_path: Path, decoder: Decoder, size_px: tuple[int, int], options: dict[str, Any]
) -> None:
    """Its decoders then say that it is damaged."""
    path = tmp_path / "large"
    large = Image.effect_noise((600, 600), 9).convert("RGB").resize(size_px)
    await asyncio.to_thread(large.save, path, **options)
    copy = await decoder.run(fitting._copy, path, tmp_path / "copy.webp", path.stat().st_size - 1)
    assert check_image(copy, RESULT_LIMITS).width_px >= size_px[0] // 2


@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux what the process took at most")
@pytest.mark.slow
@pytest.mark.parametrize("mode", ["RGB", "RGBA"])
async def test_a_large_picture_is_copied_within_its_limit(
    tmp_path: Path, decoder: Decoder, mode: str
) -> None:
    path = tmp_path / "large.png"
    Image.effect_noise((4_000, 3_000), 90).convert(mode).save(path, "PNG", compress_level=1)
    image = ImageFile(path, ImageFormat.PNG, 4_000, 3_000, path.stat().st_size, mode == "RGBA")
    before = await forget_peak_of(decoder)
    [copy] = (await fit([image], LIMIT_BYTES * 100, LIMIT_BYTES * 100, decoder)).copies
    assert await peak_bytes_of(decoder) - before < fitting.COPY_MEMORY_BYTES
    with Image.open(copy) as picture:
        assert picture.width >= 1_000


@pytest.mark.parametrize("divisor", [1, 8])
@pytest.mark.parametrize("mode", ["P", "L", "LA", "I;16"])
def test_a_copy_is_made_of_each_kind(tmp_path: Path, mode: str, divisor: int) -> None:
    path = tmp_path / "large.png"
    grey = Image.linear_gradient("L").resize((SIDE_PX, SIDE_PX))
    if mode == "I;16":
        grey = grey.convert("I").point(lambda value: value * 257)
    grey.convert(mode).save(path, "PNG")
    picture = fitting._reduced(path, divisor)
    side_px = SIDE_PX // divisor
    assert picture.size == (side_px, side_px)
    middle = picture.convert("RGB").getpixel((side_px // 2, side_px // 2))
    assert all(100 < band < 156 for band in middle)


def test_a_jpeg_is_decoded_no_larger_than_its_copy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In several scans, one of thirty megapixels took 293 MiB."""
    seen = []

    def told_of(picture: Image.Image, divisors: tuple[int, int]) -> Image.Image:
        seen.append((picture.size, divisors))
        return reduced(picture, divisors)

    monkeypatch.setattr(fitting, "reduced", told_of)
    image = told(tmp_path / "result.jpg", ImageFormat.JPEG)
    for divisor in fitting.DIVISORS:
        fitting._reduced(image.path, divisor)
        assert seen.pop() == ((SIDE_PX // divisor, SIDE_PX // divisor), (1, 1))


@pytest.mark.parametrize("pillow_format", ["PNG", "JPEG", "WEBP"])
async def test_a_copy_is_upright(tmp_path: Path, decoder: Decoder, pillow_format: str) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    path = tmp_path / "turned"
    with Image.open(io.BytesIO(noise(SIDE_PX))) as picture:
        picture.crop((0, 0, SIDE_PX, SIDE_PX // 2)).save(path, pillow_format, exif=exif)
    image = check_image(path, ImageLimits(10 * LIMIT_BYTES, SIDE_PX * SIDE_PX))
    [copy] = (await fit([image], image.size_bytes - 1, LIMIT_BYTES, decoder)).copies
    with Image.open(copy) as picture:
        assert picture.width < picture.height
        assert not picture.getexif()


@pytest.mark.parametrize("size_px", [(17_000, 20), (3, 60_000)])
async def test_a_copy_is_made_of_a_picture_longer_than_its_format_takes(
    tmp_path: Path, decoder: Decoder, size_px: tuple[int, int]
) -> None:
    path = tmp_path / "long"
    Image.effect_noise(size_px, 90).convert("RGB").save(path, "PNG")
    image = check_image(path, ImageLimits(10_000_000, 1_000_000))
    [copy] = (await fit([image], image.size_bytes - 1, 10_000_000, decoder)).copies
    with Image.open(copy) as picture:
        assert max(picture.size) == SIDE_PX_MAX


def copies_in(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.suffix in (".webp", ".jpg")]


def undecodable(path: Path) -> ImageFile:
    """A PNG whose checksums are right although its data is no picture."""
    parts = (
        (b"IHDR", struct.pack(">IIBBBBB", SIDE_PX, SIDE_PX, 8, 2, 0, 0, 0)),
        (b"IDAT", bytes(2 * LIMIT_BYTES)),
        (b"IEND", b""),
    )
    path.write_bytes(
        b"\x89PNG\r\n\x1a\n"
        + b"".join(
            struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))
            for kind, body in parts
        )
    )
    return check_image(path, ImageLimits(10 * LIMIT_BYTES, SIDE_PX * SIDE_PX))


async def test_what_cannot_be_decoded_after_all_is_said_to_be_damaged(
    tmp_path: Path, decoder: Decoder
) -> None:
    image = undecodable(tmp_path / "zeros.png")
    with pytest.raises(UnusableImage) as refused:
        await fit([image], LIMIT_BYTES, LIMIT_BYTES, decoder)
    assert refused.value.flaw is Flaw.DAMAGED


async def test_where_one_of_several_cannot_be_made_smaller_no_copy_is_left(
    tmp_path: Path, decoder: Decoder
) -> None:
    images = [
        told(tmp_path / "told.png", ImageFormat.PNG),
        undecodable(tmp_path / "zeros.png"),
    ]
    with pytest.raises(UnusableImage):
        await fit(images, LIMIT_BYTES, LIMIT_BYTES, decoder)
    assert copies_in(tmp_path) == []


async def test_who_is_cancelled_leaves_no_copy(
    tmp_path: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, let = threading.Event(), threading.Event()

    class Held(Decoder):
        def _run(self, *work: Any) -> Any:
            begun.set()
            assert let.wait(10)
            return super()._run(*work)

    image = told(tmp_path / "told.png", ImageFormat.PNG)
    with closing(Held()) as held:
        running = asyncio.create_task(fit([image], LIMIT_BYTES, LIMIT_BYTES, held))
        assert await asyncio.to_thread(begun.wait, 10)
        running.cancel()
        let.set()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert copies_in(tmp_path) == []


async def test_nor_one_of_whose_name_nobody_heard(
    tmp_path: Path, decoder: Decoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = told(tmp_path / "told.png", ImageFormat.PNG)
    monkeypatch.setattr(fitting, "_copy", rename_and_wait)
    running = asyncio.create_task(fit([image], LIMIT_BYTES, LIMIT_BYTES, decoder))
    async with asyncio.timeout(10):
        while not copies_in(tmp_path):  # noqa: ASYNC110 - no event for this
            await asyncio.sleep(0.001)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert copies_in(tmp_path) == []


def rename_and_wait(_: Path, path: Path, __: int) -> None:
    path.with_suffix(".jpg").touch()
    signal.pause()
