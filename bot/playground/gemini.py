"""
Answers as MaxAPI's Gemini-native calls do, at once or by an operation; the studio does the work.

Source: ai.google.dev, API reference "Generating content" and guide "Image generation"; maxapi.dev,
docs (paths, headers); read 2026-11. The answers about an operation are a guess.
"""

import base64
import binascii
from collections.abc import AsyncIterator, Mapping, Sequence
from decimal import Decimal

from aiohttp import web
from msgspec import field

from bot.playground.drawing import SCALE
from bot.playground.faults import VendorCall
from bot.playground.formats import Endpoint, ImagesError, read_json
from bot.playground.maxapi import BASE_PATH, ORDERS_MAX, PRICES, GatewayFormat
from bot.playground.openai_images import read_word
from bot.playground.studio import (
    Commission,
    Fails,
    OutOfMoney,
    Stage,
    Sticks,
    StudioTask,
    Submission,
)

MODELS = ("gemini-nano-banana-2.1", "gemini-3-pro-image")
#: From Google's guide; it lacks, for example, 2:1 and 3:1.
ASPECT_RATIOS = ("1:1", "2:3", "3:2", "3:4", "4:3", "4:5", "5:4", "9:16", "16:9", "21:9")
REFERENCES_MAX = 14
PRICE_USD = Decimal("0.05")
#: Tokens of an image that is made, and of a reference (Google's guide).
TOKENS_MADE, TOKENS_GIVEN = 1_120, 258
PROMPT_CHARS_PER_TOKEN = 4


