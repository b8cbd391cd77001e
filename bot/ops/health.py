"""
`/healthz`, `/readyz` and `/metrics`: the process answers; it can do its work; how it does.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial

from aiohttp import web

from bot.errors import StartupError

#: seconds a check may take before it counts as failed
CHECK_TIMEOUT_S = 2.0
#: Prometheus's text format (Prometheus docs, Exposition formats, read 2026-11)
METRICS_TYPE = "text/plain; version=0.0.4; charset=utf-8"
#: bytes of a vendor's callback
CALLBACK_BYTES_MAX = 256 * 1024
#: seconds in which it has to arrive
CALLBACK_S_MAX = 10.0
#: seconds that open connections get when the process stops
STOP_S = 0.5

Check = Callable[[], Awaitable[bool]]
#: takes the headers and the body of a vendor's callback
Callback = Callable[[Mapping[str, str], bytes], None]
#: returns what Prometheus reads
Measure = Callable[[], Awaitable[bytes]]


@asynccontextmanager
async def serve_health(
    host: str,
    port: int,
    checks: Mapping[str, Check],
    callbacks: Mapping[str, Callback] | None = None,
    measure: Measure | None = None,
) -> AsyncIterator[None]:
    """
    Args:
        checks: what readiness depends on, by name.
        callbacks: NAME -> what takes each post to `/callbacks/NAME`.
        measure: what answers `/metrics`; None: nothing does.
    Raises:
        StartupError: the port cannot be had, or there is no such host.
    """
    app = web.Application(client_max_size=CALLBACK_BYTES_MAX)
    app.router.add_get("/healthz", _healthz)
    app.router.add_post("/callbacks/{name}", partial(_callback, callbacks or {}))
    app.router.add_get("/readyz", partial(_readyz, checks))
    if measure is not None:
        app.router.add_get("/metrics", partial(_metrics, measure))
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_S)
    await runner.setup()
    try:
        try:
            await web.TCPSite(runner, host, port).start()
        except ValueError as error:
            raise StartupError(f"OPS_HOST {host} is no host's name.", usage=True) from error
        except socket.gaierror as error:
            raise StartupError(f"OPS_HOST {host} is not found: {error.strerror}.") from error
        except OSError as error:
            raise StartupError(
                f"OPS_PORT {port} on {host} cannot be had ({error.strerror or error}): choose"
                " another, or 0 for none."
            ) from error
        yield
    finally:
        await runner.cleanup()


async def _healthz(_request: web.Request) -> web.Response:
    return web.Response(text="ok\n")


async def _readyz(checks: Mapping[str, Check], _request: web.Request) -> web.Response:
    """200 when every part works, else 503; the body says which."""
    parts = {name: await _passes(check) for name, check in checks.items()}
    return web.json_response(parts, status=200 if all(parts.values()) else 503)


async def _metrics(measure: Measure, _request: web.Request) -> web.Response:
    return web.Response(body=await measure(), headers={"Content-Type": METRICS_TYPE})


async def _callback(callbacks: Mapping[str, Callback], request: web.Request) -> web.Response:
    """Take a vendor's word that something has ended. It is a hint, so the answer never differs."""
    hear = callbacks.get(request.match_info["name"])
    if hear is None:
        raise web.HTTPNotFound
    try:
        async with asyncio.timeout(CALLBACK_S_MAX):
            body = await request.read()
    except TimeoutError as error:
        raise web.HTTPRequestTimeout from error
    except (web.RequestPayloadError, ConnectionError) as error:
        raise web.HTTPBadRequest from error
    hear(request.headers, body)
    return web.Response(status=204)


async def _passes(check: Check) -> bool:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT_S):
            return await check()
    except Exception:
        # Whatever is wrong with the part, it is not ready; the part itself has logged the error.
        return False
