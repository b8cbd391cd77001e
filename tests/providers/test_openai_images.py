"""The wire shape on its own; the adapters' tests send it."""

import asyncio
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest
from msgspec.structs import replace

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Failed, Finished, ImageFile, ImageFormat
from bot.domain.pricing import Bill, Usage
from bot.errors import ProviderContractBroken
from bot.providers import apimodels, maxapi_replies, openai_images
from bot.providers.inline import DROPPED, INLINE
from bot.providers.judge import Kind, Reply
from bot.providers.openai_images import (
    ErrorWords,
    build_fields,
    is_moderation,
    moderation_facts,
    moderation_field,
    open_edit_form,
    parse_bill,
    parse_error,
    parse_images,
)
from tests.providers.conftest import OrderOf

LINK = "https://files.example.test/1.png"
RouteOf = Callable[..., Route]


@pytest.fixture
def changed_route(route: Route) -> RouteOf:
    return lambda **fields: replace(route, **fields)


@pytest.mark.parametrize(
    ("aspect_ratio", "resolution", "size"),
    [
        ("1:1", "1K", "1024x1024"),
        ("1:1", "2K", "2048x2048"),
        ("16:9", "4K", "3840x2160"),
        ("9:16", "4K", "2160x3840"),
        ("auto", "1K", None),
    ],
)
def test_a_ratio_and_a_resolution_become_a_size(
    order: OrderOf, aspect_ratio: str, resolution: str, size: str | None
) -> None:
    fields = build_fields(order(aspect_ratio=aspect_ratio, resolution=resolution))
    assert fields.get("size") == size


def test_quality_is_sent_where_the_route_has_it(order: OrderOf, changed_route: RouteOf) -> None:
    with_it = changed_route(qualities=("low", "high"))
    assert "quality" not in build_fields(order(quality="auto"))
    assert build_fields(order(route=with_it, quality="high"))["quality"] == "high"
    assert build_fields(order(route=with_it, quality="auto"))["quality"] == "auto"


@pytest.mark.parametrize(
    ("switch", "nsfw_checker", "sent"),
    [
        (NsfwSwitch.MODERATION, True, {"moderation": "auto"}),
        (NsfwSwitch.MODERATION, False, {"moderation": "low"}),
        (NsfwSwitch.NONE, True, {}),
        (NsfwSwitch.NSFW_CHECKER, False, {}),
    ],
)
def test_the_filter_is_called_moderation(
    order: OrderOf,
    changed_route: RouteOf,
    switch: NsfwSwitch,
    nsfw_checker: bool,
    sent: dict[str, object],
) -> None:
    route = changed_route(nsfw_switch=switch)
    assert moderation_field(order(route=route, nsfw_checker=nsfw_checker)) == sent


@pytest.mark.parametrize(
    ("data", "links", "in_answer"),
    [
        ([{"b64_json": INLINE}], (), True),
        ([{"url": LINK}], (LINK,), False),
        ([{"b64_json": INLINE, "url": LINK}], (LINK,), True),
        ([{"b64_json": None, "url": LINK}], (LINK,), False),
        ([{"b64_json": DROPPED, "url": LINK}], (LINK,), False),
        ([None, 7, {"url": "no link"}, {"url": LINK}], (LINK,), False),
    ],
)
def test_an_image_is_in_the_file_or_behind_a_link(
    data: object, links: tuple[str, ...], in_answer: bool
) -> None:
    assert parse_images("openai", {"data": data}) == Finished(links, in_answer)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"data": {"url": LINK}},
        {"data": [{"b64_json": "short"}]},
        {"data": [{"url": "file:///etc/passwd"}]},
        {"data": ["short"]},
    ],
)
def test_an_answer_with_something_else_than_an_image_breaks_the_contract(
    body: dict[str, object],
) -> None:
    with pytest.raises(ProviderContractBroken):
        parse_images("openai", body)


@pytest.mark.parametrize(
    "data",
    [None, [], {}, [{}], [{"b64_json": DROPPED}], [{"b64_json": None, "url": ""}]],
    ids=str,
)
def test_an_answer_that_names_no_image_has_none(data: object) -> None:
    """What was asked for is known then: nothing was made, and nothing is to be charged."""
    for name in ("data", "images"):
        assert parse_images("openai", {name: data}) == Finished()


@pytest.mark.parametrize("reads", [openai_images, apimodels, maxapi_replies])
@pytest.mark.parametrize(
    "error",
    [
        {"code": "insufficient_quota", "type": "insufficient_quota"},
        {"code": None, "type": "insufficient_quota"},
        {"code": "billing_not_active", "type": "billing_not_active"},
        {"code": None, "type": "billing_not_active"},
        {"code": "billing_hard_limit_reached", "type": "invalid_request_error"},
        {"code": "model_not_found", "type": "invalid_request_error"},
    ],
)
@pytest.mark.parametrize("status", [400, 429])
def test_what_the_operator_has_to_mend_is_known_whoever_passes_it_on(
    reads: ModuleType, error: dict[str, object], status: int
) -> None:
    complaint = reads.read_complaint(Reply(status, {"error": {"message": "m", **error}}))
    assert complaint.kind is Kind.OPERATOR


def test_a_refusal_in_the_place_of_a_link_is_one() -> None:
    ending = parse_images("openai", {"data": [{"url": "status_code=400, blocked by policy"}]})
    assert isinstance(ending, Failed)
    assert ending.moderation


