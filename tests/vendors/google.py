"""Google's own root: the Gemini format that MaxAPI passes on, and a list of models."""

from collections.abc import Sequence

from aiohttp import web

from bot.playground.faults import VendorCall
from bot.playground.formats import Endpoint
from bot.playground.gemini import MODELS, GeminiFormat

BASE_PATH = "/google"


class GoogleFormat(GeminiFormat):
    base_path = BASE_PATH

    def endpoints(self) -> Sequence[Endpoint]:
        listing = ("GET", f"{BASE_PATH}/v1beta/models", VendorCall.MODELS, self._models)
        return [*super().endpoints(), listing]

    async def _models(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"models": [{"name": f"models/{name}"} for name in MODELS]})
