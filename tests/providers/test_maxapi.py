import pytest
from msgspec.structs import replace
from PIL import Image

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Failed, Finished, ImageFile, Provider, Running
from bot.domain.pricing import Bill, Usage
from bot.domain.requests import Mode
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import Respond, VendorCall
from bot.playground.studio import Completes, Fails
from bot.providers.connections import Connections
from bot.providers.maxapi import build_create, parse_create, parse_poll
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import MODERATED, NO_RESULT, failed, load
from tests.providers.stage import open_provider, route_of
from tests.vendors import AllVendors

SAMPLES = load("maxapi")
CDN = "https://cdn.maxapi.dev/a/"
TASK_PATH = "/v1/images/generations/task_mx_1"
BILL = Bill(usage=Usage(text_in=21, image_in=0, image_out=7_033))
NOT_CHECKED = "key not checked: there is no list of models at MAXAPI_BASE_URL"

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
    "error_moderation": MODERATED,
    "error_moderation_in_200": MODERATED,
    "error_no_available_key": ProviderBusy,
    "error_out_of_money": ProviderMisconfigured,
    "error_pre_consume": ProviderMisconfigured,
    "error_rate_limit": (ProviderBusy, 12.0),
    "error_sensitive_words": MODERATED,
    "models": "key accepted; not in the catalog: openai/gpt-image-2-beta",
    "models_401": ProviderMisconfigured,
    "models_404": NOT_CHECKED,
    "poll_401": ProviderMisconfigured,
    "poll_404": ProviderUnreachable,
    "poll_429": (ProviderBusy, 7.0),
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
    "sync_without_image": Finished(),
}


@pytest.fixture
def route() -> Route:
    return route_of("maxapi/openai/gpt-image-2-beta@mix")


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name], TASK_PATH) == READINGS[name]


