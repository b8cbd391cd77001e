"""Results come from the vendors' server, as they do in the bot."""

from collections.abc import AsyncIterator

import pytest

from tests.providers.conftest import API_KEY, plain_png
from tests.vendors import AllVendors


@pytest.fixture
async def server() -> AsyncIterator[AllVendors]:
    async with AllVendors(api_key=API_KEY, paint=plain_png) as server:
        yield server
