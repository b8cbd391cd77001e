"""/help: what can be done here, by task, with buttons that begin some of them."""

from bot.chat import buttons, render, wire
from bot.chat.client import EaselClient
from bot.chat.desk import Desk
from bot.chat.moderators import is_moderator
from bot.chat.texts import Notice, Phrase, say, tell_name
from bot.chat.translator import command
from bot.chat.wire import Interaction

TASKS = ("imagine", "edit", "gather", "go_on", "look_back", "credits")
OF_MODERATORS = ("moderate",)
#: commands that a button begins, without options
BEGINS = {
    "imagine": Phrase.NEW_IMAGE,
    "history": Phrase.YOUR_IMAGES,
    "credits": Phrase.YOUR_CREDITS,
    "preferences": Phrase.PREFERENCES,
}


class HelpCommand:
    def __init__(self, desk: Desk) -> None:
        self._easel = desk.easel

    def add_to(self, client: EaselClient) -> None:
        client.tree.add_command(command("help")(self._help))
        client.presses[buttons.BEGIN] = self._begin

    async def _help(self, interaction: Interaction) -> None:
        locale = str(interaction.locale)
        embed = render.card(Phrase.HELP, locale)
        for task in TASKS + (OF_MODERATORS if is_moderator(interaction) else ()):
            name, how = (tell_name(table, task, locale) for table in ("tasks", "ways"))
            embed.add_field(name=name, value=how, inline=False)
        if (await self._easel.servers.settings(interaction.guild_id or 0)).private_seen:
            embed.description = say(Notice.PRIVATE_SEEN, locale)
        embed.set_footer(text=say(Phrase.MADE_WITH_AI, locale))
        begins = [
            buttons.button(say(words, locale), buttons.BEGIN, name)
            for name, words in BEGINS.items()
        ]
        await wire.answer(interaction, [embed], buttons.view(*begins))

    async def _begin(self, interaction: Interaction, name: str) -> None:
        if name not in BEGINS:
            raise buttons.Outdated(name)
        await interaction.client.begins[name](interaction)
