"""
Google's own Gemini API behind the Provider port; it answers when the image is done.

Source: ai.google.dev, API reference "Generating content", "Models" and guide "Image generation",
read 2026-11. The module gemini has the wire format.
"""

from collections.abc import Collection, Mapping

from bot.domain.ports import Failed, Finished, Order
from bot.errors import ProviderContractBroken, ProviderMisconfigured
from bot.providers import gemini
from bot.providers import maxapi_replies as replies
from bot.providers.fields import compare_models, text
from bot.providers.http import VendorHttp
from bot.providers.judge import Stake, required
from bot.providers.vendors import Api, Vendor

NAME = "google"
#: path and parameters of the list of models; 1000 is the largest page
MODELS = ("/v1beta/models", {"pageSize": "1000"})


class Google:
    upload = None
    poll = None

    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    async def submit(self, order: Order) -> Finished | Failed:
        reply = await gemini.send(self._http, order)
        answer = required(gemini.answer_in(reply.body), NAME, "answered without candidates")
        return gemini.parse_answer(NAME, answer)

    async def check(self, upstreams: Collection[str]) -> str:
        reply = await self._http.get(*MODELS)
        self._http.judge(reply, replies.read_complaint(reply), Stake.REPEATABLE)
        models = parse_models(reply.body)
        if missing := sorted(set(upstreams) - models):
            raise ProviderMisconfigured(NAME, f"the key may not use {', '.join(missing)}")
        return "; ".join(["the key works", *compare_models(models, upstreams)])


def parse_models(body: Mapping[str, object]) -> set[str]:
    """Each `models[].name` without its prefix "models/". Raises ProviderContractBroken."""
    models = body.get("models")
    if not isinstance(models, list):
        raise ProviderContractBroken(NAME, "named no models")
    return {
        text(model, "name").removeprefix("models/") for model in models if isinstance(model, dict)
    }


VENDOR = Vendor(
    NAME,
    key="GOOGLE_API_KEY",
    root="GOOGLE_BASE_URL",
    root_default="https://generativelanguage.googleapis.com",
    apis={
        "gemini": Api(
            # The key goes into a header, because addresses reach logs.
            lambda setup: Google(setup.http(setup.root, key_header="x-goog-api-key")),
            tokens=True,
        ),
    },
)
