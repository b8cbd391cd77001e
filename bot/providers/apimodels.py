"""
API Models (apimodels.app) behind the Provider port; knows its wire format and nothing else.

Source: apimodels.app docs, image page; the vendor's clients apimodels-mcp 0.7.0 and
apimodels-skill; read 2026-11.
"""

from collections.abc import Collection, Mapping

from bot.domain.catalog import NsfwSwitch
from bot.domain.credits import format_credits, from_usd
from bot.domain.ports import Failed, Finished, Order, Progress, Running
from bot.errors import ProviderContractBroken, ProviderError, ProviderMisconfigured
from bot.providers import fields, openai_images
from bot.providers.http import VendorHttp
from bot.providers.judge import Complaint, Kind, Reply, Stake, failure, required
from bot.providers.moderation import is_content
from bot.providers.tasks import TaskFormat, TaskProvider
from bot.providers.vendors import Api, Setup, Vendor

NAME = "apimodels"
IMAGES_PATH = openai_images.GENERATIONS_PATH

#: Parts of `failCode`, `failMsg` or `resultJson` (apimodels-skill).
RETRYABLE_WORDS = ("UPSTREAM_BUSY", "TIMEOUT")
#: Codes of a poll for a task that the vendor does not know.
UNKNOWN_TASK_CODES = frozenset({404, 422})


class ApiModelsTasks(TaskProvider):
    async def check(self, upstreams: Collection[str]) -> str:
        said = await super().check(upstreams)
        try:
            reply = await self._http.get("/models")
        except ProviderError:
            # The vendor's documentation does not name this call; only its clients make it. The key
            # works, whatever comes of it.
            return said
        return "; ".join([said, *fields.compare_models(fields.model_ids(reply.body), upstreams)])


class ApiModelsImages:
    """The API that answers when the image is done (apimodels.app docs, gpt-image-2-all)."""

    upload = None

    def __init__(self, tasks: TaskProvider, http: VendorHttp) -> None:
        self._http = http
        # Without a `size`, the vendor may answer with a task.
        self.poll = tasks.poll
        self.check = tasks.check

    async def submit(self, order: Order) -> str | Finished | Failed:
        reply = await openai_images.send(self._http, order, build_order(order))
        self._http.judge(reply, read_complaint(reply), Stake.SUBMIT, hidden=order.prompt)
        return parse_submit(reply.body)


def read_complaint(reply: Reply) -> Complaint | None:
    """What the answer complains about; None if it is a success."""
    code, words = reply.code, error_message(reply.body)
    error = openai_images.parse_error(reply.body)
    if 200 <= code < 300 and (reply.body.get("data") or not (error or is_content(words))):
        return None
    if is_content(words, status=code) or (error and openai_images.is_moderation(error, code)):
        facts = openai_images.moderation_facts(reply.body)
        return Complaint(words, code, Kind.CONTENT, facts=facts)
    # The catalog names a model that the vendor no longer has; the operator has to correct that.
    unknown_model = code == 400 and words.startswith("Invalid model")
    operators = unknown_model or (error is not None and error.is_operators)
    return Complaint(words, code, Kind.OPERATOR if operators else Kind.STATUS)


def build_create(order: Order) -> dict[str, object]:
    """
    The body of a create call.

    A route that has `nsfw_checker` always sends it, because the vendor's pages contradict each
    other about its default. `image_urls` makes the call an edit.
    """
    body: dict[str, object] = {
        "model": order.route.upstream,
        "prompt": order.prompt,
        "aspect_ratio": order.aspect_ratio,
    }
    if order.route.sends_resolution:
        body["resolution"] = order.resolution
    if order.route.qualities:
        body["quality"] = order.quality
    body |= order.route.nsfw_switch.fields(nsfw_checker=order.nsfw_checker)
    if order.reference_links:
        body["image_urls"] = list(order.reference_links)
    return body


def build_order(order: Order) -> dict[str, object]:
    """
    The body of a synchronous create call, or an edit's fields beside its files.

    If the ratio is `auto`, there is no `size` to send; the vendor takes ratio and resolution
    instead.
    """
    body = openai_images.build_fields(order)
    if "size" not in body:
        body |= {"aspect_ratio": order.aspect_ratio, "resolution": order.resolution}
    return body


def parse_submit(body: Mapping[str, object]) -> str | Finished | Failed:
    """
    The task id, or the image if it came at once. According to the vendor, `size` makes the answer
    synchronous, so a call without `size` may get a task.

    Raises:
        ProviderContractBroken: the answer has neither, although the image may have been made.
    """
    if not isinstance(body.get("data", body.get("images")), list):
        return parse_create(body)
    found = openai_images.parse_images(NAME, body)
    if found == Finished():
        # Some gateways put the task in the list, in the place of an image.
        return fields.task_id(fields.first(body, "data"), "taskId", "task_id") or found
    return found


