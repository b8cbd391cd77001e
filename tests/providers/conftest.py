import io
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from bot.domain.catalog import Route
from bot.domain.ports import ImageFile, ImageLimits, Order, Provider
from bot.playground.drawing import Picture
from bot.providers.connections import Connections, open_connections
from tests.providers import samples
from tests.providers.stage import API_KEY, draw_file, open_provider, order_of, route_of
from tests.vendors import AllVendors

LIMITS = ImageLimits(size_bytes_max=1_000_000, pixels_max=1_000_000)

OrderOf = Callable[..., Order]
Read = Callable[..., Awaitable[object]]


def plain_png(picture: Picture) -> bytes:
    """What the playground paints here: the right size, but without the time a drawing takes."""
    return _plain_png(picture.width_px, picture.height_px)


@cache
def _plain_png(width_px: int, height_px: int) -> bytes:
    png = io.BytesIO()
    Image.new("RGB", (width_px, height_px), (60, 80, 120)).save(png, "PNG", compress_level=1)
    return png.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[AllVendors]:
    async with AllVendors(api_key=API_KEY, paint=plain_png) as server:
        yield server


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    async with open_connections() as connections:
        yield connections


@pytest.fixture
def route() -> Route:
    """The tests of another vendor have one of their own, and what follows goes by it."""
    return route_of("apimodels/gpt-image-2-beta")


@pytest.fixture
def provider(route: Route, server: AllVendors, connections: Connections) -> Provider:
    return open_provider(route, server, connections)


@pytest.fixture
def order(route: Route, tmp_path: Path) -> OrderOf:
    return lambda **fields: order_of(route, tmp_path / "result", **fields)


@pytest.fixture
def image_file(tmp_path: Path) -> ImageFile:
    return draw_file(tmp_path / "own-name", (60, 80, 120, 255))


@pytest.fixture
def mask(tmp_path: Path) -> ImageFile:
    return draw_file(tmp_path / "mask", (0, 0, 0, 0))


@pytest.fixture
def read(provider: Provider, server: AllVendors, order: OrderOf, image_file: ImageFile) -> Read:
    """Has the adapter meet a sample; see samples.read."""

    async def reading(sample: dict[str, Any], handle: str = "any-task") -> object:
        return await samples.read(
            sample, provider, server, order=order(), image=image_file, handle=handle
        )

    return reading
