"""/stats: what was made and spent in a server in a month, for its moderators."""

from collections import Counter
from collections.abc import Sequence
from datetime import date

import discord

from bot.chat import accounts, buttons, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.files import opening
from bot.chat.moderators import check_moderator, offer_to_moderators
from bot.chat.texts import Notice, Phrase, listed, paired, say, tell_cost, tell_name
from bot.chat.translator import Choices, command, plain
from bot.chat.wire import Interaction
from bot.domain.credits import UCR_PER_CREDIT
from bot.domain.jobs import Failure
from bot.domain.ledger import Period, period_end
from bot.domain.statistics import OfMember
from bot.engine.statistics import Told
from bot.pictures.chart import draw_chart
from bot.pictures.folder import drop

#: months that are offered as choices
MONTHS_OFFERED = 12
CHART_NAME = "month.png"


class StatsCommand:
    def __init__(self, desk: Desk) -> None:
        self._statistics = desk.statistics
        self._shop = desk.shop

    def add_to(self, client: EaselClient) -> None:
        stats = command("stats")(self._show)
        offer_to_moderators(stats)
        stats.autocomplete("month")(self._months)
        client.tree.add_command(stats)
        client.presses[buttons.STATS] = self._download

    async def _months(self, _: Interaction, typed: str) -> Choices:
        months = self._statistics.months(MONTHS_OFFERED)
        return plain(each for each in months if each.startswith(typed.strip()))

    async def _show(self, interaction: Interaction, month: str = "") -> None:
        first = self._allowed(interaction, month)
        await wire.defer(interaction, ephemeral=True)
        told = await self._statistics.month(interaction.guild_id or 0, first)
        locale, name = str(interaction.locale), f"{first:%Y-%m}"
        if not told.month.jobs:
            raise wire.Declined(Notice.NOTHING_IN_MONTH, month=name)
        download = buttons.button(say(Phrase.DOWNLOAD_TABLE, locale), buttons.STATS, name)
        path = self._shop.folder / f"{interaction.id}-month.png"
        try:
            await draw_chart(*_by_day(told), path, self._shop.decoder)
            embed = self._shown(told, locale)
            await wire.fill(interaction, embed, buttons.view(download), opening(path, CHART_NAME))
        finally:
            drop(path)

    async def _download(self, interaction: Interaction, month: str) -> None:
        first = self._allowed(interaction, month)
        await wire.defer(interaction, ephemeral=True)
        locale, name = str(interaction.locale), f"{first:%Y-%m}"
        path = self._shop.folder / f"{interaction.id}-month.csv"
        try:
            table = await self._statistics.write_table(
                interaction.guild_id or 0, first, path, interaction.filesize_limit
            )
            if table is None:
                raise wire.Declined(Notice.TABLE_TOO_LARGE)
            text = say(Notice.TABLE_OF_MONTH, locale, month=name)
            embed = discord.Embed(description=text)
            files = opening(table, f"easel-{name}{table.suffix}")
            await wire.fill(interaction, embed, buttons.view(), files)
        finally:
            drop(path)
            drop(path.with_suffix(".zip"))

    def _allowed(self, interaction: Interaction, month: str) -> date:
        """
        The month's first day.

        Raises:
            Declined: the member may not see the month, or there is no such month.
        """
        check_moderator(interaction)
        first = self._statistics.read_month(month)
        if first is None:
            raise wire.Declined(Notice.NO_SUCH_MONTH)
        return first

    def _shown(self, told: Told, locale: str) -> discord.Embed:
        month = told.month
        embed = discord.Embed(colour=render.WORKING, title=f"{told.first:%Y-%m}")
        embed.set_image(url=f"attachment://{CHART_NAME}")
        embed.set_footer(text=say(Phrase.CHART_SHOWS, locale))
        made = [say(Phrase.IMAGES_OF_JOBS, locale, images=month.images, jobs=month.jobs)]
        if month.failed:
            made.append(say(Phrase.JOBS_FAILED, locale, jobs=month.failed))
        fields = {
            Phrase.SPENT: tell_cost(month.cost_ucr, locale),
            Phrase.IMAGES_MADE: listed(made, locale),
        }
        if month.median_wait_s is not None:
            wait_s = round(month.median_wait_s)
            fields[Phrase.MEDIAN_WAIT] = say(Phrase.TOOK, locale, seconds=wait_s)
        lines = {
            Phrase.BY_MODEL: self._by_model(told, locale),
            Phrase.TOP_MEMBERS: [_of_member(each, locale) for each in month.members],
            Phrase.FAILURE_REASONS: [
                paired(kind, str(jobs), locale) for kind, jobs in _kinds(month.failures, locale)
            ],
        }
        render.add_fields(embed, fields, locale)
        if told.budget is not None:
            # A refund may stay spent in it.
            left = accounts.budget_left(*told.budget, self._shop.clock.now(), locale)
            embed.add_field(name=tell_name("settings", "budget_ucr", locale), value=left)
        blocks = {title: "\n".join(each) for title, each in lines.items()}
        render.add_fields(embed, blocks, locale, inline=False)
        return embed

    def _by_model(self, told: Told, locale: str) -> list[str]:
        lines = []
        for each in told.month.routes:
            route_id, images = each.route_id, say(Phrase.IMAGES, locale, images=each.images)
            name = f"{self._statistics.model_of(route_id)} · {render.route_name(route_id)}"
            facts = [images, tell_cost(each.cost_ucr, locale)]
            lines.append(paired(name, listed(facts, locale), locale))
        return lines


def _of_member(each: OfMember, locale: str) -> str:
    name = render.mention(each.user_id, locale)
    jobs = say(Phrase.JOBS, locale, jobs=each.jobs)
    return paired(name, listed([tell_cost(each.cost_ucr, locale), jobs], locale), locale)


def _kinds(failures: Sequence[tuple[Failure, int]], locale: str) -> list[tuple[str, int]]:
    """Numbers of failed jobs by kind, as their cards name it, the most common first."""
    kinds: Counter[str] = Counter()
    for failure, jobs in failures:
        kinds[render.kind(failure, locale)] += jobs
    return kinds.most_common()


def _by_day(told: Told) -> tuple[list[int], list[float]]:
    """The images made and the credits spent on each day of the month."""
    first = told.first.toordinal() - date(1970, 1, 1).toordinal()
    length = (period_end(told.first, Period.MONTH) - told.first).days
    days = [told.month.days.get(first + n) for n in range(length)]
    return (
        [day.images if day else 0 for day in days],
        [day.cost_ucr / UCR_PER_CREDIT if day else 0.0 for day in days],
    )
