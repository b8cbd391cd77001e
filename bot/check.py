"""`easel check`: would the bot run? It asks Discord and the providers, and spends nothing."""

from collections.abc import Awaitable, Collection, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import aiohttp
import discord

from bot.app import load_catalog, make_folder, open_providers
from bot.chat import connection
from bot.chat.client import invite
from bot.domain.catalog import Catalog, Route
from bot.domain.credits import tell_cost
from bot.domain.ledger import Period
from bot.domain.ports import Provider
from bot.errors import BotError, ProviderBusy, ProviderError, ProviderMisconfigured, StartupError
from bot.ops.health import serve_health
from bot.providers.registry import VENDORS
from bot.providers.vendors import Vendor
from bot.settings import Settings, misspelt_settings
from bot.store.database import open_database
from bot.store.lock import is_in_use

#: how long before a model's end there is a warning, and how old prices may be without one
WARN_BEFORE = timedelta(days=60)
PRICES_AGE_MAX = timedelta(days=120)


async def check(settings: Settings) -> int:
    """
    Print a line for each part: a tick and what was found, or the sentence that says what is wrong.

    Returns:
        1 if something would not work.
    """
    running = is_in_use(settings.database_url)
    #: the catalog, if it can be read
    found: list[Catalog] = []
    works = [
        await _line("catalog", _catalog(settings, found)),
        await _line("database", _database(settings, running=running)),
        await _line("images", _images(settings)),
        await _line("ops port", _ops_port(settings, running=running)),
        await _line("discord", _discord(settings)),
    ]
    routes = [route for catalog in found for route in catalog.routes()]
    async with open_providers(settings) as providers:
        on = [vendor for vendor in VENDORS if (vendor.name, "") in providers]
        for vendor in on:
            of_it = [route for route in routes if route.provider == vendor.name]
            provider = providers[vendor.name, ""]
            works.append(await _line(vendor.name, _provider(vendor, provider, of_it, settings)))
    names = [vendor.name for vendor in on]
    remarks = [*misspelt_settings(), *_remarks(settings)]
    for catalog in found:
        works.append(await _line("models", _models(settings, catalog, names)))
        remarks += [*_endings(catalog, names), *_without_filter(routes, names)]
    print(f"  {_month(settings)}")
    for remark in remarks:
        print(f"! {remark}")
    return 0 if all(works) else 1


async def _line(name: str, part: Awaitable[str]) -> bool:
    try:
        found = await part
    except BotError as error:
        print(f"✗ {name}: {error}")
        return False
    print(f"✓ {name}: {found}")
    return True


async def _catalog(settings: Settings, found: list[Catalog]) -> str:
    """Check the catalog, and add it to `found`."""
    catalog = load_catalog(settings)
    found.append(catalog)
    age = f"; prices of {catalog.read}" if catalog.read else ""
    return ", ".join(catalog.models) + age


async def _database(settings: Settings, *, running: bool) -> str:
    # Beside a running bot, which may be an older one, nothing is migrated.
    async with open_database(settings.database_url, migrate=not running):
        return "opened, its schema is up to date" + ("; a bot is running on it" if running else "")


async def _images(settings: Settings) -> str:
    return f"{make_folder(settings.data_dir / 'images')} can be written to"


async def _ops_port(settings: Settings, *, running: bool) -> str:
    if settings.ops_port == 0:
        return "turned off"
    address = f"{settings.ops_host}:{settings.ops_port}"
    try:
        async with serve_health(settings.ops_host, settings.ops_port, {}):
            return f"{address} is free"
    except StartupError:
        if not running:
            raise
        return f"{address} is taken, by the running bot it seems"


async def _discord(settings: Settings) -> str:
    connection.use_api_base(settings.discord_api_base)
    token = settings.token()
    async with discord.Client(intents=discord.Intents.none()) as client:
        try:
            await connection.attempt(lambda: client.login(token))
            for server_id in settings.discord_guild_ids:
                await connection.attempt(partial(client.fetch_guild, server_id, with_counts=False))
        except StartupError as error:
            if not client.application_id:
                raise
            raise StartupError(f"{error} Its invite: {invite(client.application_id)}") from error
        return f"logged in as {client.user}; invite: {invite(client.application_id or 0)}"


