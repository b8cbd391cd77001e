import asyncio
import contextlib
import logging
import re
import socket
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer
from pydantic import SecretStr

from bot.domain.ports import ImageFile
from bot.errors import (
    ProviderBusy,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.playground.faults import Fault, Hold, Reset, Respond, VendorCall
from bot.providers.answers import JSON_BYTES_MAX, RETRY_AFTER_S_MAX, parse_retry_after
from bot.providers.connections import (
    IDLE_POST_S,
    USER_AGENT,
    Connections,
    open_connections,
)
from bot.providers.http import TimeLimits, VendorHttp
from bot.providers.judge import Complaint, Reply, Stake
from tests.providers.stage import unused_port
from tests.vendors import AllVendors

BODY = {"model": "gpt-image-2-beta", "prompt": "a lantern"}
PATH = "/images/generations"
NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
IMPATIENT = TimeLimits(connect_s=0.1, answer_s=0.05, transfer_s=0.05, sync_s=0.05)


@pytest.fixture
def vendor_at(server: AllVendors, connections: Connections) -> Callable[..., VendorHttp]:
    def build(base_url: str | None = None, limits: TimeLimits | None = None) -> VendorHttp:
        root = base_url or server.apimodels_base_url
        return VendorHttp("apimodels", root, SecretStr(server.api_key), connections, limits)

    return build


@pytest.fixture
def vendor(vendor_at: Callable[..., VendorHttp]) -> VendorHttp:
    return vendor_at()


async def error_of(call: object) -> ProviderError:
    with pytest.raises(ProviderError) as caught:
        await call  # type: ignore[misc]
    return caught.value


async def test_a_refused_connection_was_surely_not_accepted(
    vendor_at: Callable[..., VendorHttp],
) -> None:
    vendor = vendor_at(f"http://127.0.0.1:{unused_port()}")
    assert type(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))) is ProviderUnreachable
    assert type(await error_of(vendor.get(PATH))) is ProviderUnreachable


async def test_a_failed_tls_handshake_was_surely_not_accepted(
    vendor_at: Callable[..., VendorHttp], server: AllVendors
) -> None:
    vendor = vendor_at(server.root_url.replace("http://", "https://"))
    assert type(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))) is ProviderUnreachable


def test_of_a_vendors_own_number_only_the_beginning_is_printed(vendor: VendorHttp) -> None:
    reply = Reply(200, {"code": 10**4_000})
    with pytest.raises(ProviderError, match=r"ProviderUnreachable \(10{19}\)$"):
        vendor.judge(reply, Complaint("", reply.code), Stake.REPEATABLE)


class NoNames(AbstractResolver):
    """Knows no name, or never says so."""

    def __init__(self, *, silent: bool) -> None:
        self.silent = silent

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        if self.silent:
            await asyncio.Event().wait()
        raise OSError(f"no such name: {host}")

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("silent", [False, True])
async def test_what_never_got_connected_was_surely_not_accepted(silent: bool) -> None:
    connector = aiohttp.TCPConnector(resolver=NoNames(silent=silent))
    async with aiohttp.ClientSession(connector=connector) as session:
        connections = Connections(session, session)
        root = "http://vendor.example"
        limits = TimeLimits(connect_s=0.1)
        vendor = VendorHttp("apimodels", root, SecretStr("k"), connections, limits)
        assert type(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))) is ProviderUnreachable


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_reset_leaves_a_submit_unknown_and_a_read_repeatable(
    vendor: VendorHttp, server: AllVendors, after_effect: bool
) -> None:
    """
    From here, a reset before the effect looks like one after it.

    aiohttp itself repeats a GET once; that it never repeats a POST is what this shows as well.
    """
    server.faults.add(VendorCall.CREATE, Reset(after_effect=after_effect))
    server.faults.add(VendorCall.BALANCE, Reset(after_effect=after_effect), times=2)
    assert type(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))) is ProviderOutcomeUnknown
    assert len(server.submissions) == int(after_effect)
    assert type(await error_of(vendor.get("/balance"))) is ProviderUnreachable


