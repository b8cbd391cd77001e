from decimal import Decimal

import pytest
from msgspec.structs import replace

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Finished, Provider, Running
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import Respond, VendorCall
from bot.providers.apimodels import (
    build_create,
    parse_balance,
    parse_create,
    parse_poll,
    parse_upload,
)
from bot.providers.fields import compare_models
from bot.providers.inline import INLINE
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import MODERATED, failed, load
from tests.vendors import AllVendors

SAMPLES = load("apimodels", "(?!all_)")
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
    "error_moderation": MODERATED,
    "error_too_many_images": ProviderRefused,
    "poll_404": ProviderUnreachable,
    "poll_429": ProviderBusy,
    "poll_completed": Finished((LINK,)),
    "poll_completed_bad_link": ProviderContractBroken,
    "poll_completed_broken_json": Finished(()),
    "poll_completed_empty": Finished(()),
    "poll_completed_result_json_only": Finished((LINK,)),
    "poll_failed_busy": failed("UPSTREAM_BUSY", retryable=True),
    "poll_failed_busy_in_500": failed("UPSTREAM_BUSY", retryable=True),
    "poll_failed_moderation": failed("CONTENT_MODERATION", moderation=True),
    "poll_failed_timeout": failed("TIMEOUT", retryable=True),
    "poll_failed_unknown": failed("failed"),
    "poll_no_data": Running(""),
    "poll_processing": Running("processing"),
    "poll_unknown_state": Running("rehydrating"),
    "upload": "https://r2.apimodels.app/uploads/u1/ref.png",
}


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name]) == READINGS[name]


async def test_the_documented_requests_are_sent(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    asked = SAMPLES["create_refs"]["request"]["body"]
    links = tuple(asked["image_urls"])
    edit = order(prompt=asked["prompt"], aspect_ratio="1:1", reference_links=links)
    for each in (order(), edit):
        await provider.submit(each)
    words = SAMPLES["create_text"]["request"]["body"]
    assert [each.body for each in server.submissions] == [words, asked]


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


@pytest.mark.parametrize("beside", [None, "", 7, {}, "file:///etc/passwd"])
def test_what_stands_beside_a_result_costs_no_image(beside: object) -> None:
    for named, found in ((LINK, Finished((LINK,))), (INLINE, Finished(in_answer=True))):
        data = {"state": "completed", "resultUrls": [beside, named]}
        assert parse_poll({"data": data}) == found


@pytest.mark.parametrize("state", ["COMPLETED", "Success", "succeeded"])
def test_every_word_for_success_ends_a_task(state: str) -> None:
    assert parse_poll({"data": {"state": state, "resultUrls": [LINK]}}) == Finished((LINK,))


@pytest.mark.parametrize("state", ["FAILED", "error", "Cancelled", "expired"])
def test_every_word_for_failure_ends_a_task(state: str) -> None:
    assert parse_poll({"data": {"state": state}}) == failed(state)


@pytest.mark.parametrize("data", [None, [], {}, {"state": None}, {"state": 7}, {"state": "???"}])
def test_any_other_word_means_still_running(data: object) -> None:
    assert isinstance(parse_poll({"data": data}), Running)


@pytest.mark.parametrize("code", ["UPSTREAM_BUSY", "TIMEOUT"])
def test_a_busy_vendor_is_worth_another_try(code: str) -> None:
    data = {"state": "failed", "failCode": code, "retryable": False}
    assert parse_poll({"data": data}) == failed(code, retryable=True)


def test_a_moderated_task_is_never_called_retryable() -> None:
    data = {"state": "failed", "failMsg": "content_moderation", "retryable": True}
    assert parse_poll({"data": data}) == failed("failed", moderation=True)


@pytest.mark.parametrize("text", ["not json", "[1]", '"text"', "[" * 100_000, "", 7, None])
def test_a_broken_result_text_counts_as_no_links_yet(text: object) -> None:
    data = {"state": "completed", "resultUrls": [], "resultJson": text}
    assert parse_poll({"data": data}) == Finished(())


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        ({"balance": 5}, "5.00 cr"),
        ({"balance": Decimal("0.000001"), "currency": "USD"}, "0.000001 cr"),
        ({"balance": Decimal("4.82")}, "4.82 cr"),
    ],
)
def test_a_balance_is_told_in_credits(data: dict[str, object], expected: str) -> None:
    assert parse_balance({"data": data}) == f"{expected} on the account"


@pytest.mark.parametrize("refusal", [None, 403, 404, 429, 503])
async def test_the_vendors_list_is_compared_with_the_catalog(
    provider: Provider, server: AllVendors, refusal: int | None
) -> None:
    if refusal is not None:
        page = Respond(refusal, body=b"<html>", content_type="text/html")
        server.faults.add(VendorCall.MODELS, page)
    said = await provider.check({"gpt-image-2", "gpt-image-2-beta", "gpt-image-9"})
    gone = "; not in the vendor's list: gpt-image-9"
    new = "; not in the catalog: gpt-image-2-all, gpt-image-2-lite"
    assert said == "100.00 cr on the account" + (gone + new if refusal is None else "")


def test_a_long_list_of_models_is_told_in_part() -> None:
    listed = [f"image-{n}" for n in range(9)] + ["text-embedding", "image\x1b[2J"]
    told = ["not in the catalog: image-0, image-1, image-2, image-3, image-4, image-5 and 3 more"]
    assert compare_models(listed, ()) == told


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"balance": True},
        {"balance": "5"},
        {"balance": 5, "currency": "CNY"},
        {"balance": Decimal("1E+999999999")},
        {"balance": 10**13},
    ],
)
def test_a_balance_that_is_none_breaks_the_contract(data: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_balance({"data": data})


@pytest.mark.parametrize("link", [None, 7, "", "not a link", "ftp://a.example/1"])
def test_an_upload_without_a_link_breaks_the_contract(link: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_upload({"data": {"publicUrl": link}})
