"""Reads the pictures that a message shows, attached, embedded or forwarded, as references."""

from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import discord
from yarl import URL

from bot.chat import buttons, render
from bot.chat.texts import Phrase, say
from bot.domain.requests import Reference


def pictures_of(message: discord.Message) -> list[Reference]:
    """The message's pictures, each once, in the order in which they are shown."""
    found: dict[str, Reference] = {}
    for part in (message, *message.message_snapshots):
        for reference in (*_attached(part), *_embedded(part)):
            found.setdefault(reference.address, reference)
    return list(found.values())


def author_of(message: discord.Message) -> int:
    """The id of the message's author; if it answers a command, of the member who gave that."""
    asked = message.interaction_metadata
    return asked.user.id if asked else message.author.id


def job_shown(message: discord.Message) -> str | None:
    """The id of the job whose result the message shows, by its buttons; None: it shows none."""
    for action, arguments in buttons.written(message):
        if action == buttons.DETAILS and arguments:
            return arguments[0]
    return None


def _attached(part: Any) -> Iterator[Reference]:
    for each in part.attachments:
        if (each.content_type or "").startswith("image/") and _is_picture(each.filename):
            yield reference_to(each)


def reference_to(attachment: discord.Attachment, option: str = "") -> Reference:
    """
    Args:
        option: the command's option that it was attached to, if it was.
    """
    return Reference(
        url=attachment.url,
        filename=attachment.filename,
        size_bytes=attachment.size,
        content_type=attachment.content_type,
        width_px=attachment.width,
        height_px=attachment.height,
        option=option,
        covered=attachment.is_spoiler(),
    )


def picture_options(pictures: Mapping[str, Reference], locale: str) -> list[discord.SelectOption]:
    """
    Args:
        pictures: those to choose from, by the options' values.
    """
    return [
        discord.SelectOption(
            label=say(Phrase.IMAGE_NUMBER, locale, number=number),
            description=picture.filename[: buttons.OPTION_CHARS_MAX] or None,
            value=value,
        )
        for number, (value, picture) in enumerate(pictures.items(), start=1)
    ]


def _embedded(part: Any) -> Iterator[Reference]:
    for embed in part.embeds:
        for shown in (embed.image, embed.thumbnail):
            name = _name_in(shown.url) if shown.url else None
            if shown.url and name is not None and _is_picture(name):
                yield Reference(
                    url=shown.url,
                    filename=name or "image",
                    size_bytes=0,
                    width_px=shown.width,
                    height_px=shown.height,
                )


def _name_in(link: str) -> str | None:
    """The file's name in a link, as other bots and sites write it; None: it is no link."""
    try:
        return PurePosixPath(URL(link).path).name.strip()
    except ValueError:
        return None


def _is_picture(filename: str) -> bool:
    """Whether it is one to work from: a sheet of other pictures is not."""
    return _without_mark(filename) != render.SHEET_NAME


def links_of(message: discord.Message | None) -> dict[str, str]:
    """Links to a message's files, by the stems of their names."""
    return {stem(each.filename): each.url for each in (message.attachments if message else ())}


def stem(filename: str) -> str:
    """A file's name without its ending, and without Discord's mark of a spoiler."""
    return Path(_without_mark(filename)).stem


def _without_mark(filename: str) -> str:
    return filename.removeprefix("SPOILER_")
