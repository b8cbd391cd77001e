"""The only module that names every concrete class: it builds them and joins them."""

import asyncio
import contextlib
import errno
import logging
import secrets
import tomllib
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from bot.catalog import parse_catalog
from bot.chat import connection
from bot.chat.client import EaselClient
from bot.chat.commands import add_commands
from bot.chat.desk import Desk
from bot.chat.log_channel import post_share
from bot.chat.messenger import DiscordMessenger
from bot.domain.catalog import Catalog
from bot.domain.ledger import Allowance
from bot.domain.policy import Guests
from bot.domain.ports import Clock, Provider
from bot.domain.queue import Caps
from bot.domain.settings import Keep, Operator
from bot.engine.budgets import LOOK_EVERY_S as BUDGETS_EVERY_S
from bot.engine.budgets import post_reached
from bot.engine.delivery import Delivery
from bot.engine.duties import Duties
from bot.engine.easel import Easel
from bot.engine.export import Export
from bot.engine.identity import member_hash, open_salt
from bot.engine.oversight import Oversight
from bot.engine.privacy import LOOK_EVERY_S as PRIVACY_EVERY_S
from bot.engine.privacy import Privacy
from bot.engine.retention import SWEEP_EVERY_S, sweep
from bot.engine.routing import Routing
from bot.engine.runner import Runner
from bot.engine.statistics import Statistics
from bot.engine.stopping import StoppableClock
from bot.engine.traffic import Traffic
from bot.engine.workshop import Workshop
from bot.errors import StartupError
from bot.pictures.decoder import Decoder
from bot.pictures.fetch import Fetcher
from bot.pictures.folder import remove_fetched
from bot.providers.connections import open_connections
from bot.providers.registry import VENDORS, build_providers, check_catalog, options_of
from bot.providers.vendors import Vendor
from bot.settings import Settings
from bot.store.database import Database, open_database
from bot.store.jobs import House, free_leases
from bot.store.lock import Use, sole_folder, sole_use

log = logging.getLogger(__name__)

#: (vendor, API) -> provider
Providers = Mapping[tuple[str, str], Provider]

#: what a disk says that is full: another start may help, so the setting is not to blame
NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})
NO_PROVIDER = "no provider is configured: set the key of one, such as APIMODELS_API_KEY"
SHIPPED_CATALOG = Path(__file__).parent / "catalog.toml"


class SystemClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class App:
    """The bot, built but not yet logged in."""

    def __init__(
        self, settings: Settings, client: EaselClient, runner: Runner, shop: Workshop
    ) -> None:
        self.settings = settings
        self.client = client
        self.runner = runner
        self.database = shop.database
        self._shop = shop

    async def run(self) -> None:
        """
        Serve until cancelled, then leave what is unfinished for the next start.

        Raises:
            StartupError: Discord refuses the token, a server or the commands; or a port is taken.
            GatewayLost: discord.py gave up the connection.
        """
        checks = {"discord": self._connected, "database": self._database_answers}
        token = self.settings.token()
        callbacks = {
            vendor.name: partial(self._hear, vendor) for vendor in VENDORS if vendor.verify_callback
        }
        async with AsyncExitStack() as stack:
            if self.settings.ops_port:
                # Imported here because it brings a web server, which not everyone wants.
                from bot.ops.health import serve_health

                place = (self.settings.ops_host, self.settings.ops_port)
                await stack.enter_async_context(
                    serve_health(*place, checks, callbacks, self._measure)
                )
            gateway = asyncio.create_task(connection.run(self.client, token))
            working = asyncio.create_task(self._work())
            syncing = asyncio.create_task(self._sync())
            serving = {gateway, working}
            try:
                await asyncio.wait({*serving, syncing}, return_when=asyncio.FIRST_COMPLETED)
                if syncing.done() and not syncing.exception():
                    await asyncio.wait(serving, return_when=asyncio.FIRST_COMPLETED)
            finally:
                # The work ends first, because it still has things to say on Discord.
                await _end(working)
                await _end(syncing)
                await self.client.finish_answers()
                await connection.close(self.client)
                await _end(gateway)
                await self.runner.hand_over_last()
            for ended in (gateway, working, syncing):
                if not ended.cancelled():
                    ended.result()

    async def sync(self) -> list[str]:
        """
        Compare the commands with Discord's in every server, and mend what differs.

        Returns:
            A line for each scope.
        Raises:
            StartupError: Discord refuses, or cannot be reached.
        """
        token = self.settings.token()
        try:
            await connection.attempt(lambda: self.client.login(token))
            return await connection.attempt(lambda: self.client.sync(everywhere=True))
        finally:
            await connection.close(self.client)

    async def _work(self) -> None:
        await self.client.logged_in.wait()
        await self.runner.run()

    async def _sync(self) -> None:
        """Sync commands once the gateway has let the bot in, so that no member waits for this."""
        await self.client.connected.wait()
        await connection.insist(self.client.sync)

    def _hear(self, vendor: Vendor, headers: Mapping[str, str], body: bytes) -> None:
        assert vendor.verify_callback is not None
        options = options_of(vendor, self.settings.of_vendor)
        task_id = vendor.verify_callback(options, headers, body, self._shop.clock.now())
        if task_id:
            self._shop.hint(vendor.name, task_id)

    async def _measure(self) -> bytes:
        # Imported with the first request: not everyone has somebody who asks.
        from bot.ops.metrics import Gateway, measure

        client = self.client
        gateway = Gateway(client.is_connected(), client.latency, len(client.guilds))
        return await measure(self._shop, gateway)

    async def _connected(self) -> bool:
        return self.client.is_connected()

    async def _database_answers(self) -> bool:
        # A statement without a table would not touch the file.
        return bool(await self.database.revision())


