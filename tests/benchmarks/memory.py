"""
What pictures take above an idle process at most: hostile ones four at once, and results that must
shrink beside them; then sheets of all of them.

    python -m tests.benchmarks.memory
"""

import asyncio
import random
import shutil
import struct
import tempfile
import zlib
from functools import partial
from pathlib import Path

from PIL import Image

from bot.domain.ports import ImageFile, ImageFormat
from bot.engine.carrier import RESULT_LIMITS
from bot.engine.references import REFERENCE_LIMITS
from bot.errors import UnusableImage
from bot.pictures.check import check_image, memory_of_check
from bot.pictures.fit import fit
from bot.pictures.photos import make_plain, memory_of_plain
from bot.pictures.pool import Pool
from bot.pictures.sheet import draw_sheet

#: what makes a glance at a WebP, and Pillow's at a PNG, find another size or none
WEBP_JUNK = b"JUNK" + struct.pack("<I", 10) + bytes(10)
LONG_TEXT = b"zTXt" + b"a\0\0" + zlib.compress(bytes(2 << 20))
PNG_TEXT = (
    struct.pack(">I", len(LONG_TEXT) - 4) + LONG_TEXT + struct.pack(">I", zlib.crc32(LONG_TEXT))
)
SIDE_PX = 6_324
AT_ONCE = 4


def peak_mib() -> float:
    lines = Path("/proc/self/status").read_text().splitlines()
    [line] = [line for line in lines if line.startswith("VmHWM")]
    return int(line.split()[1]) / 1024


def forget_peak() -> None:
    Path("/proc/self/clear_refs").write_text("5")


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


async def shrink(image: ImageFile, pool: Pool) -> None:
    (await fit([image], 10_485_760, 26_214_400, pool)).remove()


async def look(path: Path, pool: Pool, *, photo: bool) -> str:
    copy = path.with_name(f"{path.name}-{random.random()}")
    shutil.copy(path, copy)
    try:
        if photo:
            formats = tuple(ImageFormat)
            need = partial(memory_of_plain, copy)
            await pool.run(need, make_plain, copy, REFERENCE_LIMITS, formats)
        else:
            await pool.run(partial(memory_of_check, copy), check_image, copy, RESULT_LIMITS)
    except UnusableImage as error:
        return str(error)
    finally:
        copy.unlink(missing_ok=True)
    return "taken"


async def main() -> None:
    pool = Pool()
    with tempfile.TemporaryDirectory(prefix="easel-memory-") as name:
        folder = Path(name)
        paths, results, clear = await asyncio.to_thread(
            lambda: (hostile(folder), large_results(folder), see_through(folder))
        )
        await look(paths[1], pool, photo=False)
        forget_peak()
        idle = peak_mib()
        for photo in (False, True):
            for path in paths:
                forget_peak()
                said = await asyncio.gather(
                    *(look(path, pool, photo=photo) for _ in range(AT_ONCE)),
                    *(shrink(image, pool) for image in results),
                )
                kind = "reference" if photo else "result"
                print(
                    f"{kind:10} {path.name:12} {peak_mib() - idle:6.0f} MiB above idle: {said[0]}"
                )
        forget_peak()
        await asyncio.gather(*(shrink(clear, pool) for _ in range(AT_ONCE)))
        print(f"{'result':10} {'see-through':12} {peak_mib() - idle:6.0f} MiB above idle: copied")
        forget_peak()
        on_sheet = [*paths, clear.path, *(result.path for result in results)]
        await asyncio.gather(
            *(draw_sheet(on_sheet, folder / f"sheet-{n}.webp", pool) for n in range(AT_ONCE))
        )
        print(f"{'sheet':10} {'of all':12} {peak_mib() - idle:6.0f} MiB above idle: drawn")
    pool.close()


if __name__ == "__main__":
    asyncio.run(main())
