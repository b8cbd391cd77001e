"""The buttons beneath a job's result or failure, with what each would cost now."""

from collections.abc import Callable, Sequence
from functools import partial

import discord
from msgspec.structs import replace

from bot.chat import buttons, render
from bot.chat.texts import Phrase, say, tell_cost
from bot.domain import iterate
from bot.domain.credits import Microcredits
from bot.domain.jobs import Job
from bot.domain.policy import Place
from bot.domain.ports import ImageFile
from bot.domain.requests import ImageRequest, Reference
from bot.engine.easel import Easel

#: Easel.price_of on the terms of one place
PriceOf = Callable[[ImageRequest], tuple[ImageRequest, Microcredits] | None]


def prices_there(easel: Easel, job: Job) -> PriceOf:
    """What a press may cost where the job was made."""
    return partial(easel.price_of, nsfw_checker=job.nsfw_checker, server_id=job.server_id)


def prices_here(easel: Easel, job: Job, place: Place) -> PriceOf:
    """What a press here may cost, wherever and on what terms the job was made."""
    # What goes on from a public result is public, but for its member alone in other places.
    private = job.request.private or job.server_id != place.server_id
    return lambda request: easel.price_here(replace(request, private=private), place)


def beneath_result(
    job: Job, images: Sequence[ImageFile], price_of: PriceOf, *, publishable: bool = True
) -> discord.ui.View:
    """
    Args:
        publishable: it is shown in the server where it was made; elsewhere none is published.
    """
    source = as_source(job, 0, images[0], url="")
    items = [
        _priced(job, Phrase.AGAIN, buttons.AGAIN, iterate.again(job), price_of),
        _priced(job, Phrase.EDIT, buttons.EDIT, iterate.edit(job, source), price_of),
        _priced(job, Phrase.VARY, buttons.VARY, iterate.vary(job, source), price_of),
        _priced(job, Phrase.LARGER, buttons.LARGER, iterate.larger(job, source), price_of),
        buttons.button(say(Phrase.DETAILS, job.locale), buttons.DETAILS, job.id),
    ]
    if job.request.private and publishable:
        words = say(Phrase.PUBLISH, job.locale)
        items.append(buttons.button(words, buttons.PUBLISH, job.id, style=buttons.PRIMARY))
    items.append(buttons.button(say(Phrase.DELETE, job.locale), buttons.DELETE, job.id))
    return buttons.view(*(item for item in items if item))


def beneath_failure(job: Job, price_of: PriceOf) -> discord.ui.View:
    facts = job.problem.facts if job.problem else {}
    same = None if iterate.is_unusable(facts) else iterate.again(job)
    items = [_priced(job, Phrase.TRY_AGAIN, buttons.AGAIN, same, price_of)]
    if job.request.prompt:
        items.append(buttons.button(say(Phrase.EDIT_PROMPT, job.locale), buttons.WORDS, job.id))
    if "keep_days" in facts:
        items.append(buttons.button(say(Phrase.GET_IMAGES, job.locale), buttons.IMAGES, job.id))
    return buttons.view(*(item for item in items if item))


def as_source(job: Job, index: int, image: ImageFile, url: str) -> Reference:
    """A result's image as a reference for the next request, by the name that it was shown with."""
    return Reference(
        url=url,
        filename=f"{render.file_stem(job, index)}{image.path.suffix}",
        size_bytes=image.size_bytes,
        width_px=image.width_px,
        height_px=image.height_px,
        kept_as=image.path.name,
    )


def _priced(
    job: Job, name: Phrase, action: str, request: ImageRequest | None, price_of: PriceOf
) -> buttons.Button | None:
    """A button with its price; None: it cannot be done now, or its words are kept no longer."""
    worded = job.request.prompt or action == buttons.EDIT
    priced = price_of(request) if request and worded else None
    if priced is None:
        return None
    _, amount = priced
    words = f"{say(name, job.locale)} · {tell_cost(amount, job.locale)}"
    return buttons.button(words, action, job.id, amount)
