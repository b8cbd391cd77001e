"""
What every vendor's adapter must do, whatever its wire format: each route times each case.

`python -m tests.providers.conformance` prints the table. A cell is "pass", "not offered" where the
vendor has no such thing, or what was raised instead. Another route is another row of ROWS.
"""

import asyncio
import io
import logging
import sys
import tempfile
import tomllib
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

from PIL import Image
from pydantic import SecretStr

from bot.domain.catalog import Catalog, Route
from bot.domain.catalog_file import parse_catalog
from bot.domain.ports import Failed, Finished, ImageFile, ImageFormat, Order, Provider, Running
from bot.domain.requests import Mode
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.drawing import Picture
from bot.playground.faults import Call, Hold, Respond
from bot.playground.providers import PlaygroundProviders
from bot.playground.studio import Fails, Sticks
from bot.providers.connections import Connections, open_connections
from bot.providers.http import TimeLimits
from bot.providers.registry import ProviderSettings, build_providers

CATALOG = Path(__file__).parents[2] / "bot" / "catalog.toml"
PASS, NOT_OFFERED = "pass", "not offered"
#: Seconds that a vendor says it wants to be left alone.
RETRY_AFTER_S = 30
#: Seconds; a cell that takes longer hangs.
CELL_S = 15
#: Long enough for loopback, short enough to wait for its end.
SHORT = TimeLimits(connect_s=0.3, answer_s=0.1, sync_s=0.1)
IMAGES = 4
GEMINI_ID = "maxapi-gemini/gemini-3-pro-image@mix"

E = TypeVar("E", bound=ProviderError)


def _too_many(body: Mapping[str, object], status: int = 429) -> Respond:
    return Respond(status=status, body=body, headers={"Retry-After": str(RETRY_AFTER_S)})


OPENAI_TOO_MANY = _too_many(
    {"error": {"message": "Rate limit reached", "type": "requests", "code": "rate_limit_exceeded"}}
)


@dataclass(frozen=True, slots=True)
class Row:
    route_id: str
    base_url: Callable[[PlaygroundProviders], str]
    too_many: Respond
    upload_url: Callable[[PlaygroundProviders], str] | None = None
    #: the vendor answers only when the image is done
    answers_at_the_end: bool = False


_ENVELOPE = _too_many({"code": 429, "msg": "Rate limit exceeded", "data": None})
ROWS = (
    Row("apimodels/gpt-image-2-beta", lambda server: server.apimodels_base_url, _ENVELOPE),
    Row("apimodels/gpt-image-2", lambda server: server.apimodels_base_url, _ENVELOPE),
    Row(
        "apimodels/gpt-image-2-all",
        lambda server: server.apimodels_base_url,
        _ENVELOPE,
        answers_at_the_end=True,
    ),
    Row(
        "kie/gpt-image-2",
        lambda server: server.kie_base_url,
        _ENVELOPE,
        upload_url=lambda server: server.kie_upload_url,
    ),
    Row(
        "runninghub/rhart-image-g-2",
        lambda server: server.runninghub_base_url,
        _too_many({"errorCode": "1003", "errorMessage": "Request rate limit exceeded"}, 200),
    ),
    Row(
        "runninghub/rhart-image-g-2-official",
        lambda server: server.runninghub_base_url,
        _too_many({"errorCode": "1003", "errorMessage": "Request rate limit exceeded"}, 200),
    ),
    Row(
        "maxapi/openai/gpt-image-2-beta@mix",
        lambda server: server.maxapi_base_url,
        OPENAI_TOO_MANY,
    ),
    Row(
        GEMINI_ID,
        lambda server: server.maxapi_base_url,
        OPENAI_TOO_MANY,
    ),
    Row(
        "openai/gpt-image-2",
        lambda server: server.openai_base_url,
        OPENAI_TOO_MANY,
        answers_at_the_end=True,
    ),
)