@pytest.mark.parametrize("after_effect", [False, True])
async def test_silence_leaves_a_submit_unknown_and_a_read_repeatable(
    vendor_at: Callable[..., VendorHttp], server: AllVendors, after_effect: bool
) -> None:
    vendor = vendor_at(limits=IMPATIENT)
    never = asyncio.Event()
    server.faults.add(VendorCall.CREATE, Hold(never, after_effect=after_effect))
    server.faults.add(VendorCall.BALANCE, Hold(never, after_effect=after_effect))
    assert type(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))) is ProviderOutcomeUnknown
    assert type(await error_of(vendor.get("/balance"))) is ProviderUnreachable


CUT = Respond(body=b'{"code": 200', cut=True)
GARBAGE = [
    Respond(body=b"<html>", content_type="text/html"),
    Respond(body=b""),
    Respond(body=b"[1, 2]"),
    Respond(body=b'{"data": NaN}'),
    Respond(body=b'{"data": 1e9999999999999999999}'),
    Respond(body=b"\xff\xfe{}"),
    Respond(body=b"[" * 100_000),
    Respond(body=b'{"a": "' + b"x" * JSON_BYTES_MAX + b'"}'),
    Respond(body=b" " * 65_536, repeat=32, chunked=True),
    CUT,
]


@pytest.mark.parametrize("fault", GARBAGE, ids=lambda fault: repr(fault.body[:10]))
async def test_an_unreadable_success_leaves_a_submit_unknown_and_a_read_repeatable(
    vendor: VendorHttp, server: AllVendors, fault: Respond
) -> None:
    server.faults.add(VendorCall.CREATE, fault)
    server.faults.add(VendorCall.BALANCE, fault)
    assert type(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))) is ProviderOutcomeUnknown
    assert type(await error_of(vendor.get("/balance"))) is ProviderUnreachable


@pytest.mark.parametrize(
    ("status", "of_submit", "of_read"),
    [
        (300, ProviderOutcomeUnknown, ProviderUnreachable),
        (301, ProviderMisconfigured, ProviderMisconfigured),
        (302, ProviderOutcomeUnknown, ProviderUnreachable),
        (303, ProviderOutcomeUnknown, ProviderUnreachable),
        (307, ProviderMisconfigured, ProviderMisconfigured),
        (308, ProviderMisconfigured, ProviderMisconfigured),
        (400, ProviderRefused, ProviderRefused),
        (401, ProviderMisconfigured, ProviderMisconfigured),
        (402, ProviderMisconfigured, ProviderMisconfigured),
        (403, ProviderMisconfigured, ProviderMisconfigured),
        (408, ProviderOutcomeUnknown, ProviderUnreachable),
        (425, ProviderOutcomeUnknown, ProviderUnreachable),
        (499, ProviderOutcomeUnknown, ProviderUnreachable),
        (413, ProviderRefused, ProviderRefused),
        (429, ProviderBusy, ProviderBusy),
        (455, ProviderBusy, ProviderBusy),
        (500, ProviderOutcomeUnknown, ProviderUnreachable),
        (502, ProviderOutcomeUnknown, ProviderUnreachable),
        (503, ProviderBusy, ProviderBusy),
        (504, ProviderOutcomeUnknown, ProviderUnreachable),
        (524, ProviderOutcomeUnknown, ProviderUnreachable),
    ],
)
async def test_a_status_without_json_speaks_for_itself(
    vendor: VendorHttp,
    server: AllVendors,
    status: int,
    of_submit: type[ProviderError],
    of_read: type[ProviderError],
) -> None:
    page = Respond(status=status, body=b"<html>an error page</html>", content_type="text/html")
    for call in (VendorCall.CREATE, VendorCall.BALANCE):
        server.faults.add(call, page)
    errors = [
        await error_of(vendor.post(PATH, BODY, Stake.SUBMIT)),
        await error_of(vendor.get("/balance")),
    ]
    assert [type(error) for error in errors] == [of_submit, of_read]
    assert [error.status for error in errors] == [status, status]


