"""A transparent background, from the order to the bytes that stand in Discord."""

import io
import random

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.playground.discord.validation import walk
from bot.playground.drawing import Picture
from bot.playground.faults import Respond, VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import picture


def see_through(picture: Picture) -> bytes:
    """A disc of noise on nothing."""
    size = (picture.width_px, picture.height_px)
    image = Image.frombytes("RGB", size, random.Random(1).randbytes(3 * size[0] * size[1]))
    alpha = Image.radial_gradient("L").resize(size).point(lambda value: 255 * (value < 128))
    image.putalpha(alpha)
    file = io.BytesIO()
    image.save(file, "PNG")
    return file.getvalue()


async def on_openai(easel: Easel, **more: object) -> None:
    """OpenAI alone, which can be asked for it."""
    given = {
        "apimodels_api_key": None,
        "openai_api_key": SecretStr(easel.providers.api_key),
        "openai_base_url": easel.providers.openai_base_url,
    }
    easel.settings = easel.settings.model_copy(update=given | more)
    await easel.restart()


@pytest.mark.parametrize("shrinks", [False, True])
async def test_what_is_transparent_stays_so_on_its_way(opened: OpenEasel, shrinks: bool) -> None:
    async with opened(paint=see_through) as easel:
        await on_openai(easel)
        if shrinks:
            easel.discord.interactions.file_bytes_max = 400_000
        message = await easel.finished(await easel.imagine(background="transparent"))

        [submission] = easel.providers.submissions
        assert submission.body["background"] == "transparent"
        assert "transparent background" in said(message)
        assert ("smaller copy" in said(message)) is shrinks
        [attachment] = message.attachments
        content = await easel.discord.read_attachment(attachment)
        with Image.open(io.BytesIO(content)) as image:
            assert image.format == ("WEBP" if shrinks else "PNG")
            alpha = image.convert("RGBA").getchannel("A")
        assert alpha.getextrema() == (0, 255)
        assert alpha.getpixel((2, 2)) == 0


async def test_a_model_that_cannot_is_passed_over_or_refused(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine(background="transparent"))
    assert "gpt-image-2-beta cannot make a transparent background." in said(message)
    assert await easel.entries() == []


async def test_a_route_whose_vendor_refuses_it_is_left_alone_until_the_next_start(
    opened: OpenEasel,
) -> None:
    words = "Transparent background is not supported for this model."
    error = {"message": words, "type": "image_generation_user_error", "code": None}
    async with opened() as easel:
        await on_openai(easel)
        easel.providers.faults.add(VendorCall.CREATE, Respond(400, {"error": error}))
        given = {"background": "transparent", "model": "gpt-image-2-quality"}
        first = await easel.finished(await easel.imagine(**given))
        assert "did not accept this combination" in said(first)
        assert "content filter" not in said(first)

        second = await easel.finished(await easel.imagine(**given))
        assert "are down at the moment" in said(second)
        assert easel.providers.calls[VendorCall.CREATE] == 1
        assert (await easel.finished(await easel.imagine(model="gpt-image-2-quality"))).attachments

        await easel.restart()
        assert (await easel.finished(await easel.imagine(**given))).attachments


async def test_the_form_of_an_edit_asks_for_the_background(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: picture()) as easel:
        await on_openai(easel)
        first = await easel.finished(await easel.imagine())
        [edit] = [
            part for part in walk(first.components) if part.get("label", "").startswith("Edit")
        ]
        pressed = await easel.discord.press("Ada", first, label=edit["label"])
        form = await pressed.opened_modal()
        given = {"prompt": "cut it out", "background": ["transparent"]}
        call = await easel.discord.submit_modal("Ada", form, given)
        await easel.finished(call)
        rows = await easel.rows("SELECT request FROM jobs UNION ALL SELECT request FROM drafts")
        assert any('"background": "transparent"' in row.request for row in rows)


async def test_a_form_offers_only_what_can_be_had(opened: OpenEasel) -> None:
    async with opened() as easel:
        assert await backgrounds(easel) == ["auto", "opaque"]
        await on_openai(easel)
        assert await backgrounds(easel) == ["auto", "opaque", "transparent"]


async def backgrounds(easel: Easel) -> list[str]:
    call = await easel.discord.run_command("Ada", "studio", "imagine")
    [choice] = [
        part
        for part in walk((await call.opened_modal()).components)
        if part.get("custom_id") == "background"
    ]
    return [each["value"] for each in choice["options"]]
