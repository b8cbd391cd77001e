import asyncio
import gzip
import io
import random
import socket
import sys
import tracemalloc
import zlib
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest
from aiohttp.abc import AbstractResolver, ResolveResult
from msgspec import Struct
from PIL import Image

from bot.domain.ports import ImageFile, ImageFormat, ImageLimits
from bot.errors import FetchFailed, FetchTrouble, UnusableImage
from bot.pictures.decoder import Decoder
from bot.pictures.fetch import WRITE_BYTES, AddressRule, Fetcher, is_public
from bot.playground.drawing import Picture
from bot.playground.faults import Hold, Reset, Respond, VendorCall
from tests.providers.conftest import LIMITS, plain_png
from tests.vendors import AllVendors

PNG = plain_png(Picture("", 320, 200))


class Fetching(Struct):
    """A fetcher that may reach the playground, one link there, and a place to fetch it to."""

    fetcher: Fetcher
    server: AllVendors
    url: str
    path: Path

    async def fetch(self, url: str | None = None, limits: ImageLimits = LIMITS) -> ImageFile:
        return await self.fetcher.fetch(url or self.url, self.path, limits)

    def answers(self, *answers: Respond | Reset | Hold) -> None:
        for answer in answers:
            self.server.faults.add(VendorCall.RESULT, answer)

    async def failure(self, url: str | None = None, limits: ImageLimits = LIMITS) -> FetchFailed:
        with pytest.raises(FetchFailed) as caught:
            await self.fetch(url, limits)
        assert not self.path.exists()
        return caught.value

    async def problem(self, limits: ImageLimits = LIMITS) -> str:
        with pytest.raises(UnusableImage) as caught:
            await self.fetch(limits=limits)
        assert not self.path.exists()
        return str(caught.value)


@pytest.fixture
async def fetching(server: AllVendors, tmp_path: Path, decoder: Decoder) -> AsyncIterator[Fetching]:
    async with Fetcher(allow_private_addresses=True, decoder=decoder) as fetcher:
        link = f"{server.root_url}/results/any.png"
        yield Fetching(fetcher, server, link, tmp_path / "result")


def image(body: bytes, **rest: object) -> Respond:
    return Respond(body=body, content_type="image/png", **rest)  # type: ignore[arg-type]


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_image_is_written_to_disk_and_described(fetching: Fetching, chunked: bool) -> None:
    fetching.answers(image(PNG, chunked=chunked))
    assert await fetching.fetch() == ImageFile(fetching.path, ImageFormat.PNG, 320, 200, len(PNG))
    assert fetching.path.read_bytes() == PNG


