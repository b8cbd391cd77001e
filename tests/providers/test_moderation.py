"""One table for all vendors: what is about the content of a request, and what is not."""

from pathlib import Path

import pytest

from bot.errors import ProviderError, ProviderOutcomeUnknown
from bot.playground.faults import Respond, VendorCall
from bot.providers.moderation import OTHER_STATUSES, is_content
from tests.providers.stage import ROWS, Row, open_stage

REFUSAL = "Your prompt was blocked by our content policy"


@pytest.mark.parametrize(
    "words",
    [
        ("moderation_blocked", ""),
        ("image_generation_user_error", "please change your prompt"),
        ("", "Your request was rejected by the safety system. safety_violations=[violence]"),
        ("400", "SENSITIVE_WORDS_DETECTED"),
        (
            "InvalidPrompt",
            "The response was filtered due to Azure OpenAI's content management policy",
        ),
        ("", "Content-Policy violation"),
        ("PROHIBITED_CONTENT",),
        ("1501", "内容安全审核未通过"),
        ("", "we could not process this image: it may contain nudity (NSFW)"),
        ("", "it is unsafe"),
        ("", "rejected by nsfw_checker"),
        ("nsfw_checker", "NSFW content is not supported"),
    ],
)
def test_a_refusal_of_content_is_known_by_code_or_words(words: tuple[str, ...]) -> None:
    assert is_content(*words)
    assert is_content(*words, status=400)


@pytest.mark.parametrize(
    "words",
    [
        ("rate_limit_exceeded", "policy: 3 requests a minute"),
        ("insufficient_quota", "see our usage and billing policies of your plan"),
        ("image_generation_user_error", "Transparent background is not supported for this model"),
        ("", "Request timed out while waiting for the moderation"),
        ("invalid_request_error", "illegal size 7x7"),
        ("", "illegal base64 data at input byte 0"),
        ("", "nsfw_checker is not supported for this model"),
        ("422", "input.nsfw_checker must be a boolean"),
        ("", "Extra inputs are not permitted: nsfw_checker"),
        ("", "The server had an error"),
        ("", ""),
    ],
)
def test_another_complaint_is_not_taken_for_one(words: tuple[str, ...]) -> None:
    assert not is_content(*words)


@pytest.mark.parametrize("status", [401, 402, 429, 503])
def test_a_status_with_a_reason_of_its_own_wins_over_likely_words(status: int) -> None:
    assert not is_content("", "see our policy", status=status)
    assert is_content("", "rejected by the safety system", status=status)


#: how gateways between the bot and a model answer, which no vendor documents
UNDOCUMENTED = {
    "text": REFUSAL.encode(),
    "JSON text": f'"{REFUSAL}"'.encode(),
    "list": f'[{{"error": {{"message": "{REFUSAL}"}}}}]'.encode(),
    "message": {"message": REFUSAL},
    "message with a number": {"code": 400, "message": REFUSAL},
    "detail": {"detail": [{"loc": ["body", "prompt"], "msg": REFUSAL}]},
    "errors": {"errors": [{"message": REFUSAL}]},
    "error without a message": {"error": {"msg": REFUSAL}},
    "data": {"data": {"error": {"message": REFUSAL}}},
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
async def test_a_refusal_is_known_in_whatever_shape_it_comes(row: Row, tmp_path: Path) -> None:
    """Else the same prompt would be sent on to the next vendor."""
    async with open_stage(row, tmp_path) as stage:
        for shape, body in UNDOCUMENTED.items():
            stage.server.faults.add(VendorCall.CREATE, Respond(400, body))
            with pytest.raises(ProviderError) as caught:
                await stage.provider().submit(stage.order())
            assert getattr(caught.value, "moderation", False), shape
            assert caught.value.status == 400, shape


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
async def test_its_status_says_more_than_likely_words_in_an_unknown_shape(
    row: Row, tmp_path: Path
) -> None:
    """Else a member would hear of a content filter while the vendor only is out of service."""
    likely = "see our policy"
    async with open_stage(row, tmp_path) as stage:
        for status in sorted(OTHER_STATUSES):
            for body in (likely.encode(), {"message": likely}, {"detail": [{"msg": likely}]}):
                stage.server.faults.add(VendorCall.CREATE, Respond(status, body))
                with pytest.raises(ProviderError) as caught:
                    await stage.provider().submit(stage.order())
                assert not getattr(caught.value, "moderation", False), (status, body)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
@pytest.mark.parametrize("said", ["load balancer: no answer", "bad request", "403 Forbidden"])
async def test_whether_a_gateway_passed_the_order_on_is_not_known(
    row: Row, tmp_path: Path, said: str
) -> None:
    """Whatever it says: an order that is sent on to another vendor may be paid twice."""
    async with open_stage(row, tmp_path) as stage:
        for body in ({"message": said}, {"detail": said}, {"errors": [{"message": said}]}):
            stage.server.faults.add(VendorCall.CREATE, Respond(502, body))
            with pytest.raises(ProviderOutcomeUnknown):
                await stage.provider().submit(stage.order())


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.route_id)
async def test_a_page_or_an_echo_is_no_refusal(row: Row, tmp_path: Path) -> None:
    echo = {"detail": [{"msg": "Field required", "input": {"prompt": REFUSAL}}]}
    async with open_stage(row, tmp_path) as stage:
        page = "\n<html>See our content policy"
        for body in (page.encode(), page.encode("utf-8-sig"), echo):
            stage.server.faults.add(VendorCall.CREATE, Respond(400, body))
            with pytest.raises(ProviderError) as caught:
                await stage.provider().submit(stage.order())
            assert not getattr(caught.value, "moderation", False), body
