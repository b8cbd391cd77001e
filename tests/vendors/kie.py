"""
Answers as kie.ai does: bearer key, envelope, tasks, signed callbacks; the work is the studio's.

Source: docs.kie.ai, pages of gpt-image-2-text-to-image and gpt-image-2-image-to-image, getting
started, get task detail, get account credits, file upload API, webhook verification; read 2026-11.
What they leave open is a guess, and marked as one.
"""

import base64
import hashlib
import hmac
import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from typing import Never

import aiohttp
from aiohttp import BodyPartReader, web
from msgspec import Struct, field

from bot.playground.drawing import SCALE, SIZES_1K_PX
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

BASE_PATH = "/kie"
#: Stands for the other host, which takes nothing but references.
UPLOAD_BASE_PATH = "/kie-files"
WEBHOOK_KEY = "whk_playground"
MODELS = ("gpt-image-2-text-to-image", "gpt-image-2-image-to-image")
PROMPT_CHARS_MAX = 20_000
REFERENCES_MAX = 16
#: New tasks an account in so many seconds; more are refused, not queued (getting started).
SUBMITS_MAX, SUBMIT_WINDOW_S = 20, 10.0
USD_PER_CREDIT = Decimal("0.005")
#: ezkit.app's comparison: 0.03, 0.05 and 0.08 USD.
PRICES_CREDITS = {"1K": 6, "2K": 10, "4K": 16}
#: Besides the ratios that every vendor has; pixels at 1K.
MORE_SIZES_1K_PX = {
    "2:1": (1408, 704),
    "1:2": (704, 1408),
    "3:1": (1728, 576),
    "1:3": (576, 1728),
    "9:21": (576, 1344),
}
RATIOS = ("auto", *SIZES_1K_PX, *MORE_SIZES_1K_PX)
#: The pages differ on 2K and 4K of the last five; where one excludes it, so does this.
RESOLUTIONS_OF = {"1:1": ("1K", "2K")} | dict.fromkeys(
    ("auto", "5:4", "4:5", "3:1", "1:3", "9:21"), ("1K",)
)
#: Milliseconds that a task waits and is queued before it is generated: a guess.
WAITING_MS, QUEUING_MS = 1_000, 3_000
ASKED_MAX = 5_000
UPLOAD_FIELDS_MAX = 8
FIELD_BYTES_MAX = 4_096


class Asked(Struct, frozen=True):
    """What a task was created with."""

    body: Mapping[str, object]
    callback_url: str | None


class _Rejected(ImagesError):
    """
    Args:
        http_status: whether HTTP's status follows the code is not documented; some do.
    """

    def __init__(self, code: int, message: str, *, http_status: int = 200) -> None:
        super().__init__(http_status, message, code=str(code))


