"""
RunningHub behind the Provider port; knows its wire format and nothing else.

Source: HM-RunningHub/ComfyUI_RH_OpenAPI, the vendor's client and model registry of 2026-04-29;
RunningHub API docs, error code reference; read 2026-11.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from bot.domain.catalog import Route
from bot.domain.ports import Failed, Finished, ImageFile, Order, Progress, Running
from bot.errors import (
    ProviderBusy,
    ProviderContractBroken,
    ProviderMisconfigured,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.providers import fields
from bot.providers.http import TOO_MANY_REQUESTS, Reply, Stake, VendorHttp
from bot.providers.moderation import is_content

NAME = "runninghub"
QUERY_PATH = "/query"
UPLOAD_PATH = "/media/upload/binary"
#: Appended to a route's upstream name.
FROM_WORDS, FROM_IMAGES = "/text-to-image", "/image-to-image"
#: The word for "the model chooses"; the official routes lack it, so none of them lists `auto`.
AUTO_RATIO = "empty"
#: The official routes must be told a quality; this is the one they suggest, and what `auto` costs.
AUTO_QUALITY = "medium"
#: Of the vendor's form, but no task's.
NO_TASK_ID = "1000000000000000000"

#: Values of `errorCode` (error code reference), and HTTP's where an answer puts them there.
MODERATION_CODES = frozenset({"1501", "1505"})
#: Wrong path, no money, no such user, a key that is wrong, of a free user or not an enterprise's.
OPERATOR_CODES = frozenset(
    {
        "401", "402", "403", "412", "416", "436", "801", "802", "806", "811", "812", "1001",
        "1002", "1014",
    }
)  # fmt: skip
#: Too many tasks or requests of ours; the vendor is overrun or out of service. Either way, nothing
#: was accepted.
WAIT_CODES = frozenset({"421", "429", "814", "1003"})
BUSY_CODES = frozenset({"415", "503", "1010", "1011"})
CODE_DIGITS_MAX = 6
#: A task just made is not always found at once; one that stays lost meets its deadline.
UNKNOWN_TASK_CODES = frozenset({"404", "423", "807", "1004"})
#: The request itself is wrong.
REQUEST_CODES = frozenset({"301", "400", "422", "433", "809", "1007", "1008", "1009", "1101"})

#: Parts of a message, in lower case, by which the vendor's client knows what not to send again.
OPERATOR_WORDS = ("balance", "insufficient", "quota", "unauthorized", "forbidden", "api key")
REQUEST_WORDS = ("bad request", "invalid parameter", "parameter error")


@dataclass(frozen=True, slots=True)
class Complaint:
    """The error that an answer names at its top level, whatever its HTTP status is."""

    code: str
    message: str

    @property
    def is_moderation(self) -> bool:
        otherwise = self.code in WAIT_CODES | BUSY_CODES | OPERATOR_CODES
        status = TOO_MANY_REQUESTS if otherwise else 0
        return self.code in MODERATION_CODES or is_content(self.message, status=status)

    @property
    def is_operators(self) -> bool:
        return self.code in OPERATOR_CODES or self._says(OPERATOR_WORDS)

    @property
    def is_requests(self) -> bool:
        return self.code in REQUEST_CODES or self._says(REQUEST_WORDS)

    def status_or(self, http_status: int) -> int:
        """The code as an error's status, where it is a number."""
        usable = self.code.isascii() and self.code.isdecimal() and len(self.code) <= CODE_DIGITS_MAX
        return int(self.code) if usable else http_status

    def as_failed(self, state: str) -> Failed:
        """A task's end. The vendor's client tries again unless the request or we are to blame."""
        final = self.is_moderation or self.is_requests
        return Failed(
            moderation=self.is_moderation,
            retryable=not final and bool(self.code or self.message),
            vendor_code=(self.code or state)[: fields.WORD_CHARS_MAX],
        )

    def _says(self, words: tuple[str, ...]) -> bool:
        return any(word in self.message.lower() for word in words)


