"""Reads and refuses requests for the page's server; knows no route."""

import asyncio
import json
import re
from collections.abc import Mapping
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from bot.playground.discord import Json, NotOfferedError, Upload
from bot.playground.discord.errors import ApiError

#: Whoever owns a name can let it lead here (DNS rebinding), but nobody an address. The port may be
#: one that is forwarded to ours.
HOST = re.compile(r"(localhost|[0-9.]+|\[[0-9a-f:.]+\])(:[0-9]+)?")
#: enough for sixteen references, each the size of a large photo
BODY_BYTES_MAX = 256 * 1024 * 1024
READING = ("GET", "HEAD")
EVENTS_PATH = "/api/events"
FILES_PATH = "/files"
HEADERS = {
    "Cache-Control": "no-cache",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob:; connect-src 'self' ws://{host}; object-src 'none';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
FILE_POLICY = "default-src 'none'; sandbox; frame-ancestors 'none'"


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse requests that other sites make a browser send; answer failures with a sentence."""
    if not HOST.fullmatch(request.headers.get("Host", "")):
        return problem(
            403, "This page answers to localhost or an IP address, and to no other name."
        )
    # A script may open a WebSocket to any host, but its browser always sends the Origin.
    guarded_path = request.method not in READING or request.path == EVENTS_PATH
    if guarded_path and request.headers.get("Origin") != f"http://{request.host}":
        return problem(403, "Only the page itself may ask for this.")
    if (request.content_length or 0) > BODY_BYTES_MAX:
        return _too_large()
    return await _answer(request, handler)


async def add_headers(request: web.Request, response: web.StreamResponse) -> None:
    """Tell the browser what this answer may load and run; a file may do neither."""
    is_file = request.path.startswith(FILES_PATH)
    policy = FILE_POLICY if is_file else PAGE_POLICY.format(host=request.host)
    for name, value in {**HEADERS, "Content-Security-Policy": policy}.items():
        response.headers.setdefault(name, value)


def problem(status: int, sentence: str) -> web.Response:
    """Answer with an error that the page shows as it is."""
    return web.json_response({"error": sentence}, status=status)


async def read_object(request: web.Request) -> Json:
    """Read a JSON object."""
    body = await request.json()
    if not isinstance(body, dict):
        raise ValueError("the body is no JSON object")
    return body


async def read_form(request: web.Request) -> tuple[dict[str, str], dict[str, Any]]:
    """Read a form's texts and files; several files of the same name become a list."""
    texts: dict[str, str] = {}
    files: dict[str, list[Upload]] = {}
    for name, value in (await request.post()).items():
        if isinstance(value, web.FileField):
            data = await asyncio.to_thread(value.file.read)
            files.setdefault(name, []).append(Upload(value.filename, data))
        elif isinstance(value, str):
            texts[name] = value
    return texts, {name: found if len(found) > 1 else found[0] for name, found in files.items()}


def decoded(form: Mapping[str, str], name: str) -> Json:
    """Read a form's field that is a JSON object; without the field, return an empty object."""
    return object_of({name: json.loads(form.get(name, "{}"))}, name)


def object_of(given: Mapping[str, Any], name: str) -> Json:
    """Return an object; raise ValueError if it is none; without it, return an empty object."""
    value = given.get(name)
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"{name} is no JSON object")
    return value


def text_of(given: Mapping[str, Any], name: str) -> str:
    """Return a required text; raise ValueError without it."""
    value = given.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is missing")
    return value


async def _answer(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except NotOfferedError as error:
        return problem(403, _sentence(str(error)))
    except web.HTTPRequestEntityTooLarge:
        return _too_large()
    except web.HTTPException as error:
        return problem(error.status, _sentence(error.reason))
    except ApiError as error:
        return problem(error.status, _sentence(error.body["message"]))
    except LookupError as error:
        return problem(404, _sentence(str(error.args[0])))
    except (ValueError, RecursionError, web.RequestPayloadError, ConnectionError) as error:
        return problem(400, _sentence(f"this request is not understood: {error}"))
    except TimeoutError:
        return problem(504, "The bot did not answer in time.")


def _too_large() -> web.Response:
    return problem(413, f"The files are larger than {BODY_BYTES_MAX // 1024**2} MiB together.")


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:].rstrip('.')}."