async def test_a_redirect_is_not_followed_with_the_key(
    vendor: VendorHttp, server: AllVendors
) -> None:
    elsewhere = {"Location": f"{server.apimodels_base_url}/models"}
    server.faults.add(VendorCall.BALANCE, Respond(status=307, headers=elsewhere))
    assert type(await error_of(vendor.get("/balance"))) is ProviderMisconfigured
    assert server.calls[VendorCall.MODELS] == 0


@pytest.mark.parametrize(
    "page", [b"<html>error code: 1010 | Cloudflare</html>", b"error code: 1010"]
)
async def test_a_refusal_by_cloudflare_is_told_apart(
    vendor: VendorHttp, server: AllVendors, page: bytes
) -> None:
    server.faults.add(VendorCall.CREATE, Respond(403, page, "text/html"))
    error = await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))
    assert type(error) is ProviderMisconfigured
    assert "Cloudflare, not the vendor, refused the request" in error.words


@pytest.mark.parametrize(("stake", "refused"), [(Stake.SUBMIT, True), (Stake.REPEATABLE, False)])
async def test_a_plain_text_refuses_the_content_of_an_order_alone(
    vendor: VendorHttp, server: AllVendors, stake: Stake, refused: bool
) -> None:
    """About a poll, it may be a gateway's, and the image is paid."""
    blocked = Respond(403, b"blocked by our content policy", "text/plain")
    server.faults.add(VendorCall.CREATE, blocked)
    error = await error_of(vendor.post(PATH, BODY, stake))
    assert (isinstance(error, ProviderRefused) and error.moderation) is refused


async def test_a_busy_vendor_says_when_to_come_back(vendor: VendorHttp, server: AllVendors) -> None:
    busy = Respond(429, b"slow down", "text/plain", {"Retry-After": "7"})
    server.faults.add(VendorCall.CREATE, busy)
    error = await error_of(vendor.post(PATH, BODY, Stake.SUBMIT))
    assert isinstance(error, ProviderBusy)
    assert error.retry_after_s == 7.0


