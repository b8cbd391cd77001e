"""`easel check`: would the bot run? It asks Discord and the providers, and spends nothing."""

from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack

import aiohttp
import discord

from bot.app import load_catalog, make_folder, open_providers
from bot.chat import wire
from bot.domain.catalog import Route
from bot.domain.ports import Provider
from bot.errors import BotError, StartupError
from bot.settings import Settings
from bot.store.database import open_database


async def check(settings: Settings) -> int:
    """
    Print a line for each part: a tick and what was found, or the sentence that says what is wrong.

    Returns:
        1 if something would not work.
    """
    async with AsyncExitStack() as stack:
        providers = await stack.enter_async_context(open_providers(settings))
        routes: list[Route] = []
        parts = {
            "catalog": _catalog(settings, routes),
            "database": _database(settings),
            "discord": _discord(settings),
            **{name: _provider(each, routes) for name, each in providers.items()},
        }
        works = [await _line(name, part) for name, part in parts.items()]
        if not providers:
            works.append(await _line("providers", _no_provider()))
        return 0 if all(works) else 1


async def _line(name: str, part: Awaitable[str]) -> bool:
    try:
        found = await part
    except BotError as error:
        # A provider's error begins with its name.
        print(f"✗ {name}: {str(error).removeprefix(f'{name}: ')}")
        return False
    print(f"✓ {name}: {found}")
    return True


async def _catalog(settings: Settings, routes: list[Route]) -> str:
    """Its routes are added to those given."""
    catalog = load_catalog(settings)
    routes.extend(catalog.routes())
    return ", ".join(catalog.models)


async def _database(settings: Settings) -> str:
    make_folder(settings.data_dir)
    async with open_database(settings.database_url):
        return "opened, its schema is up to date"


async def _discord(settings: Settings) -> str:
    wire.use_api_base(settings.discord_api_base)
    token = settings.needed("DISCORD_TOKEN")
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            await client.login(token)
        except discord.LoginFailure as error:
            raise StartupError("DISCORD_TOKEN is not accepted.") from error
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            raise StartupError(
                f"{settings.discord_api_base} cannot be reached: {error}."
            ) from error
        return f"logged in as {client.user}"


async def _provider(provider: Provider, routes: Sequence[Route]) -> str:
    upstreams = {route.upstream for route in routes if route.provider == provider.name}
    return await provider.check(upstreams)


async def _no_provider() -> str:
    raise StartupError("none is configured; set the key of one, such as APIMODELS_API_KEY.")
