import json
import logging
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest
from pydantic import SecretStr

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Failed, Finished, ImageFile, Order, Running
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
from bot.playground.faults import Call, Reset, Respond
from bot.playground.providers import PlaygroundProviders
from bot.playground.studio import Completes, Fails, Sticks
from bot.providers.connections import Connections
from bot.providers.http import VendorHttp
from bot.providers.runninghub import (
    RunningHub,
    build_submit,
    complaint_in,
    parse_query,
    parse_submit,
    parse_upload,
    submit_path,
)
from tests.providers.conftest import NO_RESULT

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "runninghub").glob("*.json"))
}
ID = "1990000000000000001"
LINK = "https://cdn.example.test/0001.png"

#: What the adapter makes of each sample's answer: a value, or the class of an error.
READINGS: dict[str, object] = {
    "error_1002": ProviderMisconfigured,
    "error_1003": ProviderBusy,
    "error_1005": ProviderOutcomeUnknown,
    "error_1007": ProviderRefused,
    "error_1011": ProviderBusy,
    "error_1014": ProviderMisconfigured,
    "error_1501": ProviderRefused,
    "error_401": ProviderMisconfigured,
    "error_421": ProviderBusy,
    "error_812": ProviderMisconfigured,
    "error_balance_words": ProviderMisconfigured,
    "query_1003": ProviderBusy,
    "query_cancelled": Failed(moderation=False, retryable=False, vendor_code="CANCEL"),
    "query_failed": Failed(moderation=True, retryable=False, vendor_code="1000"),
    "query_failed_real_people": Failed(moderation=True, retryable=False, vendor_code="1505"),
    "query_failed_timeout": Failed(moderation=False, retryable=True, vendor_code="1504"),
    "query_nothing": Running(""),
    "query_running": Running("RUNNING"),
    "query_success": Finished((LINK,)),
    "query_success_bad_link": ProviderContractBroken,
    "query_success_empty": Finished(()),
    "query_success_output_url": Finished((LINK,)),
    "query_unknown_id": ProviderUnreachable,
    "query_unknown_state": Running("REHYDRATING"),
    "submit_number_id": ID,
    "submit_official_refs": ID,
    "submit_text": ID,
    "submit_without_id": ProviderContractBroken,
    "upload": "https://cdn.example.test/in/ref.png",
    "upload_failed": ProviderUnreachable,
    "upload_too_large": ProviderRefused,
}

OrderOf = Callable[..., Order]


@pytest.fixture
def low_price(route: Route) -> Route:
    return replace(
        route,
        id="runninghub/rhart-image-g-2",
        provider="runninghub",
        upstream="rhart-image-g-2",
        sends_resolution=True,
        nsfw_switch=NsfwSwitch.NONE,
    )


@pytest.fixture
def official(low_price: Route) -> Route:
    return replace(
        low_price, upstream="rhart-image-g-2-official", qualities=("low", "medium", "high")
    )


@pytest.fixture
def ask_for(order: OrderOf, low_price: Route) -> OrderOf:
    return lambda **fields: order(**({"route": low_price} | fields))


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> RunningHub:
    return opened(server, connections)


def opened(
    server: PlaygroundProviders, connections: Connections, key: str | None = None
) -> RunningHub:
    secret = SecretStr(key or server.api_key)
    return RunningHub(VendorHttp("runninghub", server.runninghub_base_url, secret, connections))


async def ask(name: str, provider: RunningHub, order: Order, image_file: ImageFile) -> object:
    """Make the call that a sample records."""
    url = SAMPLES[name]["request"]["url"]
    if url.endswith("/upload/binary"):
        return await provider.upload(image_file)
    if url.endswith("/query"):
        return await provider.poll(ID, NO_RESULT)
    return await provider.submit(order)


def test_every_sample_has_its_reading() -> None:
    assert sorted(SAMPLES) == sorted(READINGS)


