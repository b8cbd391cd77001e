"""`easel demo`: the real bot joined to the playground; it needs no token, no key and no network."""

import asyncio
import contextlib
import webbrowser
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

from msgspec import Struct
from pydantic import SecretStr

from bot.app import App, load_catalog, open_app
from bot.domain.credits import format_credits
from bot.domain.waiting import Latency
from bot.errors import StartupError
from bot.ops import log
from bot.playground import scenario
from bot.playground.discord import PlaygroundDiscord
from bot.playground.providers import PlaygroundProviders
from bot.playground.scratch import scratch_folder
from bot.playground.site import IPAddress, Site
from bot.settings import GivenSettings
from bot.store import learned
from bot.store.database import open_database
from bot.store.ledger import audit, list_entries

#: seconds a sample image takes, at the median: long enough to watch, short enough to stay
LATENCY_S = 5.0
ASPECT_RATIO = "16:9"
BEYOND_LOOPBACK = (
    "It listens beyond loopback: whoever reaches its port can see and do all that you can there."
)


class Demo(Struct, frozen=True):
    app: App
    discord: PlaygroundDiscord


async def serve(host: IPAddress, port: int, *, open_browser: bool) -> None:
    """
    Serve the page until cancelled, with a first image on it.

    Args:
        host: where the page listens; everything else stays on loopback.
        open_browser: if the page stays on loopback, too.
    Raises:
        StartupError: the port cannot be had there.
    """
    log.configure("WARNING", "console")
    async with AsyncExitStack() as stack:
        demo = await stack.enter_async_context(open_demo(LATENCY_S))
        try:
            site = await stack.enter_async_context(Site(demo.discord, port, host))
        except OSError as error:
            raise StartupError(
                f"port {port} on {host} cannot be had ({error.strerror or error}): choose another."
            ) from error
        print(f"Easel's playground is at {site.url} (Ctrl+C ends it)", flush=True)
        if not host.is_loopback:
            print(BEYOND_LOOPBACK, flush=True)
        elif open_browser:
            await asyncio.to_thread(webbrowser.open, site.url)
        await scenario.imagine(demo.discord, ASPECT_RATIO)
        await asyncio.get_running_loop().create_future()


async def run_once(folder: Path) -> int:
    """
    Make one image, edit it, write both to `folder` and print the ledger.

    Returns:
        0 only if all of it worked.
    """
    log.configure("WARNING", "console")
    async with open_demo(latency_s=0) as demo:
        try:
            made = await scenario.imagine(demo.discord, ASPECT_RATIO)
            changed = await scenario.edit(demo.discord, made, ASPECT_RATIO)
        except (scenario.ScenarioFailed, TimeoutError) as error:
            print(f"The demo failed: {error}")
            return 1
        _write(folder, {"imagine.png": made, "edit.png": changed})
        return await _print_ledger(demo.app)


def _write(folder: Path, pictures: Mapping[str, scenario.Picture]) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, picture in pictures.items():
            (folder / name).write_bytes(picture.content)
    except OSError as error:
        raise StartupError(
            f"--output {folder} cannot be written to ({error.strerror}).", usage=True
        ) from error
    for name, picture in pictures.items():
        print(f"{folder / name}: {picture.width_px} x {picture.height_px}")


async def _print_ledger(app: App) -> int:
    print("\nkind            amount   balance  job")
    balance = 0
    for _, entry in await app.database.read(list_entries):
        amount = entry.allowance_ucr + entry.grant_ucr
        balance += amount
        print(
            f"{entry.kind.value:<10} {format_credits(amount):>12} {format_credits(balance):>9}"
            f"  {entry.job_id or ''}"
        )
    differences = await app.database.read(audit)
    print("\n".join(differences) or "Entries and balances agree.")
    return 1 if differences else 0


@asynccontextmanager
async def open_demo(latency_s: float) -> AsyncIterator[Demo]:
    """Playground and bot, logged in; everything they write is gone afterwards."""
    with scratch_folder("easel-demo-") as folder:
        async with (
            PlaygroundDiscord(folder=folder) as discord,
            PlaygroundProviders(latency_s=latency_s, folder=folder) as providers,
        ):
            settings = _settings(folder, discord, providers)
            await _expect(latency_s, settings)
            async with open_app(settings) as app, running(app, discord):
                yield Demo(app, discord)


async def _expect(latency_s: float, settings: GivenSettings) -> None:
    """Tell the bot how long its routes take here; the catalog's times are the real routes'."""
    expected = Latency.expected(latency_s)
    routes = load_catalog(settings).routes()
    async with open_database(settings.database_url) as database:
        await database.write(learned.save, {route.id: expected for route in routes})


@asynccontextmanager
async def running(app: App, discord: PlaygroundDiscord) -> AsyncIterator[None]:
    """
    Run the bot on the playground's Discord; the block begins once the bot is ready.

    Raises:
        StartupError: the bot could not start.
    """
    serving = asyncio.create_task(app.run())
    ready = asyncio.create_task(_readiness(app, discord))
    try:
        await asyncio.wait({serving, ready}, return_when=asyncio.FIRST_COMPLETED)
        if serving.done():
            serving.result()
        try:
            await ready
        except TimeoutError as error:
            raise StartupError(f"The bot did not start: {error}.") from error
        yield
    finally:
        ready.cancel()
        serving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await serving


async def _readiness(app: App, discord: PlaygroundDiscord) -> None:
    await discord.wait_until_ready()
    await app.client.synced.wait()


def _settings(
    folder: Path, discord: PlaygroundDiscord, providers: PlaygroundProviders
) -> GivenSettings:
    of_vendors: dict[str, Any] = {
        name.lower(): value for name, value in providers.environment.items()
    }
    return GivenSettings(
        discord_token=SecretStr(discord.token),
        discord_api_base=discord.api_base,
        database_url=f"sqlite:///{folder / 'easel.db'}",
        data_dir=folder,
        allow_private_addresses=True,
        ops_port=0,
        **of_vendors,
    )