class KieFormat(Format):
    """
    The routes below BASE_PATH and UPLOAD_BASE_PATH.

    Args:
        clock: epoch seconds.
    """

    clock: Callable[[], float]
    accepted_at_s: deque[float] = field(default_factory=lambda: deque(maxlen=SUBMITS_MAX))
    asked: dict[str, Asked] = field(default_factory=dict)

    def endpoints(self) -> Sequence[Endpoint]:
        jobs = f"{BASE_PATH}/api/v1/jobs"
        upload = f"{UPLOAD_BASE_PATH}/api/file-stream-upload"
        return [
            ("POST", f"{jobs}/createTask", VendorCall.CREATE, self._create),
            ("GET", f"{jobs}/recordInfo", VendorCall.POLL, self._record),
            ("GET", f"{BASE_PATH}/api/v1/chat/credit", VendorCall.BALANCE, self._credit),
            ("POST", upload, VendorCall.UPLOAD, self._upload),
        ]

    def wrong_key(self) -> _Rejected:
        return _Rejected(401, "You do not have access permissions", http_status=401)

    def written(self, error: ImagesError) -> web.Response:
        body = {"code": int(error.code), "msg": str(error), "data": None}
        return web.json_response(body, status=error.status)

    async def deliver_callback(self, task_id: str) -> int:
        """
        Tell the task's callBackUrl, signed, that the task has ended; returns what it answered.

        Nothing here does so by itself: the playground keeps no time of its own.

        Raises:
            ValueError: the task has not ended, or was created without a callBackUrl.
        """
        task, asked = self.studio.task(task_id), self.asked.get(task_id)
        if task is None or asked is None or asked.callback_url is None:
            raise ValueError(f"{task_id} was not created with a callBackUrl")
        data = self._task_data(task, asked)
        if data["state"] not in {"success", "fail"}:
            raise ValueError(f"{task_id} has not ended")
        code = 200 if data["state"] == "success" else 501
        body = {"code": code, "msg": "Playground task completed.", "data": data}
        timestamp = str(int(self.clock()))
        async with (
            aiohttp.ClientSession() as session,
            session.post(
                asked.callback_url,
                json=body,
                headers={
                    "X-Webhook-Timestamp": timestamp,
                    "X-Webhook-Signature": sign(WEBHOOK_KEY, task_id, timestamp),
                },
            ) as response,
        ):
            return response.status

    async def _create(self, request: web.Request) -> web.StreamResponse:
        try:
            body = json.loads(await request.read())
        except ValueError:
            _reject("Request body is not valid JSON")
        if not isinstance(body, dict):
            _reject("Request body must be a JSON object")
        task: StudioTask | None = None
        try:
            task = self._start(body)
        finally:
            self.submissions.append(Submission(body, task.id if task else None))
        return _success({"taskId": task.id})

    def _start(self, body: Mapping[str, object]) -> StudioTask:
        now_s = self.clock()
        full = len(self.accepted_at_s) == SUBMITS_MAX
        if full and now_s - self.accepted_at_s[0] < SUBMIT_WINDOW_S:
            raise _Rejected(429, "Rate limit exceeded", http_status=429)
        callback_url = body.get("callBackUrl")
        if callback_url is not None and not isinstance(callback_url, str):
            _reject("callBackUrl must be a uri")
        try:
            task = self.studio.start(_read_commission(body, uploads=self.studio.uploads))
        except OutOfMoney:
            raise _Rejected(402, "Insufficient credits") from None
        self.accepted_at_s.append(now_s)
        self.asked[task.id] = Asked(body, callback_url)
        if len(self.asked) > ASKED_MAX:
            del self.asked[next(iter(self.asked))]
        return task

    async def _record(self, request: web.Request) -> web.StreamResponse:
        task_id = request.query.get("taskId")
        if not task_id:
            raise _Rejected(400, "taskId is required")
        task, asked = self.studio.task(task_id), self.asked.get(task_id)
        if task is None or asked is None:
            raise _Rejected(422, "recordInfo is null", http_status=422)
        return _success(self._task_data(task, asked))

    def _task_data(self, task: StudioTask, asked: Asked) -> dict[str, object]:
        stage = self.studio.look(task)
        created_ms, age_ms = (
            int(each * 1000) for each in (task.created_at_s, self.clock() - task.created_at_s)
        )
        data: dict[str, object] = {
            "taskId": task.id,
            "model": asked.body["model"],
            "param": json.dumps(asked.body),
            "state": _state_at(age_ms),
            "resultJson": "",
            "failCode": "",
            "failMsg": "",
            "createTime": created_ms,
            "updateTime": created_ms + age_ms,
        }
        if isinstance(task.ending, Sticks):
            return data | {"state": task.ending.word}
        if stage is Stage.RUNNING:
            return data
        data |= {"costTime": age_ms, "completeTime": created_ms + age_ms}
        if isinstance(task.ending, Fails):
            code, message = _failure(task.ending)
            failed = {"state": "fail", "resultJson": None, "failCode": code, "failMsg": message}
            return data | failed | {"creditsConsumed": 0}
        links = [self.studio.result_link(task)] if stage is Stage.COMPLETED else []
        return data | {
            "state": "success",
            "resultJson": json.dumps({"resultUrls": links}),
            "creditsConsumed": PRICES_CREDITS[task.commission.resolution],
        }

    async def _credit(self, request: web.Request) -> web.StreamResponse:
        left = self.studio.balance_usd - self.studio.frozen_usd()
        return _success(float(left / USD_PER_CREDIT))

    async def _upload(self, request: web.Request) -> web.StreamResponse:
        if not request.content_type.startswith("multipart/"):
            _reject("file is required")
        words: dict[str, str] = {}
        upload = None
        try:
            parts = await request.multipart()
            for _ in range(UPLOAD_FIELDS_MAX):
                part = await parts.next()
                if not isinstance(part, BodyPartReader):
                    break
                if part.name == "file":
                    content_type = part.headers.get("Content-Type", "application/octet-stream")
                    name = words.get("fileName") or part.filename or "file"
                    upload = await self.studio.keep(name, content_type, chunks_of(part))
                else:
                    words[part.name or ""] = (await part.read())[:FIELD_BYTES_MAX].decode()
        except ValueError:
            _reject("Malformed multipart body")
        except TooLarge:
            raise _Rejected(413, "File too large", http_status=413) from None
        if upload is None or "uploadPath" not in words:
            _reject("file and uploadPath are required")
        data = {
            "fileName": upload.filename,
            "filePath": f"{words['uploadPath']}/{upload.filename}",
            "downloadUrl": upload.link,
            "fileSize": upload.size_bytes,
            "mimeType": upload.content_type,
        }
        answer = {"success": True, "code": 200, "msg": "File uploaded successfully", "data": data}
        return web.json_response(answer)