@pytest.mark.parametrize("name", list(SAMPLES))
async def test_every_sample_is_read_as_meant(
    name: str,
    provider: RunningHub,
    server: PlaygroundProviders,
    ask_for: OrderOf,
    image_file: ImageFile,
) -> None:
    answer = SAMPLES[name]["response"]
    for call in Call:
        server.faults.add(call, Respond(status=answer["status"], body=answer["body"]))
    reading = READINGS[name]
    if isinstance(reading, type):
        with pytest.raises(ProviderError) as caught:
            await ask(name, provider, ask_for(), image_file)
        assert type(caught.value) is reading
    else:
        assert await ask(name, provider, ask_for(), image_file) == reading


def test_the_documented_requests_are_built(ask_for: OrderOf, official: Route) -> None:
    asked = SAMPLES["submit_text"]["request"]
    words = ask_for(prompt=asked["body"]["prompt"], aspect_ratio="1:1")
    assert build_submit(words) == asked["body"]
    assert asked["url"].endswith(submit_path(words))
    asked = SAMPLES["submit_official_refs"]["request"]
    edit = ask_for(
        route=official,
        mode=Mode.EDIT,
        prompt=asked["body"]["prompt"],
        aspect_ratio="3:2",
        resolution="2K",
        reference_links=tuple(asked["body"]["imageUrls"]),
    )
    assert build_submit(edit) == asked["body"]
    assert asked["url"].endswith(submit_path(edit))


def test_the_models_choice_of_a_ratio_has_a_word_of_its_own(ask_for: OrderOf) -> None:
    assert build_submit(ask_for(aspect_ratio="auto"))["aspectRatio"] == "empty"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, None),
        ({"errorCode": "", "errorMessage": ""}, None),
        ({"errorCode": None, "errorMessage": None}, None),
        ({"errorCode": 0}, None),
        ({"code": 0, "message": "success"}, None),
        ({"errorCode": 1002}, "1002"),
        ({"error_code": "1002"}, "1002"),
        ({"errorMessage": "Unknown error"}, ""),
        ({"code": 401, "msg": "Unauthorized"}, "401"),
    ],
)
def test_an_error_is_found_wherever_it_stands(body: dict[str, object], code: str | None) -> None:
    complaint = complaint_in(body)
    assert (complaint.code if complaint else None) == code


@pytest.mark.parametrize(
    ("message", "moderation", "retryable"),
    [
        ("Content verification failed", True, False),
        ("NSFW content", True, False),
        ("Invalid parameter: prompt", False, False),
        ("Insufficient balance", False, True),
        ("The upstream is busy", False, True),
        ("", False, False),
    ],
)
def test_a_failed_task_is_judged_by_its_words(
    message: str, moderation: bool, retryable: bool
) -> None:
    assert parse_query({"status": "FAILED", "errorMessage": message}) == Failed(
        moderation=moderation, retryable=retryable, vendor_code="FAILED"
    )


