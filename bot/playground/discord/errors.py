"""Builds Discord's refusals: error bodies and the tree that names wrong fields."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T")

#: code -> (HTTP status, message). Source: Discord docs, "Opcodes and Status Codes".
REFUSALS: Mapping[int, tuple[int, str]] = {
    10003: (404, "Unknown Channel"),
    10004: (404, "Unknown Guild"),
    10008: (404, "Unknown Message"),
    10013: (404, "Unknown User"),
    10015: (404, "Unknown Webhook"),
    10062: (404, "Unknown interaction"),
    10063: (404, "Unknown application command"),
    40005: (413, "Request entity too large"),
    40094: (400, "This interaction has reached the maximum number of follow up messages"),
    40060: (400, "Interaction has already been acknowledged."),
    50001: (403, "Missing Access"),
    50005: (403, "Cannot edit a message authored by another user"),
    50006: (400, "Cannot send an empty message"),
    50013: (403, "Missing Permissions"),
    50027: (401, "Invalid Webhook Token"),
    50035: (400, "Invalid Form Body"),
    50109: (400, "The request body contains invalid JSON."),
    160005: (403, "Thread is locked"),
}


class ApiError(Exception):
    """Discord's answer to a request that fails."""

    def __init__(self, status: int, code: int, message: str, **extra: Any) -> None:
        super().__init__(f"{status} {code}: {message}")
        self.status = status
        self.body: Json = {"message": message, "code": code, **extra}
        self.headers: dict[str, str] = {}


def refusal(code: int) -> ApiError:
    """Build the refusal that Discord documents under this code."""
    status, message = REFUSALS[code]
    return ApiError(status, code, message)


def known(found: T | None, code: int) -> T:
    """Return what was found; without it, refuse the request with this code."""
    if found is None:
        raise refusal(code)
    return found


def not_found() -> ApiError:
    """Build the answer for an address or feature that does not exist here."""
    return ApiError(404, 0, "404: Not Found")


def unauthorized() -> ApiError:
    """Build the answer for a missing or wrong bot token."""
    return ApiError(401, 0, "401: Unauthorized")


def rate_limited(retry_after_s: float) -> ApiError:
    """Build a 429 as Discord itself sends it, not the proxy in front of it."""
    extra = {"retry_after": round(retry_after_s, 3), "global": False}
    error = ApiError(429, 0, "You are being rate limited.", **extra)
    error.headers = {
        # Clients tell Discord's own 429s from bans by the proxy's name.
        "Via": "1.1 google",
        "Retry-After": str(max(1, round(retry_after_s))),
        "X-RateLimit-Scope": "user",
    }
    return error


class Form:
    """Complaints about one request body, nested as in Discord's `errors` tree."""

    def __init__(self, prefix: Sequence[str | int] = ()) -> None:
        self._prefix = tuple(prefix)
        self._errors: Json = {}

    def complain(self, path: Sequence[str | int], code: str, message: str) -> None:
        """Note that the field at `path` is wrong."""
        node = self._errors
        for key in (*self._prefix, *path):
            node = node.setdefault(str(key), {})
        node.setdefault("_errors", []).append({"code": code, "message": message})

    def length(self, path: Sequence[str | int], value: object, least: int, most: int) -> None:
        """Complain unless `value` is a text or list with a length between the bounds."""
        if not isinstance(value, str | list):
            self.complain(path, "BASE_TYPE_BAD_TYPE", "Value has the wrong type.")
        elif len(value) > most and not least:
            message = f"Must be {most} or fewer in length."
            self.complain(path, "BASE_TYPE_MAX_LENGTH", message)
        elif not least <= len(value) <= most:
            message = f"Must be between {least} and {most} in length."
            self.complain(path, "BASE_TYPE_BAD_LENGTH", message)

    def number(self, path: Sequence[str | int], value: int | None, least: int, most: int) -> None:
        """Complain if there is a number and it is not between the bounds."""
        if value is not None and not least <= value <= most:
            code = "NUMBER_TYPE_MIN" if value < least else "NUMBER_TYPE_MAX"
            self.complain(path, code, f"int value should be between {least} and {most}.")

    def required(self, path: Sequence[str | int]) -> None:
        """Complain that a field is missing."""
        self.complain(path, "BASE_TYPE_REQUIRED", "This field is required")

    def choice(self, path: Sequence[str | int], value: object, allowed: Sequence[object]) -> None:
        """Complain unless `value` is one of the allowed values."""
        if value not in allowed:
            listed = ", ".join(map(repr, allowed))
            self.complain(path, "BASE_TYPE_CHOICES", f"Value must be one of ({listed}).")

    def close(self) -> None:
        """Raise all complaints as one refusal, if there are any."""
        if self._errors:
            raise ApiError(400, 50035, REFUSALS[50035][1], errors=self._errors)
