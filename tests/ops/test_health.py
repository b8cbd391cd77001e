"""/healthz and /readyz over HTTP."""

import asyncio
import json
import re
import sys
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web

from bot.errors import StartupError
from bot.ops import health
from bot.ops.health import serve_health
from tests.support.ports import free_port


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


async def test_a_port_that_is_taken_is_one_sentence() -> None:
    port = free_port()
    async with serve_health("127.0.0.1", port, {}):
        with pytest.raises(StartupError, match=f"OPS_PORT {port} on 127.0.0.1 cannot be had"):
            async with serve_health("127.0.0.1", port, {}):
                pass


async def test_port_0_serves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(web, "TCPSite")
    async with serve_health("127.0.0.1", 0, {}):
        pass


async def container_is_healthy(port: int) -> bool:
    """What the Dockerfile's HEALTHCHECK finds."""
    dockerfile = (Path(__file__).parents[2] / "Dockerfile").read_text(encoding="utf-8")
    joined = dockerfile.replace("\\\n", "")
    [command] = re.findall(r"^HEALTHCHECK .* CMD (\[.*\])$", joined, flags=re.MULTILINE)
    asked = await asyncio.create_subprocess_exec(
        sys.executable,
        *json.loads(command)[1:],
        env={"OPS_PORT": str(port)},
        stderr=asyncio.subprocess.DEVNULL,
    )
    return await asked.wait() == 0


async def test_the_containers_health_is_asked_for_where_it_is_told() -> None:
    port = free_port()
    assert not await container_is_healthy(port)
    async with serve_health("127.0.0.1", port, {}):
        assert await container_is_healthy(port)
    assert await container_is_healthy(0)