@dataclass(slots=True)
class Stage:
    """One route, spoken to by its adapter, over loopback."""

    row: Row
    route: Route
    server: PlaygroundProviders
    connections: Connections
    folder: Path
    #: what the playground was asked to paint: the picture, its references' and its mask's bytes
    painted: list[tuple[Picture, list[bytes], bytes | None]] = field(default_factory=list)

    @property
    def result_path(self) -> Path:
        return self.folder / "result"

    def provider(self, *, key: str | None = None, limits: TimeLimits | None = None) -> Provider:
        name = self.route.provider
        settings = ProviderSettings(
            SecretStr(key or self.server.api_key),
            self.row.base_url(self.server),
            upload_url=self.row.upload_url(self.server) if self.row.upload_url else None,
        )
        return build_providers({name: settings}, self.connections, limits)[name]

    def order(self, **fields: object) -> Order:
        plain = Order(
            task_id="ours-1",
            route=self.route,
            mode=Mode.GENERATE,
            prompt="a paper lantern above a quiet canal",
            aspect_ratio="16:9",
            resolution="1K",
            quality="auto",
            nsfw_checker=True,
            result_path=self.result_path,
        )
        return replace(plain, **fields)  # type: ignore[arg-type]

    async def edit(self, references: int, *, mask: ImageFile | None = None) -> list[bytes]:
        """Have that many references worked in; returns their bytes, in the member's order."""
        provider = self.provider()
        files = [self.image(f"reference-{n}", (9 * n, 60, 80, 255)) for n in range(references)]
        order = self.order(mode=Mode.EDIT, mask=mask)
        if provider.uploads(self.route):
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
        async with self.connections.lasting.get(answer.links[0]) as response:
            assert response.status == 200, response.status
            return await response.read()

    def image(self, name: str, color: tuple[int, int, int, int]) -> ImageFile:
        path = self.folder / name
        Image.new("RGBA", (64, 48), color).save(path, "PNG")
        return ImageFile(path, ImageFormat.PNG, 64, 48, path.stat().st_size)

    def paint(self, picture: Picture) -> bytes:
        references = [path.read_bytes() for path in picture.references if path is not None]
        mask = picture.mask.read_bytes() if picture.mask else None
        self.painted.append((picture, references, mask))
        png = io.BytesIO()
        size = (picture.width_px // 16, picture.height_px // 16)
        Image.new("RGB", size, (40 * picture.variation, 80, 120)).save(png, "PNG")
        return png.getvalue()


async def _generate(stage: Stage) -> str:
    png = await stage.finish(stage.provider(), stage.order())
    with Image.open(io.BytesIO(png)) as image:
        assert abs(image.width / image.height - 16 / 9) < 0.05, image.size
    return PASS


async def _edit(stage: Stage) -> str:
    sent = await stage.edit(1)
    assert stage.painted[0][1] == sent
    return PASS


async def _most_references(stage: Stage) -> str:
    sent = await stage.edit(stage.route.references_max)
    assert stage.painted[0][1] == sent
    return PASS if len(sent) == 16 else f"{PASS} ({len(sent)})"


async def _mask(stage: Stage) -> str:
    if not stage.route.mask:
        return NOT_OFFERED
    mask = stage.image("mask", (0, 0, 0, 0))
    await stage.edit(1, mask=mask)
    assert stage.painted[0][2] == mask.path.read_bytes()
    return PASS


async def _several_images(stage: Stage) -> str:
    """Each is an order of its own, as the engine asks for them."""
    provider = stage.provider()
    pictures = {await stage.finish(provider, stage.order()) for _ in range(IMAGES)}
    assert len(pictures) == IMAGES
    return PASS


async def _moderation(stage: Stage) -> str:
    provider = stage.provider()
    stage.server.endings.append(Fails("CONTENT_MODERATION", "refused by content moderation"))
    try:
        answer = await provider.submit(stage.order())
    except ProviderRefused as error:
        refused = error.moderation
    else:
        ending = (
            await provider.poll(answer, stage.result_path) if isinstance(answer, str) else answer
        )
        assert isinstance(ending, Failed), ending
        refused = ending.moderation and not ending.retryable
    assert refused
    return PASS


async def _rate_limit(stage: Stage) -> str:
    stage.server.faults.add(Call.CREATE, stage.row.too_many)
    error = await _raised(ProviderBusy, stage.provider().submit(stage.order()))
    assert error.retry_after_s == RETRY_AFTER_S
    assert error.status == 429
    assert not stage.server.submissions
    return PASS


async def _out_of_money(stage: Stage) -> str:
    stage.server.studio.balance_usd = Decimal(0)
    await _raised(ProviderMisconfigured, stage.provider().submit(stage.order()))
    return PASS


async def _bad_key(stage: Stage) -> str:
    stranger = stage.provider(key="sk_another_one")
    await _raised(ProviderMisconfigured, stranger.submit(stage.order()))
    await _raised(ProviderMisconfigured, stranger.check())
    assert await stage.provider().check()
    assert not stage.server.submissions
    return PASS


async def _timeout(stage: Stage) -> str:
    """Accepted, but we hear nothing of it: never to be sent again."""
    stage.server.faults.add(Call.CREATE, Hold(asyncio.Event(), after_effect=True))
    await _raised(ProviderOutcomeUnknown, stage.provider(limits=SHORT).submit(stage.order()))
    assert len(stage.server.submissions) == 1
    assert not stage.result_path.exists()
    return PASS


async def _garbage(stage: Stage) -> str:
    provider = stage.provider()
    page = Respond(body=b"<html>hello", content_type="text/html")
    for answer in (page, replace(page, status=502), Respond(body={"hello": 1}), Respond()):
        stage.server.faults.add(Call.CREATE, answer)
        try:
            unexpected = await provider.submit(stage.order())
        except (ProviderOutcomeUnknown, ProviderContractBroken):
            continue
        raise AssertionError(f"took {answer} for {unexpected}")
    assert not stage.result_path.exists()
    if not stage.row.answers_at_the_end:
        task = await provider.submit(stage.order())
        assert isinstance(task, str)
        stage.server.faults.add(Call.POLL, page)
        await _raised(ProviderUnreachable, provider.poll(task, stage.result_path))
        assert isinstance(await provider.poll(task, stage.result_path), Finished)
    return PASS


async def _unknown_state(stage: Stage) -> str:
    if stage.row.answers_at_the_end:
        return NOT_OFFERED
    provider = stage.provider()
    stage.server.endings.append(Sticks("rehydrating"))
    task = await provider.submit(stage.order())
    assert isinstance(task, str)
    assert isinstance(await provider.poll(task, stage.result_path), Running)
    return PASS


async def _raised(kind: type[E], call: Awaitable[object]) -> E:
    try:
        answer = await call
    except kind as error:
        return error
    raise AssertionError(f"nothing was raised, but {answer} came back")


CASES: Mapping[str, Callable[[Stage], Awaitable[str]]] = {
    "generate": _generate,
    "edit": _edit,
    "16 references": _most_references,
    "mask": _mask,
    "several images": _several_images,
    "moderation": _moderation,
    "rate limit": _rate_limit,
    "out of money": _out_of_money,
    "bad key": _bad_key,
    "timeout": _timeout,
    "garbage": _garbage,
    "unknown state": _unknown_state,
}


def shipped() -> Catalog:
    return parse_catalog(tomllib.loads(CATALOG.read_text(encoding="utf-8")))


def route_of(row: Row) -> Route:
    if row.route_id != GEMINI_ID:
        return next(route for route in shipped().routes() if route.id == row.route_id)
    # No shipped model goes over MaxAPI's Gemini-native calls; an operator's catalog may.
    twin = next(route for route in shipped().routes() if route.provider == "maxapi")
    names = {"id": GEMINI_ID, "provider": "maxapi-gemini", "upstream": "gemini-3-pro-image"}
    return replace(twin, **names, references_max=14, mask=False)


@asynccontextmanager
async def open_stage(row: Row, folder: Path) -> AsyncIterator[Stage]:
    async with open_connections() as connections:
        painters: list[Stage] = []
        async with PlaygroundProviders(
            api_key="sk_test_0123456789", paint=lambda picture: painters[0].paint(picture)
        ) as server:
            painters.append(Stage(row, route_of(row), server, connections, folder))
            yield painters[0]


async def run_cell(row: Row, case: str, folder: Path) -> str:
    """Raises AssertionError, or whatever the adapter should not have raised."""
    async with open_stage(row, folder) as stage, asyncio.timeout(CELL_S):
        return await CASES[case](stage)


async def table() -> tuple[str, bool]:
    """The lines of it, and whether every cell passes."""
    width = max(len(row.route_id) for row in ROWS)
    lines = [" " * width + "".join(f"{case:>15}" for case in CASES)]
    good = True
    for row in ROWS:
        line = f"{row.route_id:<{width}}"
        for case in CASES:
            with tempfile.TemporaryDirectory() as folder:
                try:
                    cell = await run_cell(row, case, Path(folder))
                except Exception as error:
                    good, cell = False, type(error).__name__.removeprefix("Provider")
            line += f"{cell[:14]:>15}"
        lines.append(line)
    return "\n".join(lines) + "\n", good


def main() -> int:
    logging.disable(logging.CRITICAL)
    lines, good = asyncio.run(table())
    sys.stdout.write(lines)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