async def test_a_result_stays_where_no_decoder_can_be_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where Python was replaced by a newer one while the bot ran."""
    monkeypatch.setattr(sys, "executable", "/missing/python")
    path = tmp_path / "result"
    Image.new("RGB", (8, 8)).save(path, "JPEG")
    with closing(Decoder()) as own:
        async with Fetcher(allow_private_addresses=True, decoder=own) as fetcher:
            with pytest.raises(FetchFailed, match="did not start") as failed:
                await fetcher.check(path, LIMITS)
    assert failed.value.trouble is FetchTrouble.OUR_DISK
    assert await asyncio.to_thread(path.exists)


async def test_an_image_of_several_pieces_arrives_whole(fetching: Fetching) -> None:
    noise = Image.frombytes("RGB", (1200, 1000), random.Random(1).randbytes(3_600_000))
    png = io.BytesIO()
    noise.save(png, "PNG", compress_level=1)
    content = png.getvalue()
    assert len(content) > 3 * WRITE_BYTES
    fetching.answers(image(content))
    limits = ImageLimits(size_bytes_max=len(content), pixels_max=1_200_000)
    assert (await fetching.fetch(limits=limits)).size_bytes == len(content)
    assert fetching.path.read_bytes() == content


async def test_what_the_server_claims_does_not_matter(fetching: Fetching) -> None:
    jpeg = io.BytesIO()
    Image.new("RGB", (30, 20)).save(jpeg, "JPEG")
    fetching.answers(Respond(body=jpeg.getvalue(), content_type="text/html"))
    assert (await fetching.fetch()).format is ImageFormat.JPEG


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"<html><title>502</title></html>", "other_format, found web page"),
        (b"not an image", "no_picture"),
        (b"", "empty"),
        (PNG[: len(PNG) // 2], "damaged"),
    ],
)
async def test_a_result_that_is_no_image_is_refused(
    fetching: Fetching, content: bytes, problem: str
) -> None:
    fetching.answers(image(content))
    assert (await fetching.problem()).startswith(problem)


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_result_above_the_cap_is_refused(fetching: Fetching, chunked: bool) -> None:
    fetching.answers(image(bytes(65_536), repeat=1_000, chunked=chunked))
    assert await fetching.problem() == "too_many_bytes, bytes_max 1000000"


async def test_a_result_exactly_at_the_cap_is_taken(fetching: Fetching) -> None:
    fetching.answers(image(PNG), image(PNG))
    await fetching.fetch(limits=ImageLimits(len(PNG), 1_000_000))
    problem = await fetching.problem(ImageLimits(len(PNG) - 1, 1_000_000))
    assert problem.startswith("too_many_bytes")


async def test_a_huge_result_is_never_whole_in_memory(fetching: Fetching) -> None:
    fetching.answers(image(bytes(WRITE_BYTES), repeat=24, chunked=True))
    limits = ImageLimits(size_bytes_max=64 * WRITE_BYTES, pixels_max=1_000_000)
    tracemalloc.start()
    try:
        assert await fetching.problem(limits) == "no_picture"
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # A piece, its successor and what the sockets of both sides buffer.
    assert peak_bytes < 8 * WRITE_BYTES


@pytest.mark.parametrize(
    ("status", "trouble"),
    [
        (400, FetchTrouble.REFUSED),
        (403, FetchTrouble.REFUSED),
        (404, FetchTrouble.GONE),
        (410, FetchTrouble.GONE),
        (429, FetchTrouble.PASSING),
        (500, FetchTrouble.PASSING),
        (503, FetchTrouble.PASSING),
    ],
)
async def test_a_status_other_than_200_is_a_failure(
    fetching: Fetching, status: int, trouble: FetchTrouble
) -> None:
    fetching.answers(Respond(status=status, body=PNG))
    assert (await fetching.failure()).trouble is trouble


@pytest.mark.parametrize("answer", [Reset(), image(PNG, cut=True)], ids=["reset", "cut"])
async def test_a_broken_connection_may_be_tried_again(
    fetching: Fetching, answer: Reset | Respond
) -> None:
    """aiohttp itself repeats a GET once when the connection goes before the answer."""
    fetching.answers(answer, answer)
    assert (await fetching.failure()).trouble is FetchTrouble.PASSING


async def test_a_silent_server_is_given_up(
    server: AllVendors, tmp_path: Path, decoder: Decoder
) -> None:
    async with Fetcher(allow_private_addresses=True, decoder=decoder, timeout_s=0.05) as fetcher:
        fetching = Fetching(fetcher, server, f"{server.root_url}/results/a.png", tmp_path / "a")
        fetching.answers(Hold(asyncio.Event()))
        assert (await fetching.failure()).trouble is FetchTrouble.PASSING


async def test_a_cancelled_fetch_leaves_nothing(fetching: Fetching) -> None:
    hold = Hold(asyncio.Event())
    fetching.answers(hold)
    running = asyncio.create_task(fetching.fetch())
    await hold.reached.wait()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert not fetching.path.exists()


async def test_a_folder_that_is_gone_is_a_failure_to_store(fetching: Fetching) -> None:
    fetching.answers(image(PNG))
    fetching.path = fetching.path / "missing" / "result"
    assert "could not be stored" in str(await fetching.failure())


@pytest.mark.parametrize(
    ("encoding", "compress"),
    [
        ("gzip", gzip.compress),
        ("x-gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("identity", bytes),
    ],
)
async def test_a_result_that_comes_compressed_is_unpacked(
    fetching: Fetching, encoding: str, compress: Callable[[bytes], bytes]
) -> None:
    fetching.answers(image(compress(PNG), headers={"Content-Encoding": encoding}))
    await fetching.fetch()
    assert fetching.path.read_bytes() == PNG


async def test_what_unpacks_to_more_than_the_cap_is_refused(fetching: Fetching) -> None:
    bomb = gzip.compress(bytes(64 * WRITE_BYTES))
    fetching.answers(image(bomb, headers={"Content-Encoding": "gzip"}))
    tracemalloc.start()
    try:
        assert await fetching.problem() == "too_many_bytes, bytes_max 1000000"
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 8 * WRITE_BYTES


@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip"])
async def test_what_cannot_be_unpacked_is_a_failure(fetching: Fetching, encoding: str) -> None:
    fetching.answers(image(PNG, headers={"Content-Encoding": encoding}))
    failure = await fetching.failure()
    assert failure.trouble is FetchTrouble.REFUSED
    assert encoding in str(failure)


async def test_what_is_packed_badly_may_be_tried_again(fetching: Fetching) -> None:
    fetching.answers(image(PNG, headers={"Content-Encoding": "gzip"}))
    assert (await fetching.failure()).trouble is FetchTrouble.PASSING
    assert not fetching.path.exists()


def moved(location: str, status: int = 302) -> Respond:
    return Respond(status=status, headers={"Location": location})


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_few_redirects_are_followed(fetching: Fetching, status: int) -> None:
    fetching.answers(*[moved("other.png", status)] * 5, image(PNG))
    assert (await fetching.fetch()).width_px == 320


async def test_endless_redirects_are_not(fetching: Fetching) -> None:
    fetching.answers(*[moved("other.png")] * 6)
    failure = await fetching.failure()
    assert "redirects too often" in str(failure)
    assert failure.trouble is FetchTrouble.NEVER


@pytest.mark.parametrize("location", ["", "file:///etc/passwd", "ftp://a.example/", "http://[:"])
async def test_a_redirect_to_nowhere_is_refused(fetching: Fetching, location: str) -> None:
    if location:
        fetching.answers(moved(location))
    else:
        fetching.answers(*[Respond(status=302)] * 6)
    assert (await fetching.failure()).trouble is FetchTrouble.NEVER


@pytest.mark.parametrize(
    "url",
    [
        "http://example.org/a.png",
        "ftp://example.org/a.png",
        "file:///etc/passwd",
        "data:image/png;base64,AAAA",
        "//example.org/a.png",
        "",
        "https://",
        "https://[::1",
        "https://127.0.0.1/a.png",
        "https://127.1/a.png",
        "https://2130706433/a.png",
        "https://0177.0.0.1/a.png",
        "https://0x7f.1/a.png",
        "https://0x7f000001./a.png",
        "https://10.0.0.1/a.png",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/a.png",
        "https://[::ffff:10.0.0.1]/a.png",
        "https://0.0.0.0/a.png",
        "https://a..example/a.png",
        f"https://{'a' * 64}.example/a.png",
        "https://xn--/a.png",
        "https://xn--a.example/a.png",
    ],
)
async def test_only_https_and_public_addresses_are_called(
    tmp_path: Path, decoder: Decoder, url: str
) -> None:
    async with Fetcher(allow_private_addresses=False, decoder=decoder) as fetcher:
        with pytest.raises(FetchFailed) as caught:
            await fetcher.fetch(url, tmp_path / "a", LIMITS)
    assert caught.value.trouble is FetchTrouble.NEVER


class Names(AbstractResolver):
    """Answers each question with the next list of addresses."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(
                hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0
            )
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        pass


