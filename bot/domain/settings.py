"""What a server's moderators have decided, and the trail of it."""

from dataclasses import dataclass
from datetime import datetime

from bot.domain.policy import NsfwMode


@dataclass(frozen=True, slots=True)
class ServerSettings:
    """The defaults are those of a server that has decided nothing."""

    nsfw_checker: NsfwMode = NsfwMode.ON


@dataclass(frozen=True, slots=True)
class SettingChange:
    """One change of a server's setting by a moderator."""

    user_id: int
    setting: str
    old: str
    new: str
    created_at: datetime