def parse_create(body: Mapping[str, object]) -> str:
    """
    The task id in a successful create answer: `data.taskId`, or one of its older names.

    Raises:
        ProviderContractBroken: there is none, although the task may exist.
    """
    names = ("taskId", "task_id", "id")
    found = fields.task_id(fields.mapping(body, "data"), *names) or fields.task_id(body, *names)
    return required(found, NAME, "took a task but named no id")


def parse_poll(body: Mapping[str, object]) -> Progress:
    """
    What a successful query answer says about its task: `data.state`, `resultUrls`, `failCode`.

    `credits` is not used as the cost: its unit is not documented, while the list price is.

    Raises:
        ProviderContractBroken: the task is finished, but its results are not links.
    """
    data = fields.mapping(body, "data")
    state = fields.text(data, "state", "status")
    if state.lower() in fields.FINISHED_WORDS:
        return Finished(*_results(data))
    if state.lower() in fields.FAILED_WORDS:
        code = fields.text(data, "failCode") or state
        words = f"{code} {fields.text(data, 'failMsg')} {fields.text(data, 'resultJson')}".upper()
        retryable = data.get("retryable") is True or any(w in words for w in RETRYABLE_WORDS)
        return failure(code, moderation=is_content(words), retryable=retryable)
    return Running(state[: fields.WORD_CHARS_MAX])


def parse_upload(body: Mapping[str, object]) -> str:
    """`data.publicUrl` in a successful upload answer. Raises ProviderContractBroken."""
    link = fields.link(fields.mapping(body, "data"), "publicUrl")
    return required(link, NAME, "took a file but named no link")


def parse_balance(body: Mapping[str, object]) -> str:
    """
    `data.balance`, in USD: what is left after the holds of running tasks.

    Raises:
        ProviderContractBroken: it is missing, not a sensible number, or in another currency.
        ProviderMisconfigured: nothing is left.
    """
    data = fields.mapping(body, "data")
    balance = required(fields.amount(data, "balance"), NAME, "named no balance")
    if data.get("currency", "USD") != "USD":
        raise ProviderContractBroken(NAME, "named its balance in another currency than USD")
    if balance <= 0:
        raise ProviderMisconfigured(NAME, "nothing is left on the account")
    return f"{format_credits(from_usd(balance))} on the account"


def is_unknown(reply: Reply) -> bool:
    """Whether a poll's answer says that there is no such task (yet)."""
    return reply.code in UNKNOWN_TASK_CODES and not is_content(error_message(reply.body))


def error_message(body: Mapping[str, object]) -> str:
    """
    The first of `msg`, `error.message` and `error`, then whatever else is said; the vendor's client
    uses this order.
    """
    nested = fields.text(fields.mapping(body, "error"), "message")
    documented = fields.text(body, "msg") or nested or fields.text(body, "error")
    return documented or fields.any_message(body) or "no message"


def _results(data: Mapping[str, object]) -> tuple[tuple[str, ...], bool]:
    """
    The links in `resultUrls`, or else in the JSON text of `resultJson`, and whether an image came
    among them. There may be no result yet.
    """
    named = data.get("resultUrls") or fields.inner_json(data, "resultJson").get("resultUrls") or []
    found = fields.results(named)
    return required(found, NAME, "finished a task with something else than links")


TASKS = TaskFormat(
    create=lambda order: (IMAGES_PATH, build_create(order)),
    parse_create=parse_create,
    poll_path=IMAGES_PATH,
    id_name="task_id",
    parse_poll=parse_poll,
    upload_path="/files",
    parse_upload=parse_upload,
    balance=("/balance", {}),
    parse_balance=parse_balance,
    read_complaint=read_complaint,
    is_unknown=is_unknown,
)


def _tasks(setup: Setup) -> TaskProvider:
    return ApiModelsTasks(TASKS, setup.http(setup.root))


VENDOR = Vendor(
    NAME,
    key="APIMODELS_API_KEY",
    root="APIMODELS_BASE_URL",
    root_default="https://api.apimodels.app/v1",
    apis={
        "tasks": Api(_tasks, switches=frozenset({NsfwSwitch.NSFW_CHECKER}), qualities=True),
        "images": Api(
            lambda setup: ApiModelsImages(_tasks(setup), setup.http(setup.root)),
            mask=True,
            qualities=True,
            tokens=True,
        ),
    },
)
