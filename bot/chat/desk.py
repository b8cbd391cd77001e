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


class Desk(Struct, frozen=True):
    easel: Easel
    messenger: DiscordMessenger
    shop: Workshop
    oversight: Oversight
    privacy: Privacy
    export: Export
    statistics: Statistics
    #: the models that are offered here
    offered: Catalog
    #: what counts where a server has decided nothing
    operator: Operator
