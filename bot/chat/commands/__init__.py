"""The commands that members can give: one file for each thing that they do."""

from bot.chat import buttons
from bot.chat.client import EaselClient
from bot.chat.commands.basket import BasketCommands
from bot.chat.commands.credits import CreditsCommand
from bot.chat.commands.help import HelpCommand
from bot.chat.commands.images import ImageCommands
from bot.chat.commands.jobs import JobCommands
from bot.chat.commands.models import ModelCommands
from bot.chat.commands.moderation import ModerationCommands
from bot.chat.commands.preferences import PreferencesCommand
from bot.chat.commands.presets import PresetCommands
from bot.chat.commands.privacy import PrivacyCommand
from bot.chat.commands.quota import QuotaCommands
from bot.chat.commands.settings import SettingsCommands
from bot.chat.commands.stats import StatsCommand
from bot.chat.desk import Desk
from bot.chat.intake import Intake
from bot.chat.moderating import Moderating
from bot.chat.results import Results
from bot.chat.settings_panel import SettingsPanel


def add_commands(client: EaselClient, desk: Desk) -> None:
    """Add all commands; they are listed in this order."""
    intake = Intake(desk)
    intake.add_to(client)
    results = Results(desk, intake)
    results.add_to(client)
    images = ImageCommands(desk, intake)
    images.add_to(client)
    CreditsCommand(desk).add_to(client)
    JobCommands(desk, results).add_to(client)
    client.show = desk.messenger.show_progress
    BasketCommands(desk, intake).add_to(client)
    client.tree.add_command(PresetCommands(desk, images))
    PreferencesCommand(desk).add_to(client)
    ModelCommands(desk).add_to(client)
    HelpCommand(desk).add_to(client)
    PrivacyCommand(desk).add_to(client)
    panel = SettingsPanel(desk)
    client.presses[buttons.SETTINGS] = panel.press
    client.tree.add_command(SettingsCommands(desk, panel))
    client.tree.add_command(QuotaCommands(desk))
    moderating = Moderating(desk)
    moderating.add_to(client)
    ModerationCommands(desk, moderating).add_to(client)
    StatsCommand(desk).add_to(client)
