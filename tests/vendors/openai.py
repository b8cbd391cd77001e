"""OpenAI's own paths, key check and errors around the Images API."""

from collections.abc import Sequence

from aiohttp import web

from bot.playground.faults import VendorCall
from bot.playground.formats import Endpoint, Format, ImagesError, read_json
from bot.playground.openai_images import OpenAiImages

BASE_PATH = "/openai/v1"


class OpenAiFormat(Format):
    """The routes below BASE_PATH."""

    @property
    def images(self) -> OpenAiImages:
        return OpenAiImages(self.studio, self.submissions)

    def endpoints(self) -> Sequence[Endpoint]:
        return [
            ("POST", f"{BASE_PATH}/images/generations", VendorCall.CREATE, self._generate),
            ("POST", f"{BASE_PATH}/images/edits", VendorCall.CREATE, self._edit),
            ("GET", f"{BASE_PATH}/models", VendorCall.MODELS, self._models),
        ]

    def wrong_key(self) -> ImagesError:
        return ImagesError(401, "Incorrect API key provided.", code="invalid_api_key")

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self.images.generate(await read_json(request)))

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self.images.edit(request))

    async def _models(self, request: web.Request) -> web.StreamResponse:
        models = [{"id": model, "object": "model"} for model in self.images.models]
        return web.json_response({"object": "list", "data": models})
