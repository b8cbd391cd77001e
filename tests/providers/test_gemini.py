import asyncio
import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from pydantic import SecretStr

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Failed, Finished, ImageFile, Order, Running
from bot.domain.pricing import Bill, Usage
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import Call, Hold, Reset, Respond
from bot.playground.providers import PlaygroundProviders
from bot.playground.studio import Completes, Fails, Sticks
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
from bot.providers.http import TimeLimits, VendorHttp
from tests.providers.conftest import NO_RESULT

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "gemini").glob("*.json"))
}
LINK = "https://cdn.maxapi.dev/g/0001.png"
OPERATION = "/v1beta/operations/op_1"
BILL = Bill(usage=Usage(text_in=270, image_in=0, image_out=1_120))
DETAILED = Bill(usage=Usage(text_in=12, image_in=258, image_out=1_120))


def failed(code: str, *, moderation: bool = False, retryable: bool = False) -> Failed:
    return Failed(moderation=moderation, retryable=retryable, vendor_code=code)


#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "accept_foreign_poll_url": OPERATION,
    "accept_operation": OPERATION,
    "accept_task": "<root>" + OPERATION,
    "error_500": ProviderOutcomeUnknown,
    "error_bad_key": ProviderMisconfigured,
    "error_bad_request": ProviderRefused,
    "error_out_of_money": ProviderMisconfigured,
    "error_rate_limit": ProviderBusy,
    "error_unavailable": ProviderBusy,
    "garbage": ProviderContractBroken,
    "generate": Finished(in_answer=True, bill=BILL),
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

OrderOf = Callable[..., Order]


@pytest.fixture
def gemini(route: Route) -> Route:
    return replace(
        route,
        provider="maxapi-gemini",
        upstream="gemini-3-pro-image",
        route_mode="official",
        sends_resolution=True,
        nsfw_switch=NsfwSwitch.NONE,
    )


@pytest.fixture
def asked(order: OrderOf, gemini: Route) -> OrderOf:
    def changed(**fields: object) -> Order:
        return order(**{"route": gemini, "prompt": "a teapot", "resolution": "2K", **fields})

    return changed


def adapter(server: PlaygroundProviders, connections: Connections, **given: Any) -> MaxApiGemini:
    limits = given.pop("limits", None)
    key = SecretStr(given.pop("key", server.api_key))
    http = VendorHttp("maxapi-gemini", server.maxapi_base_url, key, connections, limits)
    return MaxApiGemini(http, **given)


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> MaxApiGemini:
    return adapter(server, connections)


def test_every_sample_has_its_reading() -> None:
    assert sorted(SAMPLES) == sorted(READINGS)


@pytest.mark.parametrize("name", list(SAMPLES))
async def test_every_sample_is_read_as_meant(
    name: str, provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf
) -> None:
    request, answer = SAMPLES[name]["request"], SAMPLES[name]["response"]
    # The vendor's own host is where the playground is.
    body = json.dumps(answer["body"]).replace("https://api.maxapi.dev", server.maxapi_base_url)
    headers = answer.get("headers", {})
    for call in (Call.CREATE, Call.POLL):
        server.faults.add(call, Respond(answer["status"], body.encode(), headers=headers))
    asking = (
        provider.poll(OPERATION, NO_RESULT)
        if request["method"] == "GET"
        else provider.submit(asked())
    )
    reading = READINGS[name]
    if isinstance(reading, type):
        with pytest.raises(ProviderError) as caught:
            await asking
        assert type(caught.value) is reading
        if isinstance(caught.value, ProviderBusy) and headers:
            assert caught.value.retry_after_s == float(headers["Retry-After"])
        return
    if isinstance(reading, str):
        reading = reading.replace("<root>", server.maxapi_base_url)
    assert await asking == reading


def test_the_documented_request_is_built(
    asked: OrderOf, gemini: Route, image_file: ImageFile
) -> None:
    request = SAMPLES["generate"]["request"]
    data = request["body"]["contents"][0]["parts"][1]["inline_data"]["data"]
    assert build_generate(asked(references=(image_file,)), [data]) == request["body"]
    headers = build_headers(gemini, asynchronous=True)
    assert headers.items() <= request["headers"].items()
    assert set(headers) == {"X-MaxAPI-Async", "X-MaxAPI-Route-Mode"}


