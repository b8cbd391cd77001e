"""
Makes images as the OpenAI Images API does, and answers once they are done; knows no key or path.

Every vendor with this wire format adds its own paths, key check and errors.

Source: OpenAI's API description (openai-openapi, snapshot 2026-08-21) and price list. The tokens of
a size are estimated from the prices.
"""

import asyncio
import re
from collections import deque
from collections.abc import Callable, Collection, Mapping, Sequence
from decimal import Decimal
from pathlib import Path

from aiohttp import BodyPartReader, web
from msgspec import Struct
from msgspec.structs import replace
from PIL import Image

from bot.playground.drawing import REFERENCE_PIXELS_MAX
from bot.playground.formats import ImagesError, reject
from bot.playground.studio import (
    Commission,
    Fails,
    OutOfMoney,
    Studio,
    StudioTask,
    Submission,
    TooLarge,
    UploadedFile,
    chunks_of,
)

#: since September 2026
NEWER_MODELS = tuple(
    f"gpt-image-{version}-{size}" for version in ("2.5", "2.6") for size in ("flare", "sunburst")
)
MODELS = ("gpt-image-2", *NEWER_MODELS)
PROMPT_CHARS_MAX = 32_000
IMAGES_MAX = 10
REFERENCES_MAX = 16
#: Bytes of a field without a file, and fields of an edit.
FIELD_BYTES_MAX = 256 * 1024
PARTS_MAX = 64

SIDE_STEP_PX = 16
SIDE_PX_MAX = 3_840
RATIO_MAX = 3
PIXELS_MIN, PIXELS_MAX = 655_360, 8_294_400
SQUARE_PX = (1_024, 1_024)
#: Output tokens of an image (list price divided by the rate); for other sizes, by their pixels.
TOKENS_OF_SQUARE = {"low": 200, "medium": 1_767, "high": 7_033}
TOKENS_OF_OBLONG = {"low": 167, "medium": 1_367, "high": 5_500}
OBLONGS_PX = ((1_536, 1_024), (1_024, 1_536))
#: the same for the newer models
TOKENS_OF_NEWER_SQUARE = {"low": 196, "medium": 439, "high": 1_756, "xhigh": 3_122, "max": 7_024}
#: Input tokens of a reference; a guess.
TOKENS_OF_REFERENCE = 400
PROMPT_CHARS_PER_TOKEN = 4
#: USD for a million tokens of gpt-image-2, of text and images given and of images made (price list)
RATES_USD = (Decimal(5), Decimal(8), Decimal(30))


