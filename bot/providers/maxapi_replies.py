"""
What both of MaxAPI's APIs have in common: tasks, addresses to poll, complaints. Google's
complaints are read here, too.

The vendor documents only "a task id and a poll_url", OpenAI's body and Gemini's. Everything else
here tolerates what gateways of its kind are known to answer (QuantumNous/new-api and its forks).
Sources: maxapi.dev, docs and model page of gpt-image-2-beta, read 2026-11.
"""

import logging
import re
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path
from urllib.parse import quote

from msgspec import Struct

from bot.domain.ports import Failed, Progress
from bot.errors import ProviderContractBroken, ProviderRefused, ProviderUnreachable
from bot.providers import fields
from bot.providers.answers import RETRY_AFTER_S_MAX
from bot.providers.http import VendorHttp
from bot.providers.inline import INLINE
from bot.providers.judge import TOO_MANY_REQUESTS, Complaint, Kind, Reply, Stake, failure
from bot.providers.moderation import is_content
from bot.providers.openai_images import MODEL_CODES, MONEY_CODES, moderation_facts

log = logging.getLogger(__name__)

NAME = "maxapi"

#: Codes and types of errors that the operator has to mend, in lower case, besides those of OpenAI
#: and new-api about money and models (OpenAI; new-api; Google's `status`).
OPERATOR_CODES = (MONEY_CODES | MODEL_CODES).union(
    {
        "invalid_api_key",
        "access_denied",
        "not_found",
        "permission_denied",
        "unauthenticated",
        # Google's, some of which it answers with status 400 (google.rpc.ErrorInfo).
        "api_key_invalid",
        "api_key_expired",
        "service_disabled",
        "failed_precondition",
    }
)
#: The gateway found no channel for the request, a limit is reached, or the service is down.
BUSY_CODES = frozenset(
    {"get_channel_failed", "rate_limit_exceeded", "resource_exhausted", "unavailable"}
)
BUSY_CODE_PART = "no_available"
#: Texts in `code` that are not an error.
GOOD_CODES = frozenset({"", "0", "200", "ok", "success"})
RETRYABLE_WORDS = ("timeout", "timed out", "busy", "overloaded", "no available", "rate limit")
#: new-api quotes the status of the service that it passed the request to.
QUOTED_STATUS = re.compile(r"status_code=(\d{3})")
SERVICE_UNAVAILABLE = 503
#: Google's seconds until the next try, in the error instead of a header (google.rpc.RetryInfo).
RETRY_DELAY = re.compile(r"(\d{1,6}(?:\.\d{1,9})?)s", re.ASCII)
#: Part of the name of a quota that is used up until the next day, although the answer asks for
#: another try in seconds (google.rpc.QuotaFailure; google-gemini/gemini-cli, issue 8437, read
#: 2026-11).
DAILY_QUOTA = "PerDay"
RETRYABLE_STATUSES = frozenset({"408", "429", "500", "502", "503", "504"})
#: A new task is not always found at once; a task that stays unknown runs into its deadline.
UNKNOWN_TASK_STATUSES = frozenset({404, 422})
#: HTTP statuses of a poll that say that the task failed, not that the poll did.
ENDED_STATUSES = frozenset({400, 410})
#: Statuses of a call that the vendor does not have, or the address is wrong; with 200, a web page
#: came instead.
NO_SUCH_CALL_STATUSES = frozenset({200, 404, 405})
KEY_NOT_CHECKED = "key not checked: there is no list of models at MAXAPI_BASE_URL"
IMAGE_LISTS = ("data", "images", "urls", "result_urls", "resultUrls")
#: Names under which a task may wrap its result, and how deep.
WRAPPINGS = ("data", "result", "response", "output")
WRAPPINGS_MAX = 2


class ErrorWords(Struct, frozen=True):
    """An error inside an answer, whatever the answer's status."""

    code: str
    message: str
    #: of an answer in a shape that is not documented; 0: its error says what it is about
    status: int = 0

    @property
    def is_moderation(self) -> bool:
        """If another reason is named, only words that clearly speak of content count."""
        otherwise = self.is_operators or self.is_busy
        status = SERVICE_UNAVAILABLE if otherwise else self.status
        return is_content(self.code, self.message, status=status)

    @property
    def is_operators(self) -> bool:
        return self.code.lower() in OPERATOR_CODES

    @property
    def is_busy(self) -> bool:
        return self.code.lower() in BUSY_CODES or BUSY_CODE_PART in self.code.lower()

    @property
    def is_retryable(self) -> bool:
        """Whether a task that failed with this error may succeed elsewhere or later."""
        words = f"{self.code} {self.message}".lower()
        quoted = QUOTED_STATUS.search(words)
        return (
            self.is_busy
            or self.is_operators
            or any(each in words for each in RETRYABLE_WORDS)
            or (quoted is not None and quoted[1] in RETRYABLE_STATUSES)
        )

    def as_failed(self) -> Failed:
        """The task's failure, for which MaxAPI charges nothing (docs)."""
        # The message may quote the prompt, and the code goes into the log.
        code = self.code or "failed"
        return failure(code, moderation=self.is_moderation, retryable=self.is_retryable)


