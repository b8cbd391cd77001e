import asyncio
import base64
import errno
import json
import random
import resource
import tracemalloc
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import SecretStr

from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderOutcomeUnknown,
    ProviderRefused,
)
from bot.pictures.threads import FILES, in_thread
from bot.playground.faults import Respond, VendorCall
from bot.providers import answers, http
from bot.providers.answers import IMAGE_ANSWER_BYTES_MAX, JSON_BYTES_MAX
from bot.providers.connections import Connections
from bot.providers.http import TimeLimits, VendorHttp
from bot.providers.inline import DROPPED, INLINE, InlineImage
from tests.vendors import AllVendors

PNG = b"\x89PNG\r\n\x1a\n" + random.Random(7).randbytes(5_000)
JPEG = b"\xff\xd8\xff\xe0" + random.Random(8).randbytes(700)
TEXT = base64.b64encode(PNG).decode()
ROOM_BYTES = 1_000


def extracted(
    answer: str | bytes, path: Path, *, cuts: list[int] | None = None
) -> tuple[object, bytes | None]:
    """What is left of an answer, and the image; the answer comes in pieces."""
    raw = answer.encode() if isinstance(answer, str) else answer
    path.unlink(missing_ok=True)
    image = InlineImage(path, JSON_BYTES_MAX)
    edges = [0, *sorted(min(cut, len(raw)) for cut in cuts or []), len(raw)]
    for begin, end in pairwise(edges):
        image.feed(raw[begin:end])
    image.close()
    assert image.rest is not None
    return json.loads(image.rest), path.read_bytes() if path.exists() else None


def size_of(path: Path) -> int | None:
    return path.stat().st_size if path.exists() else None


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "result"


@pytest.mark.parametrize("image", [PNG, JPEG, b"RIFF1234WEBPVP8 ", b"x", b"", b"GIF89a"])
def test_an_image_is_written_and_its_place_marked(path: Path, image: bytes) -> None:
    text = base64.b64encode(image).decode()
    answer = {"created": 1, "data": [{"b64_json": text, "url": None}], "usage": {"a": 2}}
    body, written = extracted(json.dumps(answer), path)
    marked = INLINE if image else ""
    assert body == answer | {"data": [{"b64_json": marked, "url": None}]}
    assert written == (image or None)


@given(
    image=st.binary(min_size=1, max_size=400),
    cuts=st.lists(st.integers(0, 900), max_size=30),
    before=st.dictionaries(st.text(max_size=9), st.text(max_size=30), max_size=3),
    spaced=st.booleans(),
    slashes=st.booleans(),
    url_safe=st.booleans(),
    head=st.sampled_from(["", "data:image/png;base64,"]),
)
def test_it_does_not_matter_where_the_answer_is_cut(
    path: Path,
    image: bytes,
    cuts: list[int],
    before: dict[str, str],
    spaced: bool,
    slashes: bool,
    url_safe: bool,
    head: str,
) -> None:
    encode = base64.urlsafe_b64encode if url_safe else base64.b64encode
    answer = {"before": before, "data": [{"b64_json": head + encode(image).decode()}], "z": 1}
    raw = json.dumps(answer, indent=1 if spaced else None)
    raw = raw.replace("/", "\\/") if slashes else raw
    body, written = extracted(raw, path, cuts=cuts)
    assert body == answer | {"data": [{"b64_json": INLINE}]}
    assert written == image


@pytest.mark.parametrize("piece", [1, 2, 3, 5, 7, 47, 48, 49])
def test_pieces_of_any_size_give_the_same_image(path: Path, piece: int) -> None:
    raw = json.dumps({"candidates": [{"inlineData": {"mimeType": "image/png", "data": TEXT}}]})
    body, written = extracted(raw, path, cuts=list(range(0, len(raw), piece)))
    assert body == {"candidates": [{"inlineData": {"mimeType": "image/png", "data": INLINE}}]}
    assert written == PNG


@pytest.mark.parametrize(
    "text",
    [
        TEXT.rstrip("="),
        TEXT.replace("+", "\\u002b").replace("/", "\\/").replace("=", "\\u003D"),
        "\\n".join(TEXT[i : i + 76] for i in range(0, len(TEXT), 76)),
        "\\r\\n".join(TEXT[i : i + 76] for i in range(0, len(TEXT), 76)) + "\\n",
        "data:image/png;base64," + TEXT,
        "data:image\\/png;base64," + TEXT,
    ],
    ids=["no padding", "escapes", "lines", "CRLF lines", "data URI", "escaped data URI"],
)
def test_other_ways_to_write_base64_are_taken(path: Path, text: str) -> None:
    for cuts in ([], list(range(0, len(text), 11))):
        body, written = extracted(f'{{"data": [{{"b64_json": "{text}"}}]}}', path, cuts=cuts)
        assert body == {"data": [{"b64_json": INLINE}]}
        assert written == PNG


