"""
kie.ai behind the Provider port; knows its wire format and nothing else.

Source: docs.kie.ai, pages of gpt-image-2-text-to-image and gpt-image-2-image-to-image, get task
detail, get account credits, file upload API, webhook verification; read 2026-11.
"""

import base64
import hashlib
import hmac
import re
import secrets
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

from pydantic import SecretStr

from bot.domain.catalog import NsfwSwitch
from bot.domain.ports import Failed, Finished, ImageFile, Order, Progress, Running
from bot.domain.pricing import Bill
from bot.errors import ProviderMisconfigured
from bot.providers import fields
from bot.providers.answers import decoded
from bot.providers.judge import TOO_MANY_REQUESTS, Complaint, Kind, Reply, failure, required
from bot.providers.moderation import is_content
from bot.providers.tasks import TaskFormat, TaskProvider, names_state
from bot.providers.vendors import Api, Option, Setup, Value, Vendor

NAME = "kie"
CREATE_PATH = "/api/v1/jobs/createTask"
RECORD_PATH = "/api/v1/jobs/recordInfo"
CREDIT_PATH = "/api/v1/chat/credit"
UPLOAD_PATH = "/api/file-stream-upload"
#: The vendor's folder for the bot's references, which the vendor removes after some days.
UPLOAD_FOLDER = "images/easel"
#: Appended to a route's upstream name.
FROM_WORDS, FROM_IMAGES = "-text-to-image", "-image-to-image"

#: Window of the submit limit: 20 new tasks for an account (docs.kie.ai, getting started).
SUBMIT_WINDOW_S = 10.0
GENERATION_FAILED = 501
#: A sub-key's cap is reached, or the feature is switched off.
OPERATOR_CODES = frozenset({433, 505})
#: Codes of a poll for a task that the vendor does not know.
UNKNOWN_TASK_CODES = frozenset({404, 422})
#: `failCode`s that do not blame the request: money, limits, maintenance, breakdown.
RETRYABLE_FAIL_CODES = frozenset({"402", "429", "433", "455", "500", "501", "505"})
#: Far more than any image costs.
CREDITS_MAX = 1_000_000

CALLBACK_AGE_MAX = timedelta(minutes=5)
TIMESTAMP = re.compile("[0-9]{1,12}")


def read_complaint(reply: Reply) -> Complaint | None:
    """What the answer complains about; None if it is a success."""
    code, words = reply.code, error_message(reply.body)
    good = 200 <= code < 300 and reply.body.get("success") is not False
    if good and (reply.body.get("data") is not None or not is_content(words)):
        return None
    if code in OPERATOR_CODES:
        return Complaint(words, code, Kind.OPERATOR)
    if code == TOO_MANY_REQUESTS:
        # A refused call is not queued, and the bot cannot see how much of the window is left.
        return Complaint(words, code, Kind.LIMIT, wait_s=SUBMIT_WINDOW_S)
    return Complaint(words, code, Kind.CONTENT if is_content(words, status=code) else Kind.STATUS)


def build_create(order: Order, callback_url: str | None = None) -> dict[str, object]:
    """
    The body of a create call. References make it an edit, which is another model at this vendor.

    A route that has `nsfw_checker` always sends it: the vendor's pages differ on its default.
    """
    asked: dict[str, object] = {"prompt": order.prompt}
    if order.reference_links:
        asked["input_urls"] = list(order.reference_links)
    asked["aspect_ratio"] = order.aspect_ratio
    if order.route.sends_resolution:
        asked["resolution"] = order.resolution
    asked |= order.route.nsfw_switch.fields(nsfw_checker=order.nsfw_checker)
    kind = FROM_IMAGES if order.reference_links else FROM_WORDS
    body: dict[str, object] = {"model": order.route.upstream + kind, "input": asked}
    if callback_url:
        body["callBackUrl"] = callback_url
    return body


def parse_create(body: Mapping[str, object]) -> str:
    """
    `data.taskId` in a successful create answer.

    Raises:
        ProviderContractBroken: there is none, although the task may exist.
    """
    task_id = fields.task_id(fields.mapping(body, "data"), "taskId", "task_id")
    return required(task_id, NAME, "took a task but named no id")


def parse_record(body: Mapping[str, object]) -> Progress:
    """
    What a successful query answer says about its task: `data.state`, `resultJson`, `failCode`,
    `failMsg`, `creditsConsumed`.

    Raises:
        ProviderContractBroken: the task is finished, but its results are not links.
    """
    data = fields.mapping(body, "data")
    state = fields.text(data, "state")
    if state.lower() in fields.FINISHED_WORDS:
        found = fields.results(fields.inner_json(data, "resultJson").get("resultUrls") or [])
        result = required(found, NAME, "finished a task with something else than links")
        return Finished(*result, Bill(credits=_credits(data)))
    if state.lower() in fields.FAILED_WORDS:
        return _failed(fields.code(data, "failCode") or state, fields.text(data, "failMsg"))
    return Running(state[: fields.WORD_CHARS_MAX])


def parse_upload(body: Mapping[str, object]) -> str:
    """`data.downloadUrl`, or the quickstart's `fileUrl`. Raises ProviderContractBroken."""
    link = fields.link(fields.mapping(body, "data"), "downloadUrl", "fileUrl")
    return required(link, NAME, "took a file but named no link")


