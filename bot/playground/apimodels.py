"""
Answers as API Models does: bearer key, envelope, tasks. The studio does the work itself.

Source: apimodels.app docs, image page; the vendor's clients apimodels-mcp and apimodels-skill,
read 2026-11. What these sources leave open is a guess, and is marked as a guess.
"""

import ipaddress
import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from urllib.parse import urlsplit

from aiohttp import BodyPartReader, web

from bot.playground import openai_images
from bot.playground.drawing import SCALE, SIZES_1K_PX, size_px
from bot.playground.faults import VendorCall
from bot.playground.formats import Endpoint, Format, ImagesError, read_json, reject
from bot.playground.studio import (
    Commission,
    Fails,
    OutOfMoney,
    Stage,
    Sticks,
    StudioTask,
    Submission,
    TooLarge,
    chunks_of,
)

BASE_PATH = "/apimodels/api/v1"
PROMPT_CHARS_MAX = 20_000


REFERENCES_MAX = 16
_FLAT = {"1K": Decimal("0.06")}
_TIERED = {"1K": Decimal("0.025"), "2K": Decimal("0.03"), "4K": Decimal("0.05")}
_LITE = {"1K": Decimal("0.008"), "2K": Decimal("0.015"), "4K": Decimal("0.025")}
#: model -> resolution -> USD for one image
MODELS = {"gpt-image-2": _TIERED, "gpt-image-2-beta": _FLAT, "gpt-image-2-lite": _LITE}
#: The model that answers when the image is done, in OpenAI's shape. Its price in USD depends on the
#: longer side in pixels and the quality (apimodels.app docs, gpt-image-2-all).
SYNC_MODEL = "gpt-image-2-all"
SYNC_PRICES_USD = {
    1_536: {"low": Decimal("0.005"), "medium": Decimal("0.025"), "high": Decimal("0.07")},
    2_048: {"low": Decimal("0.01"), "medium": Decimal("0.04"), "high": Decimal("0.10")},
    3_840: {"low": Decimal("0.015"), "medium": Decimal("0.06"), "high": Decimal("0.23")},
}


class ApiModelsFormat(Format):
    """The routes below BASE_PATH."""

    @property
    def _sync(self) -> openai_images.OpenAiImages:
        return openai_images.OpenAiImages(
            self.studio,
            self.submissions,
            models=(SYNC_MODEL,),
            price_usd=_sync_price,
            usage=False,
            moderation="low",
        )

    def endpoints(self) -> Sequence[Endpoint]:
        images = f"{BASE_PATH}/images"
        return [
            ("POST", f"{images}/generations", VendorCall.CREATE, self._create),
            ("POST", f"{images}/edits", VendorCall.CREATE, self._edit),
            ("GET", f"{images}/generations", VendorCall.POLL, self._poll),
            ("POST", f"{BASE_PATH}/files", VendorCall.UPLOAD, self._upload),
            ("GET", f"{BASE_PATH}/balance", VendorCall.BALANCE, self._balance),
            ("GET", f"{BASE_PATH}/models", VendorCall.MODELS, self._models),
        ]

    def wrong_key(self) -> ImagesError:
        return ImagesError(401, "Invalid API key")

    def written(self, error: ImagesError) -> web.Response:
        """That the vendor's synchronous model uses its envelope, too, is a guess."""
        code, message = error.status, str(error)
        if error.code == "moderation_blocked":
            message = f"CONTENT_MODERATION: {message}"
        if error.code == "insufficient_quota":
            code, message = 402, "Insufficient balance"
        # As at the real vendor, a lack of money comes with HTTP 200 (apimodels-skill).
        status = 200 if code == 402 else code
        return web.json_response({"code": code, "msg": message, "data": None}, status=status)

    async def _create(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request)
        if body.get("model") == SYNC_MODEL:
            return web.json_response(await self._sync.generate(_with_size(body)))
        task: StudioTask | None = None
        try:
            task = self.studio.start(_read_commission(body, uploads=self.studio.uploads))
        except OutOfMoney:
            raise ImagesError(402, "", code="insufficient_quota") from None
        finally:
            self.submissions.append(Submission(body, task.id if task else None))
        return _success({"taskId": task.id})

    async def _edit(self, request: web.Request) -> web.StreamResponse:
        return web.json_response(await self._sync.edit(request))

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        task_id = request.query.get("task_id")
        if not task_id:
            reject("task_id is required")
        task = self.studio.task(task_id)
        if task is None:
            # The status 404 is a guess.
            raise ImagesError(404, "Task not found")
        return _success(self._task_data(task))

    def _task_data(self, task: StudioTask) -> dict[str, object]:
        stage = self.studio.look(task)
        data: dict[str, object] = {
            "taskId": task.id,
            "state": "processing",
            "modelType": "IMAGE_TO_IMAGE" if task.commission.references else "TEXT_TO_IMAGE",
            "createTime": int(task.created_at_s * 1000),
        }
        if isinstance(task.ending, Sticks):
            data |= {"state": task.ending.word}
        elif isinstance(task.ending, Fails) and stage is Stage.FAILED:
            data |= {
                "state": "failed",
                "failCode": task.ending.code,
                "failMsg": task.ending.message,
                "retryable": task.ending.retryable,
            }
        elif stage in {Stage.EMPTY, Stage.COMPLETED}:
            links = [self.studio.result_link(task)] if stage is Stage.COMPLETED else []
            data |= {
                "state": "completed",
                "resultUrls": links,
                "resultJson": json.dumps({"resultUrls": links}),
                "credits": float(task.commission.price_usd),
            }
        return data

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if not request.content_type.startswith("multipart/"):
            reject("file is required")
        try:
            part = await (await request.multipart()).next()
            if not isinstance(part, BodyPartReader) or part.name != "file":
                reject("file is required")
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            upload = await self.studio.keep(part.filename or "file", content_type, chunks_of(part))
        except ValueError:
            reject("Malformed multipart body")
        except TooLarge:
            raise ImagesError(413, "File too large") from None
        return _success({"publicUrl": upload.link})

    async def _balance(self, request: web.Request) -> web.StreamResponse:
        frozen = self.studio.frozen_usd()
        total = self.studio.balance_usd
        money = {"balance": total - frozen, "total": total, "frozen": frozen}
        data: dict[str, object] = {name: float(amount) for name, amount in money.items()}
        return _success(data | {"currency": "USD"})

    async def _models(self, request: web.Request) -> web.StreamResponse:
        endpoint, models = "/images/generations", (*MODELS, SYNC_MODEL)
        return _success([{"id": i, "modality": "image", "endpoint": endpoint} for i in models])


