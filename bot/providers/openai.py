"""
The OpenAI Images API, or a compatible one, behind the Provider port.

It answers when the image is done, so there are no tasks to poll. Source: as in openai_images.
"""

from collections.abc import Collection, Mapping

from bot.domain.catalog import NsfwSwitch
from bot.domain.ports import Failed, Finished, Order
from bot.errors import ProviderContractBroken, ProviderMisconfigured
from bot.providers import fields
from bot.providers.http import VendorHttp
from bot.providers.judge import Stake
from bot.providers.openai_images import (
    build_fields,
    moderation_field,
    parse_images,
    read_complaint,
    send,
)
from bot.providers.vendors import Api, Vendor

NAME = "openai"


class OpenAI:
    upload = None
    poll = None

    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    async def submit(self, order: Order) -> Finished | Failed:
        body = build_edit(order) if order.references else build_generation(order)
        reply = await send(self._http, order, body)
        self._http.judge(reply, read_complaint(reply), Stake.SUBMIT, hidden=order.prompt)
        return parse_images(NAME, reply.body)

    async def check(self, upstreams: Collection[str]) -> str:
        reply = await self._http.get("/models")
        self._http.judge(reply, read_complaint(reply), Stake.REPEATABLE)
        models = parse_models(reply.body)
        if missing := sorted(set(upstreams) - set(models)):
            raise ProviderMisconfigured(NAME, f"the key may not use {', '.join(missing)}")
        ending = [f"{each} ends on {day}" for each in sorted(upstreams) if (day := models[each])]
        return "; ".join(["the key works", *ending, *fields.compare_models(models, upstreams)])


def build_edit(order: Order) -> dict[str, object]:
    """
    An edit's fields, beside its files.

    `size` is always sent, because an edit's default is a square. `moderation` is left out because
    it is not documented for multipart, and `input_fidelity` because gpt-image-2 is said to refuse
    it.
    """
    return {"size": "auto"} | build_fields(order) | user_field(order)


def build_generation(order: Order) -> dict[str, object]:
    return {"size": "auto"} | build_fields(order) | moderation_field(order) | user_field(order)


def user_field(order: Order) -> dict[str, object]:
    """`user` in both calls: "a unique identifier representing your end-user" (OpenAI)."""
    return {"user": order.member_hash} if order.member_hash else {}


def parse_models(body: Mapping[str, object]) -> dict[str, str]:
    """
    The models that the key may use: each id in `data` with its `shutdown_date`, which is empty if
    there is none that can be printed. Raises ProviderContractBroken.
    """
    models = body.get("data")
    if not isinstance(models, list):
        raise ProviderContractBroken(NAME, "named no models")
    return {
        fields.text(model, "id"): day[: fields.WORD_CHARS_MAX] if day.isprintable() else ""
        for model in models
        if isinstance(model, dict)
        for day in [fields.text(model, "shutdown_date")]
    }


VENDOR = Vendor(
    NAME,
    key="OPENAI_API_KEY",
    root="OPENAI_BASE_URL",
    root_default="https://api.openai.com/v1",
    apis={
        "images": Api(
            lambda setup: OpenAI(setup.http(setup.root)),
            switches=frozenset({NsfwSwitch.MODERATION}),
            mask=True,
            qualities=True,
            transparency=True,
            tokens=True,
        ),
    },
)