@pytest.mark.parametrize("addresses", [["127.0.0.1"], ["93.184.215.14", "10.0.0.1"], ["fd00::1"]])
async def test_a_name_for_a_private_address_is_never_connected_to(
    tmp_path: Path, decoder: Decoder, addresses: list[str]
) -> None:
    names = Names(addresses)
    async with Fetcher(allow_private_addresses=False, decoder=decoder, resolver=names) as fetcher:
        with pytest.raises(FetchFailed, match="private network") as caught:
            await fetcher.fetch("https://results.example/a.png", tmp_path / "a", LIMITS)
    assert caught.value.trouble is FetchTrouble.NEVER
    assert names.answers == []


#: As if 127.0.0.1 were the internet and all else private, so that loopback can stand for both.
LOOPBACK_IS_PUBLIC = AddressRule(frozenset({"http"}), lambda address: address == "127.0.0.1")


@pytest.mark.parametrize("host", ["127.0.0.2", "[::1]", "rebound.example"])
async def test_a_redirect_to_a_private_address_is_refused(
    server: AllVendors, tmp_path: Path, decoder: Decoder, host: str
) -> None:
    fetcher = Fetcher(allow_private_addresses=False, decoder=decoder, resolver=Names(["127.0.0.2"]))
    fetcher.rule = LOOPBACK_IS_PUBLIC
    async with fetcher:
        url = f"{server.root_url}/results/a.png"
        fetching = Fetching(fetcher, server, url, tmp_path / "a")
        fetching.answers(moved(url.replace("127.0.0.1", host)))
        assert "private network" in str(await fetching.failure())
    assert server.calls[VendorCall.RESULT] == 1


