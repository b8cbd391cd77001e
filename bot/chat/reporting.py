"""*Report* in a message's menu: any member can point moderators to a result."""

import discord

from bot.about import about
from bot.chat import buttons, fields, log_channel, trail, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.moderating import Case, case_buttons, read_id
from bot.chat.moderators import offer_in_servers
from bot.chat.origin import spoken_here
from bot.chat.pictures import job_shown
from bot.chat.texts import Notice, Phrase, say
from bot.chat.translator import label
from bot.chat.wire import Interaction
from bot.domain.jobs import fields_of
from bot.domain.oversight import Unreported

WHY_NOT = {
    Unreported.NOTHING_THERE: Notice.NOT_OF_THIS_SERVER,
    Unreported.NO_CHANNEL: Notice.NO_LOG_CHANNEL,
    Unreported.BEFORE: Notice.REPORTED_BEFORE,
    Unreported.TOO_MANY: Notice.TOO_MANY_REPORTS,
}


class Reporting:
    def __init__(self, desk: Desk) -> None:
        self._oversight = desk.oversight

    def add_to(self, client: EaselClient) -> None:
        offer_in_servers(client.tree.context_menu(name=label("menus.report"))(self._menu))
        client.presses[buttons.REPORT_WHY] = self._report

    async def _menu(self, interaction: Interaction, message: discord.Message) -> None:
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
            embed = trail.act_embed(done, case.link, public)
            await log_channel.post(interaction.client, done.log_channel_id, embed, view)
