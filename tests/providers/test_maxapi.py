import asyncio
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from PIL import Image
from pydantic import SecretStr

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Failed, Finished, ImageFile, ImageFormat, Order, Running
from bot.domain.pricing import Bill, Usage
from bot.domain.requests import Mode
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
from bot.providers.http import TimeLimits, VendorHttp
from bot.providers.maxapi import MaxApi, build_create, parse_create, parse_poll
from tests.providers.conftest import NO_RESULT

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "maxapi").glob("*.json"))
}
CDN = "https://cdn.maxapi.dev/a/"
TASK_PATH = "/v1/images/generations/task_mx_1"
BILL = Bill(usage=Usage(text_in=21, image_in=0, image_out=7_033))
NOT_CHECKED = "key not checked: the vendor offers no free call"


def failed(code: str, *, moderation: bool = False, retryable: bool = False) -> Failed:
    return Failed(moderation=moderation, retryable=retryable, vendor_code=code)


#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "accept_flat": "<root>" + TASK_PATH,
    "accept_foreign_poll_url": TASK_PATH,
    "accept_only_foreign_poll_url": ProviderContractBroken,
    "accept_relative_poll_url": "<host>" + TASK_PATH,
    "accept_without_id": ProviderContractBroken,
    "accept_wrapped": TASK_PATH,
    "error_500": ProviderOutcomeUnknown,
    "error_bad_key": ProviderMisconfigured,
    "error_bad_size": ProviderRefused,
    "error_get_channel_failed": ProviderBusy,
    "error_in_200": failed("bad_response"),
    "error_model_not_found": ProviderMisconfigured,
    "error_moderation": ProviderRefused,
    "error_moderation_in_200": ProviderRefused,
    "error_no_available_key": ProviderBusy,
    "error_out_of_money": ProviderMisconfigured,
    "error_pre_consume": ProviderMisconfigured,
    "error_rate_limit": ProviderBusy,
    "error_sensitive_words": ProviderRefused,
    "models": "key accepted, 1 models",
    "models_401": ProviderMisconfigured,
    "models_404": NOT_CHECKED,
    "poll_401": ProviderMisconfigured,
    "poll_404": ProviderUnreachable,
    "poll_429": ProviderBusy,
    "poll_disguised_failure": failed("failed", moderation=True),
    "poll_done_bad_link": Finished(),
    "poll_done_without_links": Finished(),
    "poll_expired": failed("expired"),
    "poll_failed_busy": failed("FAILURE", retryable=True),
    "poll_failed_moderation": failed("moderation_blocked", moderation=True),
    "poll_failed_word": failed("FAILED"),
    "poll_flat_done": Finished((CDN + "0002.png",)),
    "poll_flat_running": Running("queued"),
    "poll_no_state": Running(""),
    "poll_plain_done": Finished((CDN + "0002.png",)),
    "poll_plain_done_usage": Finished((CDN + "0002.png",), bill=BILL),
    "poll_stored_400": failed("sensitive_words_detected", moderation=True),
    "poll_unknown_state": Running("rehydrating"),
    "poll_wrapped_done": Finished((CDN + "0003.png",)),
    "poll_wrapped_running": Running("processing"),
    "sync_b64_usage": Finished(in_answer=True, bill=BILL),
    "sync_bad_link": ProviderContractBroken,
    "sync_disguised_failure": failed("failed", retryable=True),
    "sync_url": Finished((CDN + "0001.png",)),
    "sync_without_image": ProviderContractBroken,
}
MODERATED = {"error_moderation", "error_moderation_in_200", "error_sensitive_words"}

OrderOf = Callable[..., Order]


@pytest.fixture
def mix(route: Route) -> Route:
    return replace(
        route,
        provider="maxapi",
        upstream="openai/gpt-image-2-beta",
        route_mode="mix",
        mask=True,
        qualities=("low", "medium", "high"),
        sends_resolution=True,
        nsfw_switch=NsfwSwitch.NONE,
    )


@pytest.fixture
def asked(order: OrderOf, mix: Route) -> OrderOf:
    """The order of the samples."""

    def changed(**fields: object) -> Order:
        sample = {"prompt": "a glass cube on linen", "aspect_ratio": "1:1", "quality": "high"}
        return order(**{"route": mix, **sample, **fields})

    return changed


def adapter(server: PlaygroundProviders, connections: Connections, **given: Any) -> MaxApi:
    limits = given.pop("limits", None)
    key = SecretStr(given.pop("key", server.api_key))
    return MaxApi(VendorHttp("maxapi", server.maxapi_base_url, key, connections, limits), **given)


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> MaxApi:
    return adapter(server, connections)