@pytest.mark.parametrize("results", ["https://a.example/1.png", [7], [{}], [{"url": "ftp://a/1"}]])
def test_results_that_are_no_links_break_the_contract(results: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_query({"status": "SUCCESS", "results": results})


@pytest.mark.parametrize("task_id", [None, "", True, "x" * 201, ["t"]])
def test_an_answer_without_a_usable_id_breaks_the_contract(task_id: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_submit({"taskId": task_id})


@pytest.mark.parametrize("link", [None, 7, "", "in/ref.png"])
def test_an_upload_without_a_link_breaks_the_contract(link: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_upload({"code": 0, "data": {"download_url": link}})


async def test_an_image_is_made_from_words(
    provider: RunningHub, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    task_id = await provider.submit(ask_for())
    assert await provider.poll(task_id, NO_RESULT) == Finished(
        (f"{server.root_url}/results/{task_id}.png",)
    )
    assert server.submissions[0].body == build_submit(ask_for())


async def test_ten_references_are_uploaded_and_submitted_in_order(
    provider: RunningHub,
    server: PlaygroundProviders,
    ask_for: OrderOf,
    official: Route,
    image_file: ImageFile,
) -> None:
    links = [await provider.upload(image_file) for _ in range(10)]
    order = ask_for(route=official, mode=Mode.EDIT, reference_links=tuple(links))
    await provider.submit(order)
    assert server.submissions[0].body["imageUrls"] == links == list(server.uploads)
    with pytest.raises(ProviderRefused):
        await provider.submit(replace(order, reference_links=(*links, links[0])))


@pytest.mark.parametrize(
    ("ending", "progress"),
    [
        (Fails("CONTENT_MODERATION"), Failed(True, False, "1501")),
        (Fails("1504", "Model timed out"), Failed(False, True, "1504")),
        (Sticks("REHYDRATING"), Running("REHYDRATING")),
        (Completes(empty_polls=1), Finished(())),
    ],
)
async def test_every_ending_is_read(
    provider: RunningHub,
    server: PlaygroundProviders,
    ask_for: OrderOf,
    ending: Completes | Fails | Sticks,
    progress: object,
) -> None:
    server.endings.append(ending)
    assert await provider.poll(await provider.submit(ask_for()), NO_RESULT) == progress


async def test_an_empty_account_is_the_operators_matter(
    provider: RunningHub, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured):
        await provider.submit(ask_for())


async def test_a_model_the_vendor_dropped_is_the_operators_matter(
    provider: RunningHub, ask_for: OrderOf, low_price: Route
) -> None:
    with pytest.raises(ProviderMisconfigured):
        await provider.submit(ask_for(route=replace(low_price, upstream="rhart-image-g-1")))


async def test_a_wrong_key_is_told_from_a_right_one_at_no_cost(
    provider: RunningHub, server: PlaygroundProviders, connections: Connections
) -> None:
    assert (await provider.check()).startswith("the key works")
    with pytest.raises(ProviderMisconfigured):
        await opened(server, connections, "sk_another_one").check()
    assert not server.submissions


async def test_a_wrong_key_is_the_operators_matter(
    server: PlaygroundProviders,
    connections: Connections,
    ask_for: OrderOf,
    image_file: ImageFile,
) -> None:
    stranger = opened(server, connections, "sk_another_one")
    for call in (
        stranger.submit(ask_for()),
        stranger.poll(ID, NO_RESULT),
        stranger.upload(image_file),
    ):
        with pytest.raises(ProviderMisconfigured):
            await call


async def test_content_refused_at_creation_is_told_from_a_wrong_form(
    provider: RunningHub, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    for name, moderation in (("error_1501", True), ("error_1007", False)):
        server.faults.add(Call.CREATE, Respond(body=SAMPLES[name]["response"]["body"]))
        with pytest.raises(ProviderRefused) as caught:
            await provider.submit(ask_for())
        assert caught.value.moderation is moderation


async def test_a_query_cut_off_may_be_repeated_but_a_submit_not(
    provider: RunningHub, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    server.faults.add(Call.CREATE, Reset(after_effect=True))
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(ask_for())
    for fault in (Reset(), Respond(status=502, body=b"<html>", content_type="text/html")):
        server.faults.add(Call.POLL, fault)
        with pytest.raises(ProviderUnreachable):
            await provider.poll(ID, NO_RESULT)


async def test_neither_key_nor_prompt_reaches_a_log_or_an_error(
    provider: RunningHub,
    server: PlaygroundProviders,
    ask_for: OrderOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = ask_for(prompt="a very private prompt")
    echo = {"errorCode": "1007", "errorMessage": f"bad: {asked.prompt} with {server.api_key}"}
    server.faults.add(Call.CREATE, Respond(body=echo))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked)
    await provider.poll(await provider.submit(asked), NO_RESULT)
    said = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(provider))
    assert "bad: … with …" in said
    assert server.api_key not in said
    assert asked.prompt not in said