class Wanted(Struct, frozen=True):
    """A generation or an edit, checked."""

    model: str
    prompt: str
    #: None: auto
    size_px: tuple[int, int] | None
    quality: str
    images: int
    as_link: bool
    nsfw_checker: bool
    #: the studio's links
    references: tuple[str, ...] = ()
    mask: str | None = None

    @property
    def tokens_in(self) -> tuple[int, int]:
        """Input tokens of text, and of images."""
        text = max(len(self.prompt) // PROMPT_CHARS_PER_TOKEN, 1)
        return text, TOKENS_OF_REFERENCE * len(self.references)

    @property
    def tokens_out(self) -> int:
        """Output tokens of one image."""
        quality = "medium" if self.quality == "auto" else self.quality
        size = self.size_px or SQUARE_PX
        if size in OBLONGS_PX and self.model not in NEWER_MODELS:
            return TOKENS_OF_OBLONG[quality]
        pixels, of_square = size[0] * size[1], SQUARE_PX[0] * SQUARE_PX[1]
        return -(-_tokens_of_square(self.model)[quality] * pixels // of_square)


def _tokens_of_square(model: str) -> Mapping[str, int]:
    return TOKENS_OF_NEWER_SQUARE if model in NEWER_MODELS else TOKENS_OF_SQUARE


def price_by_tokens(wanted: Wanted, rates_usd: Sequence[Decimal] = RATES_USD) -> Decimal:
    """USD for one image, as OpenAI bills it."""
    tokens = (*wanted.tokens_in, wanted.tokens_out)
    usd = sum((rate * count for rate, count in zip(rates_usd, tokens, strict=True)), Decimal(0))
    return usd / 1_000_000


class OpenAiImages(Struct):
    """
    The Images API behind a vendor's own key check and error shape.

    Args:
        submissions: gets every call with a valid key.
        models: the names of the models that it takes.
        price_usd: the price of one image.
        links: answer with a link instead of the image, unless the call chooses.
        usage: name the tokens in an answer.
        moderation: what holds if a call does not choose: `auto` filters, `low` does not.
        own_sizes_px: widths and heights that are accepted beyond OpenAI's bounds.
    """

    studio: Studio
    submissions: deque[Submission]
    models: tuple[str, ...] = MODELS
    price_usd: Callable[[Wanted], Decimal] = price_by_tokens
    links: bool = False
    usage: bool = True
    moderation: str = "auto"
    own_sizes_px: Collection[tuple[int, int]] = ()

    async def generate(self, body: Mapping[str, object]) -> dict[str, object]:
        """
        The answer to a generation, once it is done. Raises ImagesError.

        Args:
            body: a vendor's fields besides OpenAI's are ignored.
        """
        tasks = self.start(body)
        return await self.answer(tasks, self.read(body))

    async def edit(self, request: web.Request) -> dict[str, object]:
        """The answer to a multipart edit, once it is done. Raises ImagesError."""
        body = await read_form(request, self.studio)
        if not body.get("image"):
            self.submissions.append(Submission(body, None))
            raise ImagesError(400, "Missing required parameter: 'image'.")
        await self._check_mask(body)
        return await self.generate(body)

    def start(self, body: Mapping[str, object]) -> list[StudioTask]:
        """Take an order and freeze its price. Raises ImagesError."""
        tasks: list[StudioTask] = []
        try:
            wanted = self.read(body)
            for _ in range(wanted.images):
                tasks.append(self.studio.start(self._commission(wanted)))  # noqa: PERF401
        except OutOfMoney:
            raise ImagesError(
                429,
                "You exceeded your current quota.",
                code="insufficient_quota",
                kind="insufficient_quota",
            ) from None
        finally:
            self.submissions.append(Submission(body, tasks[0].id if tasks else None))
        return tasks

    async def answer(self, tasks: list[StudioTask], wanted: Wanted) -> dict[str, object]:
        """Wait for the tasks and show them. Raises ImagesError."""
        data: list[dict[str, object]] = []
        for task in tasks:
            await self._ended(task)
            if wanted.as_link:
                data.append({"url": self.studio.result_link(task)})
            else:
                data.append({"b64_json": await self.studio.result_in_base64(task)})
        answer: dict[str, object] = {"created": int(tasks[0].created_at_s), "data": data}
        if self.usage:
            answer |= {"output_format": "png", "usage": usage_of(wanted)}
        return answer

    def read(self, body: Mapping[str, object]) -> Wanted:
        """Read and check an order. Raises ImagesError."""
        model, prompt = body.get("model"), body.get("prompt")
        if model not in self.models:
            raise ImagesError(404, f"The model '{model}' does not exist.", code="model_not_found")
        if not isinstance(prompt, str) or not prompt.strip():
            raise ImagesError(400, "Missing required parameter: 'prompt'.")
        if len(prompt) > PROMPT_CHARS_MAX:
            raise ImagesError(400, f"'prompt' has more than {PROMPT_CHARS_MAX} characters.")
        references = body.get("image", ())
        assert isinstance(references, tuple | list)
        if len(references) > REFERENCES_MAX:
            raise ImagesError(400, f"Too many images: at most {REFERENCES_MAX} are supported.")
        mask = body.get("mask")
        default = "url" if self.links else "b64_json"
        return Wanted(
            model=str(model),
            prompt=prompt,
            size_px=_read_size(body, self.own_sizes_px),
            quality=read_word(body, "quality", ("auto", *_tokens_of_square(str(model)))),
            images=_read_count(body),
            as_link=read_word(body, "response_format", (default, "url", "b64_json")) == "url",
            nsfw_checker=read_word(body, "moderation", (self.moderation, "auto", "low")) == "auto",
            references=tuple(references),
            mask=mask if isinstance(mask, str) else None,
        )

    def _commission(self, wanted: Wanted) -> Commission:
        return Commission(
            prompt=wanted.prompt,
            aspect_ratio="auto",
            resolution="1K",
            references=wanted.references,
            nsfw_checker=wanted.nsfw_checker,
            price_usd=self.price_usd(replace(wanted, images=1)),
            size_px=wanted.size_px,
            mask=wanted.mask,
        )

    async def _ended(self, task: StudioTask) -> None:
        await self.studio.until_ready(task)
        if not isinstance(task.ending, Fails):
            return
        if task.ending.code == "CONTENT_MODERATION":
            raise ImagesError(
                400,
                "Your request was rejected by the safety system. safety_violations=[sexual].",
                code="moderation_blocked",
                kind="image_generation_user_error",
            )
        raise ImagesError(500, task.ending.message, code=task.ending.code, kind="server_error")

    async def _check_mask(self, body: Mapping[str, object]) -> None:
        links = body["image"]
        assert isinstance(links, list)
        mask, first = self._upload(body.get("mask")), self._upload(links[0])
        if mask is None or first is None:
            return
        problem = await asyncio.to_thread(_mask_problem, mask.path, first.path)
        if problem:
            self.submissions.append(Submission(body, None))
            raise ImagesError(400, f"Invalid mask image: {problem}.", code="invalid_mask")

    def _upload(self, link: object) -> UploadedFile | None:
        return self.studio.uploads.get(link) if isinstance(link, str) else None


async def read_form(request: web.Request, studio: Studio) -> dict[str, object]:
    """
    A multipart body: texts as they are, `image` as a list of links, `mask` as a link. Raises
    ImagesError.
    """
    if not request.content_type.startswith("multipart/"):
        reject("The body of your request is not multipart/form-data.")
    body: dict[str, object] = {}
    images: list[str] = []
    try:
        reader = await request.multipart()
        for _ in range(PARTS_MAX):
            part = await reader.next()
            if not isinstance(part, BodyPartReader):
                break
            name = part.name or ""
            if part.filename is None:
                body[name] = (await part.read_chunk(FIELD_BYTES_MAX)).decode()
                continue
            content_type = part.headers.get("Content-Type", "application/octet-stream")
            upload = await studio.keep(part.filename, content_type, chunks_of(part))
            if name == "mask":
                body["mask"] = upload.link
            elif name in {"image", "image[]"}:
                images.append(upload.link)
    except ValueError:
        reject("Malformed multipart body.")
    except TooLarge:
        raise ImagesError(413, "The image is too large.") from None
    return body | {"image": images}


def usage_of(wanted: Wanted) -> dict[str, object]:
    text, images = wanted.tokens_in
    output = wanted.tokens_out * wanted.images
    return {
        "total_tokens": text + images + output,
        "input_tokens": text + images,
        "output_tokens": output,
        "input_tokens_details": {"text_tokens": text, "image_tokens": images},
        "output_tokens_details": {"text_tokens": 0, "image_tokens": output},
    }


def _read_size(
    body: Mapping[str, object], own_sizes_px: Collection[tuple[int, int]]
) -> tuple[int, int] | None:
    size = body.get("size", "auto")
    if size == "auto":
        return None
    match = re.fullmatch(r"([0-9]{1,5})x([0-9]{1,5})", size) if isinstance(size, str) else None
    if match is None:
        reject(f"Invalid size '{size}'.")
    width, height = int(match[1]), int(match[2])
    if (width, height) in own_sizes_px:
        return width, height
    long, short = max(width, height), min(width, height)
    if width % SIDE_STEP_PX or height % SIDE_STEP_PX:
        reject(f"Invalid size '{size}'. Width and height must be divisible by {SIDE_STEP_PX}.")
    if (
        long > SIDE_PX_MAX
        or long > short * RATIO_MAX
        or not (PIXELS_MIN <= width * height <= PIXELS_MAX)
    ):
        reject(f"Invalid size '{size}'.")
    return width, height


def read_word(body: Mapping[str, object], name: str, allowed: tuple[str, ...]) -> str:
    """The first allowed word is the default. Raises ImagesError."""
    word = body.get(name, allowed[0])
    if not isinstance(word, str) or word not in allowed:
        reject(f"Invalid value: '{word}'. Supported values are: {', '.join(allowed)}.")
    return word


def _read_count(body: Mapping[str, object]) -> int:
    # In multipart, every field is a text.
    text = str(body.get("n", 1))
    if not text.isdecimal() or not 1 <= int(text) <= IMAGES_MAX:
        reject(f"Invalid 'n': must be between 1 and {IMAGES_MAX}.")
    return int(text)


def _mask_problem(mask: Path, first: Path) -> str | None:
    try:
        with Image.open(mask) as masking, Image.open(first) as masked:
            if masking.width * masking.height > REFERENCE_PIXELS_MAX:
                return "too large"
            if masking.format != "PNG" or "A" not in masking.getbands():
                return "it needs to be a PNG with an alpha channel"
            if masking.size != masked.size:
                return "its size must be that of the image"
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return "it cannot be read"
    return None
