"""
The wire format of the OpenAI Images API, which several vendors speak; knows none of them.

A vendor's file adds the vendor's own fields to those built here. Source: OpenAI's API description
(openai-openapi, snapshot 2026-08-21), Images; its Python client (openai-python, same date) for the
names of multipart fields.
"""

from collections.abc import AsyncIterator, Mapping
from contextlib import ExitStack, asynccontextmanager

import aiohttp
from msgspec import Struct

from bot.domain.catalog import NsfwSwitch
from bot.domain.ports import Failed, Finished, ImageFile, Order
from bot.domain.pricing import Bill, Usage
from bot.domain.sizes import pixels
from bot.errors import Content, Facts, ProviderContractBroken, Stage
from bot.pictures.threads import in_thread
from bot.providers.answers import encoded
from bot.providers.fields import WORD_CHARS_MAX, any_message, is_link, mapping, text, tokens
from bot.providers.http import VendorHttp
from bot.providers.inline import INLINE
from bot.providers.judge import Complaint, Kind, Reply, failure
from bot.providers.moderation import is_content

GENERATIONS_PATH = "/images/generations"
EDITS_PATH = "/images/edits"

#: Entries of `data` that are read; the bot asks for one image.
IMAGES_MAX = 16

#: `error.code` or `error.type` if the account cannot pay, with any HTTP status, often 429: OpenAI's
#: codes, then New API's.
MONEY_CODES = frozenset(
    {
        "insufficient_quota",
        "billing_hard_limit_reached",
        "billing_not_active",
        "insufficient_user_quota",
        "pre_consume_token_quota_failed",
    }
)
MODEL_CODES = frozenset({"model_not_found"})
#: part of an error's message, in lower case (OpenAI's resellers, 2026)
NO_TRANSPARENCY = "transparent background is not supported"


class ErrorWords(Struct, frozen=True):
    """What an `error` object says; a field is empty if the object lacks it."""

    code: str
    type: str
    message: str

    @property
    def is_operators(self) -> bool:
        """Whether the operator has to mend it: money, or a model that the vendor does not have."""
        return not {self.code, self.type}.isdisjoint(MONEY_CODES | MODEL_CODES)


def size_of(order: Order) -> str | None:
    """The size as `WxH`; None if the ratio is `auto`."""
    if own := order.route.own_sizes.get((order.aspect_ratio, order.resolution)):
        return own
    size = pixels(order.aspect_ratio, order.resolution)
    return None if size is None else f"{size[0]}x{size[1]}"


def build_fields(order: Order) -> dict[str, object]:
    """
    What a generation and an edit have in common: model, prompt, n, size, quality, background.

    `size` is missing if the ratio is `auto`, because each vendor says that in its own way.
    """
    fields: dict[str, object] = {"model": order.route.upstream, "prompt": order.prompt, "n": 1}
    size = size_of(order)
    if size is not None:
        fields["size"] = size
    if order.route.qualities:
        fields["quality"] = order.quality
    if order.route.transparency and order.background != "auto":
        # Not every server with this wire format knows the field.
        fields["background"] = order.background
    return fields


def moderation_field(order: Order) -> dict[str, bool | str]:
    """`moderation`, if the route has it; it is not documented for multipart edits."""
    if order.route.nsfw_switch is not NsfwSwitch.MODERATION:
        return {}
    return order.route.nsfw_switch.fields(nsfw_checker=order.nsfw_checker)


def path_of(order: Order) -> str:
    """An edit's if there are references, else a generation's."""
    return EDITS_PATH if order.references else GENERATIONS_PATH


async def send(
    http: VendorHttp, order: Order, fields: Mapping[str, object], root: str = ""
) -> Reply:
    """
    Order a generation or an edit; see `path_of`.

    Args:
        fields: of whichever it is.
        root: comes before the path.
    """
    path, answer_s = root + path_of(order), order.route.deadline_s
    if not order.references:
        body = encoded(fields)
        return await http.order(path, body, result_path=order.result_path, answer_s=answer_s)
    async with open_edit_form(order, fields) as form:
        return await http.order(path, form, result_path=order.result_path, answer_s=answer_s)


@asynccontextmanager
async def open_edit_form(
    order: Order, fields: Mapping[str, object]
) -> AsyncIterator[aiohttp.FormData]:
    """
    An edit as multipart: the fields, then references and mask, which are streamed from disk.

    A single reference is named `image`; of several, each is named `image[]`, as in OpenAI's own
    client. The files are closed on leaving.
    """
    name = "image" if len(order.references) == 1 else "image[]"
    files = [(name, each) for each in order.references]
    if order.mask is not None:
        files.append(("mask", order.mask))
    with ExitStack() as stack:
        yield await in_thread(_form, fields, files, stack)