def _with_size(body: Mapping[str, object]) -> Mapping[str, object]:
    """The body with a size; if it has none, the size follows from ratio and resolution."""
    if "size" in body:
        return body
    ratio = _read_word(body, "aspect_ratio", ("auto", *SIZES_1K_PX))
    if ratio == "auto":
        return body
    width_px, height_px = size_px(ratio, _read_word(body, "resolution", tuple(SCALE)).upper())
    return {**body, "size": f"{width_px}x{height_px}"}


def _sync_price(wanted: openai_images.Wanted) -> Decimal:
    longer_px = max(wanted.size_px or openai_images.SQUARE_PX)
    prices = next(each for side, each in SYNC_PRICES_USD.items() if longer_px <= side)
    return prices["medium" if wanted.quality == "auto" else wanted.quality]


def _success(data: object) -> web.Response:
    return web.json_response({"code": 200, "msg": "success", "data": data})


def _read_commission(body: Mapping[str, object], *, uploads: Mapping[str, object]) -> Commission:
    model = body.get("model")
    prices_usd = MODELS.get(model) if isinstance(model, str) else None
    if prices_usd is None:
        reject(f"Invalid model: {model}. Supported models: {', '.join(MODELS)}")
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        reject("prompt is required")
    if len(prompt) > PROMPT_CHARS_MAX:
        reject(f"prompt must be at most {PROMPT_CHARS_MAX} characters")
    nsfw_checker = body.get("nsfw_checker", False)
    if not isinstance(nsfw_checker, bool):
        reject("nsfw_checker must be a boolean")
    resolution = _read_word(body, "resolution", tuple(SCALE)).upper()
    if prices_usd is _FLAT:
        # The beta's documentation has no resolution; that the vendor ignores it is a guess.
        resolution = "1K"
    return Commission(
        prompt=prompt,
        aspect_ratio=_read_word(body, "aspect_ratio", ("auto", *SIZES_1K_PX)),
        resolution=resolution,
        references=_read_references(body, uploads),
        nsfw_checker=nsfw_checker,
        price_usd=prices_usd[resolution],
    )


def _read_word(body: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str:
    """The first allowed word is the default, and its case does not matter. Raises ImagesError."""
    word = body.get(name, allowed[0])
    if not isinstance(word, str) or word.upper() not in [each.upper() for each in allowed]:
        reject(f"{name} must be one of {', '.join(allowed)}")
    return word


def _read_references(body: Mapping[str, object], uploads: Mapping[str, object]) -> tuple[str, ...]:
    links = body.get("image_urls", [])
    if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
        reject("image_urls must be a list of links")
    if "image_url" in body:
        if not isinstance(body["image_url"], str):
            reject("image_url must be a link")
        links = [body["image_url"], *links]
    if len(links) > REFERENCES_MAX:
        reject(f"Too many images: {len(links)}, at most {REFERENCES_MAX} are supported")
    for link in links:
        if link not in uploads and not _is_public(link):
            reject(
                "image_urls must be public https links; private/reserved IP addresses not allowed"
            )
    return tuple(links)


def _is_public(link: str) -> bool:
    parts = urlsplit(link)
    if parts.scheme != "https" or not parts.hostname or parts.hostname == "localhost":
        return False
    try:
        return ipaddress.ip_address(parts.hostname).is_global
    except ValueError:
        # It is a host name, which the playground never resolves or fetches.
        return True
