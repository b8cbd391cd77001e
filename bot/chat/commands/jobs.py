"""/history, /jobs and /job, and the buttons that cancel a job or stop waiting for it."""

import logging
from collections.abc import Sequence

from discord import app_commands
from msgspec.structs import replace

from bot.about import about
from bot.chat import buttons, fields, lists, log_channel, offers, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.origin import place_of
from bot.chat.results import Results
from bot.chat.texts import Notice, Phrase, say, tell_cost
from bot.chat.texts.markdown import DESCRIPTION_CHARS_MAX, joined
from bot.chat.translator import Choices, choices, command
from bot.chat.wire import Interaction
from bot.domain.jobs import Job, JobState, fields_of, is_unsent
from bot.errors import StepLost

log = logging.getLogger(__name__)

#: jobs on one page of /history, whose images are drawn on one sheet
PAGE_JOBS = 8
#: jobs that /jobs lists at most: so many under way, and as many that have ended
LISTED_MAX = 10
#: characters of each of the two, with room for its title
PART_CHARS_MAX = DESCRIPTION_CHARS_MAX // 2 - 100
KINDS = ("generate", "edit", "pictures", "failed", "open")


class JobCommands:
    def __init__(self, desk: Desk, results: Results) -> None:
        self._desk = desk
        self._easel = desk.easel
        self._results = results
        self._messenger = desk.messenger

    def add_to(self, client: EaselClient) -> None:
        client.tree.add_command(command("history")(self._history))
        client.begins["history"] = self._history
        client.tree.add_command(command("jobs")(self._jobs))
        job = command("job")(self._job)
        job.autocomplete("job_id")(self._job_choices)
        client.tree.add_command(job)
        client.presses |= {
            buttons.CANCEL: self._cancel,
            buttons.STOP: self._stop,
            buttons.OPEN: self._open,
            buttons.PAGE: self._page,
            buttons.CANCEL_WHY: self._cancel_others,
        }

    @app_commands.choices(kind=choices("kind", KINDS))
    async def _history(self, interaction: Interaction, kind: str | None = None) -> None:
        await wire.defer(interaction, ephemeral=True)
        await self._show_page(interaction, kind if kind in KINDS else "", "")

    async def _page(self, interaction: Interaction, kind: str, before: str = "") -> None:
        if kind not in ("", *KINDS):
            raise buttons.Outdated(kind)
        await wire.defer_update(interaction)
        await self._show_page(interaction, kind, before)

    async def _show_page(self, interaction: Interaction, kind: str, before: str) -> None:
        server_id, user_id = interaction.guild_id or 0, interaction.user.id
        found = await self._easel.history(
            server_id, user_id, before=before, kind=kind, limit=PAGE_JOBS + 1
        )
        jobs, more = found[:PAGE_JOBS], len(found) > PAGE_JOBS
        locale = str(interaction.locale)
        older = jobs[-1].id if more else ""
        items = [
            *_opening(jobs, locale),
            *lists.turning(locale, buttons.PAGE, kind, before=before, older=older),
        ]
        lines = [_line(number, job, locale) for number, job in enumerate(jobs, start=1)]
        text = joined(lines, DESCRIPTION_CHARS_MAX) or say(Notice.NONE_YET, locale)
        embed = render.card(Phrase.YOUR_IMAGES, locale, text)
        await lists.fill(interaction, self._desk, embed, items, jobs)

    async def _jobs(self, interaction: Interaction) -> None:
        server_id, user_id = interaction.guild_id or 0, interaction.user.id
        locale = str(interaction.locale)
        under_way = await self._easel.history(server_id, user_id, kind="open", limit=LISTED_MAX)
        latest = await self._easel.history(server_id, user_id, limit=LISTED_MAX)
        ended = [job for job in latest if job.finished_at]
        jobs = [*under_way, *ended]
        lines = [_line(number, job, locale) for number, job in enumerate(jobs, start=1)]
        parts = {Phrase.UNDER_WAY: lines[: len(under_way)], Phrase.RECENT: lines[len(under_way) :]}
        told = [
            f"**{say(title, locale)}**\n{joined(part, PART_CHARS_MAX)}"
            for title, part in parts.items()
            if part
        ]
        text = "\n\n".join(told) or say(Notice.NONE_YET, locale)
        tasks = await self._easel.tasks_of(under_way)
        cancels = [
            buttons.button(
                say(Phrase.CANCEL_NUMBER, locale, number=number), buttons.CANCEL, job.id, "list"
            )
            for number, job in enumerate(under_way, start=1)
            if is_unsent(tasks[job.id])
        ]
        items = [*_opening(jobs, locale), *cancels[: buttons.ROW_BUTTONS_MAX]]
        embed = render.card(Phrase.YOUR_JOBS, locale, text)
        await wire.show(interaction, [embed], buttons.view(*items))

    @app_commands.rename(job_id="id")
    async def _job(self, interaction: Interaction, job_id: str) -> None:
        await self._open_job(interaction, job_id.strip(), unknown=Notice.NO_SUCH_JOB)

    async def _job_choices(self, interaction: Interaction, typed: str) -> Choices:
        return await lists.job_choices(self._easel, interaction, typed, kind="pictures")

    async def _open(self, interaction: Interaction) -> None:
        await self._open_job(interaction, buttons.must_choose(interaction))

    async def _open_job(
        self, interaction: Interaction, job_id: str, unknown: Notice = Notice.UNKNOWN_BUTTON
    ) -> None:
        job = await self._results.find(job_id, unknown)
        if interaction.user.id != job.user_id:
            raise wire.Declined(Notice.ONLY_THEIRS)
        if job.finished_at is None:
            raise wire.Declined(Notice.NOT_THERE_YET)
        if _has_images(job):
            tasks = await self._easel.tasks(job_id)
            await self._results.show(interaction, job, tasks, ephemeral=True)
        else:
            job = replace(job, locale=str(interaction.locale))
            card = render.failure(job) if job.state is JobState.FAILED else render.cancelled(job)
            prices = offers.prices_here(self._easel, job, place_of(interaction))
            view = offers.beneath_failure(job, prices)
            await wire.answer(interaction, [card], view)

    async def _cancel(self, interaction: Interaction, job_id: str, pressed_in: str = "") -> None:
        job = await self._shown_job(interaction, job_id, moderators=True)
        if job.user_id != interaction.user.id:
            await fields.ask_reason(interaction, Phrase.CANCEL, buttons.CANCEL_WHY, job_id)
            return
        with about(**fields_of(job)):
            try:
                job = await self._easel.cancel(job_id)
            except StepLost as lost:
                job = await self._easel.find(job_id) or job
                if job.state is not JobState.CANCELLED:
                    raise _not_cancelled(job) from lost
            log.info("job cancelled", extra={"action": "job_cancelled"})
            if not pressed_in:
                await self._show_cancelled(interaction, job)
                return
            try:
                await self._jobs(interaction)
            finally:
                # Discord waits for the answer to the press, but not for the job's own message.
                await self._messenger.show_progress(job)

    async def _cancel_others(self, interaction: Interaction, job_id: str = "", *_: str) -> None:
        """Cancel another member's job for the reason that a moderator wrote in the form."""
        job = await self._shown_job(interaction, job_id, moderators=True)
        reason = fields.typed_reason(interaction)
        with about(**fields_of(job)):
            by_id = interaction.user.id
            try:
                done = await self._desk.oversight.cancel(job.server_id, job_id, by_id, reason)
            except StepLost as lost:
                raise _not_cancelled(await self._easel.find(job_id) or job) from lost
            log.info("job cancelled", extra={"action": "job_cancelled"})
            assert done.job is not None
            await self._show_cancelled(interaction, done.job)
            await log_channel.tell(interaction, done)

    async def _show_cancelled(self, interaction: Interaction, job: Job) -> None:
        try:
            await wire.update(interaction, [render.cancelled(job)])
        except wire.CallFailed as error:
            log.info("cancelling not shown: %s", error, extra={"action": "cancelling_not_shown"})
            # The press cannot be answered any more, as when Discord sent it too late.
            pressed_on = interaction.message.id if interaction.message else None
            shown = replace(job, message_id=job.message_id or pressed_on)
            await self._messenger.show_progress(shown)

    async def _stop(self, interaction: Interaction, job_id: str) -> None:
        job = await self._shown_job(interaction, job_id, moderators=False)
        if not self._desk.shop.house.keep.results_days:
            # The button is older than the host's choice to keep no results: nothing would be left.
            raise wire.Declined(Notice.UNKNOWN_BUTTON)
        with about(**fields_of(job)):
            stopped = await self._easel.stop_watching(job_id)
            if stopped is None:
                job = await self._easel.find(job_id) or job
                going_on = job.state in (JobState.QUEUED, JobState.RUNNING)
                raise wire.Declined(Notice.UNKNOWN_BUTTON if going_on else Notice.ENDED)
            log.info("not awaited", extra={"action": "not_awaited"})
            await wire.update(interaction, [render.unwatched(stopped)])

    async def _shown_job(self, interaction: Interaction, job_id: str, *, moderators: bool) -> Job:
        """
        The job that the pressed message shows, if this member may act on it.

        Args:
            moderators: members who may manage messages in the job's channel may act on it, too.
        Raises:
            Declined: they may not, or it is not there to act on.
            Outdated: the message does not show the job.
        """
        job = await self._results.find(job_id)
        here = job.server_id == interaction.guild_id and job.channel_id == interaction.channel_id
        moderates = moderators and here and interaction.permissions.manage_messages
        if interaction.user.id != job.user_id and not moderates:
            raise wire.Declined(Notice.NOT_YOURS if moderators else Notice.ONLY_THEIRS)
        message = interaction.message
        # A form may come in when the message has changed.
        its_own = message is not None and message.id == job.message_id
        if not its_own and not buttons.names(message, job_id):
            raise buttons.Outdated(job_id)
        return job


def _not_cancelled(job: Job) -> wire.Declined:
    return wire.Declined(Notice.ENDED if job.finished_at else Notice.TOO_LATE)


def _line(number: int, job: Job, locale: str) -> str:
    match job.state:
        case JobState.DONE:
            ending = tell_cost(job.cost_ucr or 0, locale)
        case JobState.FAILED if job.problem:
            kind = render.kind(job.problem.failure, locale)
            ending = f"{kind} · {say(Notice.NOTHING_CHARGED, locale)}"
        case JobState.CANCELLED:
            ending = say(Phrase.WAS_CANCELLED, locale)
        case JobState.QUEUED:
            ending = say(Phrase.IS_WAITING, locale)
        case _:
            ending = say(Phrase.IS_UNDER_WAY, locale)
    return f"`{number}` {render.stamp(job.created_at)} {lists.named(job)} · {ending}"


def _has_images(job: Job) -> bool:
    """Whether the job can be opened to see what was made."""
    return job.state is JobState.DONE or job.keeps_images


def _opening(jobs: Sequence[Job], locale: str) -> list[buttons.Item]:
    openable = [job for job in jobs if _has_images(job)]
    return lists.opening(say(Phrase.OPEN, locale), buttons.OPEN, jobs, openable)