@pytest.fixture
def mask(tmp_path: Path) -> ImageFile:
    path = tmp_path / "mask"
    Image.new("RGBA", (64, 48)).save(path, "PNG")
    return ImageFile(path, ImageFormat.PNG, 64, 48, path.stat().st_size)


async def ask(name: str, provider: MaxApi, order: Order) -> object:
    """Make the call that a sample records."""
    request = SAMPLES[name]["request"]
    if request["url"].endswith("/models"):
        return await provider.check()
    if request["method"] == "GET":
        return await provider.poll(TASK_PATH, NO_RESULT)
    return await provider.submit(order)


def test_every_sample_has_its_reading() -> None:
    assert sorted(SAMPLES) == sorted(READINGS)


@pytest.mark.parametrize("name", list(SAMPLES))
async def test_every_sample_is_read_as_meant(
    name: str, provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    answer = SAMPLES[name]["response"]
    # The vendor's own host is where the playground is.
    body = json.dumps(answer["body"]).replace("https://api.maxapi.dev", server.maxapi_base_url)
    headers = answer.get("headers", {})
    for call in Call:
        server.faults.add(call, Respond(answer["status"], body.encode(), headers=headers))
    reading = READINGS[name]
    if isinstance(reading, type):
        with pytest.raises(ProviderError) as caught:
            await ask(name, provider, asked())
        assert type(caught.value) is reading
        if isinstance(caught.value, ProviderRefused):
            assert caught.value.moderation is (name in MODERATED)
        if isinstance(caught.value, ProviderBusy) and headers:
            assert caught.value.retry_after_s == float(headers["Retry-After"])
        return
    if isinstance(reading, str):
        reading = reading.replace("<root>", server.maxapi_base_url)
        reading = reading.replace("<host>", server.root_url)
    assert await ask(name, provider, asked()) == reading


async def test_an_image_inside_the_answer_is_written_to_its_file(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.faults.add(Call.CREATE, Respond(body=SAMPLES["sync_b64_usage"]["response"]["body"]))
    order = asked()
    assert await provider.submit(order) == Finished(in_answer=True, bill=BILL)
    with Image.open(order.result_path) as image:
        assert (image.format, image.size) == ("PNG", (1, 1))


def test_the_documented_request_is_built(asked: OrderOf) -> None:
    body = SAMPLES["accept_flat"]["request"]["body"]
    assert build_create(asked(), "default") == body


def test_only_what_a_route_has_is_sent(asked: OrderOf, mix: Route) -> None:
    plain = replace(mix, route_mode="", qualities=())
    order = asked(route=plain, aspect_ratio="auto", quality="auto")
    assert build_create(order, "mirror") == {
        "model": "openai/gpt-image-2-beta",
        "prompt": "a glass cube on linen",
        "n": 1,
        "size": "auto",
        "async": True,
        "asset_delivery": "mirror",
    }


def test_a_route_with_openais_switch_is_told_of_the_filter(asked: OrderOf, mix: Route) -> None:
    route = replace(mix, nsfw_switch=NsfwSwitch.MODERATION)
    body = build_create(asked(route=route, nsfw_checker=False), "default")
    assert body["moderation"] == "low"


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [("16:9", "2K", "2048x1152"), ("9:16", "4K", "2160x3840"), ("1:1", "4K", "2880x2880")],
)
def test_the_size_is_in_pixels(asked: OrderOf, ratio: str, resolution: str, size: str) -> None:
    order = asked(aspect_ratio=ratio, resolution=resolution)
    assert build_create(order, "default")["size"] == size


def nowhere(address: str) -> None:
    return None


@pytest.mark.parametrize(
    "body",
    [
        {"task_id": "t"},
        {"taskId": "t"},
        {"id": "t"},
        {"data": {"task_id": "t"}},
        {"data": {"id": "t"}, "success": True},
        {"task_id": "t", "error": None, "code": "success", "message": ""},
        {"task_id": "t", "poll_url": "https://elsewhere.example.com/t"},
        {"task_id": "t", "poll_url": 7},
        {"data": {"task_id": "t"}, "code": "200"},
    ],
)
def test_a_task_is_asked_for_at_the_documented_path(body: dict[str, object]) -> None:
    assert parse_create(body, task_path="/v1/images/edits", own_address=nowhere) == (
        "/v1/images/edits/t"
    )


@pytest.mark.parametrize("task_id", ["../../v1/models", "a b", "a?b=c", "a#b", "a%2Fb"])
def test_an_id_cannot_lead_to_another_path(task_id: str) -> None:
    handle = parse_create({"task_id": task_id}, task_path="/tasks", own_address=nowhere)
    assert isinstance(handle, str)
    assert handle.startswith("/tasks/")
    assert not set(handle.removeprefix("/tasks/")) & set("/?# ")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"task_id": ""},
        {"task_id": True},
        {"task_id": "x" * 190},
        {"task_id": "\ud800"},
        {"data": "text"},
    ],
)
def test_an_answer_without_a_usable_id_breaks_the_contract(body: dict[str, object]) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_create(body, task_path="/v1/images/edits", own_address=nowhere)


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example.com/v1/images/generations/t",
        "//elsewhere.example.com/t",
        "http://127.0.0.1:1/t",
        "ftp://127.0.0.1/t",
        "http://name:password@<host>/t",
        "http://[",
        "<root>/" + "x" * 300,
    ],
)
async def test_a_poll_url_that_leads_away_is_not_followed(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf, address: str
) -> None:
    poll_url = address.replace("<host>", server.root_url.removeprefix("http://"))
    poll_url = poll_url.replace("<root>", server.root_url)
    server.faults.add(Call.CREATE, Respond(202, {"task_id": "t", "poll_url": poll_url}))
    assert await provider.submit(asked()) == "/v1/images/generations/t"


