"""/credits: what a member has left to spend here, and what became of it."""

from datetime import datetime

import discord

from bot.chat import accounts, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.origin import place_of, role_ids_of
from bot.chat.render import add_fields, stamp
from bot.chat.texts import Notice, Phrase, say, tell_cost
from bot.chat.translator import command
from bot.chat.wire import Interaction
from bot.domain.ledger import Statement


class CreditsCommand:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel
        self._clock = desk.shop.clock

    def add_to(self, client: EaselClient) -> None:
        client.tree.add_command(command("credits")(self._show))
        client.begins["credits"] = self._show

    async def _show(self, interaction: Interaction) -> None:
        place = place_of(interaction)
        told, price_ucr = await self._easel.statement(
            place, interaction.user.id, role_ids_of(interaction.user)
        )
        embed = _shown(told, price_ucr, self._clock.now(), str(interaction.locale))
        await wire.answer(interaction, [embed])


def _shown(told: Statement, price_ucr: int | None, now: datetime, locale: str) -> discord.Embed:
    """
    Args:
        told: the account as a command given now would find it.
        price_ucr: the price of an image whose command has only a prompt; None: none can be made.
    """
    account = told.account
    left = say(Phrase.BALANCE_LEFT, locale, left_ucr=account.available_ucr)
    embed = accounts.shown(told, left, now, locale)
    here_ucr = account.available_ucr
    if told.budget_left_ucr is not None:
        here_ucr = min(here_ucr, told.budget_left_ucr)
    if price_ucr and here_ucr < price_ucr <= account.available_ucr:
        embed.description = say(Phrase.BUDGET_USED_UP, locale)
    elif price_ucr:
        pictures = here_ucr // price_ucr
        notice = Notice.ENOUGH_FOR if pictures else Notice.NOT_ENOUGH
        embed.description = say(notice, locale, pictures=pictures, price_ucr=price_ucr)
    lines = [
        f"{stamp(each.asked_at)} {tell_cost(each.cost_ucr, locale)}" for each in told.spendings
    ]
    add_fields(embed, {Phrase.SPENT_LAST: "\n".join(lines)}, locale, inline=False)
    # Each job's cost is listed as a whole.
    accounts.add_entries(embed, told.latest_others, locale)
    return embed
