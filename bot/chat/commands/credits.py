"""/credits: what a member has left to spend here, and what became of it."""

from datetime import datetime
from typing import Any

import discord
from discord import app_commands

from bot.chat import wire
from bot.chat.desk import Desk
from bot.chat.intake import place_of, role_ids_of
from bot.chat.render import WORKING, stamp
from bot.chat.texts import Notice, say, tell_cost
from bot.chat.texts.phrases import Phrase
from bot.chat.translator import label
from bot.domain.ledger import Statement

Interaction = discord.Interaction[Any]


class CreditsCommand:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel
        self._clock = desk.clock

    def add_to(self, tree: app_commands.CommandTree[Any]) -> None:
        tree.add_command(
            app_commands.Command(
                name="credits", description=label("commands.credits"), callback=self.show
            )
        )

    async def show(self, interaction: Interaction) -> None:
        told, price_ucr = await self._easel.statement(
            place_of(interaction), interaction.user.id, role_ids_of(interaction.user)
        )
        embed = _shown(told, price_ucr, self._clock.now(), str(interaction.locale))
        await wire.answer(interaction, embed=embed, ephemeral=True)


def _shown(told: Statement, price_ucr: int | None, now: datetime, locale: str) -> discord.Embed:
    """
    Args:
        told: as a command given now would find it.
        price_ucr: of an image whose command names nothing but the prompt; None: there is none.
    """
    account, allowance = told.account, told.account.refilled_to
    assert allowance is not None
    left = say(Phrase.BALANCE_LEFT, locale, left_ucr=account.available_ucr)
    embed = discord.Embed(colour=WORKING, title=left)
    if price_ucr:
        pictures = account.available_ucr // price_ucr
        embed.description = say(Notice.ENOUGH_FOR, locale, pictures=pictures, price_ucr=price_ucr)
    fields = {
        Phrase.ALLOWANCE: say(
            Phrase.ALLOWANCE_LEFT,
            locale,
            left_ucr=account.allowance_ucr,
            amount_ucr=allowance.amount_ucr,
            refills_at=int(allowance.refills_at(now).timestamp()),
        )
    }
    if account.grant_ucr:
        fields[Phrase.GRANTED] = say(Phrase.GRANT_LEFT, locale, left_ucr=account.grant_ucr)
    if told.held_ucr:
        fields[Phrase.HELD_NOW] = say(Phrase.HELD_FOR, locale, held_ucr=told.held_ucr)
    for name, value in fields.items():
        embed.add_field(name=say(name, locale), value=value)
    if told.spendings:
        lines = [
            f"{stamp(each.asked_at)} {tell_cost(each.cost_ucr, locale)}" for each in told.spendings
        ]
        embed.add_field(name=say(Phrase.SPENT_LAST, locale), value="\n".join(lines), inline=False)
    return embed
