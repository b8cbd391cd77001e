"""/quota: what a server's moderators let its members spend, grant them and take from them."""

from collections.abc import Mapping
from itertools import chain

import discord
from discord import app_commands

from bot.chat import accounts, log_channel, wire
from bot.chat.desk import Desk
from bot.chat.fields import checked_reason
from bot.chat.moderators import ModeratorCommands
from bot.chat.origin import role_ids_of
from bot.chat.render import card
from bot.chat.settings_shown import QUOTA
from bot.chat.texts import Notice, Phrase, paragraph, say, tell_cost, tell_name
from bot.chat.texts.markdown import inert
from bot.chat.translator import Callback, choices, command
from bot.chat.wire import Interaction
from bot.domain import policy
from bot.domain.credits import Microcredits, read_amount
from bot.domain.ledger import Account, Period
from bot.domain.quota import AMOUNT_MAX_UCR, REASON_CHARS_MAX, ROLES_MAX, Amend, Amendment
from bot.domain.settings import Decide, ServerSettings, fixed, undecided

Reason = app_commands.Range[str, 1, REASON_CHARS_MAX]

#: command -> the limit that it sets, a field of ServerSettings
LIMITS = {"budget": "budget_ucr", "ceiling": "job_max_ucr"}


class QuotaCommands(ModeratorCommands):
    def __init__(self, desk: Desk) -> None:
        super().__init__("quota")
        self._easel = desk.easel
        self._quota = desk.easel.quota
        self._house = desk.shop.house
        self._clock = desk.shop.clock
        for name, field in LIMITS.items():
            self.add_command(command(f"quota {name}")(self._limiting(field)))
        for action in Amend:
            self.add_command(command(f"quota {action}")(self._amending(action)))

    @command("quota set")
    @app_commands.choices(period=choices("period", Period))
    async def set(
        self, interaction: Interaction, allowance: str | None = None, period: str | None = None
    ) -> None:
        if allowance:
            await self._change(interaction, fixed("allowance_ucr", _typed(allowance)))
        if period is not None:
            await self._change(interaction, fixed("allowance_period", Period(period)))
        await self._show(interaction)

    @command("quota role")
    async def role(
        self,
        interaction: Interaction,
        role: discord.Role,
        allowance: str | None = None,
        remove: bool = False,
    ) -> None:
        amount = _typed(allowance) if allowance else None

        def decide(before: ServerSettings) -> dict[str, object]:
            amounts = _of_present(before.role_allowances_ucr, interaction.guild)
            amounts.pop(role.id, None)
            if amount is not None and not remove:
                amounts[role.id] = amount
                if len(amounts) > ROLES_MAX:
                    raise wire.Declined(Notice.TOO_MANY_ROLES, roles_max=ROLES_MAX)
            return {"role_allowances_ucr": amounts}

        if remove or allowance:
            await self._change(interaction, decide)
        await self._show(interaction)

    @command("quota member")
    async def member(self, interaction: Interaction, member: discord.User) -> None:
        locale, server_id = str(interaction.locale), interaction.guild_id or 0
        told = await self._quota.statement(server_id, member.id, role_ids_of(member))
        title = say(Phrase.CREDITS_OF, locale, member=inert(member.display_name))
        embed = accounts.shown(told, title, self._clock.now(), locale)
        left = say(Phrase.BALANCE_LEFT, locale, left_ucr=told.account.available_ucr)
        embed.description = f"{member.mention} · {left}"
        accounts.add_entries(embed, told.latest, locale)
        await wire.answer(interaction, [embed])

    @command("quota reset")
    @app_commands.choices(what=choices("reset", QUOTA))
    async def reset(self, interaction: Interaction, what: str | None = None) -> None:
        names = QUOTA[what] if what else chain.from_iterable(QUOTA.values())
        await self._change(interaction, undecided(*names))
        await self._show(interaction)

    def _limiting(self, field: str) -> Callback:
        """What the command does that sets this limit, a field of ServerSettings."""

        async def limit(
            interaction: Interaction, amount: str | None = None, remove: bool = False
        ) -> None:
            given = _typed(amount) if amount else None
            if remove or amount:
                await self._change(interaction, fixed(field, None if remove else given))
            await self._show(interaction)

        return limit

    async def _change(self, interaction: Interaction, decide: Decide) -> None:
        by_id = interaction.user.id
        await self._easel.servers.change(interaction.guild_id or 0, decide, by_id)

    def _amending(self, action: Amend) -> Callback:
        """What the command of this name does."""

        async def amend(
            interaction: Interaction, member: discord.User, amount: str, reason: Reason
        ) -> None:
            given = _typed(amount, signed=action is Amend.CORRECT)
            if not given:
                raise wire.Declined(Notice.NOTHING_TO_GIVE, most_ucr=AMOUNT_MAX_UCR)
            by_id, server_id = interaction.user.id, interaction.guild_id or 0
            amendment = Amendment(
                action, server_id, member.id, given, by_id, checked_reason(reason)
            )
            account, done = await self._quota.amend(amendment, role_ids_of(member))
            if done is None and action is Amend.REVOKE:
                raise wire.Declined(Notice.NOT_SO_MUCH_GRANTED, left_ucr=account.grant_ucr)
            if done is None:
                raise wire.Declined(Notice.NOT_SO_MUCH_THERE, left_ucr=account.available_ucr)
            text = tell_name(
                "amendments",
                "correct_down" if given < 0 else action,
                str(interaction.locale),
                member=member.mention,
                amount_ucr=abs(given),
                left_ucr=account.available_ucr,
            )
            await wire.tell(interaction, text)
            await log_channel.tell(interaction, done)

        return amend

    async def _show(self, interaction: Interaction) -> None:
        """Show the server's quota as it is now."""
        locale, server_id = str(interaction.locale), interaction.guild_id or 0
        decided, budget = await self._quota.of_server(server_id)
        embed = card(Phrase.QUOTA, locale)
        each = policy.allowance(decided, (), self._house.allowance)
        every = tell_name("allowances", each.period, locale, amount_ucr=each.amount_ucr)
        present = _of_present(decided.role_allowances_ucr, interaction.guild)
        roles = [
            f"{accounts.role_name(role_id, server_id)} {tell_cost(amount, locale)}"
            for role_id, amount in sorted(present.items())
        ]
        decider = accounts.decider(locale, by_server=policy.decides_allowance(decided))
        ceiling = say(Phrase.NO_LIMIT, locale)
        if decided.job_max_ucr is not None:
            ceiling = say(Phrase.CEILING, locale, amount_ucr=decided.job_max_ucr)
        shown = {
            "allowance_ucr": f"{every}\n{decider}",
            "role_allowances_ucr": "\n".join(roles),
            "budget_ucr": self._budget(decided, budget, locale),
            "job_max_ucr": ceiling,
        }
        for name, value in shown.items():
            if value:
                title = tell_name("settings", name, locale)
                embed.add_field(name=title, value=value, inline=False)
        await wire.answer(interaction, [embed])

    def _budget(self, decided: ServerSettings, budget: Account | None, locale: str) -> str:
        host_ucr = self._house.budget_ucr
        month = policy.budget(decided, host_ucr)
        if budget is None or month is None:
            return say(Phrase.NO_LIMIT, locale)
        text = accounts.budget_left(month, budget.allowance_ucr, self._clock.now(), locale)
        if host_ucr is not None and (decided.budget_ucr or 0) > host_ucr:
            return paragraph(text, say(Notice.BUDGET_OF_HOST, locale, host_ucr=host_ucr))
        return text


def _of_present(
    amounts: Mapping[int, Microcredits], guild: discord.Guild | None
) -> dict[int, Microcredits]:
    """The amounts by role, without roles that were deleted; all, if the roles are not known yet."""
    if guild is None or guild.get_role(guild.id) is None:
        return dict(amounts)
    return {role_id: amount for role_id, amount in amounts.items() if guild.get_role(role_id)}


def _typed(text: str, *, signed: bool = False) -> Microcredits:
    """
    Args:
        signed: whether the amount may be negative.
    Raises:
        Declined: the text is no such amount, or too large.
    """
    try:
        amount = read_amount(text)
    except ValueError:
        amount = None
    if amount is None or abs(amount) > AMOUNT_MAX_UCR or (amount < 0 and not signed):
        typed = inert(text[:40])
        raise wire.Declined(Notice.WRONG_AMOUNT, typed=typed, most_ucr=AMOUNT_MAX_UCR)
    return Microcredits(amount)