async def test_a_stored_address_of_another_host_never_gets_the_key(
    provider: MaxApi, server: PlaygroundProviders
) -> None:
    with pytest.raises(ProviderContractBroken):
        await provider.poll("http://127.0.0.2:1/v1/images/generations/t", NO_RESULT)


@pytest.mark.parametrize("word", ["COMPLETED", "Success", "succeeded"])
def test_every_word_for_success_ends_a_task(word: str) -> None:
    data = [{"url": CDN + "1.png"}]
    assert parse_poll({"status": word, "data": data}) == Finished((CDN + "1.png",))


@pytest.mark.parametrize("word", ["FAILED", "failure", "error", "Cancelled", "expired", "timeout"])
def test_every_word_for_failure_ends_a_task(word: str) -> None:
    assert isinstance(parse_poll({"success": True, "data": {"status": word}}), Failed)


@pytest.mark.parametrize(
    "body",
    [{"data": None}, {"status": 7}, {"status": None}, {"state": "???"}, {"data": {"url": ""}}, {}],
)
def test_any_other_word_means_still_running(body: dict[str, object]) -> None:
    assert isinstance(parse_poll(body), Running)


def test_pictures_of_a_task_still_running_are_not_its_result() -> None:
    body = {"status": "processing", "data": [{"url": CDN + "draft.png"}]}
    assert parse_poll(body) == Running("processing")


@pytest.mark.parametrize(
    ("reason", "moderation", "retryable"),
    [
        ("status_code=400, blocked by policy", True, False),
        ("status_code=503, upstream load saturated", False, True),
        ("status_code=400, bad size", False, False),
        ("upstream timed out", False, True),
        ("the field is case-sensitive", False, False),
    ],
)
def test_a_reason_in_the_place_of_a_link_is_a_failure(
    reason: str, moderation: bool, retryable: bool
) -> None:
    assert parse_poll({"created": 1, "data": {"url": reason}}) == failed(
        "failed", moderation=moderation, retryable=retryable
    )


