"""One route and its vendor's adapter, over loopback against the playground's provider server."""

import io
import socket
import tomllib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from msgspec import Struct, field
from msgspec.structs import replace
from PIL import Image
from pydantic import SecretStr

from bot.catalog import parse_catalog
from bot.domain.catalog import Catalog, Route
from bot.domain.ports import Finished, ImageFile, ImageFormat, Order, Provider
from bot.domain.requests import Mode
from bot.playground.drawing import Picture
from bot.playground.faults import Respond
from bot.providers.connections import Connections, open_connections
from bot.providers.http import TimeLimits
from bot.providers.registry import VENDORS, build_providers
from bot.providers.vendors import Value
from tests.vendors import AllVendors

CATALOG = Path(__file__).parents[2] / "bot" / "catalog.toml"
API_KEY = "sk_test_0123456789"
GEMINI_ID = "maxapi/gemini-3-pro-image@mix"


def _in_envelope(status: int, words: str) -> Respond:
    return Respond(status, {"code": status, "msg": words, "data": None})


def _as_runninghub(status: int, words: str) -> Respond:
    """To HTTP, all is well."""
    code = {400: "1007", 429: "1003", 500: "1005"}.get(status, "")
    return Respond(body={"errorCode": code, "errorMessage": words})


def _as_openai(status: int, words: str) -> Respond:
    code = "rate_limit_exceeded" if status == 429 else "other"
    return Respond(status, {"error": {"message": words, "type": "requests", "code": code}})


def _as_google(status: int, words: str) -> Respond:
    word = {400: "INVALID_ARGUMENT", 429: "RESOURCE_EXHAUSTED"}.get(status, "INTERNAL")
    return Respond(status, {"error": {"code": status, "message": words, "status": word}})


class Row(Struct, frozen=True):
    route_id: str
    #: a vendor's complaint, in its own shape, of an HTTP status (200, 400, 429, 500) and words
    complaint: Callable[[int, str], Respond]
    #: the vendor answers only when the image is done
    answers_at_the_end: bool = False
    #: what an error is numbered where the key is wrong, and where there is no money
    bad_key_status: int = 401
    no_money_status: int = 402
    tells_the_balance: bool = False


ROWS = (
    Row("apimodels/gpt-image-2-beta", _in_envelope, tells_the_balance=True),
    Row("apimodels/gpt-image-2", _in_envelope, tells_the_balance=True),
    Row("apimodels/gpt-image-2-all", _in_envelope, answers_at_the_end=True, tells_the_balance=True),
    Row("kie/gpt-image-2", _in_envelope, tells_the_balance=True),
    Row("runninghub/rhart-image-g-2", _as_runninghub, bad_key_status=1002, no_money_status=812),
    Row(
        "runninghub/rhart-image-g-2-official",
        _as_runninghub,
        bad_key_status=1002,
        no_money_status=812,
    ),
    Row("maxapi/openai/gpt-image-2-beta@mix", _as_openai, no_money_status=403),
    Row(GEMINI_ID, _as_google, no_money_status=403),
    Row("maxapi/gemini-nano-banana-2.1@official", _as_google, no_money_status=403),
    Row("google/gemini-nano-banana-2.1", _as_google, answers_at_the_end=True, no_money_status=403),
    Row("apimodels/gpt-image-2-lite", _in_envelope, tells_the_balance=True),
    *(
        Row(f"openai/{model}", _as_openai, answers_at_the_end=True, no_money_status=429)
        for model in (
            "gpt-image-2",
            "gpt-image-2.5-flare",
            "gpt-image-2.5-sunburst",
            "gpt-image-2.6-flare",
            "gpt-image-2.6-sunburst",
        )
    ),
)


def shipped() -> Catalog:
    return parse_catalog(tomllib.loads(CATALOG.read_text(encoding="utf-8")))


def route_of(route_id: str) -> Route:
    if route_id != GEMINI_ID:
        return next(route for route in shipped().routes() if route.id == route_id)
    # No shipped model goes over MaxAPI's Gemini-native calls; an operator's catalog may.
    twin = next(route for route in shipped().routes() if route.provider == "maxapi")
    names = {"id": GEMINI_ID, "api": "gemini", "upstream": "gemini-3-pro-image"}
    return replace(twin, **names, references_max=14, mask=False)


