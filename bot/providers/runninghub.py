"""
RunningHub behind the Provider port; knows its wire format and nothing else.

Source: HM-RunningHub/ComfyUI_RH_OpenAPI, the vendor's client and model registry of 2026-04-29;
RunningHub API docs, error code reference; read 2026-11.
"""

from collections.abc import Mapping

from msgspec import Struct

from bot.domain.ports import Failed, Finished, Order, Progress, Running
from bot.errors import ProviderContractBroken
from bot.providers import fields
from bot.providers.judge import TOO_MANY_REQUESTS, Complaint, Kind, Reply, failure, required
from bot.providers.moderation import is_content
from bot.providers.tasks import TaskFormat, TaskProvider
from bot.providers.vendors import Api, Vendor

NAME = "runninghub"
QUERY_PATH = "/query"
UPLOAD_PATH = "/media/upload/binary"
#: Appended to a route's upstream name.
FROM_WORDS, FROM_IMAGES = "/text-to-image", "/image-to-image"
#: The vendor's word for "the model chooses". The official routes lack it, so none lists `auto`.
AUTO_RATIO = "empty"
#: The official routes require a quality. They suggest this one, and `auto` costs the same.
AUTO_QUALITY = "medium"
#: An id in the vendor's form that no task has.
NO_TASK_ID = "1000000000000000000"

#: Values of `errorCode` (error code reference); some answers put HTTP's status there.
MODERATION_CODES = frozenset({"1501", "1505"})
#: Wrong path, no money, unknown user, or a key that is wrong, a free user's or no enterprise's.
OPERATOR_CODES = frozenset(
    {
        "401", "402", "403", "412", "416", "436", "801", "802", "806", "811", "812", "1001",
        "1002", "1014",
    }
)  # fmt: skip
#: WAIT: the bot has too many tasks or requests. BUSY: the vendor is overloaded or out of service.
#: Either way, nothing was accepted.
WAIT_CODES = frozenset({"421", "429", "814", "1003"})
BUSY_CODES = frozenset({"415", "503", "1010", "1011"})
CODE_DIGITS_MAX = 6
#: Codes of a poll for a task that the vendor does not know; so says HTTP's status 404, too.
UNKNOWN_TASK_CODES = frozenset({"423", "807", "1004"})
NOT_FOUND = "404"
#: The request itself is wrong: the vendor's own codes, whose messages may quote the prompt, and
#: those that it takes from HTTP.
OWN_REQUEST_CODES = frozenset({"301", "433", "809", "1007", "1008", "1009", "1101"})
REQUEST_CODES = OWN_REQUEST_CODES | {"400", "422"}

#: Parts of a message, in lower case; the vendor's client does not send such a request again.
OPERATOR_WORDS = ("balance", "insufficient", "quota", "unauthorized", "forbidden", "api key")
REQUEST_WORDS = ("bad request", "invalid parameter", "parameter error")


class ErrorWords(Struct, frozen=True):
    """The error at the top level of an answer, whatever the HTTP status."""

    code: str
    message: str

    @property
    def kind(self) -> Kind:
        """What the error is about; STATUS: something broke, maybe after a submit was accepted."""
        otherwise = self.code in WAIT_CODES | BUSY_CODES | OPERATOR_CODES
        status = TOO_MANY_REQUESTS if otherwise else 0
        if self.code in MODERATION_CODES or is_content(self.message, status=status):
            return Kind.CONTENT
        if self.code in WAIT_CODES:
            return Kind.LIMIT
        if self.code in BUSY_CODES:
            return Kind.BUSY
        words_count = self.code not in OWN_REQUEST_CODES
        if self.code in OPERATOR_CODES or (words_count and self._says(OPERATOR_WORDS)):
            return Kind.OPERATOR
        if self.code in REQUEST_CODES or self._says(REQUEST_WORDS):
            return Kind.REQUEST
        return Kind.STATUS

    def as_failed(self, state: str) -> Failed:
        """The task's failure; retryable if it has a reason and does not blame the request."""
        final = self.code in REQUEST_CODES or self._says(REQUEST_WORDS)
        retryable = not final and bool(self.code or self.message)
        moderation = self.kind is Kind.CONTENT
        return failure(self.code or state, moderation=moderation, retryable=retryable)

    def _says(self, words: tuple[str, ...]) -> bool:
        return any(word in self.message.lower() for word in words)


def read_complaint(reply: Reply) -> Complaint | None:
    """What the answer complains about; None if it is a success."""
    error = error_in(reply.body)
    if error is None and reply.is_good:
        return None
    if error is None:
        # Words in a shape that is not documented may be a gateway's, whose orders went on or not.
        said = fields.any_message(reply.body) or "no message"
        refused = is_content(said, status=reply.status)
        return Complaint(said, reply.status, Kind.CONTENT if refused else Kind.STATUS)
    words = f"{error.code} {error.message}"
    if error.kind is Kind.STATUS:
        # The HTTP status may be a success nevertheless.
        return Complaint(words, 500 if reply.is_good else reply.status)
    usable = error.code.isascii() and error.code.isdecimal() and len(error.code) <= CODE_DIGITS_MAX
    return Complaint(words, int(error.code) if usable else reply.status, error.kind)


