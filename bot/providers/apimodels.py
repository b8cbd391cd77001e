"""
API Models (apimodels.app) behind the Provider port; knows its wire format and nothing else.

Source: apimodels.app docs, image page; the vendor's clients apimodels-mcp 0.7.0 and
apimodels-skill; read 2026-11.
"""

import json
import logging
from collections.abc import Mapping
from decimal import Decimal
from typing import TypeGuard
from urllib.parse import urlsplit

from bot.domain.catalog import NsfwSwitch
from bot.domain.credits import Microcredits, from_usd
from bot.domain.ports import Failed, Finished, ImageFile, Order, Progress, Running
from bot.errors import (
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.providers.http import Reply, Stake, VendorHttp

log = logging.getLogger(__name__)

NAME = "apimodels"
IMAGES_PATH = "/images/generations"

#: Words of `state`, in lower case. Only completed and failed are the vendor's (apimodels-mcp);
#: the others are read by third parties. Every other word means: still running.
FINISHED_WORDS = frozenset({"completed", "complete", "success", "succeeded"})
FAILED_WORDS = frozenset(
    {"failed", "fail", "failure", "error", "cancel", "canceled", "cancelled", "expired", "timeout"}
)
#: Parts of `failCode` or `failMsg` (apimodels-skill).
MODERATION_WORD = "CONTENT_MODERATION"
RETRYABLE_WORDS = ("UPSTREAM_BUSY", "TIMEOUT")
#: Links in one answer; a task makes one image, more than this is not an answer to ours.
LINKS_MAX = 16
LINK_CHARS_MAX = 4_096
TASK_ID_CHARS_MAX = 200
VENDOR_WORD_CHARS_MAX = 64
#: A task just made is not always found at once; one that stays lost meets its deadline.
UNKNOWN_TASK_CODES = frozenset({404, 422})


class ApiModels:
    name = NAME

    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    async def upload(self, image: ImageFile) -> str:
        reply = await self._http.upload("/files", "file", image)
        self._check(reply, Stake.REPEATABLE)
        return parse_upload(reply.body)

    async def submit(self, order: Order) -> str:
        reply = await self._http.submit(IMAGES_PATH, build_create(order))
        self._check(reply, Stake.SUBMIT, hidden=order.prompt)
        return parse_create(reply.body)

    async def poll(self, provider_task_id: str) -> Progress:
        reply = await self._http.get(IMAGES_PATH, {"task_id": provider_task_id})
        if code_of(reply) in UNKNOWN_TASK_CODES:
            raise ProviderUnreachable(NAME, "does not know the task (yet)", status=code_of(reply))
        self._check(reply, Stake.REPEATABLE)
        progress = parse_poll(reply.body)
        if isinstance(progress, Finished):
            named = _data(reply.body).get("credits")
            log.info("API Models finished %s and names %s credits", provider_task_id, named)
        return progress

    async def balance(self) -> Microcredits:
        reply = await self._http.get("/balance")
        self._check(reply, Stake.REPEATABLE)
        return parse_balance(reply.body)

    def _check(self, reply: Reply, stake: Stake, *, hidden: str = "") -> None:
        """
        Raise unless the answer is a success.

        Args:
            hidden: what the vendor may quote but must not reach a log.
        """
        code = code_of(reply)
        if 200 <= code < 300:
            return
        message = self._http.clean(error_message(reply.body), hidden)
        if MODERATION_WORD in message.upper():
            raise ProviderRefused(
                NAME, message, moderation=True, status=code, request_id=reply.request_id
            )
        if code == 400 and message.startswith("Invalid model"):
            # The catalog names a model that the vendor no longer has: the operator's to mend.
            raise ProviderMisconfigured(NAME, message, status=code, request_id=reply.request_id)
        self._http.reject(reply, code, message, stake)


def build_create(order: Order) -> dict[str, object]:
    """
    The body of a create call.

    `nsfw_checker` is explicit wherever the route has it: the vendor's pages contradict each other
    about its default. `image_urls`, when there, makes it an edit.
    """
    body: dict[str, object] = {
        "model": order.route.upstream,
        "prompt": order.prompt,
        "aspect_ratio": order.aspect_ratio,
    }
    if order.route.sends_resolution:
        body["resolution"] = order.resolution
    if order.route.qualities:
        body["quality"] = order.quality
    if order.route.nsfw_switch is NsfwSwitch.NSFW_CHECKER:
        body["nsfw_checker"] = order.nsfw_checker
    if order.reference_links:
        body["image_urls"] = list(order.reference_links)
    return body


def parse_create(body: Mapping[str, object]) -> str:
    """
    The task id of a successful create answer: `data.taskId`, or one of its older names.

    Raises:
        ProviderContractBroken: there is none, although the task may exist.
    """
    for place in (_data(body), body):
        for name in ("taskId", "task_id", "id"):
            task_id = place.get(name)
            if isinstance(task_id, int) and not isinstance(task_id, bool):
                task_id = str(task_id)
            if isinstance(task_id, str) and 0 < len(task_id) <= TASK_ID_CHARS_MAX:
                return task_id
    raise ProviderContractBroken(NAME, "took a task but named no id")


def parse_poll(body: Mapping[str, object]) -> Progress:
    """
    What a successful query answer says of its task: `data.state`, `resultUrls`, `failCode`.

    `credits` does not become the cost: its unit is not documented, the list price is.

    Raises:
        ProviderContractBroken: the task is finished, but its links are none.
    """
    data = _data(body)
    state = _text(data, "state") or _text(data, "status")
    if state.lower() in FINISHED_WORDS:
        return Finished(_result_links(data))
    if state.lower() in FAILED_WORDS:
        code = _text(data, "failCode") or state
        words = f"{code} {_text(data, 'failMsg')}".upper()
        moderation = MODERATION_WORD in words
        retryable = data.get("retryable") is True or any(w in words for w in RETRYABLE_WORDS)
        return Failed(
            moderation=moderation,
            retryable=retryable and not moderation,
            vendor_code=code[:VENDOR_WORD_CHARS_MAX],
        )
    return Running(state[:VENDOR_WORD_CHARS_MAX])


def parse_upload(body: Mapping[str, object]) -> str:
    """`data.publicUrl` of a successful upload answer. Raises ProviderContractBroken."""
    link = _data(body).get("publicUrl")
    if not _is_link(link):
        raise ProviderContractBroken(NAME, "took a file but named no link")
    return link


def parse_balance(body: Mapping[str, object]) -> Microcredits:
    """
    `data.balance`, in USD: what is left beside the holds of running tasks.

    Raises:
        ProviderContractBroken: it is missing, no number, or in another currency.
    """
    data = _data(body)
    balance = data.get("balance")
    if isinstance(balance, bool) or not isinstance(balance, int | Decimal):
        raise ProviderContractBroken(NAME, "named no balance")
    if data.get("currency", "USD") != "USD":
        raise ProviderContractBroken(NAME, "named its balance in another currency than USD")
    return from_usd(Decimal(balance))


def code_of(reply: Reply) -> int:
    """The vendor's numeric `code` where it sends one, for some errors are a 200 to HTTP."""
    code = reply.body.get("code")
    if isinstance(code, int) and not isinstance(code, bool):
        return code
    return reply.status


def error_message(body: Mapping[str, object]) -> str:
    """`msg`, then `error.message`, then `error` (the vendor's client looks in this order)."""
    error = body.get("error")
    if isinstance(error, Mapping):
        error = error.get("message")
    for message in (body.get("msg"), error):
        if isinstance(message, str) and message:
            return message
    return "no message"


def _result_links(data: Mapping[str, object]) -> tuple[str, ...]:
    """Of `resultUrls`, or else of the JSON text in `resultJson`; empty where there are none yet."""
    links = data.get("resultUrls") or _result_json(data).get("resultUrls") or []
    if not isinstance(links, list) or len(links) > LINKS_MAX:
        raise ProviderContractBroken(NAME, "finished a task with something else than links")
    checked = tuple(link for link in links if _is_link(link))
    if len(checked) < len(links):
        raise ProviderContractBroken(NAME, "finished a task with something else than links")
    return checked


def _result_json(data: Mapping[str, object]) -> Mapping[str, object]:
    try:
        result = json.loads(_text(data, "resultJson"))
    except (ValueError, RecursionError):
        return {}
    return result if isinstance(result, dict) else {}


def _is_link(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or len(value) > LINK_CHARS_MAX:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"https", "http"} and bool(parts.hostname)
    except ValueError:
        return False


def _data(body: Mapping[str, object]) -> Mapping[str, object]:
    data = body.get("data")
    return data if isinstance(data, dict) else {}


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    return value if isinstance(value, str) else ""
