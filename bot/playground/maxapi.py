"""
Answers as MaxAPI does: OpenAI's image calls with tasks to poll. The studio does the work itself.

Source: maxapi.dev, docs and model page of gpt-image-2-beta, read 2026-11. They name only a task id
and a `poll_url`. The shapes are guesses from what gateways of its kind answer
(QuantumNous/new-api and its forks), and `Habits` chooses between them.
"""

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import partial

from aiohttp import web
from msgspec import Struct, field
from msgspec.structs import replace

from bot.playground.faults import VendorCall
from bot.playground.formats import Endpoint, Format, ImagesError, read_json
from bot.playground.openai_images import OpenAiImages, Wanted, price_by_tokens, read_word
from bot.playground.studio import Fails, Stage, Sticks, StudioTask

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
    """OpenAI's calls, with MaxAPI's own fields."""

    habits: Habits = field(default_factory=Habits)
    #: by task id, oldest first
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


class GatewayFormat(Format):
    """What both of MaxAPI's formats do alike."""

    habits: Habits

    def key_in(self, request: web.Request) -> str:
        key = request.headers.get("Authorization", "").removeprefix("Bearer ")
        return f"Bearer {request.headers.get('x-goog-api-key', key)}"

    def wrong_key(self) -> ImagesError:
        return gateway_error(401, "Invalid token", "")

    def written(self, error: ImagesError) -> web.Response:
        """The gateway's own error, where it differs from OpenAI's."""
        if error.code == "insufficient_quota":
            error = gateway_error(403, "insufficient quota", "insufficient_user_quota")
        elif error.code == "model_not_found":
            error = gateway_error(503, "No available channel", "model_not_found")
        return error.answer()


class MaxApiFormat(GatewayFormat):
    """The routes below BASE_PATH that speak OpenAI's language."""

    #: by task id, oldest first
    accepted: dict[str, Accepted] = field(default_factory=dict)

    @property
    def _images(self) -> MaxApiImages:
        return MaxApiImages(
            self.studio,
            self.submissions,
            models=MODELS,
            links=True,
            moderation="low",
            own_sizes_px=OWN_SIZES_PX,
            habits=self.habits,
            accepted=self.accepted,
        )

    def endpoints(self) -> Sequence[Endpoint]:
        images = f"{BASE_PATH}/v1/images"
        task = images + "/{kind:generations|edits}/{task_id}"
        return [
            ("POST", f"{images}/generations", VendorCall.CREATE, self._generate),
            ("POST", f"{images}/edits", VendorCall.CREATE, self._edit),
            ("GET", task, VendorCall.POLL, self._poll),
            ("GET", f"{BASE_PATH}/v1/models", VendorCall.MODELS, self._models),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        return self._answer(request, await self._images.generate(await read_json(request)))

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        return self._answer(request, await self._images.edit(request))

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        task_id = request.match_info["task_id"]
        order = self.accepted.get(task_id)
        if order is None:
            raise gateway_error(404, "task not found", "task_not_found")
        stages = [self.studio.look(task) for task in order.tasks]
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
        if self.habits.names_poll_url:
            fields["poll_url"] = str(request.url / task_id)
        return web.json_response(self._task(task_id, fields), status=202)

    def _task(self, task_id: str, fields: Mapping[str, object]) -> dict[str, object]:
        task = {"task_id": task_id, **fields}
        return {"success": True, "data": task} if self.habits.wraps else task

    def _failure(self, task: StudioTask) -> web.Response:
        assert isinstance(task.ending, Fails)
        reason = task.ending.message
        if self.habits.disguises_failures:
            data = {"url": f"status_code={task.ending.code}, {reason}"}
            return web.json_response({"created": int(task.created_at_s), "data": data})
        fields: dict[str, object] = {"status": "failed"}
        if self.habits.wraps:
            fields = {"status": "FAILURE", "fail_reason": f"{task.ending.code}: {reason}"}
        else:
            fields["error"] = {"message": reason, "type": "new_api_error", "code": task.ending.code}
        return web.json_response(self._task(task.id, fields))


def gateway_error(status: int, message: str, code: str) -> ImagesError:
    """An error of the gateway itself, in New API's words."""
    return ImagesError(status, message, code=code, kind="new_api_error")
