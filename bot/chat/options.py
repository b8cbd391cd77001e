"""The options of /imagine and /edit, built from the catalog so that both always agree."""

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

import discord
from discord import app_commands
from discord.app_commands import Choice, Range
from msgspec.structs import replace

from bot.chat.pictures import reference_to
from bot.chat.translator import CHOICES_MAX, Choices, Command, command, label, model_label, plain
from bot.chat.wire import Interaction
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
    asking,
)
from bot.domain.words import clean

#: a command's options, as they were given
Given = Mapping[str, Any]
#: stands before a preset's name that is given in the option `model`
PRESET_MARK = "★"
#: options that are fields of a request, by the same name
KNOBS = ("prompt", "aspect_ratio", "resolution", "quality", "background", "count", "private")
PICTURES = ("image", *(f"reference{number}" for number in range(1, REFERENCES_MAX + 1)))
#: stands for a picture of which nothing is known
NOT_DESCRIBED = Reference(url="", filename="", size_bytes=0)


def image_command(mode: Mode, catalog: Catalog, callback: Callable[..., Any]) -> Command:
    """
    Make /imagine or /edit.

    Args:
        callback: called with the interaction and, by name, the options that were given.
    """
    parameters = list(_parameters(mode, catalog))

    async def invoke(interaction: Interaction, **options: object) -> None:
        await callback(interaction, **options)

    # discord.py reads the options from the signature, built here as up to 16 are references.
    head = inspect.Parameter("interaction", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    invoke.__signature__ = inspect.Signature([head, *parameters])  # type: ignore[attr-defined]
    names = {parameter.name for parameter in parameters}
    offered = {name: some for name, some in _choices(catalog).items() if name in names}
    invoke = app_commands.choices(**offered)(invoke)
    return command({Mode.GENERATE: "imagine", Mode.EDIT: "edit"}[mode])(invoke)


def read_request(
    base: ImageRequest, options: Given, catalog: Catalog, gathered: Sequence[Reference]
) -> ImageRequest:
    """
    Read what the member asked for. Nothing is checked here: the domain does that.

    Args:
        base: has the values of options that were left out.
        options: the options as they were given.
        gathered: the member's basket, if they take it.
    """
    options = {name: value for name, value in options.items() if value is not None}
    attached = {name: options[name] for name in PICTURES if name in options}
    given = {name: options[name] for name in KNOBS if name in options}
    model = options.get("model", "")
    if model and not is_preset(model):
        given["model"] = model_named(model, catalog)
    references = tuple(_reference(name, each) for name, each in attached.items())
    kept = (*base.references, *gathered)
    # Where an edit is given no image, what was kept begins with the image to change.
    ahead = 1 if base.mode is Mode.EDIT and "image" not in attached else 0
    if "mask" in options:
        given["mask"] = _reference("mask", options["mask"])
    elif not ahead:
        # A preset's mask fits only the preset's own first image.
        given["mask"] = None
    return asking(base, references=(*kept[:ahead], *references, *kept[ahead:]), **given)


def model_named(typed: str, catalog: Catalog) -> str:
    """The id of the only model that a member can mean; what was typed, if there is none."""
    if typed in catalog.models:
        return typed
    # In a choice that was shown before, the summary follows a colon.
    wanted = _letters(typed.partition(":")[0])
    exactly = [each for each in catalog.models if _letters(each) == wanted]
    meant = exactly or [each for each in catalog.models if wanted and wanted in _letters(each)]
    return meant[0] if len(meant) == 1 else typed.strip()


def is_preset(model: str) -> bool:
    """Whether the option `model` names a preset."""
    return model.strip().startswith(PRESET_MARK)


def preset_in(model: str) -> str:
    """The preset's name in the option `model`."""
    return model.strip().removeprefix(PRESET_MARK).strip()


def preset_meant(typed: str, presets: Collection[str]) -> str | None:
    """The only preset that a member can mean, whatever case and spaces; None: there is none."""
    if typed in presets:
        return typed
    wanted = " ".join(clean(typed).split()).casefold()
    meant = [name for name in presets if name.casefold() == wanted]
    return meant[0] if len(meant) == 1 else None


def _letters(text: str) -> str:
    """What stays the same however a name is written: `GPT image 2` or `gpt-image-2`."""
    return "".join(letter for letter in text.casefold() if letter.isalnum())


def _has_all(words: Sequence[str], text: str) -> bool:
    letters = _letters(text)
    return all(_letters(word) in letters for word in words)


def _parameters(mode: Mode, catalog: Catalog) -> Iterable[inspect.Parameter]:
    first = 1
    if mode is Mode.EDIT:
        yield _option("image", discord.Attachment)
        first = 2
    yield _option("prompt", Range[str, 1, PROMPT_CHARS_MAX])
    masks = mode is Mode.EDIT and any(route.mask for route in catalog.routes())
    if masks:
        yield _option("mask", discord.Attachment)
    yield _option("aspect_ratio", str)
    yield _option("resolution", str)
    yield _option("quality", str)
    if not masks:
        # Discord takes 25 options; with a mask, only the form has room for a background.
        yield _option("background", str)
    yield _option("count", Range[int, 1, IMAGES_MAX])
    yield _option("model", str)
    yield _option("private", bool)
    yield _option("use_basket", bool)
    for number in range(first, REFERENCES_MAX + 1):
        yield _option(f"reference{number}", discord.Attachment)


def _option(name: str, annotation: Any) -> inspect.Parameter:
    return inspect.Parameter(
        name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=annotation
    )


def _choices(catalog: Catalog) -> dict[str, Choices]:
    routes = list(catalog.routes())
    ratios = {word for route in routes for word in route.sizes}
    resolutions = {resolution for route in routes for resolution, _ in route.price.images}
    return {
        "aspect_ratio": plain(word for word in ASPECT_RATIOS if word in ratios),
        "resolution": plain(word for word in RESOLUTIONS if word in resolutions),
        "background": plain(BACKGROUNDS),
    }


def model_or_preset_choices(
    catalog: Catalog, presets: Sequence[str], typed: str, prices: Mapping[str, int]
) -> Choices:
    """
    The models that match what was typed, then the member's presets that do.

    Args:
        catalog: the models that are offered here.
        prices: what a model's cheapest image costs here now, by the model's id.
    """
    words = typed.casefold().split()
    offered = [] if is_preset(typed) else list(catalog.models.values())
    models = [
        Choice(name=model_label(model, prices.get(model.id)), value=model.id)
        for model in offered
        if _has_all(words, str(model_label(model)))
    ]
    named = [f"{PRESET_MARK} {name}" for name in presets]
    kept = plain(each for each in named if all(word in each.casefold() for word in words))
    return [*models[: CHOICES_MAX - min(len(kept), CHOICES_MAX // 2)], *kept][:CHOICES_MAX]


def quality_choices(prices: Mapping[str, int], typed: str) -> Choices:
    """
    Each quality with its price, because the same word costs another amount with another model.

    Args:
        prices: by quality.
        typed: what the member has written so far.
    """
    return [
        Choice(name=label("choices.quality_price", quality=quality, price_ucr=price), value=quality)
        for quality, price in prices.items()
        if quality.startswith(typed.strip().lower())
    ]


def _reference(option: str, attachment: discord.Attachment | discord.Object) -> Reference:
    if not isinstance(attachment, discord.Attachment):
        # Discord describes no attachment before the command is given.
        return replace(NOT_DESCRIBED, option=option)
    return reference_to(attachment, option)