@asynccontextmanager
async def open_app(
    settings: Settings, clock: Clock | None = None, *, beside: bool = False
) -> AsyncIterator[App]:
    """
    Open what the bot needs, and close it again.

    Args:
        beside: another process may run the bot; this one does not.
    Raises:
        StartupError: one sentence on what is missing or wrong.
    """
    catalog = load_catalog(settings)
    folder = make_folder(settings.data_dir / "images")
    connection.use_api_base(settings.discord_api_base)
    async with AsyncExitStack() as stack:
        use = Use(None, None)
        if not beside:
            use = stack.enter_context(sole_use(settings.database_url))
            stack.enter_context(sole_folder(settings.data_dir))
        database = await stack.enter_async_context(
            open_database(settings.database_url, migrate=not beside)
        )
        if not beside:
            # The owners of all leases from before this start are dead.
            await database.write(free_leases)
            remove_fetched(folder)
        shop = await stack.enter_async_context(
            _open_shop(settings, database, catalog, StoppableClock(clock or SystemClock()), folder)
        )
        guests = Guests(frozenset(settings.allowed_servers), settings.allow_direct_messages)
        easel = Easel(shop, guests, settings.confirm_above_ucr)
        await easel.servers.load()
        await easel.load_preferences()
        client = EaselClient(
            easel,
            server_ids=settings.discord_guild_ids,
            shard_count=settings.shard_count,
            shard_ids=settings.shard_ids,
        )
        messenger = DiscordMessenger(client, shop, easel)
        privacy = Privacy(shop, easel, messenger)
        posting = partial(post_reached, shop, easel, partial(post_share, client))
        duties = Duties(shop, messenger, use)
        duties.also(BUDGETS_EVERY_S, posting)
        duties.also(PRIVACY_EVERY_S, privacy.go_on)
        duties.also(SWEEP_EVERY_S, partial(sweep, shop), at_once=False)
        delivery = Delivery(shop, messenger, easel.gone)
        runner = Runner(shop, messenger, delivery, duties)
        desk = Desk(
            easel,
            messenger,
            shop,
            Oversight(shop),
            privacy,
            Export(shop.database, shop.folder),
            Statistics(shop),
            catalog.offered(shop.routing.providers),
            _operator(settings, shop.routing.default_model),
        )
        add_commands(client, desk)
        if not shop.providers:
            log.warning(NO_PROVIDER, extra={"action": "no_provider"})
        yield App(settings, client, runner, shop)


