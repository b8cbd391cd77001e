"""The objects that all commands and buttons share."""

from msgspec import Struct

from bot.chat.messenger import DiscordMessenger
from bot.domain.catalog import Catalog
from bot.domain.settings import Operator
from bot.engine.easel import Easel
from bot.engine.export import Export
from bot.engine.oversight import Oversight
from bot.engine.privacy import Privacy
from bot.engine.statistics import Statistics
from bot.engine.workshop import Workshop


class Archive(Struct, frozen=True):
    """What is stored of members: for how long, and how it is exported and erased."""

    privacy: Privacy
    export: Export
    #: days that results are kept; 0: not at all
    results_days: int
    #: days that words and references are kept; 0: for ever
    prompts_days: int
    #: days that whole jobs are kept; 0: for ever
    jobs_days: int


class Desk(Struct, frozen=True):
    easel: Easel
    messenger: DiscordMessenger
    shop: Workshop
    oversight: Oversight
    archive: Archive
    statistics: Statistics
    #: the models that are offered here
    offered: Catalog
    #: what counts where a server has decided nothing
    operator: Operator
