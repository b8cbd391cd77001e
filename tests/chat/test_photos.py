"""A picture of every kind through /edit, and what arrives at the vendor."""

import io

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.playground.discord import Upload
from tests.conftest import OpenEasel
from tests.pictures.test_photos import GREY, SEE_THROUGH, assert_looks_as_drawn, assert_plain
from tests.support.easel import Easel, said
from tests.support.photos import HEIGHT_PX, MADE, WIDTH_PX, drawn, see_through, turned, written
from tests.support.pictures import picture
from tests.support.settings import set_filter

pytestmark = pytest.mark.slow

assert GREY <= set(MADE) >= SEE_THROUGH


async def edited(easel: Easel, **uploads: Upload):
    call = await easel.discord.run_command(
        "Ada", "studio", "edit", {"prompt": "make it winter"} | uploads
    )
    return await easel.finished(call)


@pytest.mark.parametrize("name", MADE)
async def test_each_kind_arrives_plain_upright_and_in_its_colours(easel: Easel, name: str) -> None:
    filename, make = MADE[name]
    message = await edited(easel, image=Upload(filename, make()))

    assert message.attachments, said(message)
    [upload] = easel.providers.uploads.values()
    with Image.open(io.BytesIO(upload.path.read_bytes())) as arrived:
        assert_plain(arrived)
        assert upload.path.stat().st_size <= 10_000_000
        if name not in ("PNG of 12 MB", "JPEG of 50 megapixels"):
            assert arrived.size == (WIDTH_PX, HEIGHT_PX)
        if name != "PNG of 12 MB":
            assert_looks_as_drawn(name, arrived)


async def test_what_a_route_does_not_take_is_made_what_it_takes(opened: OpenEasel) -> None:
    """RunningHub's low-price route takes PNG and JPEG, and a WebP is no reason to refuse it."""
    async with opened(apimodels_api_key=None) as easel:
        keys = {
            "runninghub_api_key": SecretStr(easel.providers.api_key),
            "runninghub_base_url": easel.providers.runninghub_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        await set_filter(easel, "off")
        call = await easel.discord.run_command(
            "Ada",
            "studio",
            "edit",
            {
                "prompt": "make it winter",
                "model": "gpt-image-2",
                "image": Upload("a.webp", written(drawn(), "WEBP", lossless=True)),
                "reference2": Upload("b.png", picture()),
            },
        )
        message = await easel.finished(call)

        assert message.attachments, said(message)
        types = [each.content_type for each in easel.providers.uploads.values()]
        assert types == ["image/png", "image/png"]


async def test_a_mask_fits_the_picture_as_it_is_shown(opened: OpenEasel) -> None:
    """A photo that was held otherwise is as large as its mask once it stands upright."""
    async with opened(apimodels_api_key=None) as easel:
        keys = {
            "openai_api_key": SecretStr(easel.providers.api_key),
            "openai_base_url": easel.providers.openai_base_url,
        }
        easel.settings = easel.settings.model_copy(update=keys)
        await easel.restart()
        photo, exif = turned(6)
        message = await edited(
            easel,
            image=Upload("photo.jpg", written(photo, "JPEG", exif=exif)),
            mask=Upload("mask.webp", written(see_through(), "WEBP", lossless=True)),
        )

        assert message.attachments, said(message)
        [submission] = easel.providers.submissions
        assert submission.task_id is not None
