"""Finds the message that shows a result again, by its ids, and covers or deletes it."""

import io
from collections.abc import Sequence
from datetime import datetime
from typing import cast

import discord

from bot.chat import wire
from bot.chat.pictures import job_shown
from bot.chat.texts import Notice, say
from bot.domain.jobs import Job

#: Discord's own name for the message that answered the interaction
ORIGINAL = cast(int, "@original")

#: ids of a channel and of a message in it
Spot = tuple[int, int]
#: messages of a channel that are searched for a result
LATEST_MAX = 100


async def find(client: discord.Client, job: Job, spot: Spot) -> discord.Message | None:
    """
    The message at this spot, if the bot posted it and it shows this job. The ids may come from
    anyone.

    Returns:
        None: the message is gone, or it is another one.
    Raises:
        CallFailed: Discord does not let the bot see it.
    """
    channel_id, message_id = spot
    if not channel_id or not message_id:
        return None
    channel = client.get_partial_messageable(channel_id)
    try:
        message = await wire.call(lambda: channel.fetch_message(message_id))
    except wire.CallFailed as error:
        if error.trouble is wire.Trouble.GONE:
            return None
        raise
    ours = client.user is not None and message.author.id == client.user.id
    shows_it = message.id == job.message_id or job_shown(message) == job.id
    return message if ours and shows_it else None


async def among_latest(
    client: discord.Client, job: Job, channel_id: int, server_id: int
) -> list[discord.Message] | None:
    """The latest messages that show the job's result, newest first; None: they cannot be read."""
    channel = client.get_partial_messageable(channel_id, guild_id=server_id or None)

    async def look() -> list[discord.Message]:
        return [
            message
            async for message in channel.history(limit=LATEST_MAX)
            if message.author == client.user and job_shown(message) == job.id
        ]

    try:
        return await wire.call(look, tries_max=1)
    except wire.CallFailed:
        return None


async def cover(client: discord.Client, job: Job, spot: Spot, locale: str) -> bool:
    """
    Cover a message's images. They are uploaded anew, because Discord covers no file that is there
    already. An embed's picture cannot be covered, so the sheet of references is taken out.

    Returns:
        Whether the images are covered.
    """
    with wire.logged("not covered", "not_covered"):
        message = await find(client, job, spot)
        if message is None:
            return False
        if all(each.is_spoiler() for each in message.attachments):
            return True
        read = [(each, await wire.call(each.read)) for each in message.attachments]
        await wire.call(
            lambda: message.edit(embeds=_covered(message, locale), attachments=_files(read))
        )
        return True
    return False


def _files(read: Sequence[tuple[discord.Attachment, bytes]]) -> list[discord.File]:
    return [
        discord.File(
            io.BytesIO(data), filename=each.filename, spoiler=True, description=each.description
        )
        for each, data in read
    ]


def _covered(message: discord.Message, locale: str) -> list[discord.Embed]:
    embeds = [embed.copy() for embed in message.embeds]
    for embed in embeds[:1]:
        embed.set_image(url=None)
        note = say(Notice.COVERED_BY_MODERATOR, locale)
        embed.description = f"{embed.description or ''}\n-# {note}".strip()
    return embeds


async def take_away(client: discord.Client, job: Job, spots: Sequence[Spot], now: datetime) -> bool:
    """
    Delete a job's messages at these spots, and its private answer.

    Returns:
        Whether all of them are gone. A private answer stays once its token has ended.
    """
    gone = [await _take_from(client, job, spot) for spot in dict.fromkeys(spots)]
    if job.request.private:
        gone.append(await _take_back(client, job, now))
    return all(gone)


def answer_to(client: discord.Client, job: Job) -> discord.Webhook:
    """Edits or deletes the answer to the job's command, ORIGINAL, while its token lives."""
    return discord.Webhook.partial(job.reply.application_id, job.reply.token, client=client)


async def _take_from(client: discord.Client, job: Job, spot: Spot) -> bool:
    """Delete the job's message at this spot; False: it stays."""
    with wire.logged("not taken away", "not_taken_away"):
        message = await find(client, job, spot)
        if message is not None:
            await wire.delete(message.delete)
        return True
    return False


async def _take_back(client: discord.Client, job: Job, now: datetime) -> bool:
    """Delete a private answer; False: it stays with its member."""
    if now >= job.reply.token_expires_at:
        return False
    webhook = answer_to(client, job)
    with wire.logged("not taken away", "not_taken_away"):
        await wire.delete(lambda: webhook.delete_message(ORIGINAL))
        return True
    return False
