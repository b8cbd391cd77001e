"""/moderation: what was made here lately, who is blocked, and what moderators did."""

from collections.abc import Sequence

import discord
from discord import app_commands

from bot.chat import buttons, lists, log_channel, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.fields import END_CHARS_MAX
from bot.chat.moderating import Moderating, channel_of, read_id
from bot.chat.moderators import ModeratorCommands, check_moderator
from bot.chat.texts import Notice, Phrase, say, tell_cost, tell_name
from bot.chat.texts.markdown import inert, shortened
from bot.chat.translator import command
from bot.chat.wire import Interaction
from bot.domain.jobs import Job
from bot.domain.oversight import REASON_CHARS_MAX, Act, Block

#: jobs on one page, whose images are drawn on one sheet
PAGE_JOBS = 8
#: lines on one page of blocks or acts
PAGE_LINES = 10
#: characters of a reason in a line of a list
LINE_REASON_CHARS, LINE_REASON_BYTES = 90, 270


class ModerationCommands(ModeratorCommands):
    def __init__(self, desk: Desk, moderating: Moderating) -> None:
        super().__init__("moderation")
        self._desk = desk
        self._oversight = desk.oversight
        self._moderating = moderating

    def add_to(self, client: EaselClient) -> None:
        client.tree.add_command(self)
        client.presses |= {
            buttons.MOD_RECENT: self._recent_page,
            buttons.MOD_OPEN: self._open,
            buttons.MOD_BLOCKS: self._show_blocks,
            buttons.MOD_ACTS: self._show_acts,
        }

    @command("moderation recent")
    async def recent(self, interaction: Interaction, member: discord.User | None = None) -> None:
        await wire.defer(interaction, ephemeral=True)
        await self._show_recent(interaction, member.id if member else 0, "")

    @command("moderation block")
    async def block(
        self,
        interaction: Interaction,
        member: discord.User,
        reason: app_commands.Range[str, 1, REASON_CHARS_MAX],
        end: app_commands.Range[str, 1, END_CHARS_MAX] | None = None,
    ) -> None:
        await self._moderating.block(interaction, member.id, reason, end or "")

    @command("moderation unblock")
    async def unblock(self, interaction: Interaction, member: discord.User) -> None:
        server_id, by_id = interaction.guild_id or 0, interaction.user.id
        done = await self._oversight.unblock(server_id, member.id, by_id)
        notice = Notice.MEMBER_UNBLOCKED if done else Notice.NOT_BLOCKED
        await wire.tell(interaction, say(notice, str(interaction.locale), user_id=member.id))
        await log_channel.tell(interaction, done)

    @command("moderation blocks")
    async def blocks(self, interaction: Interaction) -> None:
        await self._show_blocks(interaction)

    @command("moderation acts")
    async def acts(self, interaction: Interaction) -> None:
        await self._show_acts(interaction)

    async def _recent_page(
        self, interaction: Interaction, user: str = "", before: str = "", *_: str
    ) -> None:
        check_moderator(interaction)
        await wire.defer_update(interaction)
        await self._show_recent(interaction, read_id(user), before)

    async def _show_recent(self, interaction: Interaction, user_id: int, before: str) -> None:
        locale = str(interaction.locale)
        jobs, older = await self._oversight.recent(
            interaction.guild_id or 0, user_id=user_id, before=before, limit=PAGE_JOBS
        )
        lines = [_line(number, job, locale) for number, job in enumerate(jobs, start=1)]
        embed = _listed(Phrase.LATEST_HERE, lines, Notice.NOTHING_YET, locale)
        items = [
            *lists.opening(say(Phrase.OPEN_TO_MODERATE, locale), buttons.MOD_OPEN, jobs, jobs),
            *lists.turning(locale, buttons.MOD_RECENT, user_id, before=before, older=older),
        ]
        await lists.fill(interaction, self._desk, embed, items, jobs)

    async def _open(self, interaction: Interaction, *_: str) -> None:
        await self._moderating.open(interaction, buttons.chosen(interaction) or "")

    async def _show_blocks(self, interaction: Interaction, after: str = "", *_: str) -> None:
        check_moderator(interaction)
        locale = str(interaction.locale)
        found = await self._oversight.blocks(
            interaction.guild_id or 0, after=read_id(after), limit=PAGE_LINES + 1
        )
        lines = [_block_line(each, locale) for each in found[:PAGE_LINES]]
        embed = _listed(Phrase.BLOCKED_HERE, lines, Notice.NOBODY_BLOCKED, locale)
        items: list[buttons.Item] = []
        if len(found) > PAGE_LINES:
            last = found[PAGE_LINES - 1].user_id
            items.append(buttons.button(say(Phrase.NEXT, locale), buttons.MOD_BLOCKS, last))
        await wire.show(interaction, [embed], buttons.view(*items))

    async def _show_acts(self, interaction: Interaction, before: str = "", *_: str) -> None:
        check_moderator(interaction)
        locale = str(interaction.locale)
        found = await self._oversight.acts(
            interaction.guild_id or 0, before=read_id(before), limit=PAGE_LINES + 1
        )
        lines = [_act_line(each, locale) for each in found[:PAGE_LINES]]
        embed = _listed(Phrase.ACTS_HERE, lines, Notice.NOTHING_YET, locale)
        older = found[PAGE_LINES - 1].id if len(found) > PAGE_LINES else 0
        items = lists.turning(locale, buttons.MOD_ACTS, before=before, older=older)
        await wire.show(interaction, [embed], buttons.view(*items))


def _listed(title: Phrase, lines: Sequence[str], otherwise: Notice, locale: str) -> discord.Embed:
    """
    Args:
        otherwise: what is said where there are no lines.
    """
    return render.card(title, locale, "\n".join(lines) or say(otherwise, locale))


def _line(number: int, job: Job, locale: str) -> str:
    known = (render.mention(job.user_id, locale), channel_of(job), lists.named(job))
    parts = [" ".join(filter(None, known))]
    if job.cost_ucr is not None:
        parts.append(tell_cost(job.cost_ucr, locale))
    if job.request.private:
        parts.append(say(Phrase.IS_PRIVATE, locale))
    if job.removed:
        parts.append(say(Phrase.WAS_REMOVED, locale))
    return f"`{number}` {render.stamp(job.created_at)} {' · '.join(parts)}"


def _act_line(act: Act, locale: str) -> str:
    at, by = render.stamp(act.created_at, "f"), render.author(act.by_id, locale)
    parts = [at, by, f"**{tell_name('acts', act.action, locale)}**"]
    if act.user_id:
        parts.append(render.mention(act.user_id, locale))
    if act.amount_ucr:
        parts.append(log_channel.amount(act, locale))
    if act.job_id:
        parts.append(f"`{act.job_id[-6:]}`")
    return " · ".join([*parts, *_shortened(act.reason)])


def _block_line(block: Block, locale: str) -> str:
    ends = render.stamp(block.until) if block.until else say(Phrase.NO_END, locale)
    by = render.author(block.by_id, locale)
    return " · ".join([f"<@{block.user_id}>", ends, by, *_shortened(block.reason)])


def _shortened(reason: str) -> list[str]:
    shown = inert(shortened(reason, LINE_REASON_CHARS, LINE_REASON_BYTES))
    return [shown] if shown else []
