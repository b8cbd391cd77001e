"""What all commands and buttons share."""

from dataclasses import dataclass
from pathlib import Path

from bot.chat.messenger import DiscordMessenger
from bot.chat.offers import PriceOf
from bot.domain.ports import Clock
from bot.engine.easel import Easel
from bot.engine.oversight import Oversight
from bot.pictures.pool import Pool


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
