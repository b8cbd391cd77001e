import io
import tomllib
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from PIL import Image

from bot.domain.catalog import Route
from bot.domain.catalog_file import parse_catalog
from bot.domain.ports import ImageFile, ImageFormat, ImageLimits, Order
from bot.domain.requests import Mode
from bot.playground.drawing import Picture
from bot.playground.providers import PlaygroundProviders
from bot.providers.connections import Connections, open_connections

CATALOG = Path(__file__).parents[2] / "bot" / "catalog.toml"
#: Where a poll that brings no image would write one; there is no such folder.
NO_RESULT = Path(__file__).parent / "nowhere" / "result"
LIMITS = ImageLimits(size_bytes_max=1_000_000, pixels_max=1_000_000)


def plain_png(picture: Picture) -> bytes:
    """What the playground paints here: the right size, but without the time a drawing takes."""
    png = io.BytesIO()
    Image.new("RGB", (picture.width_px, picture.height_px), (60, 80, 120)).save(png, "PNG")
    return png.getvalue()


@pytest.fixture
async def server() -> AsyncIterator[PlaygroundProviders]:
    async with PlaygroundProviders(api_key="sk_test_0123456789", paint=plain_png) as server:
        yield server


@pytest.fixture
async def connections() -> AsyncIterator[Connections]:
    async with open_connections() as connections:
        yield connections


def route_of(route_id: str) -> Route:
    """A route of the shipped catalog."""
    found = parse_catalog(tomllib.loads(CATALOG.read_text())).route(route_id)
    assert found is not None
    return found


@pytest.fixture
def route() -> Route:
    return route_of("apimodels/gpt-image-2-beta")


@pytest.fixture
def order(route: Route, tmp_path: Path) -> Callable[..., Order]:
    plain = Order(
        task_id="ours-1",
        route=route,
        mode=Mode.GENERATE,
        prompt="a paper lantern above a quiet canal",
        aspect_ratio="16:9",
        resolution="1K",
        quality="auto",
        nsfw_checker=True,
        result_path=tmp_path / "result",
    )

    def changed(**fields: object) -> Order:
        return replace(plain, **fields)  # type: ignore[arg-type]

    return changed


@pytest.fixture
def image_file(tmp_path: Path) -> ImageFile:
    path = tmp_path / "own-name"
    path.write_bytes(plain_png(Picture("", 64, 48)))
    return ImageFile(path, ImageFormat.PNG, 64, 48, path.stat().st_size)
