from decimal import Decimal

import pytest
from msgspec.structs import replace

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Finished, ImageFile, Provider, Running
from bot.domain.pricing import Bill
from bot.domain.requests import Mode
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.providers.kie import build_create, parse_create, parse_credit, parse_record, parse_upload
from tests.providers.conftest import OrderOf, Read
from tests.providers.samples import MODERATED, failed, load
from tests.providers.stage import route_of
from tests.vendors import AllVendors

SAMPLES = load("kie", "(?!callback_)")
ID = "task_gptimage_0000000000001"
LINK = "https://tempfile.example.test/images/0001.png"
UPLOADED = "https://tempfile.example.test/images/bot/ref.png"


def paid(cost: int | None) -> Finished:
    return Finished((LINK,), bill=Bill(credits=None if cost is None else Decimal(cost)))


#: What the adapter makes of each sample's answer: a value, or the class of an error. The callbacks
#: are read in test_kie_callback.py.
READINGS: dict[str, object] = {
    "create_refs": ID,
    "create_text": ID,
    "create_without_id": ProviderContractBroken,
    "credit": "1,250 kie.ai credits on the account",
    "error_401": ProviderMisconfigured,
    "error_402": ProviderMisconfigured,
    "error_404": ProviderRefused,
    "error_422": ProviderRefused,
    "error_429": (ProviderBusy, 10.0),
    "error_433": ProviderMisconfigured,
    "error_455": ProviderBusy,
    "error_500": ProviderOutcomeUnknown,
    "error_501": failed("501", retryable=True),
    "error_505": ProviderMisconfigured,
    "error_moderation": MODERATED,
    "record_429": (ProviderBusy, 10.0),
    "record_501": failed("501", retryable=True),
    "record_fail": failed("500", retryable=True),
    "record_fail_501": failed("501", retryable=True),
    "record_fail_in_500": failed("500", retryable=True),
    "record_fail_moderation_in_400": failed("400", moderation=True),
    "record_fail_moderation_in_501": failed("400", moderation=True),
    "record_fail_moderation": failed("400", moderation=True),
    "record_fail_unknown": failed("fail"),
    "record_generating": Running("generating"),
    "record_no_data": Running(""),
    "record_queuing": Running("queuing"),
    "record_success": paid(6),
    "record_success_bad_link": ProviderContractBroken,
    "record_success_broken_json": Finished((), bill=Bill(credits=Decimal(6))),
    "record_success_empty": Finished((), bill=Bill(credits=Decimal(6))),
    "record_success_no_credits": paid(None),
    "record_success_old_credits": paid(3),
    "record_unknown_id": ProviderUnreachable,
    "record_unknown_state": Running("rehydrating"),
    "record_waiting": Running("waiting"),
    "upload_file_url": UPLOADED,
    "upload_stream": UPLOADED,
    "upload_unsuccessful": ProviderUnreachable,
}


@pytest.fixture
def route() -> Route:
    return route_of("kie/gpt-image-2")


@pytest.mark.parametrize("name", sorted(SAMPLES | READINGS))
async def test_every_sample_is_read_as_meant(name: str, read: Read) -> None:
    assert await read(SAMPLES[name], ID) == READINGS[name]


async def test_the_documented_requests_are_sent(
    provider: Provider, server: AllVendors, order: OrderOf, route: Route
) -> None:
    bodies = [SAMPLES[name]["request"]["body"] for name in ("create_text", "create_refs")]
    words, edit = (body["input"] for body in bodies)
    plain = replace(route, nsfw_switch=NsfwSwitch.NONE)
    await provider.submit(order(route=plain, prompt=words["prompt"], resolution="2K"))
    await provider.submit(
        order(
            route=replace(plain, sends_resolution=False),
            mode=Mode.EDIT,
            prompt=edit["prompt"],
            aspect_ratio="auto",
            reference_links=tuple(edit["input_urls"]),
        )
    )
    assert [each.body for each in server.submissions] == bodies