@pytest.mark.parametrize(
    "text",
    [
        "blocked by policy",
        TEXT[:41],
        TEXT + "=AAAA",
        "AA==" + TEXT,
        "ü" * 40,
        "data:image/png",
        "\\q",
    ],
)
def test_what_is_no_base64_leaves_nothing(path: Path, text: str) -> None:
    body, written = extracted(f'{{"data": [{{"b64_json": "{text}"}}]}}', path)
    assert (body, written) == ({"data": [{"b64_json": DROPPED}]}, None)


def test_the_last_image_is_kept(path: Path) -> None:
    second = base64.b64encode(JPEG).decode()
    answer = {"data": [{"b64_json": TEXT}, {"b64_json": second}, {"b64_json": "none"}]}
    body, written = extracted(json.dumps(answer).replace("none", "no base64"), path)
    assert body == {"data": [{"b64_json": INLINE}, {"b64_json": INLINE}, {"b64_json": DROPPED}]}
    assert written == JPEG
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize(
    "answer",
    [
        {"data": "a sentence"},
        {"data": {"taskId": "t"}},
        {"data": []},
        {"text": f'{{"b64_json": "{TEXT[:80]}"}}'},
        {"text": f'\\"b64_json": "{TEXT[:80]}"'},
        {"b64_json": None},
        {"b64_json": ""},
        {"b64_json_of": TEXT[:80]},
        {"error": {"message": '"data":"iVBORw0KGgo"'}},
    ],
)
def test_what_is_no_image_stays(path: Path, answer: dict[str, object]) -> None:
    assert extracted(json.dumps(answer), path) == (answer, None)


def test_what_is_too_long_beside_the_image_is_not_kept(path: Path) -> None:
    image = InlineImage(path, 100)
    for _ in range(50):
        image.feed(b" " * 60)
    assert image.rest is None


@pytest.fixture
def vendor(server: AllVendors, connections: Connections) -> VendorHttp:
    key = SecretStr(server.api_key)
    limits = TimeLimits(sync_s=20.0)
    return VendorHttp("openai", server.openai_base_url, key, connections, limits)


PATH = "/images/generations"
HEAD, TAIL = b'{"data": [{"b64_json": "', b'"}], "created": 1}'


async def test_an_answer_s_image_goes_to_the_file(
    vendor: VendorHttp, server: AllVendors, path: Path
) -> None:
    server.faults.add(VendorCall.CREATE, Respond(body=HEAD + TEXT.encode() + TAIL))
    reply = await vendor.order(PATH, b"{}", result_path=path)
    assert reply.body == {"data": [{"b64_json": INLINE}], "created": 1}
    assert size_of(path) == len(PNG)


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (Respond(body=HEAD + TEXT.encode(), cut=True), ProviderOutcomeUnknown),
        (Respond(body=HEAD + TEXT.encode(), chunked=True), ProviderOutcomeUnknown),
        (Respond(body=HEAD + TEXT.encode() + b'"'), ProviderOutcomeUnknown),
        (Respond(body=HEAD + b"no base64" + b'", '), ProviderOutcomeUnknown),
        (Respond(status=500, body=b"<html>"), ProviderOutcomeUnknown),
        (Respond(status=400, body=b"<html>"), ProviderRefused),
        (Respond(status=429, headers={"retry-after-ms": "1500"}), ProviderBusy),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
async def test_a_broken_answer_leaves_no_file(
    vendor: VendorHttp,
    server: AllVendors,
    path: Path,
    fault: Respond,
    kind: type[Exception],
) -> None:
    server.faults.add(VendorCall.CREATE, fault)
    with pytest.raises(kind) as caught:
        await vendor.order(PATH, b"{}", result_path=path)
    assert type(caught.value) is kind
    assert size_of(path) is None
    if isinstance(caught.value, ProviderBusy):
        assert caught.value.retry_after_s == 1.5


async def test_an_error_with_an_image_leaves_no_file(
    vendor: VendorHttp, server: AllVendors, path: Path
) -> None:
    server.faults.add(VendorCall.CREATE, Respond(status=402, body=HEAD + TEXT.encode() + TAIL))
    reply = await vendor.order(PATH, b"{}", result_path=path)
    assert reply.status == 402
    assert size_of(path) is None


