"""
Answers as MaxAPI does: OpenAI's image calls with tasks to poll. The studio does the work itself.

Source: maxapi.dev, docs and model page of gpt-image-2-beta, read 2026-11. They name only a task id
and a `poll_url`. The shapes are guesses from what gateways of its kind answer
(QuantumNous/new-api and its forks), and `Habits` chooses between them.
"""

import hmac
from collections import deque
from collections.abc import Callable, Mapping
from decimal import Decimal
from functools import partial

from aiohttp import web
from aiohttp.typedefs import Handler
from msgspec import Struct, field
from msgspec.structs import replace

from bot.playground.faults import VendorCall, VendorFaults
from bot.playground.openai_images import (
    ImagesError,
    OpenAiImages,
    Wanted,
    price_by_tokens,
    read_json,
    read_word,
)
from bot.playground.studio import Fails, Stage, Sticks, Studio, StudioTask, Submission

BASE_PATH = "/maxapi"
#: maxapi.dev, model page of openai/gpt-image-2-beta: "4096x4096 for 1:1 at 4K"
OWN_SIZES_PX = ((4_096, 4_096),)
MODELS = ("openai/gpt-image-2-beta", "openai/gpt-image-2")
ASSET_DELIVERIES = ("default", "mirror")
#: Orders that are remembered; the oldest are forgotten first.
ORDERS_MAX = 5_000
#: USD (model page): for an image by `mix`, and for a million tokens by `official-cheap`.
USD_MIX = Decimal("0.012")
RATES_OF_OFFICIAL_CHEAP_USD = (Decimal("0.35"), Decimal("0.35"), Decimal("0.70"))
#: This server's usual name, and another name, which stands in links if `mirror` is asked for.
OWN_HOST, MIRROR_HOST = "//127.0.0.1:", "//localhost:"


PRICES: Mapping[str, Callable[[Wanted], Decimal]] = {
    "mix": lambda _: USD_MIX,
    "official-cheap": partial(price_by_tokens, rates_usd=RATES_OF_OFFICIAL_CHEAP_USD),
    "official": price_by_tokens,
}


class Habits(Struct):
    """What the documentation leaves open; a test sets it as needed."""

    #: answer only when the image is done, even if a task is asked for
    ignores_async: bool = False
    #: wrap a task in `{success, data}`
    wraps: bool = False
    names_poll_url: bool = True
    #: put the image into the answer instead of a link
    inline: bool = False
    #: answer 200 for a failed task, with the reason where the link belongs
    disguises_failures: bool = False


class Accepted(Struct, frozen=True):
    """An order that a caller may poll."""

    tasks: list[StudioTask]
    wanted: Wanted
    mirror: bool


class MaxApiImages(OpenAiImages):
    """
    OpenAI's calls, with MaxAPI's own fields.

    Args:
        accepted: by task id, oldest first.
    """

    habits: Habits = field(default_factory=Habits)
    accepted: dict[str, Accepted] = field(default_factory=dict)

    async def generate(self, body: Mapping[str, object]) -> dict[str, object]:
        """The id of a task, or the finished answer. Raises ImagesError."""
        price_usd = PRICES[read_word(body, "route_mode", tuple(PRICES))]
        mirror = read_word(body, "asset_delivery", ASSET_DELIVERIES) == "mirror"
        # In multipart, every field is a text.
        wants_task = body.get("async") in {True, "true"}
        tasks = replace(self, price_usd=price_usd).start(body)
        wanted = replace(self.read(body), as_link=not self.habits.inline)
        order = Accepted(tasks, wanted, mirror)
        if not wants_task or self.habits.ignores_async:
            return await self.show(order)
        self.accepted[tasks[0].id] = order
        if len(self.accepted) > ORDERS_MAX:
            del self.accepted[next(iter(self.accepted))]
        return {"task_id": tasks[0].id}

    async def show(self, order: Accepted) -> dict[str, object]:
        """OpenAI's body, once the order is done. Raises ImagesError."""
        answer = await self.answer(order.tasks, order.wanted)
        images = answer["data"]
        assert isinstance(images, list)
        for image in images:
            if order.mirror and "url" in image:
                image["url"] = image["url"].replace(OWN_HOST, MIRROR_HOST)
        return answer


