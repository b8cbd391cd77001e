"""
*Moderate* in a message's menu, a card of a result: cover it, remove it, refund it, or block its
member. *Report* there: any member can point moderators to a result.
"""

import discord
from msgspec import Struct

from bot.about import about
from bot.chat import buttons, fields, lists, log_channel, render, shown, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.moderators import check_moderator, offer_in_servers, offer_to_moderators
from bot.chat.origin import spoken_here
from bot.chat.pictures import job_shown
from bot.chat.texts import Notice, Phrase, paragraph, say, tell_cost
from bot.chat.translator import label
from bot.chat.wire import Interaction
from bot.domain.jobs import Job, JobState, fields_of
from bot.domain.oversight import Unreported, read_end

#: digits of a Discord id made before July 2022; newer ones have one more
ID_DIGITS_MAX = 18

WHY_NOT = {
    Unreported.NOTHING_THERE: Notice.NOT_OF_THIS_SERVER,
    Unreported.NO_CHANNEL: Notice.NO_LOG_CHANNEL,
    Unreported.BEFORE: Notice.REPORTED_BEFORE,
    Unreported.TOO_MANY: Notice.TOO_MANY_REPORTS,
}


class Case(Struct, frozen=True):
    """A job, and the spot of the message that shows it; zeros: the message is not known."""

    job: Job
    spot: shown.Spot

    @property
    def arguments(self) -> tuple[object, ...]:
        """The arguments in its buttons' custom ids."""
        return (self.job.id, *self.spot)

    @property
    def link(self) -> str | None:
        """A link to the message; None: none is known, or none that others see."""
        channel_id, message_id = self.spot
        if message_id in (0, self.job.message_id):
            return render.jump_link(self.job)
        return f"https://discord.com/channels/{self.job.server_id}/{channel_id}/{message_id}"


def read_id(text: str) -> int:
    """A Discord id from a custom id; 0: the text is none."""
    is_id = text.isascii() and text.isdigit() and len(text) <= ID_DIGITS_MAX + 1
    return int(text) if is_id and int(text) < 2**63 else 0


def case_buttons(case: Case, locale: str) -> list[buttons.Button]:
    """Buttons for what can be done with the result now."""
    job, given = case.job, case.arguments
    items = []
    if not job.removed and not job.covered:
        items.append(buttons.button(say(Phrase.SPOILER, locale), buttons.MOD_SPOILER, *given))
    if job.finished_at or job.state is JobState.DELIVERING:
        words = say(Phrase.REMOVE, locale)
        items.append(buttons.button(words, buttons.MOD_REMOVE, *given, style=buttons.DANGER))
    if job.user_id < 0:
        # The member's data was erased: nobody is left to be paid back, or to be blocked.
        return items
    if job.finished_at and job.cost_ucr:
        words = f"{say(Phrase.REFUND, locale)} · {tell_cost(job.cost_ucr, locale)}"
        items.append(buttons.button(words, buttons.MOD_REFUND, *given))
    words = say(Phrase.BLOCK_MEMBER, locale)
    items.append(buttons.button(words, buttons.MOD_BLOCK, *given, style=buttons.DANGER))
    return items


def channel_of(job: Job) -> str:
    """A mention of the job's channel; empty: it is kept no longer."""
    return f"<#{job.channel_id}>" if job.channel_id else ""


