"""Google's own root: the Gemini format that MaxAPI passes on, and a list of models."""

from aiohttp import web

from bot.playground.faults import VendorCall, VendorFaults
from bot.playground.gemini import MODELS, GeminiFormat
from bot.playground.maxapi import guarded

BASE_PATH = "/google"


class GoogleFormat(GeminiFormat):
    base_path = BASE_PATH

    def routes(self, faults: VendorFaults) -> list[web.RouteDef]:
        listing = faults.around(VendorCall.MODELS, guarded(self._api_key, self._models))
        return [*super().routes(faults), web.get(f"{BASE_PATH}/v1beta/models", listing)]

    async def _models(self, _: web.Request) -> web.StreamResponse:
        return web.json_response({"models": [{"name": f"models/{name}"} for name in MODELS]})
