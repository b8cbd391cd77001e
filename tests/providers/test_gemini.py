import base64
from pathlib import Path

import pytest
from msgspec.structs import replace
from PIL import Image
from pydantic import SecretStr

from bot.domain.catalog import Route
from bot.domain.ports import Finished, ImageFile, Provider, Running
from bot.domain.pricing import Bill, Usage
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import VendorCall
from bot.providers.connections import Connections
from bot.providers.gemini import (
    INLINE_BYTES_MAX,
    MaxApiGemini,
    build_generate,
    build_headers,
    encode_references,
    parse_answer,
    parse_bill,
    parse_operation,
)
from bot.providers.http import VendorHttp
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import failed, load
from tests.providers.stage import GEMINI_ID, route_of
from tests.vendors import AllVendors

SAMPLES = load("gemini")
LINK = "https://cdn.maxapi.dev/g/0001.png"
OPERATION = "/v1beta/operations/op_1"
BILL = Bill(usage=Usage(text_in=270, image_in=0, image_out=1_120))
DETAILED = Bill(usage=Usage(text_in=12, image_in=258, image_out=1_120))
THOUGHTFUL = Bill(usage=Usage(text_in=270, image_in=0, image_out=1_120, text_out=1_420))

#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "accept_foreign_poll_url": OPERATION,
    "accept_operation": OPERATION,
    "accept_task": "<root>" + OPERATION,
    "error_500": ProviderOutcomeUnknown,
    "error_bad_key": ProviderMisconfigured,
    "error_bad_key_400": ProviderMisconfigured,
    "error_bad_request": ProviderRefused,
    "error_daily_quota": ProviderMisconfigured,
    "error_minute_quota": (ProviderBusy, 37.0),
    "error_out_of_money": ProviderMisconfigured,
    "error_rate_limit": (ProviderBusy, 30.0),
    "error_rate_limit_in_words": (ProviderBusy, 34.5),
    "error_unavailable": ProviderBusy,
    "garbage": ProviderContractBroken,
    "generate": Finished(in_answer=True, bill=BILL),
    "generate_with_thoughts": Finished(in_answer=True, bill=THOUGHTFUL),
    "generate_link": Finished((LINK,), bill=DETAILED),
    "no_candidates": failed("NO_IMAGE"),
    "not_an_image": ProviderContractBroken,
    "operation_404": ProviderUnreachable,
    "operation_done": Finished((LINK,), bill=DETAILED),
    "operation_done_empty": Finished(),
    "operation_done_links": Finished((LINK,)),
    "operation_done_plain": Finished((LINK,), bill=DETAILED),
    "operation_done_wrapped": Finished((LINK,), bill=DETAILED),
    "operation_failed": failed("UNAVAILABLE", retryable=True),
    "operation_refused": failed("IMAGE_SAFETY", moderation=True),
    "operation_running": Running("PROCESSING"),
    "operation_unknown_state": Running("rehydrating"),
    "prompt_blocked": failed("PROHIBITED_CONTENT", moderation=True),
    "refused_in_200": failed("IMAGE_SAFETY", moderation=True),
    "words_only": failed("STOP"),
}


@pytest.fixture
def route() -> Route:
    return replace(route_of(GEMINI_ID), route_mode="official")


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name], OPERATION) == READINGS[name]


def test_the_documented_request_is_built(
    order: OrderOf, route: Route, image_file: ImageFile
) -> None:
    request = SAMPLES["generate"]["request"]
    data = request["body"]["contents"][0]["parts"][1]["inline_data"]["data"]
    asked = order(prompt="a teapot", resolution="2K", references=(image_file,))
    assert build_generate(asked, [data]) == request["body"]
    headers = build_headers(route)
    assert headers.items() <= request["headers"].items()
    assert set(headers) == {"X-MaxAPI-Async", "X-MaxAPI-Route-Mode"}


