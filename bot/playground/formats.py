"""What all vendors' formats have in common: a key, faults, and errors in the vendor's own shape."""

import hmac
import json
from abc import abstractmethod
from collections import deque
from collections.abc import Sequence
from typing import Never

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct

from bot.playground.faults import VendorCall, VendorFaults
from bot.playground.studio import Studio, Submission

#: method, path, the kind of call, and what answers it
Endpoint = tuple[str, str, VendorCall, Handler]


class ImagesError(Exception):
    """The vendor's error instead of an image; each vendor writes it in its own shape."""

    def __init__(
        self, status: int, message: str, *, code: str | None = None, kind: str | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.kind = kind or "invalid_request_error"

    def answer(self) -> web.Response:
        """The error in OpenAI's own shape."""
        error = {"message": str(self), "type": self.kind, "param": None, "code": self.code}
        return web.json_response({"error": error}, status=self.status)


class Format(Struct):
    """
    A vendor's calls.

    Args:
        submissions: gets every create call with a valid key.
    """

    studio: Studio
    submissions: deque[Submission]
    api_key: str

    @abstractmethod
    def endpoints(self) -> Sequence[Endpoint]:
        """What the vendor answers."""

    @abstractmethod
    def wrong_key(self) -> ImagesError:
        """The error of a call without the right key."""

    def written(self, error: ImagesError) -> web.Response:
        """The error in the vendor's shape."""
        return error.answer()

    def key_in(self, request: web.Request) -> str:
        return request.headers.get("Authorization", "")

    def routes(self, faults: VendorFaults) -> list[web.RouteDef]:
        return [
            web.route(method, path, faults.around(call, self._guarded(handler)))
            for method, path, call, handler in self.endpoints()
        ]

    def _guarded(self, handler: Handler) -> Handler:
        async def answer(request: web.Request) -> web.StreamResponse:
            try:
                key = self.key_in(request).encode()
                if not hmac.compare_digest(key, f"Bearer {self.api_key}".encode()):
                    raise self.wrong_key()
                return await handler(request)
            except ImagesError as error:
                return self.written(error)

        return answer


async def read_json(request: web.Request) -> dict[str, object]:
    """Read a JSON object. Raises ImagesError."""
    try:
        body = json.loads(await request.read())
    except ValueError:
        reject("We could not parse the JSON body of your request.")
    if not isinstance(body, dict):
        reject("The body of your request is not a JSON object.")
    return body


def reject(message: str) -> Never:
    """Raise an ImagesError about the form of a request."""
    raise ImagesError(400, message, code="invalid_value")
