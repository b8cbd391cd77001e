"""
What pictures take above an idle process at most: hostile ones four at once, and results that must
shrink beside them; then sheets of all of them.

    python -m tests.benchmarks.memory
"""

import asyncio
import os
import random
import shutil
import struct
import tempfile
import zlib
from contextlib import closing
from pathlib import Path

from PIL import Image

from bot.domain.ports import ImageFile, ImageFormat
from bot.engine.carrier import RESULT_LIMITS
from bot.engine.references import REFERENCE_LIMITS
from bot.errors import UnusableImage
from bot.pictures.check import check_image
from bot.pictures.decoder import Decoder
from bot.pictures.fit import fit
from bot.pictures.photos import make_plain
from bot.pictures.sheet import draw_sheet
from tests.support.memory import forget_peak, taken_bytes

#: what makes a glance at a WebP, and Pillow's at a PNG, find another size or none
WEBP_JUNK = b"JUNK" + struct.pack("<I", 10) + bytes(10)
LONG_TEXT = b"zTXt" + b"a\0\0" + zlib.compress(bytes(2 << 20))
PNG_TEXT = (
    struct.pack(">I", len(LONG_TEXT) - 4) + LONG_TEXT + struct.pack(">I", zlib.crc32(LONG_TEXT))
)
SIDE_PX = 6_324
AT_ONCE = 4


class Peak:
    """What the bot's process and the decoder's take together, above the bot's alone."""

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._idle_bytes = taken_bytes("self", "VmRSS")

    async def forget(self) -> None:
        forget_peak("self")
        forget_peak(await self._decoder.run(os.getpid))

    async def tell(self, kind: str, name: str, said: str) -> None:
        pid = await self._decoder.run(os.getpid)
        taken = taken_bytes("self", "VmHWM") + taken_bytes(pid, "VmHWM") - self._idle_bytes
        print(f"{kind:10} {name:18} {taken / 1024**2:6.0f} MiB above idle: {said}")


def hostile(folder: Path) -> list[Path]:
    """Forty megapixels each, in files of a few bytes."""
    size = (SIDE_PX, SIDE_PX)
    red = Image.new("RGB", size, "red")
    made = {
        "webp": (red, {"format": "WEBP", "lossless": True}),
        "png": (red, {"format": "PNG"}),
        "progressive": (red, {"format": "JPEG", "progressive": True, "subsampling": 0}),
        "palette": (Image.new("P", size), {"format": "PNG"}),
        "deep": (Image.new("I;16", size, 60_000), {"format": "PNG"}),
    }
    paths = []
    for name, (picture, options) in made.items():
        paths.append(folder / name)
        picture.save(paths[-1], **options)
    for kind, place, added in (("webp", 12, WEBP_JUNK), ("png", 33, PNG_TEXT)):
        data = (folder / kind).read_bytes()
        paths.append(folder / f"{kind}, hidden")
        paths[-1].write_bytes(data[:place] + added + data[place:])
    return paths


def see_through(folder: Path) -> ImageFile:
    """Forty megapixels of which parts are transparent, as a result may have them."""
    path = folder / "see-through.png"
    Image.new("RGBA", (SIDE_PX, SIDE_PX), (250, 10, 10, 99)).save(path, "PNG")
    return ImageFile(path, ImageFormat.PNG, SIDE_PX, SIDE_PX, 10_485_761, alpha=True)


def large_results(folder: Path) -> list[ImageFile]:
    """Eight of 18 MiB, as noisy as they come."""
    side_px = 2_500
    noise = random.Random(7).randbytes(side_px * side_px * 3)
    first = folder / "result-0.png"
    Image.frombytes("RGB", (side_px, side_px), noise).save(first, "PNG")
    paths = [first, *(folder / f"result-{n}.png" for n in range(1, 8))]
    for path in paths[1:]:
        shutil.copy(first, path)
    size_bytes = first.stat().st_size
    return [ImageFile(path, ImageFormat.PNG, side_px, side_px, size_bytes) for path in paths]


async def shrink(image: ImageFile, decoder: Decoder) -> None:
    (await fit([image], 10_485_760, 26_214_400, decoder)).remove()


async def look(path: Path, decoder: Decoder, *, photo: bool) -> str:
    copy = path.with_name(f"{path.name}-{random.random()}")
    shutil.copy(path, copy)
    try:
        if photo:
            formats = tuple(ImageFormat)
            await decoder.run(make_plain, copy, REFERENCE_LIMITS, formats)
        else:
            await decoder.run(check_image, copy, RESULT_LIMITS)
    except UnusableImage as error:
        return str(error)
    finally:
        copy.unlink(missing_ok=True)
    return "taken"


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="easel-memory-") as name, closing(Decoder()) as decoder:
        folder = Path(name)
        paths, results, clear = hostile(folder), large_results(folder), see_through(folder)
        peak = Peak(decoder)
        for photo in (False, True):
            for path in paths:
                await peak.forget()
                said = await asyncio.gather(
                    *(look(path, decoder, photo=photo) for _ in range(AT_ONCE)),
                    *(shrink(image, decoder) for image in results),
                )
                await peak.tell("reference" if photo else "result", path.name, said[0])
        await peak.forget()
        await asyncio.gather(*(shrink(clear, decoder) for _ in range(AT_ONCE)))
        await peak.tell("result", "see-through", "copied")
        await peak.forget()
        on_sheet = [*paths, clear.path, *(result.path for result in results)]
        await asyncio.gather(
            *(draw_sheet(on_sheet, folder / f"sheet-{n}.webp", decoder) for n in range(AT_ONCE))
        )
        await peak.tell("sheet", "of all", "drawn")


if __name__ == "__main__":
    asyncio.run(main())
