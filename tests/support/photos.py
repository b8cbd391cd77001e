"""
Pictures as people have them, all drawn here: red above blue, with a green corner top left, so that
turning and colours show.

`python -m tests.support.photos` prints what becomes of each.
"""

import io
import random
import struct
import sys
import tempfile
import zlib
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageCms, ImageDraw

RED, GREEN, BLUE = (250, 10, 10), (10, 250, 10), (10, 10, 250)
WIDTH_PX, HEIGHT_PX = 96, 64
ORIENTATION = 0x0112
MADE: dict[str, tuple[str, Callable[[], bytes]]] = {}


def made(name: str, filename: str) -> Callable[[Callable[[], bytes]], Callable[[], bytes]]:
    def keep(make: Callable[[], bytes]) -> Callable[[], bytes]:
        MADE[name] = (filename, make)
        return make

    return keep


def drawn(width_px: int = WIDTH_PX, height_px: int = HEIGHT_PX) -> Image.Image:
    picture = Image.new("RGB", (width_px, height_px), RED)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((0, height_px // 2, width_px, height_px), BLUE)
    draw.rectangle((0, 0, width_px // 4, height_px // 4), GREEN)
    return picture


def written(picture: Image.Image, image_format: str, **options: object) -> bytes:
    file = io.BytesIO()
    picture.save(file, image_format, **options)
    return file.getvalue()


def jpeg(picture: Image.Image | None = None, **options: object) -> bytes:
    return written(picture or drawn(), "JPEG", quality=95, subsampling=0, **options)


def turned(orientation: int) -> tuple[Image.Image, Image.Exif]:
    """As a camera that was held otherwise stores it."""
    back = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    exif[0x010F] = "A Phone's Maker"
    return drawn().transpose(back[orientation]), exif


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">I4s", len(body), kind) + body + struct.pack(">I", zlib.crc32(kind + body))


def png_with(*chunks: bytes) -> bytes:
    """Put behind the first chunk."""
    data = written(drawn(), "PNG")
    return data[:33] + b"".join(chunks) + data[33:]


def other_primaries() -> bytes:
    """sRGB's profile with red and green exchanged, under another name."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    for place in range(132, 132 + 12 * struct.unpack(">I", profile[128:132])[0], 12):
        name = bytes(profile[place : place + 4])
        if name in (b"rXYZ", b"gXYZ"):
            profile[place : place + 4] = b"gXYZ" if name == b"rXYZ" else b"rXYZ"
    return bytes(profile).replace("sRGB".encode("utf-16-be"), "wide".encode("utf-16-be"))


def exchanged() -> Image.Image:
    red, green, blue = drawn().split()
    return Image.merge("RGB", (green, red, blue))


@made("JPEG", "photo.jpg")
def _jpeg() -> bytes:
    return jpeg()


@made("JPEG with another name", "IMG_0001.HEIC")
def _misnamed() -> bytes:
    return jpeg()


@made("JPEG named as a text", "photo.txt")
def _text() -> bytes:
    return jpeg()


for _number in range(2, 9):

    @made(f"JPEG held {_number}", "photo.jpg")
    def _held(number: int = _number) -> bytes:
        picture, exif = turned(number)
        return jpeg(picture, exif=exif)


@made("JPEG without its end", "photo.jpg")
def _endless() -> bytes:
    return jpeg()[:-2]


@made("JPEG without its end, with a trailer", "panorama.jpg")
def _samsung() -> bytes:
    return jpeg()[:-2] + b"\x00\x00\x00\x0bSEFHPanorama_Shot_Info" * 40 + b"SEFT"


@made("JPEG with a trailer", "motion.jpg")
def _motion() -> bytes:
    return jpeg() + b"\x00\x00\x00\x18ftypmp42" + bytes(50_000)


@made("MPO of two pictures", "stereo.mpo")
def _mpo() -> bytes:
    return written(drawn(), "MPO", save_all=True, append_images=[Image.new("RGB", (96, 64))])


@made("JPEG with a gain map", "hdr.jpg")
def _gain_map() -> bytes:
    plain = jpeg()
    index = b"\xff\xe2" + struct.pack(">H", 6 + 80) + b"MPF\x00" + bytes(80)
    return plain[:2] + index + plain[2:] + jpeg(Image.new("L", (24, 16)))


@made("progressive JPEG", "photo.jpg")
def _progressive() -> bytes:
    return jpeg(progressive=True)


@made("grey JPEG", "photo.jpg")
def _grey() -> bytes:
    return jpeg(drawn().convert("L"))


@made("CMYK JPEG", "print.jpg")
def _cmyk() -> bytes:
    return jpeg(drawn().convert("CMYK"))


@made("JPEG of other primaries", "photo.jpg")
def _wide() -> bytes:
    return jpeg(exchanged(), icc_profile=other_primaries())


@made("JPEG of 50 megapixels", "photo.jpg")
def _large() -> bytes:
    return jpeg(drawn(8_400, 6_000))


@made("PNG", "picture.png")
def _png() -> bytes:
    return written(drawn(), "PNG")


@made("PNG held 6", "screenshot.png")
def _png_held() -> bytes:
    picture, exif = turned(6)
    return written(picture, "PNG", exif=exif)


@made("PNG of 16 bits", "render.png")
def _deep() -> bytes:
    rows = [
        b"\x00" + b"".join(struct.pack(">H", value * 257) for value in row)
        for row in _rows(drawn().tobytes(), WIDTH_PX * 3)
    ]
    head = struct.pack(">IIBBBBB", WIDTH_PX, HEIGHT_PX, 16, 2, 0, 0, 0)
    body = chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(b"".join(rows)))
    return b"\x89PNG\r\n\x1a\n" + body + chunk(b"IEND", b"")


def _rows(data: bytes, length: int) -> list[bytes]:
    return [data[place : place + length] for place in range(0, len(data), length)]


@made("grey PNG of 16 bits", "scan.png")
def _deep_grey() -> bytes:
    grey = drawn().convert("L").tobytes()
    wide = b"".join(struct.pack("<H", value * 257) for value in grey)
    return written(Image.frombytes("I;16", (WIDTH_PX, HEIGHT_PX), wide), "PNG")


@made("PNG with a palette", "pixel-art.png")
def _palette() -> bytes:
    return written(drawn().quantize(16), "PNG")


@made("PNG with a palette and transparency", "sticker.png")
def _see_through_palette() -> bytes:
    picture = drawn().quantize(16)
    return written(picture, "PNG", transparency=picture.getpixel((WIDTH_PX - 1, HEIGHT_PX - 1)))


@made("PNG with transparency", "cut-out.png")
def _see_through() -> bytes:
    return written(see_through(), "PNG")


def see_through() -> Image.Image:
    picture = drawn().convert("RGBA")
    picture.paste((0, 0, 0, 0), (WIDTH_PX // 2, HEIGHT_PX // 2, WIDTH_PX, HEIGHT_PX))
    return picture


@made("PNG in black and white", "fax.png")
def _one_bit() -> bytes:
    return written(drawn().convert("1"), "PNG")


@made("PNG with two mebibytes of profile", "print.png")
def _large_profile() -> bytes:
    noise = random.Random(3).randbytes(2 * 1024 * 1024)
    return png_with(chunk(b"iCCP", b"big\x00\x00" + zlib.compress(other_primaries()[:0] + noise)))


@made("PNG with two mebibytes of text", "workflow.png")
def _large_text() -> bytes:
    words = zlib.compress(b"a node of a workflow " * 100_000)
    return png_with(chunk(b"zTXt", b"workflow\x00\x00" + words))


@made("APNG of one frame", "still.png")
def _one_frame() -> bytes:
    control = struct.pack(">IIIIIHHBB", 0, WIDTH_PX, HEIGHT_PX, 0, 0, 1, 10, 0, 0)
    return png_with(chunk(b"acTL", struct.pack(">II", 1, 0)), chunk(b"fcTL", control))


@made("WebP", "picture.webp")
def _webp() -> bytes:
    return written(drawn(), "WEBP", lossless=True)


@made("WebP held 8 with transparency", "picture.webp")
def _webp_held() -> bytes:
    _, exif = turned(8)
    picture = see_through().transpose(Image.Transpose.ROTATE_270)
    return written(picture, "WEBP", lossless=True, exif=exif)


@made("WebP of one frame", "still.webp")
def _webp_one_frame() -> bytes:
    moving = written(
        drawn(), "WEBP", save_all=True, append_images=[drawn().rotate(180)], lossless=True
    )
    # The second frame is taken out again.
    second = moving.rindex(b"ANMF")
    content = moving[8:second]
    return b"RIFF" + struct.pack("<I", len(content)) + content


@made("GIF", "old.gif")
def _gif() -> bytes:
    return written(drawn(), "GIF")


@made("GIF of frames that are alike", "still.gif")
def _gif_alike() -> bytes:
    frame = bytearray(written(drawn(), "GIF"))
    image = frame.index(b"\x2c")
    return bytes(frame[:-1] + frame[image:])


@made("BMP", "paint.bmp")
def _bmp() -> bytes:
    return written(drawn(), "BMP")


@made("TIFF", "scan.tiff")
def _tiff() -> bytes:
    return written(drawn(), "TIFF", compression="tiff_lzw")


@made("TIFF of two pages", "scan.tif")
def _tiff_pages() -> bytes:
    return written(drawn(), "TIFF", save_all=True, append_images=[Image.new("RGB", (20, 20))])


@made("HEIC", "IMG_0002.HEIC")
def _heic() -> bytes:
    from pillow_heif import from_pillow

    file = io.BytesIO()
    from_pillow(drawn()).save(file, quality=90)
    return file.getvalue()


@made("AVIF", "picture.avif")
def _avif() -> bytes:
    return written(drawn(), "AVIF", quality=90)


@made("PNG of 12 MB", "noise.png")
def _heavy() -> bytes:
    noise = Image.frombytes("RGB", (2_048, 2_048), random.Random(5).randbytes(2_048 * 2_048 * 3))
    noise.paste(drawn(1_900, 1_900), (0, 0))
    noise.paste(Image.frombytes("RGB", (2_048, 1_960), random.Random(6).randbytes(12_042_240)))
    return written(noise, "PNG")


def main() -> None:
    from bot.domain.ports import ImageFormat
    from bot.engine.references import REFERENCE_LIMITS
    from bot.pictures.photos import make_plain

    with tempfile.TemporaryDirectory() as folder:
        for name, (filename, make) in MADE.items():
            path = Path(folder, "photo")
            path.write_bytes(make())
            before = path.stat().st_size
            plain = make_plain(path, REFERENCE_LIMITS, tuple(ImageFormat))
            with Image.open(path) as picture:
                sys.stdout.write(
                    f"{name:<38} {filename:<15} {before:>9} bytes -> {picture.format:<4}"
                    f" {plain.size_bytes:>8} bytes {picture.mode:<4} {picture.size}"
                    f" orientation {picture.getexif().get(ORIENTATION, 1)}\n"
                )


if __name__ == "__main__":
    main()
