"""The options of /imagine and /edit, built from the catalog so that both always agree."""

import inspect
from collections.abc import Callable, Coroutine, Iterable, Mapping
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range, locale_str

from bot.chat.translator import label, model_label, option_key
from bot.domain.catalog import Catalog
from bot.domain.requests import (
    ASPECT_RATIOS,
    BACKGROUNDS,
    IMAGES_MAX,
    PROMPT_CHARS_MAX,
    REFERENCES_MAX,
    RESOLUTIONS,
    ImageRequest,
    Mode,
    Reference,
)

Prompt = Range[str, 1, PROMPT_CHARS_MAX]
Count = Range[int, 1, IMAGES_MAX]


def image_command(
    mode: Mode,
    catalog: Catalog,
    callback: Callable[..., Any],
    qualities: Callable[[discord.Interaction[Any], str], Coroutine[Any, Any, list[Choice[str]]]],
) -> app_commands.Command[Any, ..., None]:
    """
    /imagine or /edit.

    Args:
        callback: called with the interaction and the options that were given, by name.
        qualities: the choices of `quality`, for what was typed of it so far.
    """
    parameters = list(_parameters(mode, catalog))

    async def invoke(interaction: discord.Interaction[Any], **options: object) -> None:
        await callback(interaction, **options)

    # discord.py reads the options off the signature; sixteen of them are numbers of one thing.
    head = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    invoke.__signature__ = inspect.Signature([head, *parameters])  # type: ignore[attr-defined]
    name = {Mode.GENERATE: "imagine", Mode.EDIT: "edit"}[mode]
    descriptions = {each.name: _described(name, each.name) for each in parameters}
    invoke = app_commands.describe(**descriptions)(invoke)
    invoke = app_commands.choices(**_choices(catalog))(invoke)
    command: app_commands.Command[Any, ..., None] = app_commands.Command(
        name=name, description=label(f"commands.{name}"), callback=invoke
    )
    command.autocomplete("quality")(qualities)
    return command


def read_request(mode: Mode, options: dict[str, Any]) -> ImageRequest:
    """
    What the member asked for. Nothing is checked here: the domain does that.

    Args:
        options: as they were given, but for the prompt, which is as its writer saw it.
    """
    names = [f"reference{number}" for number in range(1, REFERENCES_MAX + 1)]
    if mode is Mode.EDIT:
        names[0] = "image"
    attached = {name: options[name] for name in names if options.get(name) is not None}
    return ImageRequest(
        mode=mode,
        prompt=options["prompt"],
        model=options["model"] or "",
        aspect_ratio=options["aspect_ratio"] or "auto",
        resolution=options["resolution"] or "1K",
        quality=options["quality"] or "auto",
        background=options["background"] or "auto",
        count=options["count"],
        references=tuple(_reference(name, each) for name, each in attached.items()),
        mask=_reference("mask", options["mask"]) if options.get("mask") else None,
        private=options["private"],
    )


def _described(command: str, option: str) -> locale_str:
    key = option_key(command, option)
    if key == "options.count":
        return label(key, images_max=IMAGES_MAX)
    if key == "options.reference":
        return label(key, number=option.removeprefix("reference"))
    return label(key)


def _parameters(mode: Mode, catalog: Catalog) -> Iterable[inspect.Parameter]:
    first = 1
    if mode is Mode.EDIT:
        yield _option("image", discord.Attachment)
        first = 2
    yield _option("prompt", Prompt)
    if mode is Mode.EDIT and any(route.mask for route in catalog.routes()):
        yield _option("mask", discord.Attachment, None)
    yield _option("aspect_ratio", str, None)
    yield _option("resolution", str, None)
    yield _option("quality", str, None)
    yield _option("background", str, None)
    yield _option("count", Count, 1)
    yield _option("model", str, None)
    yield _option("private", bool, False)
    for number in range(first, REFERENCES_MAX + 1):
        yield _option(f"reference{number}", discord.Attachment, None)


def _option(
    name: str, annotation: Any, default: object = inspect.Parameter.empty
) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=annotation
    )


def _choices(catalog: Catalog) -> dict[str, list[Choice[str]]]:
    routes = list(catalog.routes())
    offered = {
        "aspect_ratio": (ASPECT_RATIOS, {word for route in routes for word in route.sizes}),
        "resolution": (
            RESOLUTIONS,
            {resolution for route in routes for resolution, _ in route.price.images},
        ),
    }
    choices = {
        name: [Choice(name=word, value=word) for word in words if word in some]
        for name, (words, some) in offered.items()
    }
    choices["background"] = [Choice(name=word, value=word) for word in BACKGROUNDS]
    return choices | {"model": model_choices(catalog)}


def model_choices(catalog: Catalog) -> list[Choice[str]]:
    return [Choice(name=model_label(model), value=model.id) for model in catalog.models.values()]


def quality_choices(prices: Mapping[tuple[str, str], int], typed: str) -> list[Choice[str]]:
    """
    Each quality beside its price, for the same word means another amount with another model.

    Args:
        prices: by resolution and quality, of one resolution.
        typed: what the member has written so far.
    """
    return [
        Choice(name=label("choices.quality_price", quality=quality, price_ucr=price), value=quality)
        for (_, quality), price in prices.items()
        if quality.startswith(typed.strip().lower())
    ]


def _reference(option: str, attachment: discord.Attachment) -> Reference:
    return Reference(
        url=attachment.url,
        filename=attachment.filename,
        size_bytes=attachment.size,
        content_type=attachment.content_type,
        width_px=attachment.width,
        height_px=attachment.height,
        option=option,
    )
