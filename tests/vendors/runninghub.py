"""
Answers as RunningHub does: bearer key, tasks, errors at the top level; the work is the studio's.

Source: HM-RunningHub/ComfyUI_RH_OpenAPI, the vendor's client, model registry and price file of
2026-04-29; RunningHub API docs, error code reference; read 2026-11. What they leave open is a
guess, and marked as one.
"""

import json
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Never

from aiohttp import BodyPartReader, web
from msgspec import Struct

from bot.playground.drawing import SIZES_1K_PX
from bot.playground.faults import VendorCall
from bot.playground.formats import Endpoint, Format, ImagesError
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

BASE_PATH = "/runninghub/openapi/v2"
PROMPT_CHARS_MAX = 20_000
REFERENCES_MAX = 10
#: Sizes of uploads (model registry).
REFERENCE_BYTES_MAX = 10 * 1024 * 1024
RESOLUTIONS = ("1k", "2k", "4k")
QUALITIES = ("low", "medium", "high")
CNY_PER_USD = Decimal(7)

#: Values of `errorCode`.
BAD_KEY, NO_SUCH_TASK, BAD_REQUEST, FILE_TOO_LARGE, NO_MONEY = 1002, 1004, 1007, 1008, 812
REFUSED_CONTENT = 1501


class Offer(Struct, frozen=True):
    #: what is taken where the request leaves it out; None: it must not
    ratio: str
    resolution: str | None
    quality: str | None
    #: (resolution, quality) -> CNY
    price_cny: Mapping[tuple[str, str], Decimal]
    #: in the registry's terms, the model chooses
    takes_empty_ratio: bool


_OFFICIAL_CNY = {
    "low": ("0.29", "0.328", "0.378"),
    "medium": ("0.586", "0.926", "1.373"),
    "high": ("1.581", "2.948", "4.738"),
}
OFFERS = {
    "rhart-image-g-2": Offer(
        ratio="empty",
        resolution="1k",
        quality="",
        price_cny={(resolution, ""): Decimal("0.10") for resolution in RESOLUTIONS},
        takes_empty_ratio=True,
    ),
    "rhart-image-g-2-official": Offer(
        ratio="16:9",
        resolution=None,
        quality=None,
        price_cny={
            (resolution, quality): Decimal(cny)
            for quality, prices in _OFFICIAL_CNY.items()
            for resolution, cny in zip(RESOLUTIONS, prices, strict=True)
        },
        takes_empty_ratio=False,
    ),
}


class _Rejected(ImagesError):
    """
    Args:
        in_envelope: as the upload answers, with `code`.
    """

    def __init__(self, code: int, message: str, *, in_envelope: bool = False) -> None:
        super().__init__(200, message, code=str(code))
        self.in_envelope = in_envelope