def open_provider(
    route: Route,
    server: AllVendors,
    connections: Connections,
    *,
    limits: TimeLimits | None = None,
    **settings: str,
) -> Provider:
    """
    The route's adapter as the bot builds it.

    Args:
        settings: of the vendor, by their names; where left out, they lead to the playground.
    """
    [vendor] = [each for each in VENDORS if each.name == route.provider]
    defaults = {name: option.default for name, option in vendor.options.items()}
    given = defaults | server.environment | settings

    def setting(name: str) -> Value:
        value = given.get(name)
        return SecretStr(value or "") if name.endswith("KEY") else value

    return build_providers(setting, connections, limits=limits)[route.provider, route.api]


def order_of(route: Route, result_path: Path, /, **fields: object) -> Order:
    plain = Order(
        task_id="ours-1",
        route=route,
        mode=Mode.GENERATE,
        prompt="a paper lantern above a quiet canal",
        aspect_ratio="16:9",
        resolution="1K",
        quality="auto",
        background="auto",
        nsfw_checker=True,
        result_path=result_path,
    )
    return replace(plain, **fields)  # type: ignore[arg-type]


def draw_file(path: Path, color: tuple[int, int, int, int]) -> ImageFile:
    """A small PNG; a color without opacity makes it a mask of all."""
    Image.new("RGBA", (64, 48), color).save(path, "PNG")
    return ImageFile(path, ImageFormat.PNG, 64, 48, path.stat().st_size)


def unused_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Stage(Struct):
    row: Row
    route: Route
    server: AllVendors
    connections: Connections
    folder: Path
    #: what the playground was asked to paint: the picture, its references' and its mask's bytes
    painted: list[tuple[Picture, list[bytes], bytes | None]] = field(default_factory=list)

    @property
    def result_path(self) -> Path:
        return self.folder / "result"

    @property
    def written(self) -> list[Path]:
        """The result's file, whole or begun."""
        return list(self.folder.glob("result*"))

    def provider(self, **given: object) -> Provider:
        return open_provider(self.route, self.server, self.connections, **given)  # type: ignore[arg-type]

    def order(self, **fields: object) -> Order:
        return order_of(self.route, self.result_path, **fields)

    async def task(self) -> str:
        """Have a task made; returns what it is polled by."""
        task = await self.provider().submit(self.order())
        assert isinstance(task, str), task
        return task

    async def edit(self, references: int, *, mask: ImageFile | None = None) -> list[bytes]:
        """Have that many references worked in; returns their bytes, in the member's order."""
        provider = self.provider()
        files = [self.image(f"reference-{n}", (9 * n, 60, 80, 255)) for n in range(references)]
        order = self.order(mode=Mode.EDIT, mask=mask)
        if provider.upload is not None:
            links = [await provider.upload(each) for each in files]
            order = replace(order, reference_links=tuple(links))
        else:
            order = replace(order, references=tuple(files))
        await self.finish(provider, order)
        return [each.path.read_bytes() for each in files]

    async def finish(self, provider: Provider, order: Order) -> bytes:
        """Submit, ask until the end, and fetch the image."""
        answer = await provider.submit(order)
        assert isinstance(answer, Finished) is self.row.answers_at_the_end, answer
        if isinstance(answer, str):
            progress = await provider.poll(answer, order.result_path)
            assert isinstance(progress, Finished), progress
            answer = progress
        assert isinstance(answer, Finished), answer
        if answer.in_answer:
            return order.result_path.read_bytes()
        async with self.connections.for_gets.get(answer.links[0]) as response:
            assert response.status == 200, response.status
            return await response.read()

    def image(self, name: str, color: tuple[int, int, int, int]) -> ImageFile:
        return draw_file(self.folder / name, color)

    def paint(self, picture: Picture) -> bytes:
        references = [path.read_bytes() for path in picture.references if path is not None]
        mask = picture.mask.read_bytes() if picture.mask else None
        self.painted.append((picture, references, mask))
        png = io.BytesIO()
        size = (picture.width_px // 16, picture.height_px // 16)
        Image.new("RGB", size, (40 * picture.variation, 80, 120)).save(png, "PNG")
        return png.getvalue()


@asynccontextmanager
async def open_stage(row: Row, folder: Path) -> AsyncIterator[Stage]:
    async with open_connections() as connections:
        painters: list[Stage] = []
        async with AllVendors(
            api_key=API_KEY, paint=lambda picture: painters[0].paint(picture)
        ) as server:
            painters.append(Stage(row, route_of(row.route_id), server, connections, folder))
            yield painters[0]
