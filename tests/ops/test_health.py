"""/healthz and /readyz over HTTP."""

import asyncio
import json
import re
import sys
from pathlib import Path

import aiohttp
import pytest

from bot.errors import StartupError
from bot.ops import health
from bot.ops.health import serve_health
from bot.ops.log import configure
from tests.support.garbage import BODIES, GARBAGE, hang_up_amid, posted, status_of
from tests.support.ports import free_port, listenable


async def get(port: int, path: str) -> tuple[int, str]:
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{port}{path}") as answer,
    ):
        return answer.status, await answer.text()


async def yes() -> bool:
    return True


async def no() -> bool:
    return False


async def broken() -> bool:
    raise OSError("the database is gone")


async def test_ready_is_when_every_part_works() -> None:
    port = free_port()
    async with serve_health("127.0.0.1", port, {"discord": yes, "database": yes}):
        assert await get(port, "/healthz") == (200, "ok\n")
        assert await get(port, "/readyz") == (200, '{"discord": true, "database": true}')


@pytest.mark.parametrize("check", [no, broken])
async def test_one_part_that_does_not_work_is_named(check: health.Check) -> None:
    port = free_port()
    async with serve_health("127.0.0.1", port, {"discord": yes, "database": check}):
        assert await get(port, "/healthz") == (200, "ok\n")
        assert await get(port, "/readyz") == (503, '{"discord": true, "database": false}')


async def test_a_part_that_hangs_does_not_hang_the_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CHECK_TIMEOUT_S", 0.0)
    port = free_port()
    async with serve_health("127.0.0.1", port, {"discord": asyncio.Event().wait}):
        assert (await get(port, "/readyz"))[0] == 503


async def test_an_address_of_another_machine_is_one_sentence() -> None:
    # Python 3.13 says why in words alone.
    with pytest.raises(StartupError, match=r"OPS_PORT 1 on 192\.0\.2\.99 cannot be had \(.*bind"):
        async with serve_health("192.0.2.99", 1, {}):
            pass


@pytest.mark.parametrize("host", ["a..b", ".", "long" * 16, "\udcff", "a\0b"])
async def test_what_no_host_can_be_called_is_one_sentence(host: str) -> None:
    with pytest.raises(StartupError, match=f"^OPS_HOST {re.escape(host)} is no host's name") as no:
        async with serve_health(host, 1, {}):
            pass
    assert no.value.usage


@pytest.mark.parametrize("host", ["no host", "[::1]"])
async def test_a_host_that_is_not_found_is_one_sentence(host: str) -> None:
    with pytest.raises(StartupError, match=f"^OPS_HOST {re.escape(host)} is not found: "):
        async with serve_health(host, 1, {}):
            pass


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    port = free_port()
    async with serve_health("127.0.0.1", port, {}):
        with pytest.raises(StartupError, match=f"OPS_PORT {port} on 127.0.0.1 cannot be had"):
            async with serve_health("127.0.0.1", port, {}):
                pass


@pytest.mark.usefixtures("logging_restored")
async def test_garbage_is_refused_and_no_error_of_ours(capsys: pytest.CaptureFixture[str]) -> None:
    """The port may be open to the internet, for callbacks."""
    configure("INFO", "console")
    port, heard = free_port(), asyncio.Event()

    def hear(_headers: object, _body: bytes) -> None:
        heard.set()

    sent = GARBAGE | {
        f"{name} to {path}": posted(path, *body)
        for name, body in BODIES.items()
        for path in ("/callbacks/kie", "/callbacks/nobody", "/%ff")
        if (name, path) != ("a bottomless one", "/callbacks/kie")
    }
    async with serve_health("127.0.0.1", port, {}, {"kie": hear}):
        statuses = {name: await status_of(port, garbage) for name, garbage in sent.items()}
        await hang_up_amid(port, "/callbacks/kie")
        assert await get(port, "/healthz") == (200, "ok\n")
    assert {name: each for name, each in statuses.items() if each not in (400, 404)} == {}
    assert not heard.is_set()
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("logging_restored")
async def test_a_callback_that_does_not_arrive_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "CALLBACK_S_MAX", 0.1, raising=False)
    heard: list[bytes] = []
    port = free_port()
    async with serve_health("127.0.0.1", port, {}, {"kie": lambda _, body: heard.append(body)}):
        async with asyncio.timeout(5):
            sent = posted("/callbacks/kie", b"Content-Length: 100", b"{")
            assert await status_of(port, sent) == 408
    assert heard == []


async def test_a_defect_of_ours_is_still_logged(capsys: pytest.CaptureFixture[str]) -> None:
    configure("INFO", "console")

    def hear(_headers: object, _body: bytes) -> None:
        raise KeyError("a defect")

    port = free_port()
    async with serve_health("127.0.0.1", port, {}, {"kie": hear}):
        assert await status_of(port, posted("/callbacks/kie", b"Content-Length: 2", b"{}")) == 500
    assert "KeyError: 'a defect'" in capsys.readouterr().err


async def container_is_healthy(port: int, host: str = "") -> bool:
    """What the Dockerfile's HEALTHCHECK finds."""
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text(encoding="utf-8")
    joined = dockerfile.replace("\\\n", "")
    [command] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", joined, flags=re.MULTILINE)
    asked = await asyncio.create_subprocess_exec(
        sys.executable,
        *json.loads(command)[1:],
        env={"OPS_PORT": str(port), "OPS_HOST": host},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asked.wait() == 0


async def test_the_containers_health_is_asked_for_where_it_is_told() -> None:
    port = free_port()
    assert not await container_is_healthy(port)
    async with serve_health("127.0.0.1", port, {}):
        assert await container_is_healthy(port)
    assert await container_is_healthy(0)


@pytest.mark.parametrize("host", listenable("0.0.0.0", "127.0.0.2", "::", "::1"))
async def test_the_containers_health_is_asked_for_at_the_address_that_it_has(host: str) -> None:
    port = free_port()
    async with serve_health(host, port, {}):
        assert await container_is_healthy(port, host)