async def test_the_documented_request_is_sent(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    await provider.submit(order(prompt="a glass cube on linen", aspect_ratio="1:1", quality="high"))
    assert server.submissions[0].body == SAMPLES["accept_flat"]["request"]["body"]


async def test_an_image_inside_the_answer_is_written_to_its_file(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    server.faults.add(
        VendorCall.CREATE, Respond(body=SAMPLES["sync_b64_usage"]["response"]["body"])
    )
    asked = order()
    assert await provider.submit(asked) == Finished(in_answer=True, bill=BILL)
    with Image.open(asked.result_path) as image:
        assert (image.format, image.size) == ("PNG", (1, 1))


def test_only_what_a_route_has_is_sent(order: OrderOf, route: Route) -> None:
    plain = replace(route, route_mode="", qualities=())
    assert build_create(order(route=plain, aspect_ratio="auto"), "mirror") == {
        "model": "openai/gpt-image-2-beta",
        "prompt": "a paper lantern above a quiet canal",
        "n": 1,
        "size": "auto",
        "async": True,
        "asset_delivery": "mirror",
    }


def test_a_route_with_openais_switch_is_told_of_the_filter(order: OrderOf, route: Route) -> None:
    switched = replace(route, nsfw_switch=NsfwSwitch.MODERATION)
    body = build_create(order(route=switched, nsfw_checker=False), "default")
    assert body["moderation"] == "low"


@pytest.mark.parametrize(
    ("ratio", "resolution", "size"),
    [("16:9", "2K", "2048x1152"), ("9:16", "4K", "2160x3840"), ("1:1", "4K", "4096x4096")],
)
def test_the_size_is_in_pixels(order: OrderOf, ratio: str, resolution: str, size: str) -> None:
    asked = order(aspect_ratio=ratio, resolution=resolution)
    assert build_create(asked, "default")["size"] == size


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


def test_a_task_in_the_place_of_an_image_is_one() -> None:
    body = {"code": 200, "data": [{"task_id": "task_mx_1", "status": "submitted"}]}
    handle = parse_create(body, task_path="/tasks", own_address=nowhere)
    assert handle == "/tasks/task_mx_1"


@pytest.mark.parametrize("name", ["data", "images", "urls"])
@pytest.mark.parametrize("said", [{"status": "queued"}, {"poll_url": "https://elsewhere.example"}])
def test_a_task_without_images_so_far_is_one(name: str, said: dict[str, object]) -> None:
    body = {"task_id": "t", name: []} | said
    assert parse_create(body, task_path="/tasks", own_address=nowhere) == "/tasks/t"


def test_a_task_that_finished_at_once_without_images_is_none() -> None:
    body = {"task_id": "t", "status": "completed", "data": []}
    assert parse_create(body, task_path="/tasks", own_address=nowhere) == Finished()


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
    provider: Provider, server: AllVendors, order: OrderOf, address: str
) -> None:
    poll_url = address.replace("<host>", server.root_url.removeprefix("http://"))
    poll_url = poll_url.replace("<root>", server.root_url)
    server.faults.add(VendorCall.CREATE, Respond(202, {"task_id": "t", "poll_url": poll_url}))
    assert await provider.submit(order()) == "/v1/images/generations/t"


async def test_a_stored_address_of_another_host_never_gets_the_key(
    provider: Provider, server: AllVendors
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
    ("reason", "judgement"),
    [
        ("status_code=400, blocked by policy", {"moderation": True}),
        ("status_code=503, upstream load saturated", {"retryable": True}),
        ("status_code=400, bad size", {}),
        ("upstream timed out", {"retryable": True}),
        ("the field is case-sensitive", {}),
    ],
)
def test_a_reason_in_the_place_of_a_link_is_a_failure(
    reason: str, judgement: dict[str, bool]
) -> None:
    task = {"created": 1, "data": {"url": reason}}
    assert parse_poll(task) == failed("failed", **judgement)


@pytest.mark.parametrize("wraps", [True, False])
@pytest.mark.parametrize("names_poll_url", [True, False])
async def test_each_shape_of_a_task_leads_to_its_image(
    provider: Provider,
    server: AllVendors,
    order: OrderOf,
    image_file: ImageFile,
    wraps: bool,
    names_poll_url: bool,
) -> None:
    server.maxapi_habits.wraps = wraps
    server.maxapi_habits.names_poll_url = names_poll_url
    edit = order(mode=Mode.EDIT, references=(image_file,))
    for asked in (order(), edit):
        server.endings.append(Completes(empty_polls=1))
        handle = await provider.submit(asked)
        assert isinstance(handle, str)
        polls = [await provider.poll(handle, NO_RESULT) for _ in range(2)]
        assert [len(each.links) for each in polls if isinstance(each, Finished)] == [0, 1]


@pytest.mark.parametrize("inline", [True, False])
@pytest.mark.parametrize("ignores_async", [True, False])
async def test_an_image_comes_as_a_link_or_in_an_answer(
    provider: Provider,
    server: AllVendors,
    order: OrderOf,
    inline: bool,
    ignores_async: bool,
) -> None:
    server.maxapi_habits.ignores_async = ignores_async
    server.maxapi_habits.inline = inline
    asked = order(aspect_ratio="16:9", resolution="2K")
    finished = await provider.submit(asked)
    assert isinstance(finished, Finished) == ignores_async
    if isinstance(finished, str):
        finished = await provider.poll(finished, asked.result_path)
    assert isinstance(finished, Finished)
    assert (len(finished.links), finished.in_answer) == ((0, True) if inline else (1, False))
    if inline:
        with Image.open(asked.result_path) as image:
            assert image.size == (2048, 1152)


async def test_the_fields_of_an_edit_are_texts(
    provider: Provider, server: AllVendors, order: OrderOf, image_file: ImageFile
) -> None:
    handle = await provider.submit(order(references=(image_file,), aspect_ratio="1:1"))
    assert isinstance(handle, str)
    assert "/v1/images/edits/" in handle
    body = server.submissions[0].body
    assert {name: body[name] for name in ("async", "n", "size", "route_mode")} == {
        "async": "true",
        "n": "1",
        "size": "1024x1024",
        "route_mode": "mix",
    }


async def test_links_can_name_the_mirror(
    route: Route, server: AllVendors, connections: Connections, order: OrderOf
) -> None:
    provider = open_provider(route, server, connections, MAXAPI_ASSET_DELIVERY="mirror")
    handle = await provider.submit(order())
    assert isinstance(handle, str)
    progress = await provider.poll(handle, NO_RESULT)
    assert isinstance(progress, Finished)
    assert progress.links[0].startswith("http://localhost:")


@pytest.mark.parametrize("mode", ["mix", "official", "official-cheap"])
async def test_each_route_mode_is_taken(
    provider: Provider, order: OrderOf, route: Route, mode: str
) -> None:
    assert isinstance(await provider.submit(order(route=replace(route, route_mode=mode))), str)


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
    provider: Provider,
    server: AllVendors,
    order: OrderOf,
    wraps: bool,
    disguises_failures: bool,
    ending: Fails,
    moderation: bool,
    retryable: bool,
) -> None:
    server.maxapi_habits.wraps = wraps
    server.maxapi_habits.disguises_failures = disguises_failures
    server.endings.append(ending)
    handle = await provider.submit(order())
    assert isinstance(handle, str)
    progress = await provider.poll(handle, NO_RESULT)
    assert isinstance(progress, Failed)
    assert (progress.moderation, progress.retryable) == (moderation, retryable)


@pytest.mark.parametrize(
    "fault",
    [
        Respond(404, b"404 page not found", content_type="text/plain"),
        Respond(405, {"detail": "Method Not Allowed"}),
        Respond(200, b"<!doctype html>", content_type="text/html"),
    ],
)
async def test_a_key_that_cannot_be_checked_for_free_is_not_called_wrong(
    provider: Provider, server: AllVendors, fault: Respond
) -> None:
    server.faults.add(VendorCall.MODELS, fault)
    assert await provider.check(()) == NOT_CHECKED