def test_only_what_a_route_has_is_sent(asked: OrderOf, gemini: Route) -> None:
    plain = replace(gemini, route_mode="", sends_resolution=False)
    body = build_generate(asked(route=plain, aspect_ratio="auto"), [])
    assert body["generationConfig"] == {"responseModalities": ["TEXT", "IMAGE"]}
    assert build_headers(plain, asynchronous=False) == {}


def test_references_are_encoded_in_order(image_file: ImageFile, tmp_path: Path) -> None:
    other = replace(image_file, path=tmp_path / "other")
    other.path.write_bytes(b"other")
    encoded = encode_references((image_file, other))
    assert [base64.b64decode(each) for each in encoded] == [
        image_file.path.read_bytes(),
        b"other",
    ]


async def test_references_too_large_for_one_request_are_refused_before_sending(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf, image_file: ImageFile
) -> None:
    large = replace(image_file, size_bytes=INLINE_BYTES_MAX // 2)
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked(references=(large, large)))
    assert caught.value.moderation is False
    assert server.calls[Call.CREATE] == 0


@pytest.mark.parametrize(
    "reason", ["SAFETY", "PROHIBITED_CONTENT", "IMAGE_SAFETY", "IMAGE_PROHIBITED_CONTENT"]
)
def test_a_refusal_without_an_image_is_moderation(reason: str) -> None:
    answer = {"candidates": [{"content": {"parts": []}, "finishReason": reason}]}
    assert parse_answer(answer) == failed(reason, moderation=True)


@pytest.mark.parametrize("reason", ["NO_IMAGE", "MAX_TOKENS", "IMAGE_OTHER", "OTHER"])
def test_any_other_end_without_an_image_is_a_failure(reason: str) -> None:
    assert parse_answer({"candidates": [{"finishReason": reason}]}) == failed(reason)


def test_a_draft_among_the_thoughts_is_not_the_image() -> None:
    draft = {"thought": True, "fileData": {"fileUri": "https://cdn.maxapi.dev/draft.png"}}
    parts = [draft, {"fileData": {"fileUri": LINK}}]
    assert parse_answer({"candidates": [{"content": {"parts": parts}}]}) == Finished((LINK,))


@pytest.mark.parametrize("uri", ["gs://bucket/1.png", "", 7, None])
def test_a_file_that_is_no_link_breaks_the_contract(uri: object) -> None:
    parts = [{"fileData": {"mimeType": "image/png", "fileUri": uri}}]
    with pytest.raises(ProviderContractBroken):
        parse_answer({"candidates": [{"content": {"parts": parts}}]})


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


def test_an_operation_not_done_has_no_result_yet() -> None:
    answer = SAMPLES["generate_link"]["response"]["body"]
    assert isinstance(parse_operation({"done": False, "response": answer}), Running)


def test_an_operation_that_is_done_has_its_result_whatever_its_word() -> None:
    answer = SAMPLES["generate_link"]["response"]["body"]
    body = {"done": True, "metadata": {"state": "ARCHIVED"}, "response": answer}
    assert isinstance(parse_operation(body), Finished)


async def test_an_operation_leads_to_its_image(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf, image_file: ImageFile
) -> None:
    server.endings.append(Completes(empty_polls=1))
    order = asked(references=(image_file, image_file))
    assert not provider.uploads(order.route)
    handle = await provider.submit(order)
    assert isinstance(handle, str)
    assert await provider.poll(handle, NO_RESULT) == Finished()
    progress = await provider.poll(handle, NO_RESULT)
    assert isinstance(progress, Finished)
    task_id = handle.rpartition("/")[2]
    assert progress.links == (f"{server.root_url}/results/{task_id}.png",)
    assert progress.bill.usage is not None
    assert progress.bill.usage.image_in == 516
    uploads = list(server.uploads.values())
    assert [each.path.read_bytes() for each in uploads] == [image_file.path.read_bytes()] * 2


@pytest.mark.parametrize("ignores_async", [True, False])
@pytest.mark.parametrize("asynchronous", [True, False])
async def test_an_image_in_an_answer_is_written_to_its_file(
    server: PlaygroundProviders,
    connections: Connections,
    asked: OrderOf,
    ignores_async: bool,
    asynchronous: bool,
) -> None:
    server.maxapi_habits.inline = True
    server.maxapi_habits.ignores_async = ignores_async
    provider = adapter(server, connections, asynchronous=asynchronous)
    order = asked()
    finished = await provider.submit(order)
    assert isinstance(finished, str) == (asynchronous and not ignores_async)
    if isinstance(finished, str):
        finished = await provider.poll(finished, order.result_path)
    assert isinstance(finished, Finished)
    assert finished.in_answer
    with Image.open(order.result_path) as image:
        assert (image.format, image.size) == ("PNG", (2560, 1440))