@pytest.mark.parametrize(
    ("value", "wait_s"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        ("12", 12.0),
        ("999999999", RETRY_AFTER_S_MAX),
        ("9" * 400, RETRY_AFTER_S_MAX),
        ("-5", None),
        ("nan", None),
        ("soon", None),
        (format_datetime(NOON + timedelta(seconds=30), usegmt=True), 30.0),
        (format_datetime(NOON - timedelta(days=1), usegmt=True), 0.0),
        (format_datetime(NOON + timedelta(days=9), usegmt=True), RETRY_AFTER_S_MAX),
        ("Fri, 20 Nov 2026 12:00:30 -0000", None),
        (f"Fri, 20 Nov {'9' * 20} 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_in_both_its_forms(value: str | None, wait_s: float | None) -> None:
    assert parse_retry_after(value, now=NOON) == wait_s


@pytest.mark.parametrize(
    ("ms", "wait_s"),
    [
        ("1500", 1.5),
        ("0", 0.0),
        ("9" * 400, RETRY_AFTER_S_MAX),
        ("soon", 12.0),
        ("", 12.0),
        (None, 12.0),
    ],
)
def test_milliseconds_win_where_a_vendor_says_both(ms: str | None, wait_s: float) -> None:
    assert parse_retry_after("12", ms, now=NOON) == wait_s


async def test_a_vendors_own_headers_are_sent_but_never_in_place_of_ours(
    connections: Connections, tmp_path: Path
) -> None:
    seen: list[Mapping[str, str]] = []

    async def answer(request: web.Request) -> web.Response:
        await request.read()
        seen.append(dict(request.headers))
        return web.json_response({"ok": True})

    app = web.Application()
    app.router.add_post("/tasks", answer)
    async with TestServer(app) as own:
        root = str(own.make_url("")).rstrip("/")
        vendor = VendorHttp("apimodels", root, SecretStr("sk_ours"), connections)
        asked = {"X-Mode": "mix", "Authorization": "other"}
        await vendor.order("/tasks", b"{}", headers=asked, result_path=tmp_path / "result")
    assert [seen[0][name] for name in ("X-Mode", "Authorization")] == ["mix", "Bearer sk_ours"]


async def test_each_upload_has_a_name_that_nobody_can_guess(
    vendor: VendorHttp, server: AllVendors, image_file: ImageFile
) -> None:
    for _ in range(2):
        await vendor.upload("/files", image_file, {})
    names = {each.filename for each in server.uploads.values()}
    assert len(names) == 2
    assert all(re.fullmatch(r"[0-9a-f]{32}\.png", name) for name in names)


@pytest.mark.parametrize(("idle_s", "opened"), [(IDLE_POST_S, 1), (0.0, 2)])
async def test_a_submit_goes_out_on_a_connection_that_was_just_used_or_on_a_new_one(
    monkeypatch: pytest.MonkeyPatch, idle_s: float, opened: int
) -> None:
    callers = set()

    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        callers.add(writer.get_extra_info("peername"))
        with contextlib.closing(writer), contextlib.suppress(asyncio.IncompleteReadError):
            while await reader.readuntil(b"{}"):
                writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{"ok": 1}')

    monkeypatch.setattr("bot.providers.connections.IDLE_POST_S", idle_s)
    speaker = await asyncio.start_server(speak, "127.0.0.1", 0)
    port = speaker.sockets[0].getsockname()[1]
    async with speaker, open_connections() as connections:
        vendor = VendorHttp("apimodels", f"http://127.0.0.1:{port}", SecretStr("k"), connections)
        for _ in range(2):
            await vendor.post(PATH, {}, Stake.SUBMIT)
    assert len(callers) == opened


async def test_every_call_names_its_sender(server: AllVendors) -> None:
    async with open_connections() as connections:
        for session in (connections.for_gets, connections.for_posts):
            assert session.headers["User-Agent"] == USER_AGENT


@pytest.mark.parametrize(
    "fault",
    [
        None,
        Reset(),
        Reset(after_effect=True),
        Respond(status=401, body=b"<html>", content_type="text/html"),
        Respond(status=500, body=b"no"),
        CUT,
    ],
    ids=str,
)
async def test_the_key_is_never_shown(
    vendor: VendorHttp,
    server: AllVendors,
    caplog: pytest.LogCaptureFixture,
    fault: Fault | None,
) -> None:
    caplog.set_level(logging.DEBUG)
    if fault is not None:
        server.faults.add(VendorCall.CREATE, fault)
        said = describe(await error_of(vendor.post(PATH, BODY, Stake.SUBMIT)))
    else:
        said = repr(await vendor.post(PATH, BODY, Stake.SUBMIT))
    assert server.api_key not in said + caplog.text + repr(vars(vendor))


async def test_the_key_is_not_in_the_cause_of_a_broken_answer() -> None:
    """aiohttp's error for a malformed answer carries the headers of the request."""

    async def speak_nonsense(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"NONSENSE\r\n\r\n")
        writer.close()

    speaker = await asyncio.start_server(speak_nonsense, "127.0.0.1", 0)
    port = speaker.sockets[0].getsockname()[1]
    async with speaker, open_connections() as connections:
        key = SecretStr("sk_test_0123456789")
        vendor = VendorHttp("apimodels", f"http://127.0.0.1:{port}", key, connections)
        error = await error_of(vendor.get("/balance"))
    assert type(error) is ProviderUnreachable
    assert key.get_secret_value() not in describe(error)


def describe(error: BaseException) -> str:
    """All that a traceback or an error reporter could print of an error."""
    said = ""
    seen: BaseException | None = error
    while seen is not None:
        said += f"{seen} {seen!r} {seen.args!r} {getattr(seen, 'request_info', '')!r}"
        seen = seen.__cause__ or seen.__context__
    return said


def test_a_vendors_words_can_be_printed(vendor: VendorHttp) -> None:
    """JSON may hold half of a surrogate pair, which no stream takes, and codes for a terminal."""
    said = vendor.clean("no\x00 \ud800way\x1b[2J,\n\tnever", "way")
    assert said == "no … [2J, never"
    said.encode()


async def test_money_is_read_without_floats(vendor: VendorHttp) -> None:
    reply = await vendor.get("/balance")
    assert isinstance(reply, Reply)
    assert "float" not in {type(value).__name__ for value in reply.body["data"].values()}  # type: ignore[attr-defined]
