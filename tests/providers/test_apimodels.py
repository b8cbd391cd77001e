import json
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import aiohttp
import pytest
from pydantic import SecretStr

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Failed, Finished, ImageFile, Order, Running
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import Call, Respond
from bot.playground.providers import PlaygroundProviders
from bot.playground.studio import Completes, Fails, Sticks
from bot.providers.apimodels import (
    ApiModels,
    build_create,
    parse_balance,
    parse_create,
    parse_poll,
    parse_upload,
)
from bot.providers.connections import Connections
from bot.providers.http import VendorHttp
from tests.providers.conftest import NO_RESULT

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "apimodels").glob("*.json"))
    if not path.stem.startswith("all_")
}
LINK = "https://r2.apimodels.app/results/am-task-0001.png"

#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "balance": "4.82 cr on the account",
    "create_old_id_name": "am-task-0001",
    "create_refs": "am-task-0002",
    "create_text": "am-task-0001",
    "create_without_id": ProviderContractBroken,
    "error_401": ProviderMisconfigured,
    "error_402_in_http_200": ProviderMisconfigured,
    "error_500": ProviderOutcomeUnknown,
    "error_invalid_model": ProviderMisconfigured,
    "error_moderation": ProviderRefused,
    "error_too_many_images": ProviderRefused,
    "poll_404": ProviderUnreachable,
    "poll_429": ProviderBusy,
    "poll_completed": Finished((LINK,)),
    "poll_completed_bad_link": ProviderContractBroken,
    "poll_completed_broken_json": Finished(()),
    "poll_completed_empty": Finished(()),
    "poll_completed_result_json_only": Finished((LINK,)),
    "poll_failed_busy": Failed(moderation=False, retryable=True, vendor_code="UPSTREAM_BUSY"),
    "poll_failed_moderation": Failed(
        moderation=True, retryable=False, vendor_code="CONTENT_MODERATION"
    ),
    "poll_failed_timeout": Failed(moderation=False, retryable=True, vendor_code="TIMEOUT"),
    "poll_failed_unknown": Failed(moderation=False, retryable=False, vendor_code="failed"),
    "poll_no_data": Running(""),
    "poll_processing": Running("processing"),
    "poll_unknown_state": Running("rehydrating"),
    "upload": "https://r2.apimodels.app/uploads/u1/ref.png",
}

OrderOf = Callable[..., Order]


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> ApiModels:
    key = SecretStr(server.api_key)
    return ApiModels(VendorHttp("apimodels", server.apimodels_base_url, key, connections))


async def ask(
    name: str, provider: ApiModels, order: Order, image_file: ImageFile
) -> tuple[Call, object]:
    """Make the call that a sample records."""
    request = SAMPLES[name]["request"]
    if request["url"].endswith("/balance"):
        return Call.BALANCE, await provider.check()
    if request["url"].endswith("/files"):
        return Call.UPLOAD, await provider.upload(image_file)
    if request["method"] == "GET":
        return Call.POLL, await provider.poll("am-task-0001", NO_RESULT)
    return Call.CREATE, await provider.submit(order)


async def submitted(provider: ApiModels, order: Order) -> str:
    task_id = await provider.submit(order)
    assert isinstance(task_id, str)
    return task_id


def test_every_sample_has_its_reading() -> None:
    assert sorted(SAMPLES) == sorted(READINGS)


@pytest.mark.parametrize("name", list(SAMPLES))
async def test_every_sample_is_read_as_meant(
    name: str,
    provider: ApiModels,
    server: PlaygroundProviders,
    order: OrderOf,
    image_file: ImageFile,
) -> None:
    answer = SAMPLES[name]["response"]
    for call in Call:
        server.faults.add(call, Respond(status=answer["status"], body=answer["body"]))
    reading = READINGS[name]
    if isinstance(reading, type):
        with pytest.raises(ProviderError) as caught:
            await ask(name, provider, order(), image_file)
        assert type(caught.value) is reading
    else:
        _, value = await ask(name, provider, order(), image_file)
        assert value == reading