def error_in(body: Mapping[str, object]) -> ErrorWords | None:
    """
    The error that an answer carries, if any: `error` in OpenAI's or Gemini's shape or as a text,
    `success: false`, new-api's `code` and `message`, or a reason where a link belongs.
    """
    data = fields.mapping(body, "data")
    for place in (body, data):
        error = place.get("error")
        if isinstance(error, Mapping) and error:
            code = fields.text(error, "code", "status", "type")
            reasons = [fields.text(each, "reason") for each in fields.objects(error, "details")]
            code = next((each for each in reasons if each.lower() in OPERATOR_CODES), code)
            message = fields.text(error, "message") or fields.any_message(error)
            return ErrorWords(code, message or "no message")
        if isinstance(error, str) and error:
            return ErrorWords(fields.text(place, "code"), error)
    reason = fields.text(body, "message", "msg")
    if body.get("success") is False or fields.text(body, "code").lower() not in GOOD_CODES:
        return ErrorWords(fields.text(body, "code"), reason or "no message")
    url = fields.text(data, "url")
    if url and url != INLINE and not fields.is_link(url):
        # For a failed task, a fork of new-api answers 200 with the reason where the link belongs.
        return ErrorWords("", url)
    return None


def _retry_delay_s(body: Mapping[str, object]) -> float | None:
    for detail in fields.objects(fields.mapping(body, "error"), "details"):
        if found := RETRY_DELAY.fullmatch(fields.text(detail, "retryDelay")):
            return min(float(found[1]), RETRY_AFTER_S_MAX)
    return None


def _is_daily_quota(body: Mapping[str, object]) -> bool:
    return any(
        DAILY_QUOTA in fields.text(violation, "quotaId")
        for detail in fields.objects(fields.mapping(body, "error"), "details")
        for violation in fields.objects(detail, "violations")
    )


def ended_badly(body: Mapping[str, object]) -> Failed | None:
    """The task's failure, if a successful answer has an error or the task's state is a failure."""
    error = error_in(body)
    word = state_in(body)
    if error is None and word.lower() in fields.FAILED_WORDS:
        data = fields.mapping(body, "data") or body
        reason = fields.text(data, "fail_reason", "message", "reason")
        error = ErrorWords(fields.text(data, "code") or word, reason)
    return error.as_failed() if error else None


def state_in(body: Mapping[str, object]) -> str:
    """The task's state in the vendor's word; empty if there is none."""
    for place in (fields.mapping(body, "data"), body, fields.mapping(body, "metadata")):
        word = fields.text(place, "status", "state")
        if word:
            return word[: fields.WORD_CHARS_MAX]
    return ""


def status_of(reply: Reply) -> int:
    """The body's `code` if it is a status number, else HTTP's status."""
    return reply.code if 100 <= reply.code < 600 else reply.status


def read_complaint(reply: Reply) -> Complaint | None:
    """What an answer complains about; None if it is a success or only says how a task ended."""
    status, error = status_of(reply), error_in(reply.body)
    if error is None and 200 <= status < 300:
        return None
    error = error or ErrorWords("", fields.any_message(reply.body) or "no message", status)
    words = f"{error.code} {error.message}"
    if error.is_moderation:
        facts = moderation_facts(reply.body)
        return Complaint(words, status, Kind.CONTENT, facts=facts)
    if error.is_operators or _is_daily_quota(reply.body):
        return Complaint(words, status, Kind.OPERATOR)
    if error.is_busy:
        kind = Kind.LIMIT if status == TOO_MANY_REQUESTS else Kind.BUSY
        return Complaint(words, status, kind, wait_s=_retry_delay_s(reply.body))
    return Complaint(words, status) if status >= 300 else None


def check_poll(http: VendorHttp, reply: Reply) -> Failed | None:
    """Raise if the poll itself failed; returns the task's failure if the answer reports one."""
    status = status_of(reply)
    if 200 <= status < 300:
        return ended_badly(reply.body)
    said = fields.any_message(reply.body) or f"answered {status}"
    error = error_in(reply.body) or ErrorWords("", said, status)
    if status in ENDED_STATUSES or error.is_moderation:
        return error.as_failed()
    if status in UNKNOWN_TASK_STATUSES:
        raise ProviderUnreachable(http.provider, "does not know the task (yet)", status=status)
    words = f"{error.code} {error.message}"
    http.judge(reply, Complaint(words, status), Stake.REPEATABLE)
    return None