def parse_credit(body: Mapping[str, object]) -> str:
    """
    `data`: the credits that are left.

    Raises:
        ProviderContractBroken: the credits are not a sensible number.
        ProviderMisconfigured: nothing is left.
    """
    credit = required(fields.amount(body, "data"), NAME, "named no credits")
    if credit <= 0:
        raise ProviderMisconfigured(NAME, "nothing is left on the account")
    return f"{credit.normalize():,f} kie.ai credits on the account"


def verify_callback(
    options: Mapping[str, Value], headers: Mapping[str, str], body: bytes, now: datetime
) -> str | None:
    """
    The id of the task that a callback is about; None if the vendor did not sign the callback, or
    if its time is more than CALLBACK_AGE_MAX from now.

    The signature covers the task's id and the time, but not the rest of the body. A callback
    therefore only means that the task is worth a poll, and so does a replayed callback.

    Args:
        options: have the account's webhook key; without one, nothing is verified.
        headers: X-Webhook-Timestamp (Unix seconds) and X-Webhook-Signature, in upper or lower case.
        now: aware.
    Source: docs.kie.ai, webhook verification.
    """
    option = options["KIE_WEBHOOK_KEY"]
    key = option.get_secret_value() if isinstance(option, SecretStr) else ""
    task_id = fields.task_id(fields.mapping(decoded(body), "data"), "taskId", "task_id")
    given = {name.lower(): value for name, value in headers.items()}
    timestamp = given.get("x-webhook-timestamp", "")
    signature = given.get("x-webhook-signature", "")
    if not (task_id and signature.isascii() and key and TIMESTAMP.fullmatch(timestamp)):
        return None
    if abs(now.timestamp() - int(timestamp)) > CALLBACK_AGE_MAX.total_seconds():
        return None
    signed = f"{task_id}.{timestamp}".encode()
    digest = hmac.new(key.encode(), signed, hashlib.sha256).digest()
    return task_id if hmac.compare_digest(base64.b64encode(digest), signature.encode()) else None


def is_unknown(reply: Reply) -> bool:
    """Whether a poll's answer says that there is no such task (yet)."""
    return reply.code in UNKNOWN_TASK_CODES and not is_content(error_message(reply.body))


def read_failed(reply: Reply) -> Failed | None:
    """The task's failure, if the answer has only its own code to say that the generation failed."""
    if reply.code != GENERATION_FAILED or names_state(reply):
        return None
    return _failed(str(GENERATION_FAILED), error_message(reply.body))


def upload_fields(image: ImageFile) -> dict[str, str]:
    """The vendor overwrites a file of the same name, so each file gets a random name."""
    name = f"{secrets.token_hex(16)}.{image.format}"
    return {"uploadPath": UPLOAD_FOLDER, "fileName": name}


def error_message(body: Mapping[str, object]) -> str:
    """`msg`, which some answers call `message`."""
    return fields.text(body, "msg", "message") or fields.any_message(body) or "no message"


def _failed(code: str, message: str) -> Failed:
    retryable = code in RETRYABLE_FAIL_CODES
    return failure(code, moderation=is_content(code, message), retryable=retryable)


def _credits(data: Mapping[str, object]) -> Decimal | None:
    """`creditsConsumed`, or `consumeCredits` as in an older example; None: not said or absurd."""
    for name in ("creditsConsumed", "consumeCredits"):
        value = data.get(name)
        if isinstance(value, int | Decimal) and not isinstance(value, bool):
            return Decimal(value) if 0 <= value <= CREDITS_MAX else None
    return None


def _tasks(setup: Setup) -> TaskProvider:
    key, upload_root = setup.options["KIE_WEBHOOK_KEY"], setup.options["KIE_UPLOAD_URL"]
    # An unsigned callback could come from anyone, so without a key the bot asks for none.
    callback_url = setup.callback_url if key else None
    written = TaskFormat(
        create=lambda order: (CREATE_PATH, build_create(order, callback_url)),
        parse_create=parse_create,
        poll_path=RECORD_PATH,
        id_name="taskId",
        parse_poll=parse_record,
        upload_path=UPLOAD_PATH,
        upload_fields=upload_fields,
        parse_upload=parse_upload,
        balance=(CREDIT_PATH, {}),
        parse_balance=parse_credit,
        read_complaint=read_complaint,
        is_unknown=is_unknown,
        read_failed=read_failed,
    )
    return TaskProvider(written, setup.http(setup.root), setup.http(str(upload_root)))


VENDOR = Vendor(
    NAME,
    key="KIE_API_KEY",
    root="KIE_BASE_URL",
    root_default="https://api.kie.ai",
    apis={
        "tasks": Api(_tasks, switches=frozenset({NsfwSwitch.NSFW_CHECKER}), credits=True),
    },
    options={
        "KIE_UPLOAD_URL": Option("https://kieai.redpandaai.co"),
        # Verifies the vendor's callbacks; the account page shows it.
        "KIE_WEBHOOK_KEY": Option(takes="key"),
    },
    verify_callback=verify_callback,
)