class MaxApiFormat:
    """The routes below BASE_PATH that speak OpenAI's language."""

    def __init__(
        self, studio: Studio, submissions: deque[Submission], habits: Habits, *, api_key: str
    ) -> None:
        self._studio = studio
        self._habits = habits
        self._api_key = api_key
        self._images = MaxApiImages(
            studio,
            submissions,
            models=MODELS,
            links=True,
            moderation="low",
            own_sizes_px=OWN_SIZES_PX,
            habits=habits,
        )

    def routes(self, faults: VendorFaults) -> list[web.RouteDef]:
        def around(call: VendorCall, handler: Handler) -> Handler:
            return faults.around(call, guarded(self._api_key, handler))

        images = f"{BASE_PATH}/v1/images"
        return [
            web.post(f"{images}/generations", around(VendorCall.CREATE, self._generate)),
            web.post(f"{images}/edits", around(VendorCall.CREATE, self._edit)),
            web.get(
                images + "/{kind:generations|edits}/{task_id}", around(VendorCall.POLL, self._poll)
            ),
            web.get(f"{BASE_PATH}/v1/models", around(VendorCall.MODELS, self._models)),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return self._answer(request, await self._images.generate(await read_json(request)))

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        return self._answer(request, await self._images.edit(request))

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]
        order = self._images.accepted.get(task_id)
        if order is None:
            raise ImagesError(404, "task not found", code="task_not_found", kind="new_api_error")
        stages = [self._studio.look(task) for task in order.tasks]
        if Stage.FAILED in stages:
            return self._failure(next(t for t in order.tasks if isinstance(t.ending, Fails)))
        if all(stage is Stage.COMPLETED for stage in stages):
            return web.json_response(await self._images.show(order))
        stuck = next((t.ending.word for t in order.tasks if isinstance(t.ending, Sticks)), None)
        empty = Stage.EMPTY in stages and Stage.RUNNING not in stages
        word = stuck or ("completed" if empty else "processing")
        return web.json_response(self._task(task_id, {"status": word, "progress": "0%"}))

    async def _models(self, request: web.Request) -> web.StreamResponse:
        models = [{"id": model, "object": "model"} for model in MODELS]
        return web.json_response({"object": "list", "data": models})

    def _answer(self, request: web.Request, answer: dict[str, object]) -> web.Response:
        task_id = answer.get("task_id")
        if not isinstance(task_id, str):
            return web.json_response(answer)
        fields: dict[str, object] = {"status": "queued"}
        if self._habits.names_poll_url:
            fields["poll_url"] = str(request.url / task_id)
        return web.json_response(self._task(task_id, fields), status=202)

    def _task(self, task_id: str, fields: Mapping[str, object]) -> dict[str, object]:
        task = {"task_id": task_id, **fields}
        return {"success": True, "data": task} if self._habits.wraps else task

    def _failure(self, task: StudioTask) -> web.Response:
        assert isinstance(task.ending, Fails)
        reason = task.ending.message
        if self._habits.disguises_failures:
            data = {"url": f"status_code={task.ending.code}, {reason}"}
            return web.json_response({"created": int(task.created_at_s), "data": data})
        fields: dict[str, object] = {"status": "failed"}
        if self._habits.wraps:
            fields = {"status": "FAILURE", "fail_reason": f"{task.ending.code}: {reason}"}
        else:
            fields["error"] = {"message": reason, "type": "new_api_error", "code": task.ending.code}
        return web.json_response(self._task(task.id, fields))


def guarded(api_key: str, handler: Handler) -> Handler:
    """Check the key, and turn an error into New API's shape."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            key = request.headers.get("Authorization", "").removeprefix("Bearer ")
            key = request.headers.get("x-goog-api-key", key)
            if not hmac.compare_digest(key.encode(), api_key.encode()):
                raise ImagesError(401, "Invalid token", code="", kind="new_api_error")
            return await handler(request)
        except ImagesError as error:
            return _as_gateway(error).answer()

    return answer


def _as_gateway(error: ImagesError) -> ImagesError:
    """The gateway's own error, where it differs from OpenAI's."""
    kind = "new_api_error"
    if error.code == "insufficient_quota":
        return ImagesError(403, "insufficient quota", code="insufficient_user_quota", kind=kind)
    if error.code == "model_not_found":
        return ImagesError(503, "No available channel", code="model_not_found", kind=kind)
    return error