async def test_what_waits_for_room_keeps_no_thread_from_others(
    vendor: VendorHttp, server: AllVendors, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [path.with_name(f"result{number}") for number in range(FILES._max_workers)]
    waiting: set[InlineImage] = set()
    all_wait, loop = asyncio.Event(), asyncio.get_running_loop()

    class Telling(InlineImage):
        def feed(self, *pieces: bytes) -> bool:
            fed = super().feed(*pieces)
            if not fed:
                waiting.add(self)
                if len(waiting) == len(paths):
                    loop.call_soon_threadsafe(all_wait.set)
            return fed

    monkeypatch.setattr(http, "InlineImage", Telling)
    monkeypatch.setattr(answers, "FULL_WAIT_S", 0.01)
    answer = Respond(body=HEAD + TEXT.encode() + TAIL)
    server.faults.add(VendorCall.CREATE, answer, times=len(paths))
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (ROOM_BYTES, limits[1]))
    try:
        orders = [
            asyncio.create_task(vendor.order(PATH, b"{}", result_path=each)) for each in paths
        ]
        async with asyncio.timeout(10):
            await all_wait.wait()
            assert await in_thread(path.parent.exists)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    for order in orders:
        assert (await order).body["data"] == [{"b64_json": INLINE}]
    assert [each.read_bytes() for each in paths] == [PNG] * len(paths)


async def test_an_image_for_which_no_file_can_be_made_is_waited_with(
    vendor: VendorHttp, server: AllVendors, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answers, "FULL_WAIT_S", 0.01)
    made, full = Path.open, [errno.ENOSPC, errno.EDQUOT]

    def make(file: Path, mode: str = "r", **rest: int) -> object:
        if mode == "wb" and full:
            raise OSError(full.pop(), "No space left on device")
        return made(file, mode, **rest)

    monkeypatch.setattr(Path, "open", make)
    server.faults.add(VendorCall.CREATE, Respond(body=HEAD + TEXT.encode() + TAIL))
    reply = await vendor.order(PATH, b"{}", result_path=path)
    assert reply.body["data"] == [{"b64_json": INLINE}]
    assert size_of(path) == len(PNG)
    assert not full


async def test_a_cancelled_order_leaves_no_file(
    vendor: VendorHttp,
    server: AllVendors,
    path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    writing, loop = asyncio.Event(), asyncio.get_running_loop()

    class Telling(InlineImage):
        def feed(self, *pieces: bytes) -> bool:
            fed = super().feed(*pieces)
            assert list(path.parent.iterdir())
            loop.call_soon_threadsafe(writing.set)
            return fed

    monkeypatch.setattr(http, "InlineImage", Telling)
    piece = b"A" * (1024 * 1024)
    server.faults.add(VendorCall.CREATE, Respond(body=piece, repeat=80, before=HEAD))
    ordering = asyncio.create_task(vendor.order(PATH, b"{}", result_path=path))
    await writing.wait()
    ordering.cancel()
    with pytest.raises(asyncio.CancelledError):
        await ordering
    assert list(path.parent.iterdir()) == []


async def test_a_huge_answer_is_never_whole_in_memory(
    vendor: VendorHttp, server: AllVendors, path: Path
) -> None:
    """60 MB of base64, the same piece over and over so that the server needs no memory for it."""
    piece = base64.b64encode(random.Random(9).randbytes(192 * 1024))
    server.faults.add(VendorCall.CREATE, Respond(body=piece, repeat=240, before=HEAD, after=TAIL))
    tracemalloc.start()
    try:
        reply = await vendor.order(PATH, b"{}", result_path=path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert reply.body["data"] == [{"b64_json": INLINE}]
    assert size_of(path) == 240 * 192 * 1024
    assert peak < len(piece) * 240 / 6


async def test_an_answer_has_a_limit(vendor: VendorHttp, server: AllVendors, path: Path) -> None:
    piece = b"A" * (1024 * 1024)
    times = IMAGE_ANSWER_BYTES_MAX // len(piece) + 1
    server.faults.add(VendorCall.CREATE, Respond(body=piece, repeat=times))
    with pytest.raises(ProviderOutcomeUnknown) as unknown:
        await vendor.order(PATH, b"{}", result_path=path)
    assert "more than the limit" in unknown.value.words


@pytest.mark.parametrize("address", ["/openai/v1/models", "{root}/openai/v1/models"])
async def test_an_address_that_the_vendor_names_is_asked(
    vendor: VendorHttp, server: AllVendors, address: str
) -> None:
    own = vendor.own_address(address.format(root=server.root_url))
    assert own is not None
    assert (await vendor.get(own)).status == 200


@pytest.mark.parametrize(
    "address",
    [
        "https://elsewhere.example/v1/models",
        "//elsewhere.example/v1/models",
        "http://127.0.0.1:1/models",
        "http://127.0.0.1/openai/v1/models",
        "ftp://127.0.0.1/models",
        "http://[",
        "http://user@elsewhere.example/",
        "{with_password}/openai/v1/models",
    ],
)
async def test_another_host_never_sees_the_key(
    vendor: VendorHttp, server: AllVendors, address: str
) -> None:
    address = address.format(with_password=server.root_url.replace("//", "//user:word@"))
    assert vendor.own_address(address) is None
    with pytest.raises(ProviderContractBroken):
        await vendor.get(address)
