"""/help: what can be done here, by task, with buttons that begin some of them."""

from bot.chat import buttons, render, wire
from bot.chat.client import EaselClient
from bot.chat.commands.credits import CreditsCommand
from bot.chat.commands.images import ImageCommands
from bot.chat.commands.jobs import JobCommands
from bot.chat.commands.preferences import PreferencesCommand
from bot.chat.moderators import is_moderator
from bot.chat.texts import Notice, Phrase, say, tell_name
from bot.chat.translator import command
from bot.chat.wire import Interaction
from bot.engine.easel import Easel

TASKS = ("imagine", "edit", "gather", "go_on", "look_back", "credits")
OF_MODERATORS = ("moderate",)


class HelpCommand:
    def __init__(
        self,
        images: ImageCommands,
        jobs: JobCommands,
        balance: CreditsCommand,
        preferences: PreferencesCommand,
        easel: Easel,
    ) -> None:
        self._easel = easel
        self._begins = {
            "imagine": (Phrase.NEW_IMAGE, images.imagine),
            "history": (Phrase.YOUR_IMAGES, jobs.history),
            "credits": (Phrase.YOUR_CREDITS, balance.show),
            "preferences": (Phrase.PREFERENCES, preferences.show),
        }

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
            buttons.button(say(name, locale), buttons.BEGIN, task)
            for task, (name, _) in self._begins.items()
        ]
        await wire.answer(interaction, [embed], buttons.view(*begins))

    async def _begin(self, interaction: Interaction, task: str) -> None:
        if task not in self._begins:
            raise buttons.Outdated(task)
        _, begin = self._begins[task]
        await begin(interaction)