def test_an_image_whose_link_is_its_data_is_in_the_answer() -> None:
    assert parse_images("openai", {"data": [{"url": INLINE}]}) == Finished((), in_answer=True)


@pytest.mark.parametrize(
    ("usage", "expected"),
    [
        (
            {
                "input_tokens": 820,
                "output_tokens": 1400,
                "input_tokens_details": {"text_tokens": 20, "image_tokens": 800},
            },
            Usage(20, 800, 1400),
        ),
        (
            {
                "input_tokens": 12,
                "output_tokens": 210,
                "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
                "output_tokens_details": {"text_tokens": 10, "image_tokens": 200},
            },
            Usage(12, 0, 200),
        ),
        ({"input_tokens": 12, "output_tokens": 200}, Usage(0, 12, 200)),
        (
            {"input_tokens": 12, "output_tokens": 200, "input_tokens_details": {"text_tokens": 9}},
            Usage(9, 3, 200),
        ),
        (None, None),
        ({}, None),
        ([], None),
        ({"input_tokens": 12}, None),
        ({"input_tokens": 12, "output_tokens": 0}, None),
        ({"input_tokens": -1, "output_tokens": 5}, None),
        ({"input_tokens": True, "output_tokens": 5}, None),
        ({"input_tokens": "12", "output_tokens": 5}, None),
        ({"input_tokens": 1, "output_tokens": 10**12}, None),
    ],
)
def test_usage_is_told_by_kind_of_token(usage: object, expected: Usage | None) -> None:
    assert parse_bill({"usage": usage}) == Bill(usage=expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"error": {"message": "m", "type": "t", "code": "c"}}, ErrorWords("c", "t", "m")),
        ({"error": {"message": "m", "code": None}}, ErrorWords("", "", "m")),
        ({"error": {"code": "c" * 999}}, ErrorWords("c" * 64, "", "")),
        ({"error": "words"}, ErrorWords("", "", "words")),
        ({"error": None}, None),
        ({"error": {}}, None),
        ({"error": ""}, None),
        ({}, None),
    ],
)
def test_an_error_is_found_in_both_shapes(
    body: dict[str, object], expected: ErrorWords | None
) -> None:
    assert parse_error(body) == expected


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (ErrorWords("moderation_blocked", "", ""), True),
        (ErrorWords("content_policy_violation", "", ""), True),
        (ErrorWords("", "image_generation_user_error", "safety_violations=[sexual]"), True),
        (ErrorWords("", "", "was rejected by our safety system"), True),
        (ErrorWords("invalid_value", "image_generation_user_error", "bad mask"), False),
    ],
)
def test_a_refusal_for_content_is_told_from_others(error: ErrorWords, expected: bool) -> None:
    assert is_moderation(error) is expected


async def test_an_edit_s_files_are_closed_again(
    order: OrderOf, image_file: ImageFile, mask: ImageFile
) -> None:
    asked = order(references=(image_file, image_file), mask=mask)
    async with open_edit_form(asked, {"n": 1}) as form:
        files = [field[2] for field in form._fields if hasattr(field[2], "closed")]
        assert [file.closed for file in files] == [False] * 3
    assert [file.closed for file in files] == [True] * 3


async def test_files_are_closed_when_one_is_missing(
    order: OrderOf, image_file: ImageFile, tmp_path: Path
) -> None:
    """An open one left behind would be a ResourceWarning, hence an error."""
    lost = ImageFile(tmp_path / "lost", ImageFormat.PNG, 64, 48, 100)
    with pytest.raises(FileNotFoundError):
        async with open_edit_form(order(references=(image_file, lost)), {}):
            pass


@pytest.mark.parametrize(
    ("details", "facts"),
    [
        (
            {"moderation_stage": "input", "categories": ["violence/graphic", "self-harm"]},
            {"stage": "input", "contents": ["violence", "self_harm"]},
        ),
        (
            {"moderation_stage": "output", "categories": ["the prompt, quoted", 7, "sexual"]},
            {"stage": "output", "contents": ["sexual"]},
        ),
        ({"moderation_stage": "output"}, {"stage": "output", "contents": []}),
        ({"moderation_stage": "both", "categories": ["sexual"]}, {}),
        ("refused", {}),
    ],
)
def test_of_a_refusal_only_what_we_have_words_for_is_kept(details: object, facts: object) -> None:
    body = {"error": {"code": "moderation_blocked", "moderation_details": details}}
    assert moderation_facts(body) == facts


async def test_a_cancelled_edit_leaves_no_file_open(order: OrderOf, image_file: ImageFile) -> None:
    """An open one left behind would be a ResourceWarning, hence an error."""
    first, second = (image_file.path.with_name(name) for name in ("first", "second"))
    for pipe in (first, second):
        os.mkfifo(pipe)
    references = tuple(replace(image_file, path=pipe) for pipe in (first, second))

    async def begin() -> None:
        async with open_edit_form(order(references=references), {}):
            pass

    edit = asyncio.create_task(begin())
    # A pipe opens once both ends do. So the first file is open now, and the second is not.
    with await asyncio.to_thread(first.open, "wb"):
        edit.cancel()
        await asyncio.sleep(0)
        with await asyncio.to_thread(second.open, "wb"), pytest.raises(asyncio.CancelledError):
            await edit
