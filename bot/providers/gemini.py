"""
Gemini's generateContent, as MaxAPI passes it on, behind the Provider port; knows its wire format.

Source: ai.google.dev, API reference "Generating content" and guide "Image generation"; maxapi.dev,
docs (endpoint, headers, operations); read 2026-11. The answer of an operation is not documented.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence

import pybase64

from bot.domain.catalog import Route
from bot.domain.ports import Failed, Finished, ImageFile, Order, Progress, Running
from bot.domain.pricing import Bill, Usage
from bot.errors import ProviderContractBroken, ProviderRefused
from bot.pictures.threads import in_thread
from bot.providers import maxapi_replies as replies
from bot.providers.answers import encoded
from bot.providers.fields import FINISHED_WORDS, is_link, mapping, objects, text, tokens
from bot.providers.http import VendorHttp
from bot.providers.inline import INLINE
from bot.providers.judge import Reply, Stake, failure
from bot.providers.moderation import is_content

NAME = replies.NAME
OPERATIONS_PATH = "/v1beta/operations"

#: Bytes of base64 in one request (Google, guide "Image understanding": 20 MB in all if inline).
INLINE_BYTES_MAX = 20_000_000
#: `finishReason` and `blockReason` of a refusal for content. The candidate comes in a 200, without
#: an image.
MODERATION_REASONS = frozenset(
    {
        "SAFETY", "BLOCKLIST", "PROHIBITED_CONTENT", "SPII", "RECITATION",
        "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT", "IMAGE_RECITATION",
    }
)  # fmt: skip
#: Candidates, and parts of each, that are searched; the bot asks for one image.
PARTS_MAX = 64


class MaxApiGemini(replies.MaxApiTasks):
    """It asks for an operation to poll, but accepts an image that comes at once."""

    def __init__(self, http: VendorHttp) -> None:
        super().__init__(http, parse_operation)

    async def submit(self, order: Order) -> str | Finished | Failed:
        reply = await send(self._http, order, build_headers(order.route))
        return parse_submit(reply.body, own_address=self._http.own_address)


async def send(http: VendorHttp, order: Order, headers: Mapping[str, str] | None = None) -> Reply:
    """Order an image; raises the error that the answer means, if it complains."""
    reply = await http.order(
        f"/v1beta/models/{order.route.upstream}:generateContent",
        await in_thread(encode_generate, http.provider, order),
        result_path=order.result_path,
        answer_s=order.route.deadline_s,
        headers=headers,
    )
    http.judge(reply, replies.read_complaint(reply), Stake.SUBMIT, hidden=order.prompt)
    return reply


def build_headers(route: Route) -> dict[str, str]:
    """MaxAPI's own headers; its OpenAI-shaped paths have fields of the body instead."""
    headers = {"X-MaxAPI-Async": "true"}
    if route.route_mode:
        headers["X-MaxAPI-Route-Mode"] = route.route_mode
    return headers


def encode_generate(provider: str, order: Order) -> bytes:
    """The body of a generateContent call, references included; see `encode_references`."""
    return encoded(build_generate(order, encode_references(provider, order.references)))


