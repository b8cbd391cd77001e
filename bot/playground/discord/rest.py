"""Passes HTTP requests to the functions that answer them; has no routes of its own."""

import json
import logging
import re
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from functools import partial
from typing import Any

from aiohttp import BodyPartReader, web
from msgspec import Struct, field

from bot.playground.discord.cdn import Cdn
from bot.playground.discord.changes import Changes
from bot.playground.discord.errors import ApiError, not_found, refusal, unauthorized
from bot.playground.discord.faults import Fault, Faults, FaultyAnswer, reset_connection
from bot.playground.discord.limits import RateLimits
from bot.playground.discord.world import StoredFile

log = logging.getLogger(__name__)

API_PREFIX = "/api/v10"
#: The whole request. Source: Discord docs, "Uploading Files".
REQUEST_BYTES_MAX = 25 * 1024 * 1024
CHUNK_BYTES = 64 * 1024
#: Requests that are remembered, for tests and for the demo.
REQUESTS_KEPT_MAX = 20_000
#: Paths that contain their authorisation, or need none.
OPEN_TEMPLATES = re.compile(r"/interactions/|/webhooks/\{webhook_id\}/\{|/gateway$")
JSON_METHODS = ("POST", "PUT", "PATCH")


class ApiRequest(Struct):
    """One request to the API, and its answer once there is one."""

    method: str
    path: str
    #: the path with the names of its parameters, as in Discord's OpenAPI document
    template: str
    params: Mapping[str, str]
    query: Mapping[str, str]
    #: decoded JSON, of the body or of the form field `payload_json`
    body: Any = None
    #: n in the field name `files[n]` -> file
    files: dict[int, StoredFile] = field(default_factory=dict)
    status: int | None = None
    answer: Any = None

    def id(self, name: str) -> int:
        """Return a snowflake from the path; 0, which is nobody's id, if it is not a number."""
        value = self.params[name]
        return int(value) if value.isdigit() else 0

    def json_object(self) -> dict[str, Any]:
        """Return the body; refuse a body that is not an object."""
        if not isinstance(self.body, dict):
            raise refusal(50109)
        return self.body


#: Returns JSON, or None for "204 No Content". It is not async, so that no effect is half done.
Handler = Callable[[ApiRequest], object]
Endpoint = tuple[str, str, Handler]


class Rest(Struct, frozen=True):
    """The HTTP side: authorisation, bodies, faults, rate limits, errors."""

    cdn: Cdn
    faults: Faults
    limits: RateLimits
    token: str
    #: by a request's path parameters
    file_bytes_max: Callable[[Mapping[str, str]], int]
    changes: Changes
    requests: deque[ApiRequest] = field(default_factory=lambda: deque(maxlen=REQUESTS_KEPT_MAX))

    def add_to(self, app: web.Application, routes: Iterable[Endpoint]) -> None:
        """Register the routes, the CDN, and an answer for everything else under the API."""
        for method, template, handler in routes:
            app.router.add_route(
                method, API_PREFIX + template, partial(self._serve, template, handler)
            )
        for folder in ("attachments", "ephemeral-attachments"):
            path = rf"/{folder}/{{channel_id:\d+}}/{{attachment_id:\d+}}/{{filename}}"
            app.router.add_get(path, self._serve_file)
        app.router.add_route(
            "*", API_PREFIX + "{path:/.*}", partial(self._serve, "", _refuse_unknown)
        )

    async def _serve(
        self, template: str, handler: Handler, request: web.Request
    ) -> web.StreamResponse:
        path = request.path.removeprefix(API_PREFIX)
        call = ApiRequest(
            request.method, path, template or path, dict(request.match_info), dict(request.query)
        )
        self.requests.append(call)
        headers, too_many = self.limits.spend(call.method, call.template, call.params)
        answer = fault = None
        try:
            if not OPEN_TEMPLATES.search(template) and not self._is_authorized(request):
                raise unauthorized()
            await self._read_body(request, call)
            fault = self.faults.take(call.method, call.template, path)
            if fault is not None and not fault.after_effect:
                answer = await fault.strike()
            if answer is None:
                if too_many is not None:
                    raise too_many
                call.answer = _handle(handler, call)
                call.status = 204 if call.answer is None else 200
        except ApiError as error:
            call.answer, call.status = error.body, error.status
            headers |= error.headers
            for file in call.files.values():
                file.path.unlink(missing_ok=True)
        if fault is not None and fault.after_effect:
            answer = await fault.strike()
        self.changes.notify()
        if answer is not None:
            return _answer_wrongly(request, call, answer, headers)
        return _json_response(call.status or 500, call.answer, headers)

    async def _serve_file(self, request: web.Request) -> web.StreamResponse:
        fault: Fault | None = self.faults.take(request.method, request.path, request.path)
        answer = await fault.strike() if fault is not None else None
        if answer is not None:
            return _answer_wrongly(request, None, answer, {})
        return await self.cdn.serve(request)

    def _is_authorized(self, request: web.Request) -> bool:
        return request.headers.get("Authorization") == f"Bot {self.token}"

    async def _read_body(self, request: web.Request, call: ApiRequest) -> None:
        if call.method not in JSON_METHODS:
            return
        if (request.content_length or 0) > REQUEST_BYTES_MAX:
            raise refusal(40005)
        try:
            if request.content_type.startswith("multipart/"):
                await self._read_multipart(request, call)
            elif request.content_type == "application/json":
                call.body = json.loads(await request.read())
        except web.HTTPRequestEntityTooLarge as error:
            raise refusal(40005) from error
        except ValueError as error:
            raise refusal(50109) from error

    async def _read_multipart(self, request: web.Request, call: ApiRequest) -> None:
        bytes_max = self.file_bytes_max(call.params)
        async for part in await request.multipart():
            if not isinstance(part, BodyPartReader):
                raise refusal(50109)
            index = re.fullmatch(r"files\[(\d+)\]", part.name or "")
            if part.name == "payload_json":
                call.body = json.loads(await part.text())
            elif index is not None:
                stored = await self.cdn.store(part.filename or "file", _chunks(part), bytes_max)
                call.files[int(index[1])] = stored


async def _chunks(part: BodyPartReader) -> AsyncIterator[bytes]:
    while chunk := await part.read_chunk(CHUNK_BYTES):
        yield bytes(chunk)


def _handle(handler: Handler, call: ApiRequest) -> object:
    try:
        return handler(call)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        # A body of the wrong shape passed the checks: refuse it, but log it for a closer look.
        log.exception("the playground could not make sense of %s %s", call.method, call.path)
        raise refusal(50035) from error


def _refuse_unknown(call: ApiRequest) -> object:
    log.warning("the playground does not implement %s %s", call.method, call.path)
    raise not_found()


def _json_response(status: int, body: object, headers: Mapping[str, str]) -> web.Response:
    # If the content type had a charset, discord.py would take the body for text.
    content = None if body is None else json.dumps(body).encode()
    headers = dict(headers)
    if content is not None:
        headers["Content-Type"] = "application/json"
    return web.Response(status=status, body=content, headers=headers)


def _answer_wrongly(
    request: web.Request, call: ApiRequest | None, answer: FaultyAnswer, headers: Mapping[str, str]
) -> web.Response:
    if call is not None:
        call.answer, call.status = answer.body, answer.status
    if answer.status is None:
        reset_connection(request.transport)
        return web.Response(status=500)
    headers = {**headers, **answer.headers}
    if isinstance(answer.body, str):
        return web.Response(
            status=answer.status, text=answer.body, content_type="text/html", headers=headers
        )
    return _json_response(answer.status, answer.body, headers)