async def test_an_image_is_made_from_words(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    handle = await provider.submit(asked())
    assert isinstance(handle, str)
    assert handle.startswith(server.maxapi_base_url + "/v1/images/generations/")
    task_id = handle.rpartition("/")[2]
    progress = await provider.poll(handle, NO_RESULT)
    assert isinstance(progress, Finished)
    assert progress.links == (f"{server.root_url}/results/{task_id}.png",)
    assert progress.bill.usage is not None
    assert server.submissions[0].body == SAMPLES["accept_flat"]["request"]["body"]


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("names_poll_url", [True, False])
async def test_each_shape_of_a_task_leads_to_its_image(
    provider: MaxApi,
    server: PlaygroundProviders,
    asked: OrderOf,
    image_file: ImageFile,
    wraps: bool,
    names_poll_url: bool,
) -> None:
    server.maxapi_habits.wraps = wraps
    server.maxapi_habits.names_poll_url = names_poll_url
    edit = asked(mode=Mode.EDIT, references=(image_file,))
    for order in (asked(), edit):
        server.endings.append(Completes(empty_polls=1))
        handle = await provider.submit(order)
        assert isinstance(handle, str)
        polls = [await provider.poll(handle, NO_RESULT) for _ in range(2)]
        assert [len(each.links) for each in polls if isinstance(each, Finished)] == [0, 1]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("ignores_async", [True, False])
async def test_an_image_comes_as_a_link_or_in_an_answer(
    provider: MaxApi,
    server: PlaygroundProviders,
    asked: OrderOf,
    inline: bool,
    ignores_async: bool,
) -> None:
    server.maxapi_habits.ignores_async = ignores_async
    server.maxapi_habits.inline = inline
    order = asked(aspect_ratio="16:9", resolution="2K")
    finished = await provider.submit(order)
    assert isinstance(finished, Finished) == ignores_async
    if isinstance(finished, str):
        finished = await provider.poll(finished, order.result_path)
    assert isinstance(finished, Finished)
    assert (len(finished.links), finished.in_answer) == ((0, True) if inline else (1, False))
    if inline:
        with Image.open(order.result_path) as image:
            assert image.size == (2048, 1152)


async def test_sixteen_references_and_a_mask_go_with_the_edit(
    provider: MaxApi,
    server: PlaygroundProviders,
    asked: OrderOf,
    image_file: ImageFile,
    mask: ImageFile,
) -> None:
    order = asked(mode=Mode.EDIT, references=(image_file,) * 16, mask=mask)
    assert not provider.uploads(order.route)
    handle = await provider.submit(order)
    assert isinstance(handle, str)
    assert "/v1/images/edits/" in handle
    assert isinstance(await provider.poll(handle, NO_RESULT), Finished)
    body = server.submissions[0].body
    images = body["image"]
    assert isinstance(images, list)
    assert len(images) == 16
    assert server.uploads[images[15]].path.read_bytes() == image_file.path.read_bytes()
    assert server.uploads[str(body["mask"])].path.read_bytes() == mask.path.read_bytes()
    assert {name: body[name] for name in ("async", "n", "size", "route_mode")} == {
        "async": "true",
        "n": "1",
        "size": "1024x1024",
        "route_mode": "mix",
    }


async def test_a_seventeenth_reference_is_refused(
    provider: MaxApi, asked: OrderOf, image_file: ImageFile
) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked(references=(image_file,) * 17))
    assert caught.value.moderation is False


async def test_links_can_name_the_mirror(
    server: PlaygroundProviders, connections: Connections, asked: OrderOf
) -> None:
    provider = adapter(server, connections, asset_delivery="mirror")
    handle = await provider.submit(asked())
    assert isinstance(handle, str)
    progress = await provider.poll(handle, NO_RESULT)
    assert isinstance(progress, Finished)
    assert progress.links[0].startswith("http://localhost:")


@pytest.mark.parametrize("mode", ["mix", "official", "official-cheap"])
async def test_each_route_mode_is_taken(
    provider: MaxApi, asked: OrderOf, mix: Route, mode: str
) -> None:
    assert isinstance(await provider.submit(asked(route=replace(mix, route_mode=mode))), str)


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("disguises_failures", [True, False])
@pytest.mark.parametrize(
    ("ending", "moderation", "retryable"),
    [
        (Fails("moderation_blocked", "refused by the safety system"), True, False),
        (Fails("channel:no_available_key", "upstream is busy"), False, True),
        (Fails("bad_request", "the size is wrong"), False, False),
    ],
)
async def test_a_failed_task_says_why_in_each_shape(
    provider: MaxApi,
    server: PlaygroundProviders,
    asked: OrderOf,
    wraps: bool,
    disguises_failures: bool,
    ending: Fails,
    moderation: bool,
    retryable: bool,
) -> None:
    server.maxapi_habits.wraps = wraps
    server.maxapi_habits.disguises_failures = disguises_failures
    server.endings.append(ending)
    handle = await provider.submit(asked())
    assert isinstance(handle, str)
    progress = await provider.poll(handle, NO_RESULT)
    assert isinstance(progress, Failed)
    assert (progress.moderation, progress.retryable) == (moderation, retryable)


async def test_a_prompt_refused_at_once_is_a_refusal(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.maxapi_habits.ignores_async = True
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked(prompt="nsfw"))
    assert caught.value.moderation


