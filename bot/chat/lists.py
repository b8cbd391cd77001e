"""Lists, page by page: what is shown of each job, what opens it, and what turns the page."""

import asyncio
import logging
from collections.abc import Collection, Sequence
from pathlib import Path

import discord
from discord import app_commands

from bot.chat import buttons, originals, render, wire
from bot.chat.buttons import Item
from bot.chat.desk import Desk
from bot.chat.files import open_sheet, show_sheet
from bot.chat.origin import place_of
from bot.chat.texts import Phrase, say
from bot.chat.texts.markdown import inert
from bot.chat.translator import CHOICES_MAX, Choices
from bot.chat.wire import Interaction
from bot.domain.jobs import Job
from bot.domain.policy import covers
from bot.engine.easel import Easel
from bot.errors import BotError
from bot.pictures.decoder import Decoder
from bot.pictures.folder import FETCHED, drop
from bot.pictures.sheet import draw_sheet

log = logging.getLogger(__name__)

#: latest jobs that are searched for words that a member types
JOBS_SEARCHED_MAX = 200


def named(job: Job) -> str:
    """The job's first words; a link to its result if there is one."""
    link, words = render.jump_link(job), inert(render.first_words(job))
    return f"[{words}]({link})" if link else words


async def job_choices(
    easel: Easel, interaction: Interaction, typed: str, kind: str = "", *, worded: bool = False
) -> Choices:
    """
    Choices of the member's latest jobs here whose prompts have all the words that were typed.

    Args:
        worded: leave out those whose words are kept no longer.
    """
    words = typed.casefold().split()
    limit = JOBS_SEARCHED_MAX if words else CHOICES_MAX
    jobs = await easel.history(
        interaction.guild_id or 0, interaction.user.id, kind=kind, limit=limit
    )
    found = [job for job in jobs if all(word in job.request.prompt.casefold() for word in words)]
    found = [job for job in found if job.request.prompt or not worded]
    choices = [app_commands.Choice(name=render.first_words(job), value=job.id) for job in found]
    return choices[:CHOICES_MAX]


def opening(words: str, action: str, jobs: Sequence[Job], openable: Collection[Job]) -> list[Item]:
    """A select of those that can be opened, by their numbers in the list, if there are any."""
    options = [
        discord.SelectOption(label=f"{number} · {render.first_words(job)}", value=job.id)
        for number, job in enumerate(jobs, start=1)
        if job in openable
    ]
    return [buttons.select(words, options, action)] if options else []


def turning(
    locale: str, action: str, *arguments: object, before: object, older: object
) -> list[Item]:
    """
    Buttons to the newest page, if this is another, and to the next older one, if there is one.

    Args:
        before: what this page ends before; nothing: it is the newest.
        older: what the next one ends before; nothing: there is none.
    """
    items: list[Item] = []
    if before:
        items.append(buttons.button(say(Phrase.NEWEST, locale), action, *arguments))
    if older:
        items.append(buttons.button(say(Phrase.OLDER, locale), action, *arguments, older))
    return items


async def fill(
    interaction: Interaction,
    desk: Desk,
    embed: discord.Embed,
    items: Sequence[Item],
    jobs: Sequence[Job],
    *,
    firsts: bool = True,
) -> None:
    """
    Fill a deferred answer, with the jobs' images on one sheet, small and numbered.

    Args:
        firsts: draw one image a job, where one without any gets an empty tile; or else all images.
    Raises:
        CallFailed: the answer was refused, or did not get through.
    """
    tasks = await desk.easel.tasks_of(jobs)
    found = [await originals.kept(desk.shop.folder, tasks[job.id]) for job in jobs]
    pictures: list[Path | None] = [image.path for images in found for image in images]
    if firsts:
        pictures = [images[0].path if images else None for images in found]
    path = desk.shop.folder / f"{interaction.id}-list{FETCHED}"
    sheet = await _draw(pictures, path, desk.shop.decoder)
    spoiler = covers(place_of(interaction), *jobs)
    show_sheet(embed, sheet, spoiler=spoiler)
    try:
        view = buttons.view(*items)
        await wire.fill(interaction, embed, view, lambda: open_sheet(sheet, spoiler=spoiler))
    finally:
        if sheet:
            await asyncio.to_thread(drop, sheet)


async def _draw(pictures: Sequence[Path | None], path: Path, decoder: Decoder) -> Path | None:
    """The sheet's path, whose ending lets the next start remove it; None: the list goes without."""
    if not any(pictures):
        return None
    try:
        await draw_sheet(pictures, path, decoder)
    except (OSError, BotError) as error:
        log.warning("sheet not drawn: %s", error, extra={"action": "no_sheet"})
        await asyncio.to_thread(drop, path)
        return None
    return path
