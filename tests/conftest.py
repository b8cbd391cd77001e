"""Fixtures that more than one folder of tests uses."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from bot.chat import wire
from bot.engine import runner
from bot.pictures.decoder import Decoder
from bot.store.database import open_database
from tests.support.easel import Easel, open_easel
from tests.support.once import (
    SharedDecoder,
    share_catalogs,
    share_checks,
    share_decoder,
    share_payloads,
)

settings.register_profile(
    "default",
    deadline=None,
    max_examples=50,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
#: pytest --hypothesis-profile=long
settings.register_profile("long", settings.get_profile("default"), max_examples=5_000)
settings.load_profile("default")


def pytest_configure() -> None:
    """The collector has little to do with what is imported, and with what a test leaves behind."""
    gc.set_threshold(50_000, 20, 20)


def pytest_collection_finish() -> None:
    """It has no business with the modules."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def schema(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A migrated database file, to be copied: migrating anew takes a quarter of a second."""
    path = tmp_path_factory.mktemp("schema") / "easel.db"

    async def migrate() -> None:
        async with open_database(f"sqlite:///{path}"):
            pass

    asyncio.run(migrate())
    return path


@pytest.fixture(scope="session")
def decoder() -> Iterator[Decoder]:
    decoder = SharedDecoder()
    yield decoder
    decoder.end()


@pytest.fixture(scope="session", autouse=True)
def worked_out_once(decoder: SharedDecoder) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        share_payloads(patch)
        share_catalogs(patch)
        share_decoder(patch, decoder)
        share_checks(patch)
        yield


@pytest.fixture(scope="session", autouse=True)
def at_once() -> Iterator[None]:
    """What the bot waits with, for people's or Discord's sake, comes at once."""
    with pytest.MonkeyPatch.context() as patch:
        # How a job goes is shown from its first moment on.
        patch.setattr(runner, "PROGRESS_AFTER_S", 0.0)
        # Jobs that come one after the other wait for no claim of several.
        patch.setattr(runner, "CLAIM_PAUSE_S", 0.005)
        # Discord is called again at once.
        patch.setattr(wire, "RETRY_WAIT_S", 0.0)
        yield


OpenEasel = Callable[..., AbstractAsyncContextManager[Easel]]


@pytest.fixture
def opened(tmp_path: Path, schema: Path) -> OpenEasel:
    """Opens the bot with settings of the test's own."""
    return lambda **given: open_easel(tmp_path, schema, **given)


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(opened())
