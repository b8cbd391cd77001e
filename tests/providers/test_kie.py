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
from bot.domain.pricing import Bill
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
from bot.providers.kie import (
    Kie,
    build_create,
    parse_create,
    parse_credit,
    parse_record,
    parse_upload,
)
from tests.providers.conftest import NO_RESULT

SAMPLES = {
    path.stem: json.loads(path.read_text())
    for path in sorted((Path(__file__).parents[1] / "samples" / "kie").glob("*.json"))
}
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
    "error_429": ProviderBusy,
    "error_433": ProviderMisconfigured,
    "error_455": ProviderBusy,
    "error_500": ProviderOutcomeUnknown,
    "error_501": Failed(moderation=False, retryable=True, vendor_code="501"),
    "error_505": ProviderMisconfigured,
    "error_moderation": ProviderRefused,
    "record_429": ProviderBusy,
    "record_501": Failed(moderation=False, retryable=True, vendor_code="501"),
    "record_fail": Failed(moderation=False, retryable=True, vendor_code="500"),
    "record_fail_501": Failed(moderation=False, retryable=True, vendor_code="501"),
    "record_fail_moderation": Failed(moderation=True, retryable=False, vendor_code="400"),
    "record_fail_unknown": Failed(moderation=False, retryable=False, vendor_code="fail"),
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

OrderOf = Callable[..., Order]


@pytest.fixture
def kie_route(route: Route) -> Route:
    return replace(
        route,
        id="kie/gpt-image-2",
        provider="kie",
        upstream="gpt-image-2",
        sends_resolution=True,
        nsfw_switch=NsfwSwitch.NSFW_CHECKER,
    )


@pytest.fixture
def ask_for(order: OrderOf, kie_route: Route) -> OrderOf:
    return lambda **fields: order(**({"route": kie_route} | fields))


@pytest.fixture
def provider(server: PlaygroundProviders, connections: Connections) -> Kie:
    return opened(server, connections)


def opened(
    server: PlaygroundProviders,
    connections: Connections,
    *,
    key: str | None = None,
    callback_url: str | None = None,
) -> Kie:
    http, upload_http = (
        VendorHttp("kie", url, SecretStr(key or server.api_key), connections)
        for url in (server.kie_base_url, server.kie_upload_url)
    )
    return Kie(http, upload_http, callback_url=callback_url)


async def ask(name: str, provider: Kie, order: Order, image_file: ImageFile) -> object:
    """Make the call that a sample records."""
    url = SAMPLES[name]["request"]["url"]
    if url.endswith("/chat/credit"):
        return await provider.check()
    if url.endswith("/file-stream-upload"):
        return await provider.upload(image_file)
    if "/recordInfo" in url:
        return await provider.poll(ID, NO_RESULT)
    return await provider.submit(order)


def test_every_sample_has_its_reading() -> None:
    assert [name for name in sorted(SAMPLES) if not name.startswith("callback_")] == sorted(
        READINGS
    )