async def test_a_refused_prompt_fails_for_its_content(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf
) -> None:
    handle = await provider.submit(asked(prompt="nsfw"))
    assert isinstance(handle, str)
    assert await provider.poll(handle, NO_RESULT) == failed("IMAGE_SAFETY", moderation=True)
    server.maxapi_habits.ignores_async = True
    assert await provider.submit(asked(prompt="nsfw")) == failed("IMAGE_SAFETY", moderation=True)


async def test_a_busy_vendor_fails_retryably_or_takes_nothing(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.endings.extend([Fails("UPSTREAM_BUSY"), Fails("UPSTREAM_BUSY")])
    handle = await provider.submit(asked())
    assert isinstance(handle, str)
    assert await provider.poll(handle, NO_RESULT) == failed("UNAVAILABLE", retryable=True)
    server.maxapi_habits.ignores_async = True
    with pytest.raises(ProviderBusy):
        await provider.submit(asked())


async def test_a_task_that_never_ends_is_running(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.endings.append(Sticks("rehydrating"))
    handle = await provider.submit(asked())
    assert isinstance(handle, str)
    assert await provider.poll(handle, NO_RESULT) == Running("rehydrating")


async def test_an_empty_account_is_the_operators_matter(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured):
        await provider.submit(asked())


async def test_a_model_that_is_gone_is_the_operators_matter(
    provider: MaxApiGemini, asked: OrderOf, gemini: Route
) -> None:
    with pytest.raises(ProviderMisconfigured):
        await provider.submit(asked(route=replace(gemini, upstream="gemini-9")))


async def test_a_wrong_key_is_the_operators_matter(
    server: PlaygroundProviders, connections: Connections, asked: OrderOf
) -> None:
    provider = adapter(server, connections, key="sk_another_one")
    for call in (provider.submit(asked()), provider.poll(OPERATION, NO_RESULT), provider.check()):
        with pytest.raises(ProviderMisconfigured) as caught:
            await call
        assert caught.value.status == 401


@pytest.mark.parametrize(
    "fault",
    [
        Respond(body=b"<html>", content_type="text/html"),
        Respond(body=b'{"candidates": [', cut=True),
        Reset(),
        Reset(after_effect=True),
    ],
)
async def test_a_lost_answer_leaves_the_outcome_open_and_a_poll_repeatable(
    provider: MaxApiGemini, server: PlaygroundProviders, asked: OrderOf, fault: Respond | Reset
) -> None:
    server.faults.add(Call.CREATE, fault)
    # aiohttp asks again itself where a connection that it kept has gone.
    server.faults.add(Call.POLL, fault, times=2)
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(asked())
    with pytest.raises(ProviderUnreachable):
        await provider.poll(OPERATION, NO_RESULT)


async def test_a_submit_out_of_time_is_not_sent_again(
    server: PlaygroundProviders, connections: Connections, asked: OrderOf
) -> None:
    limits = TimeLimits(connect_s=0.05, sync_s=0.05)
    server.faults.add(Call.CREATE, Hold(asyncio.Event()))
    with pytest.raises(ProviderOutcomeUnknown):
        await adapter(server, connections, limits=limits).submit(asked())
    assert server.calls[Call.CREATE] == 1


async def test_the_key_is_checked_as_maxapis_is(provider: MaxApiGemini) -> None:
    assert await provider.check() == "key accepted, 2 models"


async def test_neither_key_nor_prompt_reaches_a_log_or_an_error(
    provider: MaxApiGemini,
    server: PlaygroundProviders,
    asked: OrderOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    order = asked(prompt="a very private prompt")
    message = f"bad: {order.prompt} with {server.api_key}"
    error = {"code": 400, "message": message, "status": "INVALID_ARGUMENT"}
    server.faults.add(Call.CREATE, Respond(400, {"error": error}))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(order)
    said = caplog.text + str(caught.value) + repr(caught.value)
    assert "bad: … with …" in said
    assert server.api_key not in said
    assert order.prompt not in said