def test_only_what_a_route_has_is_sent(order: OrderOf, route: Route) -> None:
    plain = replace(route, route_mode="", sends_resolution=False)
    body = build_generate(order(route=plain, aspect_ratio="auto"), [])
    assert body["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
    assert set(build_headers(plain)) == {"X-MaxAPI-Async"}


def test_references_are_encoded_in_order(image_file: ImageFile, tmp_path: Path) -> None:
    other = replace(image_file, path=tmp_path / "other")
    other.path.write_bytes(b"other")
    encoded = encode_references("maxapi", (image_file, other))
    assert [base64.b64decode(each) for each in encoded] == [
        image_file.path.read_bytes(),
        b"other",
    ]


async def test_references_too_large_for_one_request_are_refused_before_sending(
    provider: Provider, server: AllVendors, order: OrderOf, image_file: ImageFile
) -> None:
    large = replace(image_file, size_bytes=INLINE_BYTES_MAX // 2)
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(order(references=(large, large)))
    assert caught.value.moderation is False
    assert server.calls[VendorCall.CREATE] == 0


@pytest.mark.parametrize(
    "reason", ["SAFETY", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"]
)
def test_a_refusal_without_an_image_is_moderation(reason: str) -> None:
    answer = {"candidates": [{"content": {"parts": []}, "finishReason": reason}]}
    assert parse_answer("maxapi", answer) == failed(reason, moderation=True)


@pytest.mark.parametrize("reason", ["NO_IMAGE", "MAX_TOKENS", "IMAGE_OTHER", "OTHER"])
def test_any_other_end_without_an_image_is_a_failure(reason: str) -> None:
    assert parse_answer("maxapi", {"candidates": [{"finishReason": reason}]}) == failed(reason)


def test_a_draft_among_the_thoughts_is_not_the_image() -> None:
    draft = {"thought": True, "fileData": {"fileUri": "https://cdn.maxapi.dev/draft.png"}}
    parts = [draft, {"fileData": {"fileUri": LINK}}]
    assert parse_answer("maxapi", {"candidates": [{"content": {"parts": parts}}]}) == Finished(
        (LINK,)
    )


@pytest.mark.parametrize("uri", ["gs://bucket/1.png", "", 7, None])
def test_a_file_that_is_no_link_breaks_the_contract(uri: object) -> None:
    parts = [{"fileData": {"mimeType": "image/png", "fileUri": uri}}]
    with pytest.raises(ProviderContractBroken):
        parse_answer("maxapi", {"candidates": [{"content": {"parts": parts}}]})


@pytest.mark.parametrize(
    "usage",
    [
        None,
        {},
        {"promptTokenCount": 5},
        {"promptTokenCount": True, "candidatesTokenCount": 3},
        {"promptTokenCount": -1, "candidatesTokenCount": 3},
        {"promptTokenCount": 5, "candidatesTokenCount": 0},
    ],
)
def test_a_bill_without_its_counts_is_none(usage: object) -> None:
    assert parse_bill({"usageMetadata": usage}) == Bill()


@pytest.mark.parametrize(
    "body", [{}, {"done": False}, {"status": "queued"}, {"metadata": {"state": "?"}}, {"done": 1}]
)
def test_any_other_word_means_still_running(body: dict[str, object]) -> None:
    assert isinstance(parse_operation(body), Running)


def test_a_busy_vendor_is_worth_another_try() -> None:
    error = {"code": 503, "message": "The task failed", "status": "UNAVAILABLE"}
    assert parse_operation({"done": True, "error": error}) == failed("UNAVAILABLE", retryable=True)


def test_an_operation_not_done_has_no_result_yet() -> None:
    answer = SAMPLES["generate_link"]["response"]["body"]
    assert isinstance(parse_operation({"done": False, "response": answer}), Running)


def test_an_operation_that_is_done_has_its_result_whatever_its_word() -> None:
    answer = SAMPLES["generate_link"]["response"]["body"]
    body = {"done": True, "metadata": {"state": "ARCHIVED"}, "response": answer}
    assert isinstance(parse_operation(body), Finished)


@pytest.mark.parametrize("ignores_async", [True, False])
async def test_an_image_in_an_answer_is_written_to_its_file(
    server: AllVendors,
    connections: Connections,
    order: OrderOf,
    ignores_async: bool,
) -> None:
    server.maxapi_habits.inline = True
    server.maxapi_habits.ignores_async = ignores_async
    key = SecretStr(server.api_key)
    http = VendorHttp("maxapi", server.maxapi_base_url, key, connections)
    provider = MaxApiGemini(http)
    asked = order(resolution="2K")
    finished = await provider.submit(asked)
    assert isinstance(finished, str) == (not ignores_async)
    if isinstance(finished, str):
        finished = await provider.poll(finished, asked.result_path)
    assert isinstance(finished, Finished)
    assert finished.in_answer
    with Image.open(asked.result_path) as image:
        assert (image.format, image.size) == ("PNG", (2560, 1440))