def sign(key: str, task_id: str, timestamp: str) -> str:
    """The signature that a callback carries."""
    digest = hmac.new(key.encode(), f"{task_id}.{timestamp}".encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()


def _success(data: object) -> web.Response:
    return web.json_response({"code": 200, "msg": "success", "data": data})


def _reject(message: str) -> Never:
    raise _Rejected(422, message)


def _state_at(age_ms: int) -> str:
    if age_ms < WAITING_MS:
        return "waiting"
    return "queuing" if age_ms < QUEUING_MS else "generating"


def _failure(ending: Fails) -> tuple[str, str]:
    """Code and wording of a refused prompt are a guess: no page names them."""
    if ending.code == "CONTENT_MODERATION":
        return "400", "Your prompt was flagged as violating content policies"
    return ending.code, ending.message


def _read_commission(body: Mapping[str, object], *, uploads: Mapping[str, object]) -> Commission:
    model, asked = body.get("model"), body.get("input")
    if model not in MODELS:
        _reject("The model name you specified is not supported")
    if not isinstance(asked, dict):
        _reject("input is required")
    prompt = asked.get("prompt")
    if not isinstance(prompt, str) or not prompt.strip():
        _reject("prompt is required")
    if len(prompt) > PROMPT_CHARS_MAX:
        _reject(f"prompt must be at most {PROMPT_CHARS_MAX} characters")
    nsfw_checker = asked.get("nsfw_checker", False)
    if not isinstance(nsfw_checker, bool):
        _reject("nsfw_checker must be a boolean")
    ratio = _read_word(asked, "aspect_ratio", "auto", RATIOS)
    resolution = _read_word(asked, "resolution", "1K", tuple(SCALE))
    if resolution not in RESOLUTIONS_OF.get(ratio, tuple(SCALE)):
        _reject(f"aspect_ratio {ratio} only supports {', '.join(RESOLUTIONS_OF[ratio])}")
    size_px = MORE_SIZES_1K_PX.get(ratio)
    scale = SCALE[resolution]
    return Commission(
        prompt=prompt,
        aspect_ratio=ratio,
        resolution=resolution,
        references=_read_references(asked, uploads) if model == MODELS[1] else (),
        nsfw_checker=nsfw_checker,
        price_usd=PRICES_CREDITS[resolution] * USD_PER_CREDIT,
        size_px=(size_px[0] * scale, size_px[1] * scale) if size_px else None,
    )


def _read_word(
    asked: Mapping[str, object], name: str, default: str, allowed: tuple[str, ...]
) -> str:
    word = asked.get(name, default)
    if not isinstance(word, str) or word not in allowed:
        _reject(f"{name} must be one of {', '.join(allowed)}")
    return word


def _read_references(asked: Mapping[str, object], uploads: Mapping[str, object]) -> tuple[str, ...]:
    links = asked.get("input_urls")
    if not isinstance(links, list) or not links:
        _reject("input_urls is required")
    if len(links) > REFERENCES_MAX:
        _reject(f"input_urls: at most {REFERENCES_MAX} images are supported")
    for link in links:
        if not isinstance(link, str) or not (link in uploads or link.startswith("https://")):
            _reject("input_urls must be public https links")
    return tuple(links)
