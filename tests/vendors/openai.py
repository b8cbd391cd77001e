"""OpenAI's own paths, key check and errors around the Images API."""

import hmac
from collections import deque

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.playground.faults import VendorCall, VendorFaults
from bot.playground.openai_images import ImagesError, OpenAiImages, read_json
from bot.playground.studio import Studio, Submission

BASE_PATH = "/openai/v1"


class OpenAiFormat:
    """The routes below BASE_PATH."""

    def __init__(self, studio: Studio, submissions: deque[Submission], *, api_key: str) -> None:
        self.images = OpenAiImages(studio, submissions)
        self._api_key = api_key

    def routes(self, faults: VendorFaults) -> list[web.RouteDef]:
        def around(call: VendorCall, handler: Handler) -> Handler:
            return faults.around(call, self._guarded(handler))

        return [
            web.post(f"{BASE_PATH}/images/generations", around(VendorCall.CREATE, self._generate)),
            web.post(f"{BASE_PATH}/images/edits", around(VendorCall.CREATE, self._edit)),
            web.get(f"{BASE_PATH}/models", around(VendorCall.MODELS, self._models)),
        ]

    def _guarded(self, handler: Handler) -> Handler:
        """Check the key, and turn an error into the vendor's shape."""

        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                key = request.headers.get("Authorization", "").encode()
                if not hmac.compare_digest(key, f"Bearer {self._api_key}".encode()):
                    raise ImagesError(401, "Incorrect API key provided.", code="invalid_api_key")
                return await handler(request)
            except ImagesError as error:
                return error.answer()

        return answer

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self.images.generate(await read_json(request)))

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self.images.edit(request))

    async def _models(self, request: web.Request) -> web.StreamResponse:
        models = [{"id": model, "object": "model"} for model in self.images.models]
        return web.json_response({"object": "list", "data": models})