class GeminiFormat(GatewayFormat):
    """
    The routes below BASE_PATH that speak Gemini's language.

    Args:
        habits: MaxAPI's; only `ignores_async` and `inline` have an effect here.
    """

    base_path = BASE_PATH

    #: by task id, oldest first
    operations: dict[str, StudioTask] = field(default_factory=dict)

    def endpoints(self) -> Sequence[Endpoint]:
        root = f"{self.base_path}/v1beta"
        return [
            ("POST", root + "/models/{model}:generateContent", VendorCall.CREATE, self._generate),
            ("GET", root + "/operations/{task_id}", VendorCall.POLL, self._poll),
        ]

    async def _generate(self, request: web.Request) -> web.StreamResponse:
        body = await read_json(request)
        task: StudioTask | None = None
        try:
            commission = await self._commission(request, body)
            task = self.studio.start(commission)
        except OutOfMoney:
            raise ImagesError(403, "", code="insufficient_quota") from None
        finally:
            self.submissions.append(Submission(body, task.id if task else None))
        if request.headers.get("X-MaxAPI-Async") == "true" and not self.habits.ignores_async:
            self.operations[task.id] = task
            if len(self.operations) > ORDERS_MAX:
                del self.operations[next(iter(self.operations))]
            return web.json_response({"name": f"operations/{task.id}", "done": False})
        await self.studio.until_ready(task)
        answer = await self._answer(task)
        return web.json_response(answer, status=503 if "error" in answer else 200)

    async def _poll(self, request: web.Request) -> web.StreamResponse:
        task = self.operations.get(request.match_info["task_id"])
        if task is None:
            raise ImagesError(404, "Operation not found", code="not_found")
        name = f"operations/{task.id}"
        stage = self.studio.look(task)
        if stage is Stage.RUNNING:
            word = task.ending.word if isinstance(task.ending, Sticks) else "PROCESSING"
            return web.json_response({"name": name, "done": False, "metadata": {"state": word}})
        if stage is Stage.EMPTY:
            return web.json_response({"name": name, "done": True})
        answer = await self._answer(task)
        if "error" in answer:
            return web.json_response({"name": name, "done": True, **answer})
        return web.json_response({"name": name, "done": True, "response": answer})

    async def _commission(self, request: web.Request, body: Mapping[str, object]) -> Commission:
        model = request.match_info["model"]
        if model not in MODELS:
            raise ImagesError(404, f"models/{model} is not found", code="not_found")
        mode = request.headers.get("X-MaxAPI-Route-Mode", "mix")
        if mode not in PRICES:
            raise ImagesError(400, f"route mode {mode} is not known", code="invalid_argument")
        config = _mapping(body, "generationConfig")
        if "IMAGE" not in str(config.get("responseModalities")):
            raise ImagesError(400, "responseModalities has no IMAGE", code="invalid_argument")
        image_config = _mapping(config, "imageConfig")
        prompt, references = await self._contents(body)
        return Commission(
            prompt=prompt,
            aspect_ratio=read_word(image_config, "aspectRatio", ("auto", *ASPECT_RATIOS)),
            resolution=read_word(image_config, "imageSize", tuple(SCALE)),
            references=references,
            price_usd=PRICE_USD,
        )

    async def _contents(self, body: Mapping[str, object]) -> tuple[str, tuple[str, ...]]:
        """The prompt, and the studio's links to the references."""
        contents = body.get("contents")
        if not isinstance(contents, list) or len(contents) != 1:
            raise ImagesError(400, "contents must be one turn", code="invalid_argument")
        parts = contents[0].get("parts") if isinstance(contents[0], dict) else None
        prompt, references = "", []
        for part in parts if isinstance(parts, list) else []:
            inline = _mapping(part, "inline_data") or _mapping(part, "inlineData")
            if inline:
                references.append(await self._keep(inline))
            elif isinstance(part, dict):
                prompt += str(part.get("text", ""))
        if not prompt.strip():
            raise ImagesError(400, "contents has no text", code="invalid_argument")
        if len(references) > REFERENCES_MAX:
            raise ImagesError(400, "too many images", code="invalid_argument")
        return prompt, tuple(references)

    async def _keep(self, inline: Mapping[str, object]) -> str:
        mime_type = str(inline.get("mime_type", inline.get("mimeType", "")))
        try:
            data = base64.b64decode(str(inline.get("data")), validate=True)
        except binascii.Error:
            raise ImagesError(400, "data is not base64", code="invalid_argument") from None

        async def once() -> AsyncIterator[bytes]:
            yield data

        upload = await self.studio.keep("inline", mime_type, once())
        return upload.link

    async def _answer(self, task: StudioTask) -> dict[str, object]:
        """Gemini's own body for a task that has ended, refused or not, or its error."""
        given = len(task.commission.references) * TOKENS_GIVEN
        text = max(len(task.commission.prompt) // PROMPT_CHARS_PER_TOKEN, 1)
        usage: dict[str, object] = {"promptTokenCount": text + given}
        if isinstance(task.ending, Fails):
            if task.ending.code not in ("CONTENT_MODERATION", "moderation_blocked"):
                error = {"code": 503, "message": task.ending.message, "status": "UNAVAILABLE"}
                return {"error": error}
            return {"candidates": [{"finishReason": "IMAGE_SAFETY"}], "usageMetadata": usage}
        usage |= {
            "candidatesTokenCount": TOKENS_MADE,
            "totalTokenCount": text + given + TOKENS_MADE,
            "promptTokensDetails": [
                {"modality": "TEXT", "tokenCount": text},
                {"modality": "IMAGE", "tokenCount": given},
            ],
        }
        image: dict[str, object] = {
            "fileData": {"mimeType": "image/png", "fileUri": self.studio.result_link(task)}
        }
        if self.habits.inline:
            data = await self.studio.result_in_base64(task)
            image = {"inlineData": {"mimeType": "image/png", "data": data}}
        content = {"role": "model", "parts": [{"text": "Here it is."}, image]}
        return {
            "candidates": [{"content": content, "finishReason": "STOP"}],
            "usageMetadata": usage,
        }


def _mapping(body: object, name: str) -> Mapping[str, object]:
    value = body.get(name) if isinstance(body, dict) else None
    return value if isinstance(value, dict) else {}