@pytest.mark.parametrize("name", list(READINGS))
async def test_every_sample_is_read_as_meant(
    name: str,
    provider: Kie,
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


def test_the_documented_requests_are_built(ask_for: OrderOf, kie_route: Route) -> None:
    asked = SAMPLES["create_text"]["request"]["body"]
    plain = replace(kie_route, nsfw_switch=NsfwSwitch.NONE)
    words = ask_for(route=plain, prompt=asked["input"]["prompt"], resolution="2K")
    assert build_create(words) == asked
    asked = SAMPLES["create_refs"]["request"]["body"]
    edit = ask_for(
        route=replace(plain, sends_resolution=False),
        mode=Mode.EDIT,
        prompt=asked["input"]["prompt"],
        aspect_ratio="auto",
        reference_links=tuple(asked["input"]["input_urls"]),
    )
    assert build_create(edit) == asked


@pytest.mark.parametrize("nsfw_checker", [True, False])
def test_the_filter_is_always_sent_as_a_boolean(ask_for: OrderOf, nsfw_checker: bool) -> None:
    assert build_create(ask_for(nsfw_checker=nsfw_checker))["input"] == {
        "prompt": "a paper lantern above a quiet canal",
        "aspect_ratio": "16:9",
        "resolution": "1K",
        "nsfw_checker": nsfw_checker,
    }


def test_a_call_back_is_asked_for_only_where_there_is_an_address(ask_for: OrderOf) -> None:
    assert "callBackUrl" not in build_create(ask_for())
    url = "https://bot.example.test/kie/callback"
    assert build_create(ask_for(), url)["callBackUrl"] == url


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


@pytest.mark.parametrize("data", [None, True, "5", {"balance": 5}])
def test_credits_that_are_none_break_the_contract(data: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_credit({"data": data})


@pytest.mark.parametrize("link", [None, 7, "", "not a link", "ftp://a.example/1"])
def test_an_upload_without_a_link_breaks_the_contract(link: object) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_upload({"data": {"downloadUrl": link}})


async def test_an_image_is_made_from_words(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    task_id = await provider.submit(ask_for())
    assert isinstance(task_id, str)
    assert await provider.poll(task_id, NO_RESULT) == Finished(
        (f"{server.root_url}/results/{task_id}.png",), bill=Bill(credits=Decimal(6))
    )
    assert server.submissions[0].body == build_create(ask_for())


async def test_references_go_to_the_other_host_and_are_submitted_in_order(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf, image_file: ImageFile
) -> None:
    links = [await provider.upload(image_file) for _ in range(16)]
    await provider.submit(ask_for(mode=Mode.EDIT, reference_links=tuple(links)))
    body = server.submissions[0].body
    assert body["model"] == "gpt-image-2-image-to-image"
    assert isinstance(body["input"], dict)
    assert body["input"]["input_urls"] == links == list(server.uploads)


async def test_no_two_uploads_have_the_same_name(
    provider: Kie, server: PlaygroundProviders, image_file: ImageFile
) -> None:
    """A file of the same name is overwritten there: two members' references would be mixed up."""
    for _ in range(2):
        await provider.upload(image_file)
    names = {upload.filename for upload in server.uploads.values()}
    assert len(names) == 2
    assert all(len(name) == len("0" * 32 + ".png") for name in names)


async def test_the_submit_gate_is_a_wish_to_wait_for_its_window(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    for _ in range(20):
        await provider.submit(ask_for())
    with pytest.raises(ProviderBusy) as caught:
        await provider.submit(ask_for())
    assert caught.value.status == 429
    assert caught.value.retry_after_s == 10
    assert server.submissions[-1].task_id is None


async def test_a_longer_wish_to_wait_is_heard(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    body = SAMPLES["error_429"]["response"]["body"]
    server.faults.add(Call.CREATE, Respond(status=429, body=body, headers={"Retry-After": "30"}))
    with pytest.raises(ProviderBusy) as caught:
        await provider.submit(ask_for())
    assert caught.value.retry_after_s == 30


async def test_an_impossible_size_is_refused_at_creation(provider: Kie, ask_for: OrderOf) -> None:
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(ask_for(aspect_ratio="1:1", resolution="4K"))
    assert caught.value.moderation is False


async def test_content_refused_at_creation_is_told_from_a_wrong_form(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    answer = SAMPLES["error_moderation"]["response"]
    server.faults.add(Call.CREATE, Respond(status=answer["status"], body=answer["body"]))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(ask_for())
    assert caught.value.moderation is True


async def test_a_refused_prompt_fails_for_its_content(provider: Kie, ask_for: OrderOf) -> None:
    task_id = await provider.submit(ask_for(prompt="nsfw"))
    assert isinstance(task_id, str)
    assert await provider.poll(task_id, NO_RESULT) == Failed(
        moderation=True, retryable=False, vendor_code="400"
    )


@pytest.mark.parametrize(
    ("ending", "progress"),
    [
        (Fails("500", "Internal server error"), Failed(False, True, "500")),
        (Fails("422", "bad input"), Failed(False, False, "422")),
        (Sticks("rehydrating"), Running("rehydrating")),
        (Completes(empty_polls=1), Finished((), bill=Bill(credits=Decimal(6)))),
    ],
)
async def test_every_ending_is_read(
    provider: Kie,
    server: PlaygroundProviders,
    ask_for: OrderOf,
    ending: Completes | Fails | Sticks,
    progress: object,
) -> None:
    server.endings.append(ending)
    task_id = await provider.submit(ask_for())
    assert isinstance(task_id, str)
    assert await provider.poll(task_id, NO_RESULT) == progress


async def test_an_empty_account_is_the_operators_matter(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    server.studio.balance_usd = Decimal(0)
    with pytest.raises(ProviderMisconfigured) as caught:
        await provider.submit(ask_for())
    assert caught.value.status == 402
    assert await provider.check() == "0 kie.ai credits on the account"


async def test_a_wrong_key_is_the_operators_matter(
    server: PlaygroundProviders,
    connections: Connections,
    ask_for: OrderOf,
    image_file: ImageFile,
) -> None:
    stranger = opened(server, connections, key="sk_another_one")
    for call in (
        stranger.submit(ask_for()), stranger.poll(ID, NO_RESULT), stranger.upload(image_file),
        stranger.check(),
    ):  # fmt: skip
        with pytest.raises(ProviderMisconfigured) as caught:
            await call
        assert caught.value.status == 401


async def test_a_client_that_cloudflare_turns_away_is_the_operators_matter(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf
) -> None:
    wall = Respond(status=403, body=b"error code: 1010", content_type="text/plain")
    server.faults.add(Call.CREATE, wall)
    with pytest.raises(ProviderMisconfigured) as caught:
        await provider.submit(ask_for())
    assert caught.value.status == 403


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_submit_cut_off_may_have_been_accepted(
    provider: Kie, server: PlaygroundProviders, ask_for: OrderOf, after_effect: bool
) -> None:
    server.faults.add(Call.CREATE, Reset(after_effect=after_effect))
    with pytest.raises(ProviderOutcomeUnknown):
        await provider.submit(ask_for())
    server.faults.add(Call.POLL, Reset())
    with pytest.raises(ProviderUnreachable):
        await provider.poll(ID, NO_RESULT)


async def test_neither_key_nor_prompt_reaches_a_log_or_an_error(
    provider: Kie,
    server: PlaygroundProviders,
    ask_for: OrderOf,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    asked = ask_for(prompt="a very private prompt")
    echo = {"code": 422, "msg": f"bad: {asked.prompt} with {server.api_key}"}
    server.faults.add(Call.CREATE, Respond(body=echo))
    with pytest.raises(ProviderRefused) as caught:
        await provider.submit(asked)
    task_id = await provider.submit(asked)
    assert isinstance(task_id, str)
    await provider.poll(task_id, NO_RESULT)
    said = caplog.text + str(caught.value) + repr(caught.value) + repr(vars(provider))
    assert "bad: … with …" in said
    assert server.api_key not in said
    assert asked.prompt not in said