@pytest.mark.parametrize("nsfw_checker", [True, False])
def test_the_filter_is_always_sent_as_a_boolean(order: OrderOf, nsfw_checker: bool) -> None:
    assert build_create(order(nsfw_checker=nsfw_checker))["input"] == {
        "prompt": "a paper lantern above a quiet canal",
        "aspect_ratio": "16:9",
        "resolution": "1K",
        "nsfw_checker": nsfw_checker,
    }


def test_a_call_back_is_asked_for_only_where_there_is_an_address(order: OrderOf) -> None:
    assert "callBackUrl" not in build_create(order())
    url = "https://bot.example.test/kie/callback"
    assert build_create(order(), url)["callBackUrl"] == url


@pytest.mark.parametrize(
    "data", [None, [], {"taskId": ""}, {"taskId": True}, {"taskId": "x" * 201}, {"taskId": ["t"]}]
)
def test_an_answer_without_a_usable_id_breaks_the_contract(data: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_create({"code": 200, "data": data})


@pytest.mark.parametrize("links", ['"https://a.example/1.png"', "[7]", '["https://"]', "[null]"])
def test_results_that_are_no_links_break_the_contract(links: str) -> None:
    data = {"state": "success", "resultJson": f'{{"resultUrls": {links}}}'}
    with pytest.raises(ProviderContractBroken):
        parse_record({"data": data})


def test_a_fault_of_the_request_is_not_worth_another_try() -> None:
    data = {"state": "fail", "failCode": "422", "failMsg": "bad input"}
    assert parse_record({"data": data}) == failed("422")


@pytest.mark.parametrize("text", ["not json", "[1]", '"text"', "[" * 100_000, "", 7, None])
def test_a_broken_result_text_counts_as_no_links_yet(text: object) -> None:
    assert parse_record({"data": {"state": "success", "resultJson": text}}) == Finished(())


@pytest.mark.parametrize("consumed", [True, "6", -1, Decimal("1e999999"), 1_000_001, None, [6]])
def test_a_cost_that_is_none_counts_as_not_said(consumed: object) -> None:
    record = parse_record({"data": {"state": "success", "creditsConsumed": consumed}})
    assert isinstance(record, Finished)
    assert record.bill == Bill()


@pytest.mark.parametrize("consumed", [6, Decimal("6.5"), 0])
def test_the_credits_of_a_task_are_its_bill(consumed: int | Decimal) -> None:
    record = parse_record({"data": {"state": "success", "creditsConsumed": consumed}})
    assert isinstance(record, Finished)
    assert record.bill == Bill(credits=Decimal(consumed))


@pytest.mark.parametrize("data", [None, True, "5", {"balance": 5}, Decimal("1E+999999999"), 10**13])
def test_credits_that_are_none_break_the_contract(data: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_credit({"data": data})


@pytest.mark.parametrize("link", [None, 7, "", "not a link", "ftp://a.example/1"])
def test_an_upload_without_a_link_breaks_the_contract(link: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_upload({"data": {"downloadUrl": link}})


async def test_no_two_uploads_have_the_same_name(
    provider: Provider, server: AllVendors, image_file: ImageFile
) -> None:
    """A file of the same name is overwritten there: two members' references would be mixed up."""
    for _ in range(2):
        await provider.upload(image_file)
    names = {upload.filename for upload in server.uploads.values()}
    assert len(names) == 2
    assert all(len(name) == len("0" * 32 + ".png") for name in names)


async def test_the_submit_gate_is_a_wish_to_wait_for_its_window(
    provider: Provider, server: AllVendors, order: OrderOf
) -> None:
    for _ in range(20):
        await provider.submit(order())
    with pytest.raises(ProviderBusy) as caught:
        await provider.submit(order())
    assert caught.value.status == 429
    assert caught.value.retry_after_s == 10
    assert server.submissions[-1].task_id is None
