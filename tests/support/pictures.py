"""Pictures to attach."""

import io

from PIL import Image


def picture(width_px: int = 64, height_px: int = 64, image_format: str = "PNG") -> bytes:
    file = io.BytesIO()
    Image.linear_gradient("L").resize((width_px, height_px)).convert("RGB").save(file, image_format)
    return file.getvalue()


def animation(image_format: str) -> bytes:
    frames = [Image.new("RGB", (32, 32), colour) for colour in ("red", "green", "blue")]
    file = io.BytesIO()
    frames[0].save(file, image_format, save_all=True, append_images=frames[1:])
    return file.getvalue()