def parse_images(provider: str, body: Mapping[str, object]) -> Finished | Failed:
    """
    Read a finished answer: `data` (list of `b64_json` or `url`) and `usage`.

    Returns:
        Finished without links or image if the list holds none, whether it is called `data` or, as
        at some vendors, `images`: nothing was made.
    Raises:
        ProviderContractBroken: the answer has no image, although one may have been made.
    """
    data = body.get("data", body.get("images"))
    items = [each for each in data if isinstance(each, dict)] if isinstance(data, list) else []
    items = items[:IMAGES_MAX]
    named = [each.get("url") or each.get("b64_json") for each in items]
    if not body.keys().isdisjoint({"data", "images"}) and (items or not data) and not any(named):
        return Finished()
    links = tuple(url for each in items if is_link(url := each.get("url")))
    in_answer = any(INLINE in (each.get("b64_json"), each.get("url")) for each in items)
    if not links and not in_answer:
        if is_content(*(text(each, "url") for each in items)):
            # A fork of New API puts the reason where the link belongs.
            return failure("refused", moderation=True)
        raise ProviderContractBroken(provider, "answered without an image")
    return Finished(links, in_answer, parse_bill(body))


def parse_bill(body: Mapping[str, object]) -> Bill:
    """
    `usage`: input tokens of text and of images, and output tokens.

    If the answer does not tell text from images, all input counts as images, the dearer kind.
    """
    usage = body.get("usage")
    if not isinstance(usage, Mapping):
        return Bill()
    tokens_in, tokens_out = tokens(usage, "input_tokens"), tokens(usage, "output_tokens")
    if tokens_in is None or not tokens_out:
        return Bill()
    details_in = mapping(usage, "input_tokens_details")
    text_in = tokens(details_in, "text_tokens") or 0
    image_in = tokens(details_in, "image_tokens")
    if image_in is None:
        image_in = max(tokens_in - text_in, 0)
    image_out = tokens(mapping(usage, "output_tokens_details"), "image_tokens") or tokens_out
    return Bill(usage=Usage(text_in=text_in, image_in=image_in, image_out=image_out))


def parse_error(body: Mapping[str, object]) -> ErrorWords | None:
    """An answer's `error`, which is an object or a text; None if there is none."""
    error = body.get("error")
    if isinstance(error, str) and error:
        return ErrorWords("", "", error)
    if not isinstance(error, Mapping) or not error:
        return None
    return ErrorWords(
        code=text(error, "code")[:WORD_CHARS_MAX],
        type=text(error, "type")[:WORD_CHARS_MAX],
        message=text(error, "message") or any_message(error),
    )


def is_moderation(error: ErrorWords, status: int = 0) -> bool:
    # The type only says whose fault it is, so it counts only if there is no code.
    return is_content(error.code or error.type, error.message, status=status)


def read_complaint(reply: Reply) -> Complaint | None:
    """What the answer complains about; None if its status is a success and it has no `error`."""
    error = parse_error(reply.body)
    if error is None and reply.is_good:
        return None
    error = error or ErrorWords("", "", any_message(reply.body) or "no message")
    words = " ".join(filter(None, (error.code, error.message)))
    if NO_TRANSPARENCY in error.message.lower():
        # Refusals for content have the same type, so this comes before them.
        return Complaint(words, reply.status, Kind.TRANSPARENCY)
    if is_moderation(error, reply.status):
        facts = moderation_facts(reply.body)
        return Complaint(words, reply.status, Kind.CONTENT, facts=facts)
    if error.is_operators:
        return Complaint(words, reply.status, Kind.OPERATOR)
    # An error with a success status does not tell when things went wrong.
    return Complaint(words, reply.status if reply.status >= 300 else 500)


def moderation_facts(body: Mapping[str, object]) -> Facts:
    """
    At which stage the filter refused, and why: `moderation_stage` and `categories` of
    `error.moderation_details`. Only the categories in Content are kept.
    """
    details = mapping(mapping(body, "error"), "moderation_details")
    stage = text(details, "moderation_stage")
    if stage not in set(Stage):
        return {}
    named = details.get("categories")
    words = [each for each in named if isinstance(each, str)] if isinstance(named, list) else []
    # "violence/graphic", "self-harm/intent": the first part is the kind.
    kinds = dict.fromkeys(each.partition("/")[0].replace("-", "_").lower() for each in words)
    return {"stage": stage, "contents": [each for each in kinds if each in set(Content)]}


def _form(
    fields: Mapping[str, object], files: list[tuple[str, ImageFile]], stack: ExitStack
) -> aiohttp.FormData:
    texts = {name: "true" if value is True else str(value) for name, value in fields.items()}
    form = aiohttp.FormData(texts)
    for number, (name, image) in enumerate(files, start=1):
        form.add_field(
            name,
            stack.enter_context(image.path.open("rb")),
            filename=f"{'mask' if name == 'mask' else f'reference{number}'}.{image.format}",
            content_type=image.format.media_type,
        )
    return form
