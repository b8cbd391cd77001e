import pytest

from bot.domain.catalog import Route
from bot.domain.ports import Finished, Provider, Running
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
from bot.providers.judge import Kind
from bot.providers.runninghub import (
    build_submit,
    error_in,
    parse_query,
    parse_submit,
    parse_upload,
    submit_path,
)
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import MODERATED, NO_RESULT, failed, load
from tests.providers.stage import route_of
from tests.vendors import AllVendors

SAMPLES = load("runninghub")
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
    "error_1501": MODERATED,
    "error_401": ProviderMisconfigured,
    "error_421": ProviderBusy,
    "error_812": ProviderMisconfigured,
    "error_balance_words": ProviderMisconfigured,
    "query_1003": ProviderBusy,
    "query_cancelled": failed("CANCEL"),
    "query_failed": failed("1000", moderation=True),
    "query_failed_real_people": failed("1505", moderation=True),
    "query_failed_timeout": failed("1504", retryable=True),
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


@pytest.fixture
def route() -> Route:
    return route_of("runninghub/rhart-image-g-2")


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name], ID) == READINGS[name]


async def test_the_documented_requests_are_sent(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    requests = [SAMPLES[name]["request"] for name in ("submit_text", "submit_official_refs")]
    words, edit = (request["body"] for request in requests)
    orders = [
        order(prompt=words["prompt"], aspect_ratio="1:1"),
        order(
            route=route_of("runninghub/rhart-image-g-2-official"),
            mode=Mode.EDIT,
            prompt=edit["prompt"],
            aspect_ratio="3:2",
            resolution="2K",
            reference_links=tuple(edit["imageUrls"]),
        ),
    ]
    for each, request in zip(orders, requests, strict=True):
        assert request["url"].endswith(submit_path(each))
        await provider.submit(each)
    assert [each.body for each in server.submissions] == [words, edit]


def test_the_models_choice_of_a_ratio_has_a_word_of_its_own(order: OrderOf) -> None:
    assert build_submit(order(aspect_ratio="auto"))["aspectRatio"] == "empty"


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
    complaint = error_in(body)
    assert (complaint.code if complaint else None) == code


@pytest.mark.parametrize(
    ("code", "kind"),
    [("1007", Kind.REQUEST), ("400", Kind.OPERATOR), ("1002", Kind.OPERATOR), ("", Kind.OPERATOR)],
)
def test_a_quoted_prompt_is_not_what_is_wrong_with_the_account(code: str, kind: Kind) -> None:
    complaint = error_in({"errorCode": code, "errorMessage": "prompt: the balance of a heron"})
    assert complaint is not None
    assert complaint.kind is kind


@pytest.mark.parametrize(
    ("message", "judgement"),
    [
        ("Content verification failed", {"moderation": True}),
        ("NSFW content", {"moderation": True}),
        ("Invalid parameter: prompt", {}),
        ("Insufficient balance", {"retryable": True}),
        ("The upstream is busy", {"retryable": True}),
        ("", {}),
    ],
)
def test_a_failed_task_is_judged_by_its_words(message: str, judgement: dict[str, bool]) -> None:
    task = {"status": "FAILED", "errorMessage": message}
    assert parse_query(task) == failed("FAILED", **judgement)


@pytest.mark.parametrize("code", ["404", "807", "1004"])
async def test_a_task_that_failed_for_want_of_another_is_known(
    provider: Provider, server: AllVendors, code: str
) -> None:
    task = {"status": "FAILED", "errorCode": code, "errorMessage": "APIKEY_TASK_NOT_FOUND"}
    server.faults.add(VendorCall.POLL, Respond(body={"taskId": ID, **task}))
    assert await provider.poll(ID, NO_RESULT) == failed(code, retryable=True)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, ProviderMisconfigured),
        (404, ProviderUnreachable),
        (429, ProviderBusy),
        (500, ProviderUnreachable),
        (503, ProviderBusy),
    ],
)
async def test_a_poll_that_failed_is_no_task_that_failed(
    provider: Provider, server: AllVendors, status: int, kind: type[Exception]
) -> None:
    body = {"status": "error", "message": "no luck"}
    server.faults.add(VendorCall.POLL, Respond(status, body))
    with pytest.raises(kind):
        await provider.poll(ID, NO_RESULT)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, {"status": 404, "error": "Not Found", "path": "/query"}),
        (404, {"code": 404, "msg": "no such path"}),
        (200, {"code": 404, "msg": "no such path"}),
    ],
)
async def test_a_wrong_address_does_not_make_a_key_work(
    provider: Provider, server: AllVendors, status: int, body: dict[str, object]
) -> None:
    server.faults.add(VendorCall.POLL, Respond(status, body))
    with pytest.raises(ProviderContractBroken):
        await provider.check(())


def test_what_stands_beside_a_link_costs_no_image() -> None:
    results = [
        {"text": "a red kite", "outputType": "txt"},
        {"url": LINK, "outputType": "png"},
        None,
    ]
    assert parse_query({"status": "SUCCESS", "results": results}) == Finished((LINK,))


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