def test_the_documented_requests_are_built(order: OrderOf) -> None:
    assert build_create(order()) == SAMPLES["create_text"]["request"]["body"]
    asked = SAMPLES["create_refs"]["request"]["body"]
    edit = order(
        prompt=asked["prompt"], aspect_ratio="1:1", reference_links=tuple(asked["image_urls"])
    )
    assert build_create(edit) == asked


def test_only_what_a_route_has_is_sent(order: OrderOf, route: Route) -> None:
    tiered = replace(
        route, sends_resolution=True, qualities=("low", "high"), nsfw_switch=NsfwSwitch.NONE
    )
    assert build_create(order(route=tiered, resolution="2K", quality="high")) == {
        "model": "gpt-image-2-beta",
        "prompt": "a paper lantern above a quiet canal",
        "aspect_ratio": "16:9",
        "resolution": "2K",
        "quality": "high",
    }


@pytest.mark.parametrize("nsfw_checker", [True, False])
def test_the_filter_is_always_sent_as_a_boolean(order: OrderOf, nsfw_checker: bool) -> None:
    assert build_create(order(nsfw_checker=nsfw_checker))["nsfw_checker"] is nsfw_checker


@pytest.mark.parametrize(
    "body",
    [
        {"data": {"taskId": "t"}},
        {"data": {"task_id": "t"}},
        {"data": {"id": "t"}},
        {"taskId": "t"},
        {"task_id": "t"},
        {"id": "t"},
        {"data": {"taskId": None}, "id": "t"},
    ],
)
def test_the_task_id_is_found_under_all_its_names(body: dict[str, object]) -> None:
    assert parse_create(body) == "t"


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": []},
        {"data": {"taskId": ""}},
        {"data": {"taskId": True}},
        {"data": {"taskId": "x" * 201}},
        {"data": {"taskId": ["t"]}},
    ],
)
def test_an_answer_without_a_usable_id_breaks_the_contract(body: dict[str, object]) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_create(body)


@pytest.mark.parametrize(
    "links", ["https://a.example/1.png", [7], [""], ["https://"], ["data:image/png,"], [None]]
)
def test_results_that_are_no_links_break_the_contract(links: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_poll({"data": {"state": "completed", "resultUrls": links}})


@pytest.mark.parametrize("state", ["COMPLETED", "Success", "succeeded"])
def test_every_word_for_success_ends_a_task(state: str) -> None:
    assert parse_poll({"data": {"state": state, "resultUrls": [LINK]}}) == Finished((LINK,))


@pytest.mark.parametrize("state", ["FAILED", "error", "Cancelled", "expired"])
def test_every_word_for_failure_ends_a_task(state: str) -> None:
    assert parse_poll({"data": {"state": state}}) == Failed(
        moderation=False, retryable=False, vendor_code=state
    )


@pytest.mark.parametrize("data", [None, [], {}, {"state": None}, {"state": 7}, {"state": "???"}])
def test_any_other_word_means_still_running(data: object) -> None:
    assert isinstance(parse_poll({"data": data}), Running)


def test_a_moderated_task_is_never_called_retryable() -> None:
    data = {"state": "failed", "failMsg": "content_moderation", "retryable": True}
    assert parse_poll({"data": data}) == Failed(
        moderation=True, retryable=False, vendor_code="failed"
    )


@pytest.mark.parametrize("text", ["not json", "[1]", '"text"', "[" * 100_000, "", 7, None])
def test_a_broken_result_text_counts_as_no_links_yet(text: object) -> None:
    data = {"state": "completed", "resultUrls": [], "resultJson": text}
    assert parse_poll({"data": data}) == Finished(())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"balance": 5}, 5_000_000),
        ({"balance": Decimal("0.000001"), "currency": "USD"}, 1),
        ({"balance": Decimal("4.82")}, 4_820_000),
    ],
)
def test_a_balance_becomes_microcredits(data: dict[str, object], expected: int) -> None:
    assert parse_balance({"data": data}) == expected