@asynccontextmanager
async def _open_shop(
    settings: Settings, database: Database, catalog: Catalog, clock: StoppableClock, folder: Path
) -> AsyncIterator[Workshop]:
    private = settings.allow_private_addresses
    async with open_providers(settings) as providers:
        on = {name for name, _ in providers}
        default_model = settings.default_model or catalog.default_model(on, clock.now().date())
        routing = Routing(catalog, on, default_model, settings.route_order, database, clock)
        await routing.load()
        with closing(Decoder()) as decoder:
            async with Fetcher(allow_private_addresses=private, decoder=decoder) as fetcher:
                yield Workshop(
                    database=database,
                    house=_house(settings, catalog),
                    providers=providers,
                    catalog=catalog,
                    routing=routing,
                    traffic=Traffic(catalog, clock),
                    fetcher=fetcher,
                    clock=clock,
                    folder=folder,
                    decoder=decoder,
                    member_hash=member_hash(open_salt(settings.data_dir)),
                )


def _operator(settings: Settings, default_model: str) -> Operator:
    """The values where a server has decided nothing, by field of ServerSettings."""
    values = {
        "default_model": default_model,
        "confirm_above_ucr": settings.confirm_above_ucr,
        "allowance_ucr": settings.allowance_ucr,
        "allowance_period": settings.allowance_period,
        "budget_ucr": settings.server_budget_ucr,
    }
    own_names = {"budget_ucr": "server_budget"}
    given = settings.model_fields_set
    chosen = {each for each in values if own_names.get(each, each.removesuffix("_ucr")) in given}
    return Operator(values, frozenset(chosen))


def _house(settings: Settings, catalog: Catalog) -> House:
    caps = Caps(
        running_per_user_max=settings.max_jobs_per_user,
        running_per_server_max=settings.max_jobs_per_server,
        running_max=settings.max_running_jobs,
        queued_max=settings.max_queued_jobs,
        queued_per_user_max=settings.max_queued_per_user,
        running_per_route_max={route.id: route.running_max for route in catalog.routes()},
    )
    allowance = Allowance(settings.allowance_ucr, settings.allowance_period)
    keep = Keep(
        results_days=settings.keep_results,
        results_bytes_max=settings.keep_bytes_max,
        prompts_days=settings.keep_prompts,
        jobs_days=settings.keep_jobs,
    )
    owner = secrets.token_hex(8)
    return House(
        caps, allowance, settings.server_budget_ucr, settings.total_budget_ucr, owner, keep
    )


@asynccontextmanager
async def open_providers(settings: Settings) -> AsyncIterator[Providers]:
    """The providers whose keys are set."""
    async with open_connections() as connections:
        yield build_providers(settings.of_vendor, connections, public_url=settings.public_url)


def load_catalog(settings: Settings) -> Catalog:
    path = settings.catalog_file or SHIPPED_CATALOG
    try:
        with path.open("rb") as file:
            catalog = parse_catalog(tomllib.load(file))
    except OSError as error:
        raise StartupError(f"CATALOG_FILE {path}: {error.strerror}.", usage=True) from error
    except UnicodeDecodeError as error:
        raise StartupError(f"CATALOG_FILE {path} is not UTF-8 text.", usage=True) from error
    except tomllib.TOMLDecodeError as error:
        raise StartupError(f"CATALOG_FILE {path} is not TOML: {error}.", usage=True) from error
    check_catalog(catalog)
    if settings.default_model and settings.default_model not in catalog.models:
        raise StartupError(
            f"DEFAULT_MODEL {settings.default_model} is not in the catalog, which has"
            f" {', '.join(catalog.models)}.",
            usage=True,
        )
    return catalog


def make_folder(path: Path) -> Path:
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe = path / ".writable"
        probe.write_bytes(b"1")
        probe.unlink(missing_ok=True)
    except OSError as error:
        raise StartupError(
            f"DATA_DIR: {path} cannot be written to ({error.strerror}).",
            usage=error.errno not in NO_ROOM,
        ) from error
    return path


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError, Exception):
        await task
