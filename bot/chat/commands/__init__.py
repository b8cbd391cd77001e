"""What members can give as a command: one file for each thing that they do."""

from bot.chat.client import EaselClient
from bot.chat.commands.basket import BasketCommands
from bot.chat.commands.credits import CreditsCommand
from bot.chat.commands.help import HelpCommand
from bot.chat.commands.images import ImageCommands
from bot.chat.commands.jobs import JobCommands
from bot.chat.commands.models import ModelCommands
from bot.chat.commands.preferences import PreferencesCommand
from bot.chat.commands.presets import PresetCommands
from bot.chat.commands.privacy import PrivacyCommand
from bot.chat.commands.settings import SettingsCommands
from bot.chat.commands.stats import StatsCommand
from bot.chat.desk import Desk
from bot.chat.intake import Intake
from bot.chat.results import Results
from bot.domain.catalog import Catalog


def add_commands(client: EaselClient, desk: Desk, models: ModelCommands, offered: Catalog) -> None:
    """In this order they are listed."""
    intake = Intake(desk)
    results = Results(desk, intake)
    results.add_to(client.presses)
    images = ImageCommands(desk, intake, results)
    images.add_to(client.tree, offered)
    balance = CreditsCommand(desk)
    balance.add_to(client.tree)
    jobs = JobCommands(desk, results)
    jobs.add_to(client.tree, client.presses)
    basket = BasketCommands(desk, results)
    basket.add_to(client.tree, client.presses)
    client.tree.add_command(PresetCommands(desk, images))
    preferences = PreferencesCommand(desk, offered)
    preferences.add_to(client.tree, client.presses)
    models.add_to(client.tree)
    HelpCommand(images, jobs, balance, preferences).add_to(client.tree, client.presses)
    client.tree.add_command(SettingsCommands(desk.easel))
    PrivacyCommand(desk).add_to(client.tree, client.presses)
    StatsCommand(desk).add_to(client.tree, client.presses)