class RunningHubFormat(Format):
    """The routes below BASE_PATH."""

    def endpoints(self) -> Sequence[Endpoint]:
        kind = "{kind:text-to-image|image-to-image}"
        upload = f"{BASE_PATH}/media/upload/binary"
        return [
            ("POST", f"{BASE_PATH}/{{model}}/{kind}", VendorCall.CREATE, self._submit),
            ("POST", f"{BASE_PATH}/query", VendorCall.POLL, self._query),
            ("POST", upload, VendorCall.UPLOAD, self._upload),
        ]

    def wrong_key(self) -> _Rejected:
        return _Rejected(BAD_KEY, "Invalid API key, please check your API key")

    def written(self, error: ImagesError) -> web.Response:
        """To HTTP, all is well."""
        if error.in_envelope:
            return web.json_response({"code": int(error.code), "message": str(error)})
        return web.json_response(_task("", "", error.code, str(error)))

    async def _submit(self, request: web.Request) -> web.StreamResponse:
        body = await _read_json(request)
        task: StudioTask | None = None
        try:
            edits = request.match_info["kind"] == "image-to-image"
            offer = OFFERS.get(request.match_info["model"])
            if offer is None:
                raise _Rejected(1001, "Invalid URL, please check your request URL")
            task = self.studio.start(_read_commission(body, offer, edits=edits))
        except OutOfMoney:
            raise _Rejected(NO_MONEY, "CORPAPIKEY_INSUFFICIENT_FUNDS") from None
        finally:
            self.submissions.append(Submission(body, task.id if task else None))
        return web.json_response(_task(task.id, "QUEUED"))

    async def _query(self, request: web.Request) -> web.StreamResponse:
        task_id = (await _read_json(request)).get("taskId")
        if not isinstance(task_id, str) or not task_id:
            _reject("taskId is required")
        task = self.studio.task(task_id)
        if task is None:
            raise _Rejected(NO_SUCH_TASK, "Task does not exist or has expired")
        return web.json_response(self._task_answer(task))

    def _task_answer(self, task: StudioTask) -> dict[str, object]:
        stage = self.studio.look(task)
        if isinstance(task.ending, Sticks):
            return _task(task.id, task.ending.word)
        if stage is Stage.RUNNING:
            return _task(task.id, "RUNNING")
        if isinstance(task.ending, Fails):
            return _task(task.id, "FAILED", *_failure(task.ending))
        link = self.studio.result_link(task)
        results = [{"url": link, "outputType": "image"}] if stage is Stage.COMPLETED else []
        return _task(task.id, "SUCCESS") | {"results": results}

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if not request.content_type.startswith("multipart/"):
            _reject("file is required", in_envelope=True)
        try:
            part = await (await request.multipart()).next()
            if not isinstance(part, BodyPartReader) or part.name != "file":
                _reject("file is required", in_envelope=True)
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            upload = await self.studio.keep(part.filename or "file", content_type, chunks_of(part))
        except ValueError:
            _reject("Malformed multipart body", in_envelope=True)
        except TooLarge:
            raise _Rejected(FILE_TOO_LARGE, "File size exceeds limit", in_envelope=True) from None
        if upload.size_bytes > REFERENCE_BYTES_MAX:
            raise _Rejected(FILE_TOO_LARGE, "File size exceeds limit", in_envelope=True)
        data = {"type": "image", "download_url": upload.link, "fileName": upload.filename}
        return web.json_response({"code": 0, "message": "success", "data": data})


def _task(task_id: str, status: str, code: object = "", message: str = "") -> dict[str, object]:
    return {
        "taskId": task_id,
        "status": status,
        "errorCode": str(code),
        "errorMessage": message,
        "results": None,
    }


def _failure(ending: Fails) -> tuple[object, str]:
    if ending.code == "CONTENT_MODERATION":
        return REFUSED_CONTENT, "Content verification failed, please modify your prompt or images"
    return ending.code, ending.message


def _reject(message: str, *, in_envelope: bool = False) -> Never:
    raise _Rejected(BAD_REQUEST, f"Invalid parameter: {message}", in_envelope=in_envelope)


async def _read_json(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(await request.read())
    except ValueError:
        _reject("the body is not valid JSON")
    if not isinstance(body, dict):
        _reject("the body is no JSON object")
    return body


def _read_commission(body: Mapping[str, object], offer: Offer, *, edits: bool) -> Commission:
    prompt = body.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        _reject("prompt is required")
    if len(prompt) > PROMPT_CHARS_MAX:
        _reject(f"prompt has more than {PROMPT_CHARS_MAX} characters")
    ratios = (*SIZES_1K_PX, *(("empty",) if offer.takes_empty_ratio else ()))
    ratio = _read_word(body, "aspectRatio", offer.ratio, ratios)
    resolution = _read_word(body, "resolution", offer.resolution, RESOLUTIONS)
    quality = "" if offer.quality == "" else _read_word(body, "quality", None, QUALITIES)
    return Commission(
        prompt=prompt,
        aspect_ratio="auto" if ratio == "empty" else ratio,
        resolution=resolution.upper(),
        references=_read_references(body) if edits else (),
        price_usd=offer.price_cny[resolution, quality] / CNY_PER_USD,
    )


def _read_word(
    body: Mapping[str, object], name: str, default: str | None, allowed: tuple[str, ...]
) -> str:
    word = body.get(name, default)
    if not isinstance(word, str) or word not in allowed:
        _reject(f"{name} must be one of {', '.join(allowed)}")
    return word


def _read_references(body: Mapping[str, object]) -> tuple[str, ...]:
    links = body.get("imageUrls")
    if not isinstance(links, list) or not all(isinstance(link, str) for link in links):
        _reject("imageUrls must be a list of links")
    if not 1 <= len(links) <= REFERENCES_MAX:
        _reject(f"imageUrls must have 1 to {REFERENCES_MAX} links")
    return tuple(links)