def encode_references(provider: str, references: Sequence[ImageFile]) -> list[str]:
    """
    Each reference's bytes in base64. This blocks: call it off the event loop.

    Raises:
        ProviderRefused: together the references exceed one request; nothing was sent.
    """
    # Base64 turns three bytes into four characters.
    if sum((each.size_bytes + 2) // 3 * 4 for each in references) > INLINE_BYTES_MAX:
        raise ProviderRefused(
            provider, f"the references are more than {INLINE_BYTES_MAX // 1_000_000} MB in base64"
        )
    return [pybase64.b64encode_as_string(each.path.read_bytes()) for each in references]


def build_generate(order: Order, references: Sequence[str]) -> dict[str, object]:
    """
    The body of a generateContent call.

    Args:
        references: the order's references, encoded by `encode_references`.
    """
    parts: list[dict[str, object]] = [{"text": order.prompt}]
    for reference, data in zip(order.references, references, strict=True):
        inline = {"mime_type": reference.format.media_type, "data": data}
        parts.append({"inline_data": inline})
    config: dict[str, object] = {"responseModalities": ["TEXT", "IMAGE"]}
    image_config = {}
    if order.aspect_ratio != "auto":
        image_config["aspectRatio"] = order.aspect_ratio
    if order.route.sends_resolution:
        image_config["imageSize"] = order.resolution
    if image_config:
        config["imageConfig"] = image_config
    return {"contents": [{"role": "user", "parts": parts}], "generationConfig": config}


def parse_submit(
    body: Mapping[str, object], *, own_address: Callable[[str], str | None]
) -> str | Finished | Failed:
    """
    Read the answer to generateContent: an operation to poll, or the image if it came at once.

    Raises:
        ProviderContractBroken: the answer has neither, although the image may be under way.
    """
    answer = answer_in(body)
    if answer is not None:
        return parse_answer(NAME, answer)
    if failed := replies.ended_badly(body):
        return failed
    return replies.handle_in(body, own_address=own_address, task_path=OPERATIONS_PATH)


def parse_operation(body: Mapping[str, object]) -> Progress:
    """
    Read a successful answer about an operation: Google's `done` and `response`, or a task's state.

    Raises:
        ProviderContractBroken: it finished with something other than an image.
    """
    if failed := replies.ended_badly(body):
        return failed
    word, done = replies.state_in(body), body.get("done")
    if done is not True and word and word.lower() not in FINISHED_WORDS:
        return Running(word)
    answer = None if done is False else answer_in(body)
    if answer is not None:
        return parse_answer(NAME, answer)
    if done is True or (word and done is not False):
        return Finished(*replies.images_in(body))
    return Running(word)


def parse_answer(provider: str, answer: Mapping[str, object]) -> Finished | Failed:
    """
    Read `candidates` and `promptFeedback`: the image, or why there is none.

    Raises:
        ProviderContractBroken: something other than an image stands in the image's place.
    """
    blocked = text(mapping(answer, "promptFeedback"), "blockReason")
    if blocked:
        return failure(blocked, moderation=True)
    candidates = objects(answer, "candidates")[:PARTS_MAX]
    links: list[str] = []
    in_answer = unusable = False
    for part in _parts(candidates):
        inline = mapping(part, "inlineData") or mapping(part, "inline_data")
        file = mapping(part, "fileData") or mapping(part, "file_data")
        link = file.get("fileUri", file.get("file_uri"))
        if is_link(link):
            links.append(link)
        in_answer = in_answer or INLINE in (inline.get("data"), link)
        unusable = unusable or bool(inline or file)
    if links or in_answer:
        return Finished(tuple(links), in_answer, parse_bill(answer))
    if unusable:
        raise ProviderContractBroken(provider, "finished with something else than an image")
    reasons = [text(each, "finishReason") for each in candidates]
    reason = next((each for each in reasons if each), "NO_IMAGE")
    said = [text(part, "text") for part in _parts(candidates)]
    moderation = any(each in MODERATION_REASONS for each in reasons) or is_content(*said)
    return failure(reason, moderation=moderation)


def parse_bill(answer: Mapping[str, object]) -> Bill:
    """
    `usageMetadata` in OpenAI's terms; an empty bill if a count of tokens is missing.

    If the answer does not tell the candidates' images from their text, all counts as images, the
    dearer kind. Thoughts are never part of the candidates' tokens, and are billed as text.
    """
    usage = mapping(answer, "usageMetadata")
    asked, made = tokens(usage, "promptTokenCount"), tokens(usage, "candidatesTokenCount")
    if asked is None or not made:
        return Bill()
    image_in = min(_of_images(usage, "promptTokensDetails"), asked)
    image_out = min(_of_images(usage, "candidatesTokensDetails"), made) or made
    thoughts = tokens(usage, "thoughtsTokenCount") or 0
    return Bill(
        usage=Usage(
            text_in=asked - image_in,
            image_in=image_in,
            image_out=image_out,
            text_out=made - image_out + thoughts,
        )
    )


def answer_in(body: Mapping[str, object]) -> Mapping[str, object] | None:
    """Gemini's own answer, plain or wrapped in an operation; None if there is none."""
    for each in replies.mappings(body):
        if "candidates" in each or "promptFeedback" in each:
            return each
    return None


def _parts(candidates: Sequence[Mapping[str, object]]) -> Iterator[Mapping[str, object]]:
    """The candidates' parts, without the model's thoughts, whose images may be drafts."""
    for candidate in candidates:
        for part in objects(mapping(candidate, "content"), "parts")[:PARTS_MAX]:
            if part.get("thought") is not True:
                yield part


def _of_images(usage: Mapping[str, object], name: str) -> int:
    return sum(
        tokens(each, "tokenCount") or 0
        for each in objects(usage, name)
        if each.get("modality") == "IMAGE"
    )