def handle_in(
    body: Mapping[str, object], *, own_address: Callable[[str], str | None], task_path: str
) -> str:
    """
    Where to poll a task that was just accepted: its `poll_url`, or else the documented path.

    Args:
        own_address: makes a full URL of an address; None for another host, which must not see the
            key.
        task_path: the documented path, without the id at its end.
    Raises:
        ProviderContractBroken: the answer names neither, although the task may exist.
    """
    places = (fields.mapping(body, "data"), listed_task(body), body)
    for place in places:
        poll_url = fields.text(place, "poll_url")
        address = own_address(poll_url) if poll_url else None
        if address and len(address) <= fields.TASK_ID_CHARS_MAX:
            return address
        if poll_url:
            action = {"action": "poll_url_ignored"}
            log.warning("%s named a poll_url that is not followed", NAME, extra=action)
    for place in places:
        task_id = fields.task_id(place, "task_id", "taskId", "id", "name")
        if task_id:
            # Google's name of an operation is "operations/<id>".
            handle = f"{task_path}/{quote(task_id.removeprefix('operations/'), safe='')}"
            if len(handle) <= fields.TASK_ID_CHARS_MAX:
                return handle
    raise ProviderContractBroken(NAME, "took a task but did not say where to ask for it")


class MaxApiTasks:
    """
    What both of MaxAPI's APIs do alike.

    Args:
        parse_poll: reads a successful poll.
    """

    upload = None

    def __init__(
        self, http: VendorHttp, parse_poll: Callable[[Mapping[str, object]], Progress]
    ) -> None:
        self._http = http
        self._parse_poll = parse_poll

    async def poll(self, provider_task_id: str, result_path: Path) -> Progress:
        """Make the poll that `handle_in` named; its answer may carry the image."""
        reply = await self._http.get(provider_task_id, result_path=result_path)
        return check_poll(self._http, reply) or self._parse_poll(reply.body)

    async def check(self, upstreams: Collection[str]) -> str:
        """
        MaxAPI documents neither a balance nor a list of models. Gateways of its kind have a list of
        models, which needs the key and is free of charge.
        """
        try:
            reply = await self._http.get("/v1/models")
        except (ProviderRefused, ProviderUnreachable) as error:
            if error.status in NO_SUCH_CALL_STATUSES:
                return KEY_NOT_CHECKED
            raise
        status = status_of(reply)
        if status in NO_SUCH_CALL_STATUSES and status != 200:
            return KEY_NOT_CHECKED
        named = error_in(reply.body)
        if named or not 200 <= status < 300:
            words = named.message if named else "no message"
            # An error in a 200 is about the key, because nothing else was sent.
            complaint = Complaint(words, status if status >= 300 else 401)
            self._http.judge(reply, complaint, Stake.REPEATABLE)
        listed = fields.model_ids(reply.body)
        return "; ".join(["key accepted", *fields.compare_models(listed, upstreams)])


def images_in(body: Mapping[str, object]) -> tuple[tuple[str, ...], bool]:
    """
    The links of a finished answer, and whether an image came inside it.

    The answer has OpenAI's list of `url` or `b64_json`, plain or wrapped, or a list of links.
    Anything else in an image's place does not count.
    """
    for place in mappings(body):
        for items in image_lists(place):
            found = [each.get("url") if isinstance(each, dict) else each for each in items]
            links = tuple(each for each in found if fields.is_link(each))[: fields.LINKS_MAX]
            inline = INLINE in found or any(
                isinstance(each, dict) and each.get("b64_json") == INLINE for each in items
            )
            if links or inline:
                return links, inline
    return (), False


def image_lists(body: Mapping[str, object]) -> list[list[object]]:
    """The answer's lists of images, even empty ones."""
    return [value for name in IMAGE_LISTS if isinstance(value := body.get(name), list)]


def listed_task(body: Mapping[str, object]) -> Mapping[str, object]:
    """A task that stands in a list, in the place of an image; empty if there is none."""
    place = fields.first(body, "data")
    return place if fields.task_id(place, "task_id", "taskId") else {}


def is_under_way(body: Mapping[str, object]) -> bool:
    """Whether an answer without images is about a task; its list of images may be empty so far."""
    word = state_in(body).lower()
    is_open = bool(word) and word not in fields.FINISHED_WORDS
    return is_open or bool(listed_task(body) or fields.text(body, "poll_url"))


def names_no_image(body: Mapping[str, object]) -> bool:
    """Whether nothing at all stands in the answer's lists of images."""
    return not any(
        (each.get("url") or each.get("b64_json")) if isinstance(each, dict) else each
        for items in image_lists(body)
        for each in items
    )


def mappings(
    body: Mapping[str, object], depth: int = WRAPPINGS_MAX
) -> Iterator[Mapping[str, object]]:
    """The body and what it wraps, outermost first."""
    yield body
    if depth:
        for name in WRAPPINGS:
            if inner := fields.mapping(body, name):
                yield from mappings(inner, depth - 1)
