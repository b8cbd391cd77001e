"""What all commands and buttons share."""

from dataclasses import dataclass
from pathlib import Path

from bot.chat.messenger import DiscordMessenger
from bot.chat.offers import PriceOf
from bot.domain.ports import Clock
from bot.engine.easel import Easel
from bot.engine.export import Export
from bot.engine.oversight import Oversight
from bot.engine.privacy import Privacy
from bot.engine.statistics import Statistics
from bot.pictures.pool import Pool


@dataclass(frozen=True, slots=True)
class Archive:
    """What is kept of members, for how long, and what they can have done with it."""

    privacy: Privacy
    export: Export
    #: days; 0: not at all
    results_days: int
    #: days; 0: for ever
    prompts_days: int
    jobs_days: int


@dataclass(frozen=True, slots=True)
class Desk:
    easel: Easel
    messenger: DiscordMessenger
    clock: Clock
    #: where stored images lie
    folder: Path
    #: where pictures are decoded
    pool: Pool
    #: see PriceOf
    price_of: PriceOf
    oversight: Oversight
    archive: Archive
    statistics: Statistics