async def test_a_task_that_never_ends_is_running(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.endings.append(Sticks("rehydrating"))
    handle = await provider.submit(asked())
    assert isinstance(handle, str)
    assert await provider.poll(handle, NO_RESULT) == Running("rehydrating")


async def test_an_empty_account_is_the_operators_matter(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured) as caught:
        await provider.submit(asked())
    assert caught.value.status == 403


async def test_a_model_that_is_gone_is_the_operators_matter(
    provider: MaxApi, asked: OrderOf, mix: Route
) -> None:
    with pytest.raises(ProviderMisconfigured):
        await provider.submit(asked(route=replace(mix, upstream="openai/gpt-image-9")))


async def test_a_wrong_key_is_the_operators_matter(
    server: PlaygroundProviders, connections: Connections, asked: OrderOf
) -> None:
    provider = adapter(server, connections, key="sk_another_one")
    for call in (provider.submit(asked()), provider.poll(TASK_PATH, NO_RESULT), provider.check()):
        with pytest.raises(ProviderMisconfigured) as caught:
            await call
        assert caught.value.status == 401


async def test_an_unknown_task_may_be_asked_for_again(provider: MaxApi) -> None:
    with pytest.raises(ProviderUnreachable):
        await provider.poll("/v1/images/generations/never-made", NO_RESULT)


async def test_a_limit_says_when_to_come_back(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf
) -> None:
    fault = Respond(429, {"error": {"message": "slow down"}}, headers={"Retry-After": "9"})
    for call in (Call.CREATE, Call.POLL):
        server.faults.add(call, fault)
    for asking in (provider.submit(asked()), provider.poll(TASK_PATH, NO_RESULT)):
        with pytest.raises(ProviderBusy) as caught:
            await asking
        assert caught.value.retry_after_s == 9


@pytest.mark.parametrize(
    "fault",
    [
        Respond(body=b"<html>", content_type="text/html"),
        Respond(body=b'{"created": 1, "data": [{"b64', cut=True),
        Respond(body=b"[]"),
        Respond(504, b"gateway timeout", content_type="text/plain"),
        Reset(),
        Reset(after_effect=True),
    ],
)
async def test_a_lost_answer_leaves_the_outcome_open_and_a_poll_repeatable(
    provider: MaxApi, server: PlaygroundProviders, asked: OrderOf, fault: Respond | Reset
) -> None:
    server.faults.add(Call.CREATE, fault)
    # aiohttp asks again itself where a connection that it kept has gone.
    server.faults.add(Call.POLL, fault, times=2)
    order = asked()
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(order)
    assert not order.result_path.exists()
    with pytest.raises(ProviderUnreachable):
        await provider.poll(TASK_PATH, NO_RESULT)


async def test_a_submit_out_of_time_is_not_sent_again(
    server: PlaygroundProviders, connections: Connections, asked: OrderOf
) -> None:
    limits = TimeLimits(connect_s=0.05, sync_s=0.05)
    provider = adapter(server, connections, limits=limits)
    hold = Hold(asyncio.Event())
    server.faults.add(Call.CREATE, hold)
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(asked())
    assert server.calls[Call.CREATE] == 1


async def test_a_vendor_that_is_not_there_took_nothing(
    connections: Connections, asked: OrderOf, unused_root: str
) -> None:
    provider = MaxApi(VendorHttp("maxapi", unused_root, SecretStr("sk"), connections))
    with pytest.raises(ProviderUnreachable):
        await provider.submit(asked())


@pytest.fixture
async def unused_root() -> str:
    """An address where nobody listens any more."""
    runner = web.AppRunner(web.Application())
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    root = f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()
    return root


@pytest.mark.parametrize(
    "fault",
    [
        Respond(404, b"404 page not found", content_type="text/plain"),
        Respond(405, {"detail": "Method Not Allowed"}),
        Respond(200, b"<!doctype html>", content_type="text/html"),
    ],
)
async def test_a_key_that_cannot_be_checked_for_free_is_not_called_wrong(
    provider: MaxApi, server: PlaygroundProviders, fault: Respond
) -> None:
    server.faults.add(Call.MODELS, fault)
    assert await provider.check() == NOT_CHECKED


async def test_a_key_that_works_is_said_to(provider: MaxApi) -> None:
    assert await provider.check() == "key accepted, 2 models"


async def test_neither_key_nor_prompt_reaches_a_log_or_an_error(
    provider: MaxApi,
    server: PlaygroundProviders,
    asked: OrderOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    order = asked(prompt="a very private prompt")
    message = f"bad: {order.prompt} with {server.api_key}"
    for status in (200, 400, 500):
        echo = {"error": {"message": message, "code": ""}}
        server.faults.add(Call.CREATE, Respond(status, echo))
    ended = await provider.submit(order)
    errors = []
    for _ in range(2):
        with pytest.raises(ProviderError) as caught:
            await provider.submit(order)
        errors.append(caught.value)
    said = caplog.text + repr(ended) + repr(errors) + "".join(str(error) for error in errors)
    assert "bad: … with …" in said
    assert server.api_key not in said
    assert order.prompt not in said
    assert not any(isinstance(error.__cause__, aiohttp.ClientError) for error in errors)