class Moderating:
    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._oversight = desk.oversight

    def add_to(self, client: EaselClient) -> None:
        offer_to_moderators(client.tree.context_menu(name=label("menus.moderate"))(self._menu))
        offer_in_servers(client.tree.context_menu(name=label("menus.report"))(self._report_menu))
        client.presses |= {
            buttons.MODERATE: self.open,
            buttons.MOD_SPOILER: self._spoiler,
            buttons.MOD_REMOVE: self._remove,
            buttons.MOD_REFUND: self._refund,
            buttons.MOD_BLOCK: self._block,
            buttons.MOD_REMOVE_WHY: self._removed,
            buttons.MOD_BLOCK_WHY: self._blocked,
            buttons.REPORT_WHY: self._report,
        }

    async def _menu(self, interaction: Interaction, message: discord.Message) -> None:
        spot = (str(message.channel.id), str(message.id))
        case = await self._case(interaction, job_shown(message) or "", *spot, on=message)
        await self._show(interaction, case)

    async def open(self, interaction: Interaction, *given: str) -> None:
        """Show a job's card; where no spot is given, its message is the one that it names."""
        await self._show(interaction, await self._case(interaction, *given))

    async def _show(self, interaction: Interaction, case: Case) -> None:
        """Show the job to this moderator alone, with its images and what can be done."""
        await wire.defer(interaction, ephemeral=True)
        locale, job = str(interaction.locale), case.job
        embed = discord.Embed(title=say(Phrase.MODERATE, locale))
        words = [render.quote_prompt(job.request)]
        words += [say(Notice.REMOVED, locale)] if job.removed else []
        words += [say(Notice.COVERED_BY_MODERATOR, locale)] if job.covered else []
        embed.description = "\n".join(words)
        facts = {
            Phrase.ASKED: render.asked(job, locale),
            Phrase.COST: tell_cost(job.cost_ucr or 0, locale),
            Phrase.IMAGE: case.link or channel_of(job),
        }
        render.add_fields(embed, facts, locale)
        embed.set_footer(text=job.id)
        items = case_buttons(case, locale)
        await lists.fill(interaction, self._desk, embed, items, [job], firsts=False)

    async def _spoiler(self, interaction: Interaction, *given: str) -> None:
        case = await self._case(interaction, *given)
        if case.job.removed:
            raise wire.Declined(Notice.REMOVED)
        await wire.defer(interaction, ephemeral=True)
        with about(**fields_of(case.job)):
            done = await self._oversight.cover(case.job.server_id, case.job.id, interaction.user.id)
            locale = spoken_here(interaction)
            there = await shown.cover(interaction.client, case.job, case.spot, locale)
            notice = Notice.COVERED_NOW if there else Notice.COVERED_ELSEWHERE
            await wire.tell(interaction, say(notice, str(interaction.locale)))
            await log_channel.tell(interaction, done, case.link)

    async def _remove(self, interaction: Interaction, *given: str) -> None:
        case = await self._case(interaction, *given)
        action = buttons.MOD_REMOVE_WHY
        await fields.ask_reason(interaction, Phrase.REMOVE, action, *case.arguments)

    async def _removed(self, interaction: Interaction, *given: str) -> None:
        case = await self._case(interaction, *given)
        reason = fields.typed_reason(interaction)
        await wire.defer(interaction, ephemeral=True)
        job = case.job
        with about(**fields_of(job)):
            done = await self._oversight.remove(job.server_id, job.id, interaction.user.id, reason)
            spots = [case.spot, (job.channel_id, job.message_id or 0)]
            copies: list[discord.Message] | None = []
            if job.channel_id:
                # It may have been deleted there, and published again since.
                here = (job.channel_id, job.server_id)
                copies = await shown.among_latest(interaction.client, job, *here)
                spots += [(job.channel_id, each.id) for each in copies or ()]
            now = self._desk.shop.clock.now()
            gone = await shown.take_away(interaction.client, job, spots, now)
            gone = gone and copies is not None
            if gone and job.message_id:
                await self._desk.easel.forget_message(job.id, job.message_id)
            notice = Notice.REMOVED_NOW if gone else Notice.REMOVED_ELSEWHERE
            await wire.tell(interaction, say(notice, str(interaction.locale)))
            await log_channel.tell(interaction, done, case.link)

    async def _refund(self, interaction: Interaction, *given: str) -> None:
        case = await self._case(interaction, *given)
        locale, job = str(interaction.locale), case.job
        with about(**fields_of(job)):
            done = await self._oversight.refund(job.server_id, job.id, interaction.user.id)
            if done is None:
                raise wire.Declined(Notice.NOTHING_TO_REFUND)
            facts = {"user_id": job.user_id, "amount_ucr": done.act.amount_ucr or 0}
            told = [say(Notice.REFUNDED_NOW, locale, **facts)]
            if done.expired_ucr:
                told.append(say(Notice.REFUND_EXPIRED, locale, lost_ucr=done.expired_ucr))
            await wire.tell(interaction, paragraph(*told))
            await log_channel.tell(interaction, done, case.link)

    async def _block(self, interaction: Interaction, *given: str) -> None:
        case = await self._of_somebody(interaction, *given)
        action, where = buttons.MOD_BLOCK_WHY, case.arguments
        await fields.ask_reason(interaction, Phrase.BLOCK_MEMBER, action, *where, end=True)

    async def _blocked(self, interaction: Interaction, *given: str) -> None:
        case = await self._of_somebody(interaction, *given)
        reason, end = (fields.typed(interaction, each) for each in (fields.REASON, fields.END))
        await self.block(interaction, case.job.user_id, reason, end)

    async def block(self, interaction: Interaction, user_id: int, reason: str, end: str) -> None:
        """
        Block a member here, and say so. The caller has checked that a moderator asks for it.

        Args:
            end: the block's end as it was typed.
        """
        locale, why = str(interaction.locale), fields.checked_reason(reason)
        try:
            until = read_end(end, self._desk.shop.clock.now())
        except ValueError as error:
            raise wire.Declined(Notice.END_NOT_READ) from error
        done = await self._oversight.block(
            interaction.guild_id or 0, user_id, interaction.user.id, why, until
        )
        if until is None:
            text = say(Notice.MEMBER_BLOCKED, locale, user_id=user_id)
        else:
            ends = int(until.timestamp())
            text = say(Notice.MEMBER_BLOCKED_UNTIL, locale, user_id=user_id, until=ends)
        await wire.tell(interaction, text)
        await log_channel.tell(interaction, done)

    async def _report_menu(self, interaction: Interaction, message: discord.Message) -> None:
        found = await self._oversight.reportable(
            interaction.guild_id or 0, job_shown(message) or "", interaction.user.id
        )
        if isinstance(found, Unreported):
            raise wire.Declined(WHY_NOT[found])
        given = (buttons.REPORT_WHY, found.id, message.channel.id, message.id)
        await fields.ask_reason(interaction, Phrase.REPORT_IMAGE, *given, why=Phrase.REPORT_WHY)

    async def _report(self, interaction: Interaction, *given: str) -> None:
        reason = fields.typed_reason(interaction)
        job_id, channel_id, message_id = (*given, "", "", "")[:3]
        done = await self._oversight.report(
            interaction.guild_id or 0, job_id, interaction.user.id, reason
        )
        if isinstance(done, Unreported):
            raise wire.Declined(WHY_NOT[done])
        assert done.job is not None
        with about(**fields_of(done.job)):
            await wire.tell(interaction, say(Notice.REPORTED_NOW, str(interaction.locale)))
            case = Case(done.job, (read_id(channel_id), read_id(message_id)))
            public = spoken_here(interaction)
            card = buttons.button(say(Phrase.MODERATE, public), buttons.MODERATE, *case.arguments)
            view = buttons.view(*case_buttons(case, public), card)
            embed = log_channel.act_embed(done, case.link, public)
            await log_channel.post(interaction.client, done.log_channel_id, embed, view)

    async def _of_somebody(self, interaction: Interaction, *given: str) -> Case:
        """
        Raises:
            Outdated: the member's data was erased after the button was shown.
        """
        case = await self._case(interaction, *given)
        if case.job.user_id < 0:
            raise buttons.Outdated(case.job.id)
        return case

    async def _case(
        self, interaction: Interaction, *given: str, on: discord.Message | None = None
    ) -> Case:
        """
        The named job of this server.

        Args:
            given: the job's id and, if known, the ids of a channel and of the message there.
            on: the message that the moderator looks at, if it is not the one that was pressed.
        Raises:
            Declined: the member is no moderator, or there is no such job.
        """
        check_moderator(interaction)
        job_id, channel_id, message_id = (*given, "", "", "")[:3]
        job = await self._oversight.job(interaction.guild_id or 0, job_id)
        if job is None:
            raise wire.Declined(Notice.NOT_OF_THIS_SERVER)
        given_spot = (read_id(channel_id), read_id(message_id))
        spot = given_spot if all(given_spot) else (job.channel_id, job.message_id or 0)
        message = on or interaction.message
        if job.request.private and not await self._may_see(interaction, job, message):
            raise wire.Declined(Notice.NOT_OF_THIS_SERVER)
        return Case(job, spot)

    async def _may_see(
        self, interaction: Interaction, job: Job, message: discord.Message | None
    ) -> bool:
        """Whether a private job was published, or the server's moderators see private ones."""
        # The bot names such a job only in messages to those who may see it.
        ours = message is not None and message.author == interaction.client.user
        named = ours and buttons.names(message, job.id)
        return named or job.removed or await self._oversight.is_seen(job)