def is_about_a_task(reply: Reply) -> bool:
    """
    Its reason then stands where other answers have an error. In an answer with an error's HTTP
    status, a `status` without a task's id is that of the call.
    """
    named = reply.is_good or fields.task_id(reply.body, "taskId", "task_id")
    return bool(named and fields.text(reply.body, "status"))


def submit_path(order: Order) -> str:
    return f"/{order.route.upstream}{FROM_IMAGES if order.reference_links else FROM_WORDS}"


def build_submit(order: Order) -> dict[str, object]:
    """The body of a submit; on the low-price routes, the ratio is only a hint to the model."""
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
    `taskId` in a successful submit's answer; it has more digits than a JavaScript number holds.

    Raises:
        ProviderContractBroken: there is none, although the task may exist.
    """
    names = ("taskId", "task_id")
    found = fields.task_id(body, *names) or fields.task_id(fields.mapping(body, "data"), *names)
    return required(found, NAME, "took a task but named no id")


def parse_query(body: Mapping[str, object]) -> Progress:
    """
    What a query answer says about its task: `status`, `results[].url`, `errorCode`, `errorMessage`.

    Raises:
        ProviderContractBroken: the task is finished, but its results are not links.
    """
    status = fields.text(body, "status").strip()
    if status.lower() in fields.FINISHED_WORDS:
        return Finished(_result_links(body))
    if status.lower() in fields.FAILED_WORDS:
        return (error_in(body) or ErrorWords("", "")).as_failed(status)
    return Running(status[: fields.WORD_CHARS_MAX])


def parse_upload(body: Mapping[str, object]) -> str:
    """`data.download_url` in a successful upload answer. Raises ProviderContractBroken."""
    link = fields.link(fields.mapping(body, "data"), "download_url")
    return required(link, NAME, "took a file but named no link")


def parse_key_check(body: Mapping[str, object]) -> str:
    """
    Read the answer about NO_TASK_ID: the key works if the vendor has looked for that task.

    Raises:
        ProviderContractBroken: the answer is about no task; a wrong address answers so, too.
    """
    error = error_in(body)
    if "taskId" not in body and (error is None or error.code not in UNKNOWN_TASK_CODES):
        raise ProviderContractBroken(NAME, "the answer to a query is about no task")
    return "the key works; this API does not tell what is left on the account"


def error_in(body: Mapping[str, object]) -> ErrorWords | None:
    """`errorCode` and `errorMessage`, or an upload's `code` (0: a success) and `message`."""
    code = fields.code(body, "errorCode") or fields.code(body, "error_code")
    message = fields.text(body, "errorMessage", "error_message")
    if code in {"", "0"} and not message:
        code = fields.code(body, "code")
        message = fields.text(body, "message", "msg")
        if code in {"", "0", "200"}:
            return None
    return ErrorWords(code, message)


def is_unknown(reply: Reply) -> bool:
    """
    Whether a poll's answer says that there is no such task (yet). In an answer about a task, the
    same code is why the task failed.
    """
    error = error_in(reply.body)
    if is_about_a_task(reply) or (error and error.kind is Kind.CONTENT):
        return False
    code = error.code if error else str(reply.status)
    return code in UNKNOWN_TASK_CODES or code == NOT_FOUND


def _result_links(body: Mapping[str, object]) -> tuple[str, ...]:
    """The links in `results`, each with `url` or `outputUrl`; empty if there are none yet."""
    results = body.get("results") or []
    if isinstance(results, list):
        results = [
            result.get("url") or result.get("outputUrl") if isinstance(result, dict) else result
            for result in results
        ]
    links = fields.links(results)
    return required(links, NAME, "finished a task with something else than links")


TASKS = TaskFormat(
    create=lambda order: (submit_path(order), build_submit(order)),
    parse_create=parse_submit,
    poll_path=QUERY_PATH,
    poll_posts=True,
    id_name="taskId",
    parse_poll=parse_query,
    upload_path=UPLOAD_PATH,
    parse_upload=parse_upload,
    # A query for a task that does not exist is free, and tells a wrong key from a right one.
    balance=(QUERY_PATH, {"taskId": NO_TASK_ID}),
    parse_balance=parse_key_check,
    read_complaint=read_complaint,
    is_about_a_task=is_about_a_task,
    is_unknown=is_unknown,
)

VENDOR = Vendor(
    NAME,
    key="RUNNINGHUB_API_KEY",
    root="RUNNINGHUB_BASE_URL",
    root_default="https://www.runninghub.ai/openapi/v2",
    apis={
        "tasks": Api(lambda setup: TaskProvider(TASKS, setup.http(setup.root)), qualities=True),
    },
)