async def _provider(
    vendor: Vendor, provider: Provider, routes: Sequence[Route], settings: Settings
) -> str:
    try:
        return await provider.check({route.upstream for route in routes})
    except ProviderError as error:
        key, root = vendor.key, vendor.root
        if isinstance(error.__cause__, aiohttp.ClientConnectionError | OSError):
            address = settings.of_vendor(root)
            raise StartupError(f"cannot be reached at {address}; see {root}") from error
        message = error.words + (f" ({error.status})" if error.status else "")
        if isinstance(error, ProviderBusy):
            raise StartupError(message) from error
        redirected = error.status is not None and 300 <= error.status < 400
        about_key = isinstance(error, ProviderMisconfigured) and not redirected
        raise StartupError(f"{message}; see {key if about_key else root}") from error


async def _models(settings: Settings, catalog: Catalog, providers: Collection[str]) -> str:
    """Check the model that a member gets who names none."""
    if not providers:
        raise StartupError("no provider is on; set the key of one, such as APIMODELS_API_KEY.")
    today = datetime.now(UTC).date()
    model_id = settings.default_model or catalog.default_model(providers, today)
    model = catalog.models[model_id]
    if not any(route.provider in providers for route in model.routes):
        raise StartupError(f"{model_id} is used by default, and none of its providers has a key.")
    if model.is_retired(today):
        raise StartupError(
            f"{model_id} is used by default, and its makers ended it on {model.retires};"
            " see DEFAULT_MODEL."
        )
    return f"{model_id} is used by default"


def _endings(catalog: Catalog, providers: Collection[str]) -> list[str]:
    """Remarks on models that have ended or end in the coming weeks, and on prices that are old."""
    today = datetime.now(UTC).date()
    remarks = [
        f"The makers of {model.id} {'ended' if model.is_retired(today) else 'end'} it on"
        f" {model.retires}."
        for model in catalog.retiring(providers, today + WARN_BEFORE)
    ]
    if catalog.read and today - catalog.read > PRICES_AGE_MAX:
        remarks.append(
            f"The catalog's prices were read on {catalog.read}: look for a newer version of Easel,"
            " or give it a CATALOG_FILE."
        )
    return remarks


def _month(settings: Settings) -> str:
    """What a month can cost at most."""
    # A month may begin on a Sunday: it then has days of six weeks.
    times = {Period.DAY: 31, Period.ROLLING: 31, Period.WEEK: 6, Period.MONTH: 1}[
        settings.allowance_period
    ]
    if settings.total_budget_ucr is not None:
        return f"a month can cost {tell_cost(settings.total_budget_ucr)} at most (TOTAL_BUDGET)"
    each = f"{tell_cost(settings.allowance_ucr * times)} for each member of each server"
    if settings.allow_direct_messages:
        each += ", and as much again in direct messages"
    each += ", or what its moderators give"
    if settings.server_budget_ucr is not None:
        each = f"{tell_cost(settings.server_budget_ucr)} for each server (SERVER_BUDGET)"
        if settings.allow_direct_messages:
            private = tell_cost(settings.allowance_ucr * times)
            each += f", and {private} for each member in direct messages"
    return f"a month can cost up to {each}; TOTAL_BUDGET would end it"


def _without_filter(routes: Sequence[Route], providers: Collection[str]) -> list[str]:
    on = [route for route in routes if route.provider in providers]
    if not on or any(route.nsfw_switch.serves(nsfw_checker=True) for route in on):
        return []
    return [
        "No route of your providers has an NSFW filter, so images can be made only where a server"
        " has turned it off, and never in direct messages."
    ]


def _remarks(settings: Settings) -> list[str]:
    """Remarks on settings that do no harm, but have no effect either."""
    if settings.public_url is None:
        return []
    lacking = []
    # The settings of the keys with which vendors sign that call back.
    calling = [vendor.options for vendor in VENDORS if vendor.verify_callback]
    keys = [name for its in calling for name, option in its.items() if option.takes == "key"]
    if not any(map(settings.of_vendor, keys)):
        named = " or ".join(keys)
        lacking.append(f"PUBLIC_URL is of no use without {named}: no provider calls back.")
    if settings.ops_port == 0:
        lacking.append("PUBLIC_URL is of no use with OPS_PORT=0: nothing hears a call.")
    return lacking