async def test_a_name_that_changes_its_answer_gains_nothing(
    server: AllVendors, tmp_path: Path, decoder: Decoder
) -> None:
    """DNS rebinding: the answer that is checked is the one that is connected to."""
    names = Names(["127.0.0.1"], ["127.0.0.2"])
    fetcher = Fetcher(allow_private_addresses=False, decoder=decoder, resolver=names)
    fetcher.rule = LOOPBACK_IS_PUBLIC
    async with fetcher:
        url = f"{server.root_url}/results/a.png".replace("127.0.0.1", "rebinding.example")
        fetching = Fetching(fetcher, server, url, tmp_path / "a")
        fetching.answers(image(PNG), image(PNG))
        for _ in range(2):
            # The second time, too, only the first answer is used; the other one is not asked for.
            assert (await fetching.fetch()).width_px == 320
        other = url.replace("rebinding", "another")
        assert "private network" in str(await fetching.failure(other))


@pytest.mark.parametrize(
    ("address", "public"),
    [
        ("93.184.215.14", True),
        ("2606:2800:21f:cb07:6820:80da:af6b:8b2c", True),
        ("::ffff:93.184.215.14", True),
        ("64:ff9b::5db8:d70e", True),
        ("127.0.0.1", False),
        ("10.1.2.3", False),
        ("172.16.0.1", False),
        ("192.168.1.1", False),
        ("100.64.0.1", False),
        ("169.254.169.254", False),
        ("0.0.0.0", False),
        ("224.0.0.1", False),
        ("239.1.1.1", False),
        ("255.255.255.255", False),
        ("::", False),
        ("::1", False),
        ("fe80::1%eth0", False),
        ("fd00::1", False),
        ("ff02::1", False),
        ("::ffff:127.0.0.1", False),
        ("64:ff9b::7f00:1", False),
        ("64:ff9b:1::7f00:1", False),
        ("fec0::1", False),
        ("::7f00:1", False),
        ("::ffff:0:7f00:1", False),
        ("2002:7f00:1::", False),
    ],
)
def test_public_means_the_internet(address: str, public: bool) -> None:
    assert is_public(address) is public
