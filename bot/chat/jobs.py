"""What members do with their jobs: cancel one, look back, fetch images that could not be posted."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import discord
from discord import app_commands

from bot.about import about, short
from bot.chat import buttons, render, wire
from bot.chat.messenger import MESSAGE_BYTES_MAX, SHRINKS_MAX, open_files
from bot.chat.texts import Notice, say
from bot.domain.jobs import Job, JobState, fields_of
from bot.domain.ports import Clock, ImageFile, Messenger
from bot.engine.easel import Easel
from bot.errors import StepLost
from bot.pictures.fit import Fitted, fit
from bot.pictures.folder import stored_image
from bot.pictures.pool import Pool

log = logging.getLogger(__name__)

#: buttons that fit in a message's first row
BUTTONS_MAX = 5


class JobCommands:
    """
    Args:
        folder: where stored images lie.
        pool: where images are made smaller.
    """

    def __init__(
        self, easel: Easel, messenger: Messenger, clock: Clock, folder: Path, pool: Pool
    ) -> None:
        self._pool = pool
        self._easel = easel
        self._messenger = messenger
        self._clock = clock
        self._folder = folder

    def add_to(
        self, tree: app_commands.CommandTree[Any], presses: dict[str, buttons.Press]
    ) -> None:
        tree.add_command(
            app_commands.Command(
                name="history",
                description="Your latest images here, and those that could not be posted",
                callback=self._history,
            )
        )
        presses[buttons.CANCEL] = self._cancel
        presses[buttons.IMAGES] = self._images

    async def _history(self, interaction: discord.Interaction[Any]) -> None:
        jobs = await self._easel.history(interaction.guild_id or 0, interaction.user.id)
        kept = [
            buttons.images(job.id, f"Images of {job.created_at:%d %b %H:%M} UTC")
            for job in jobs
            if await self._kept(job)
        ]
        await wire.answer(
            interaction,
            embed=render.history(jobs, images=bool(kept)),
            ephemeral=True,
            view=buttons.view(*kept[:BUTTONS_MAX]) if kept else None,
        )

    async def _cancel(self, interaction: discord.Interaction[Any], job_id: str) -> None:
        job = await self._own_job(interaction, job_id, moderators=True)
        if job is None:
            return
        with about(**fields_of(job)):
            await self._cancel_own(interaction, job_id)

    async def _cancel_own(self, interaction: discord.Interaction[Any], job_id: str) -> None:
        try:
            job = await self._easel.cancel(job_id)
        except StepLost:
            job, _ = await self._easel.look(job_id)
            if job.state is not JobState.CANCELLED:
                await wire.tell(interaction, say(Notice.TOO_LATE, str(interaction.locale)))
                return
        log.info("job cancelled", extra={"action": "job_cancelled"})
        try:
            await wire.update(interaction, embed=render.cancelled(job))
        except wire.CallFailed as error:
            log.info("cancelling not shown: %s", error, extra={"action": "cancelling_not_shown"})
            # The press cannot be answered any more, as one that Discord sent too late.
            pressed_on = interaction.message.id if interaction.message else None
            shown = replace(job, message_id=job.message_id or pressed_on)
            tasks = await self._easel.tasks(job_id)
            await self._messenger.show_progress(shown, tasks, self._clock.now())

    async def _images(self, interaction: discord.Interaction[Any], job_id: str) -> None:
        job = await self._own_job(interaction, job_id, moderators=False)
        if job is None:
            return
        images = await self._kept(job)
        if not images:
            await wire.tell(interaction, say(Notice.IMAGES_GONE, str(interaction.locale)))
            return
        await wire.defer(interaction, ephemeral=True)
        if not wire.has_answer(interaction):
            return
        try:
            await self._give_out(interaction, job, images)
        except wire.CallFailed as error:
            fields = fields_of(job) | {"action": "images_not_given_out"}
            log.warning("images not given out: %s", error, extra=fields)
            not_shown = error.trouble is wire.Trouble.NOT_SHOWN
            notice = Notice.NOT_SHOWN_HERE if not_shown else Notice.NOT_TAKEN_HERE
            text = say(notice, str(interaction.locale))
            await wire.tell(interaction, f"{text} ({short(job.id)})")

    async def _give_out(
        self, interaction: discord.Interaction[Any], job: Job, images: Sequence[ImageFile]
    ) -> None:
        """
        Raises:
            CallFailed: Discord does not take them here.
        """
        file_bytes_max = interaction.filesize_limit
        for shrinks_left in range(SHRINKS_MAX, -1, -1):
            fitted = await fit(images, file_bytes_max, MESSAGE_BYTES_MAX, self._pool)
            try:
                await _attach(interaction, job, fitted)
                return
            except wire.CallFailed as error:
                # The limit that an interaction tells is an upper bound.
                if error.trouble is not wire.Trouble.TOO_LARGE or not shrinks_left:
                    raise
                file_bytes_max = min(file_bytes_max, max(fitted.sizes_bytes)) // 2
            finally:
                fitted.remove()

    async def _own_job(
        self, interaction: discord.Interaction[Any], job_id: str, *, moderators: bool
    ) -> Job | None:
        """The job, if this member may touch it; whoever may not is told so."""
        job = await self._easel.find(job_id)
        if job is None:
            await wire.tell(interaction, say(Notice.UNKNOWN_BUTTON, str(interaction.locale)))
            return None
        moderates = moderators and interaction.permissions.manage_messages
        if interaction.user.id != job.user_id and not moderates:
            await wire.tell(interaction, say(Notice.NOT_YOURS, str(interaction.locale)))
            return None
        return job

    async def _kept(self, job: Job) -> list[ImageFile]:
        """Images of an ended job that were kept for its member and are still on disk."""
        if not job.keeps_images:
            return []
        found = [stored_image(self._folder, task) for task in await self._easel.tasks(job.id)]
        return await asyncio.to_thread(
            lambda: [image for image in found if image and image.path.exists()]
        )


async def _attach(interaction: discord.Interaction[Any], job: Job, fitted: Fitted) -> None:
    await wire.call(lambda: interaction.edit_original_response(attachments=open_files(job, fitted)))