@pytest.mark.parametrize(
    "data", [None, {}, {"balance": True}, {"balance": "5"}, {"balance": 5, "currency": "CNY"}]
)
def test_a_balance_that_is_none_breaks_the_contract(data: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_balance({"data": data})


@pytest.mark.parametrize("link", [None, 7, "", "not a link", "ftp://a.example/1"])
def test_an_upload_without_a_link_breaks_the_contract(link: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_upload({"data": {"publicUrl": link}})


async def test_an_image_is_made_from_words(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    task_id = await submitted(provider, order())
    assert await provider.poll(task_id, NO_RESULT) == Finished(
        (f"{server.root_url}/results/{task_id}.png",)
    )
    assert server.submissions[0].body == SAMPLES["create_text"]["request"]["body"]


async def test_sixteen_references_are_uploaded_and_submitted_in_order(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf, image_file: ImageFile
) -> None:
    links = [await provider.upload(image_file) for _ in range(16)]
    await provider.submit(order(reference_links=tuple(links)))
    assert server.submissions[0].body["image_urls"] == links == list(server.uploads)
    upload = server.uploads[links[0]]
    assert (upload.filename, upload.content_type) == ("reference.png", "image/png")
    assert upload.path.read_bytes() == image_file.path.read_bytes()


async def test_a_seventeenth_reference_is_refused_at_creation(
    provider: ApiModels, order: OrderOf
) -> None:
    links = tuple(f"https://files.example.test/{n}.png" for n in range(17))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(order(reference_links=links))
    assert caught.value.moderation is False


async def test_a_task_that_never_ends_is_running(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.endings.append(Sticks("rehydrating"))
    assert await provider.poll(await submitted(provider, order()), NO_RESULT) == Running(
        "rehydrating"
    )


async def test_a_finished_task_may_get_its_link_a_little_later(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.endings.append(Completes(empty_polls=1))
    task_id = await submitted(provider, order())
    polls = [await provider.poll(task_id, NO_RESULT) for _ in range(2)]
    assert [len(each.links) for each in polls if isinstance(each, Finished)] == [0, 1]


async def test_a_refused_prompt_fails_for_its_content(provider: ApiModels, order: OrderOf) -> None:
    progress = await provider.poll(await submitted(provider, order(prompt="nsfw")), NO_RESULT)
    assert isinstance(progress, Failed)
    assert (progress.moderation, progress.retryable) == (True, False)


async def test_a_busy_vendor_fails_retryably(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.endings.append(Fails("UPSTREAM_BUSY"))
    progress = await provider.poll(await submitted(provider, order()), NO_RESULT)
    assert isinstance(progress, Failed)
    assert progress.retryable


async def test_an_empty_account_is_the_operators_matter(
    provider: ApiModels, server: PlaygroundProviders, order: OrderOf
) -> None:
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured) as caught:
        await provider.submit(order())
    assert caught.value.status == 402
    assert await provider.check() == "0.00 cr on the account"


async def test_a_model_the_vendor_dropped_is_the_operators_matter(
    provider: ApiModels, order: OrderOf, route: Route
) -> None:
    with pytest.raises(ProviderMisconfigured, match="Supported models: gpt-image-2"):
        await provider.submit(order(route=replace(route, upstream="gpt-image-1")))


async def test_an_unknown_task_may_be_asked_for_again(provider: ApiModels) -> None:
    with pytest.raises(ProviderUnreachable):
        await provider.poll("never-made", NO_RESULT)


async def test_neither_key_nor_prompt_reaches_a_log_or_an_error(
    provider: ApiModels,
    server: PlaygroundProviders,
    order: OrderOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = order(prompt="a very private prompt")
    echo = {"code": 400, "msg": f"bad: {asked.prompt} with {server.api_key}"}
    server.faults.add(Call.CREATE, Respond(status=400, body=echo))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked)
    await provider.poll(await submitted(provider, asked), NO_RESULT)
    said = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(provider))
    assert "bad: … with …" in said
    assert server.api_key not in said
    assert asked.prompt not in said


async def test_the_key_goes_into_the_header_and_nowhere_else(
    server: PlaygroundProviders, connections: Connections, order: OrderOf
) -> None:
    key = SecretStr("sk_another_one")
    provider = ApiModels(VendorHttp("apimodels", server.apimodels_base_url, key, connections))
    with pytest.raises(ProviderMisconfigured) as caught:
        await provider.submit(order())
    assert caught.value.status == 401
    assert not isinstance(caught.value.__cause__, aiohttp.ClientError)
