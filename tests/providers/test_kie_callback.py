"""A callback is believed only if it is signed, of these minutes, and about a task."""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import SecretStr

from bot.providers.kie import verify_callback
from tests.providers.samples import load

SAMPLES = load("kie", "callback_")
KEY = SecretStr("fixture-hmac-key")
SENT_AT = datetime.fromtimestamp(1790000442, UTC)
ID = "task_gptimage_0000000000001"


def headers_for(task_id: str, timestamp: str, key: SecretStr = KEY) -> dict[str, str]:
    text = f"{task_id}.{timestamp}".encode()
    digest = hmac.new(key.get_secret_value().encode(), text, hashlib.sha256).digest()
    signature = base64.b64encode(digest).decode()
    return {"X-Webhook-Timestamp": timestamp, "X-Webhook-Signature": signature}


def body_of(data: object) -> bytes:
    return json.dumps({"code": 200, "data": data}).encode()


def verified(
    headers: Mapping[str, str], body: bytes | None = None, now: datetime = SENT_AT
) -> str | None:
    body = body_of({"taskId": ID}) if body is None else body
    return verify_callback({"KIE_WEBHOOK_KEY": KEY}, headers, body, now)


@pytest.mark.parametrize("name", list(SAMPLES))
def test_the_documented_callbacks_are_taken(name: str) -> None:
    sample = SAMPLES[name]["request"]
    body = json.dumps(sample["body"]).encode()
    assert verified(sample["headers"], body) == ID


def test_both_names_of_the_id_are_there_to_be_read() -> None:
    assert len(SAMPLES) == 2


@pytest.mark.parametrize(
    ("age", "taken"),
    [
        (timedelta(0), True),
        (timedelta(minutes=5), True),
        (timedelta(minutes=5, seconds=1), False),
        (timedelta(minutes=-6), False),
        (timedelta(days=365), False),
    ],
)
def test_only_callbacks_of_these_minutes_are_taken(age: timedelta, taken: bool) -> None:
    headers = headers_for(ID, "1790000442")
    assert (verified(headers, now=SENT_AT + age) == ID) is taken


def test_the_names_of_headers_have_no_case() -> None:
    headers = {name.upper(): value for name, value in headers_for(ID, "1790000442").items()}
    assert verified(headers) == ID


def test_the_body_may_be_anything_else() -> None:
    headers = headers_for(ID, "1790000442")
    assert verified(headers, body_of({"task_id": ID, "state": "whatever", "resultJson": 7})) == ID


def test_a_signature_of_another_task_key_or_time_is_not_taken() -> None:
    for headers in (
        headers_for("task_2", "1790000442"),
        headers_for(ID, "1790000442", SecretStr("another")),
        headers_for(ID, "1790000441") | {"X-Webhook-Timestamp": "1790000442"},
        headers_for(ID, "1790000442") | {"X-Webhook-Signature": ""},
        headers_for(ID, "1790000442") | {"X-Webhook-Signature": "ü\udc80"},
        {"X-Webhook-Timestamp": "1790000442"},
        {},
    ):
        assert verified(headers) is None


def test_without_a_key_nothing_is_taken() -> None:
    """An empty key signs as well as any other, and everybody has it."""
    headers, body = headers_for(ID, "1790000442", SecretStr("")), body_of({"taskId": ID})
    for key in (SecretStr(""), None):
        assert verify_callback({"KIE_WEBHOOK_KEY": key}, headers, body, SENT_AT) is None


@pytest.mark.parametrize("timestamp", ["", "now", "-1", "1790000442.0", "١٧٩٠٠٠٠٤٤٢", "9" * 5_000])
def test_a_time_that_is_none_is_not_taken(timestamp: str) -> None:
    assert verified(headers_for(ID, timestamp)) is None


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"not json",
        b"[]",
        b"[" * 100_000,
        b'{"data": null}',
        b'{"data": 1e9999999999999999999}',
        body_of([]),
        body_of({}),
        body_of({"taskId": ""}),
        body_of({"taskId": True}),
        body_of({"taskId": "x" * 201}),
        b'{"data": {"taskId": "\\ud800"}}',
    ],
)
def test_a_body_that_speaks_of_no_task_is_not_taken(body: bytes) -> None:
    assert verified(headers_for(ID, "1790000442"), body) is None