class RunningHub:
    name = NAME

    def __init__(self, http: VendorHttp) -> None:
        self._http = http

    def uploads(self, route: Route) -> bool:
        return True

    async def upload(self, image: ImageFile) -> str:
        reply = await self._http.upload(UPLOAD_PATH, "file", image)
        self._check(reply, Stake.REPEATABLE)
        return parse_upload(reply.body)

    async def submit(self, order: Order) -> str:
        reply = await self._http.submit(submit_path(order), build_submit(order))
        self._check(reply, Stake.SUBMIT, hidden=order.prompt)
        return parse_submit(reply.body)

    async def poll(self, provider_task_id: str, result_path: Path) -> Progress:
        reply = await self._query(provider_task_id)
        if _knows_no_such_task(reply):
            raise ProviderUnreachable(NAME, "does not know the task (yet)", status=reply.status)
        # A task that ended badly tells its reason where other answers have their own error.
        if not fields.text(reply.body, "status"):
            self._check(reply, Stake.REPEATABLE)
        return parse_query(reply.body)

    async def check(self, upstreams: Collection[str] = ()) -> str:
        """Asks for a task that does not exist: free, and a wrong key is told from a right one."""
        reply = await self._query(NO_TASK_ID)
        if not _knows_no_such_task(reply):
            self._check(reply, Stake.REPEATABLE)
        return "the key works; this API does not tell what is left on the account"

    async def _query(self, task_id: str) -> Reply:
        return await self._http.query(QUERY_PATH, {"taskId": task_id})

    def _check(self, reply: Reply, stake: Stake, *, hidden: str = "") -> None:
        """
        Raise unless the answer is a success.

        Args:
            hidden: what the vendor may quote but must not reach a log.
        """
        complaint = complaint_in(reply.body)
        if complaint is None:
            if not 200 <= reply.status < 300:
                self._http.reject(reply, reply.status, "no message", stake)
            return
        message = self._http.clean(f"{complaint.code} {complaint.message}", hidden)
        status, request_id = complaint.status_or(reply.status), reply.request_id
        if complaint.is_moderation:
            raise ProviderRefused(
                NAME, message, moderation=True, status=status, request_id=request_id
            )
        if complaint.code in WAIT_CODES | BUSY_CODES:
            raise ProviderBusy(
                NAME,
                message,
                retry_after_s=reply.retry_after_s,
                rate_limited=complaint.code in WAIT_CODES,
                status=status,
                request_id=request_id,
            )
        if complaint.is_operators:
            raise ProviderMisconfigured(NAME, message, status=status, request_id=request_id)
        if complaint.is_requests:
            raise ProviderRefused(NAME, message, status=status, request_id=request_id)
        # To HTTP it may be a 200, but something broke there, before or after a submit was taken.
        broken = 500 if 200 <= reply.status < 300 else reply.status
        self._http.reject(reply, broken, message, stake)


def submit_path(order: Order) -> str:
    return f"/{order.route.upstream}{FROM_IMAGES if order.reference_links else FROM_WORDS}"


def build_submit(order: Order) -> dict[str, object]:
    """The body of a submit; the ratio is a hint to the model on the low-price routes."""
    ratio = AUTO_RATIO if order.aspect_ratio == "auto" else order.aspect_ratio
    body: dict[str, object] = {"prompt": order.prompt, "aspectRatio": ratio}
    if order.route.sends_resolution:
        body["resolution"] = order.resolution.lower()
    if order.route.qualities:
        body["quality"] = AUTO_QUALITY if order.quality == "auto" else order.quality
    if order.reference_links:
        body["imageUrls"] = list(order.reference_links)
    return body


def parse_submit(body: Mapping[str, object]) -> str:
    """
    `taskId` of a successful submit; it has more digits than a JavaScript number holds.

    Raises:
        ProviderContractBroken: there is none, although the task may exist.
    """
    for place in (body, fields.mapping(body, "data")):
        if task_id := fields.task_id(place, "taskId", "task_id"):
            return task_id
    raise ProviderContractBroken(NAME, "took a task but named no id")


def parse_query(body: Mapping[str, object]) -> Progress:
    """
    What a query answer says of its task: `status`, `results[].url`, `errorCode`, `errorMessage`.

    Raises:
        ProviderContractBroken: the task is finished, but its links are none.
    """
    status = fields.text(body, "status").strip()
    if status.lower() in fields.FINISHED_WORDS:
        return Finished(_result_links(body))
    if status.lower() in fields.FAILED_WORDS:
        return (complaint_in(body) or Complaint("", "")).as_failed(status)
    return Running(status[: fields.WORD_CHARS_MAX])


def parse_upload(body: Mapping[str, object]) -> str:
    """`data.download_url` of a successful upload answer. Raises ProviderContractBroken."""
    link = fields.mapping(body, "data").get("download_url")
    if not fields.is_link(link):
        raise ProviderContractBroken(NAME, "took a file but named no link")
    return link


def complaint_in(body: Mapping[str, object]) -> Complaint | None:
    """`errorCode` and `errorMessage`; the upload has `code`, which is 0 for good, and `message`."""
    code = fields.code(body, "errorCode") or fields.code(body, "error_code")
    message = fields.text(body, "errorMessage") or fields.text(body, "error_message")
    if code in {"", "0"} and not message:
        code = fields.code(body, "code")
        message = fields.text(body, "message") or fields.text(body, "msg")
        if code in {"", "0", "200"}:
            return None
    return Complaint(code, message)


def _knows_no_such_task(reply: Reply) -> bool:
    complaint = complaint_in(reply.body)
    if complaint and complaint.is_moderation:
        return False
    code = complaint.code if complaint else str(reply.status)
    return code in UNKNOWN_TASK_CODES


def _result_links(body: Mapping[str, object]) -> tuple[str, ...]:
    """Of `results`, each with `url` or `outputUrl`; empty where there are none yet."""
    results = body.get("results") or []
    if not isinstance(results, list):
        raise ProviderContractBroken(NAME, "finished a task with something else than links")
    named = [
        result.get("url") or result.get("outputUrl") if isinstance(result, dict) else result
        for result in results
    ]
    links = fields.links(named)
    if links is None:
        raise ProviderContractBroken(NAME, "finished a task with something else than links")
    return links
