"""Pictures to attach."""

import io
import random

from PIL import Image


def picture(width_px: int = 64, height_px: int = 64, image_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB").save(file, image_format)
    return file.getvalue()


def blank(width_px: int, height_px: int) -> bytes:
    """A PNG of any number of pixels, quickly made: one bit each."""
    file = io.BytesIO()
    Image.new("1", (width_px, height_px)).save(file, "PNG")
    return file.getvalue()


def noise(side_px: int = 48) -> bytes:
    """A PNG as large as one of its size can be, and quickly made."""
    file = io.BytesIO()
    pixels = random.Random(7).randbytes(side_px * side_px * 3)
    Image.frombytes("RGB", (side_px, side_px), pixels).save(file, "PNG")
    return file.getvalue()


def animation(image_format: str) -> bytes:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, image_format, save_all=True, append_images=frames[1:])
    return file.getvalue()


def mask(width_px: int, height_px: int) -> bytes:
    """Opaque on the left, transparent on the right."""
    image = Image.new("RGBA", (width_px, height_px), (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), (width_px // 2, 0, width_px, height_px))
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()
