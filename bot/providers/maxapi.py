"""
MaxAPI (maxapi.dev) behind the Provider port; knows its OpenAI-shaped paths and nothing else.

Source: maxapi.dev, docs and model page of gpt-image-2-beta, read 2026-11. The answer to an accepted
task is not documented; see maxapi_replies for the answers that the bot understands.
"""

from collections.abc import Callable, Mapping

from bot.domain.catalog import NsfwSwitch
from bot.domain.ports import Failed, Finished, Order, Progress, Running
from bot.domain.pricing import Bill
from bot.errors import ProviderContractBroken
from bot.providers import gemini, openai_images
from bot.providers import maxapi_replies as replies
from bot.providers.fields import FINISHED_WORDS
from bot.providers.http import VendorHttp
from bot.providers.judge import Stake
from bot.providers.vendors import Api, Option, Vendor

NAME = replies.NAME
#: comes before OpenAI's paths
ROOT = "/v1"


class MaxApi(replies.MaxApiTasks):
    """
    Args:
        asset_delivery: the host in result links: the vendor's usual host ("default"), or its mirror
            ("mirror").
    """

    def __init__(self, http: VendorHttp, *, asset_delivery: str) -> None:
        super().__init__(http, parse_poll)
        self._asset_delivery = asset_delivery

    async def submit(self, order: Order) -> str | Finished | Failed:
        """
        Ask for a task, but accept an image that comes at once.

        Such an answer takes as long as the image, so the time limit is that of a vendor that
        answers when the image is done.
        """
        body = build_create(order, self._asset_delivery)
        reply = await openai_images.send(self._http, order, body, ROOT)
        complaint = replies.read_complaint(reply)
        self._http.judge(reply, complaint, Stake.SUBMIT, hidden=order.prompt)
        path = ROOT + openai_images.path_of(order)
        return parse_create(reply.body, task_path=path, own_address=self._http.own_address)


def build_create(order: Order, asset_delivery: str) -> dict[str, object]:
    """
    The fields of a generation or an edit: OpenAI's and MaxAPI's own.

    Without `route_mode`, MaxAPI uses the order of routes that is set for the key.
    """
    fields = {"size": "auto"} | openai_images.build_fields(order)
    fields |= openai_images.moderation_field(order)
    if order.route.route_mode:
        fields["route_mode"] = order.route.route_mode
    return fields | {"async": True, "asset_delivery": asset_delivery}


def parse_create(
    body: Mapping[str, object], *, task_path: str, own_address: Callable[[str], str | None]
) -> str | Finished | Failed:
    """
    Read the answer to a generation or an edit: a task to poll, or the image if it came at once.

    Raises:
        ProviderContractBroken: the answer has neither, although the image may be under way.
    """
    if failed := replies.ended_badly(body):
        return failed
    links, in_answer = replies.images_in(body)
    if links or in_answer:
        return Finished(links, in_answer, _bill_in(body))
    if replies.image_lists(body) and not replies.is_under_way(body):
        if replies.names_no_image(body):
            return Finished()
        raise ProviderContractBroken(NAME, "answered without an image")
    return replies.handle_in(body, own_address=own_address, task_path=task_path)


def parse_poll(body: Mapping[str, object]) -> Progress:
    """
    Read a successful poll: OpenAI's body once the image is there, else the task's state.

    A finished task without a usable image is Finished without links, so it is polled again.
    """
    if failed := replies.ended_badly(body):
        return failed
    word = replies.state_in(body)
    if word and word.lower() not in FINISHED_WORDS:
        return Running(word)
    links, in_answer = replies.images_in(body)
    if word or links or in_answer or replies.image_lists(body):
        return Finished(links, in_answer, _bill_in(body))
    return Running(word)


def _bill_in(body: Mapping[str, object]) -> Bill:
    for place in replies.mappings(body):
        if "usage" in place:
            return openai_images.parse_bill(place)
    return Bill()


VENDOR = Vendor(
    NAME,
    key="MAXAPI_KEY",
    root="MAXAPI_BASE_URL",
    root_default="https://api.maxapi.dev",
    apis={
        "images": Api(
            lambda setup: MaxApi(
                setup.http(setup.root), asset_delivery=str(setup.options["MAXAPI_ASSET_DELIVERY"])
            ),
            switches=frozenset({NsfwSwitch.MODERATION}),
            mask=True,
            qualities=True,
            transparency=True,
            tokens=True,
        ),
        "gemini": Api(lambda setup: gemini.MaxApiGemini(setup.http(setup.root)), tokens=True),
    },
    options={
        # The host in result links: the vendor's usual host, or its mirror.
        "MAXAPI_ASSET_DELIVERY": Option("default", takes=("default", "mirror")),
    },
)
