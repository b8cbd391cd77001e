"""What moderators may do: block members and act on results; and the trail that this leaves."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from msgspec import Struct

from bot.domain.credits import Microcredits
from bot.domain.jobs import Job
from bot.domain.words import clean

#: in place of a server's id: blocked by the operator in all servers and in direct messages
EVERYWHERE = 0
#: characters of a reason that a moderator or a reporter gives
REASON_CHARS_MAX = 300
#: reports that one member may send in an hour, in all servers together
REPORTS_PER_HOUR_MAX = 5
#: how far away the end of a block may be
BLOCK_MAX = timedelta(days=3_660)


class Action(StrEnum):
    """What somebody did; the trail may also have actions that are not among these."""

    #: a result's images were covered
    SPOILER = "spoiler"
    #: a result's message and its kept files were taken away
    REMOVE = "remove"
    #: the message of another member's result was deleted; they keep the result in their history
    DELETE = "delete"
    #: a member was given back what their job was charged
    REFUND = "refund"
    BLOCK = "block"
    UNBLOCK = "unblock"
    #: another member's job was cancelled
    CANCEL = "cancel"
    #: a member, who need not be a moderator, reported a result
    REPORT = "report"


class Unreported(StrEnum):
    """Why a report is not taken."""

    NOTHING_THERE = "nothing_there"
    #: the server has no log channel
    NO_CHANNEL = "no_channel"
    #: the same member has reported this result before
    BEFORE = "before"
    #: this member has sent too many reports within the hour
    TOO_MANY = "too_many"


class Act(Struct, frozen=True):
    """One line of the trail."""

    server_id: int
    #: id of the moderator, of the member who reported, or of the operator (0)
    by_id: int
    #: an Action, or an Amend of bot/domain/quota.py
    action: str
    created_at: datetime
    #: whom it was done to
    user_id: int | None = None
    job_id: str | None = None
    #: signed for a correction, else positive
    amount_ucr: Microcredits | None = None
    reason: str = ""
    #: grows with time; 0: the act is not written yet
    id: int = 0


class Block(Struct, frozen=True):
    """A member whose commands, forms and buttons are not taken."""

    #: a server's id, or EVERYWHERE
    server_id: int
    user_id: int
    by_id: int
    reason: str
    created_at: datetime
    #: None: until somebody ends it
    until: datetime | None = None


class Done(Struct, frozen=True):
    """An act that was done, with all that is told about it elsewhere."""

    act: Act
    #: where the server wants to read about it; 0: nowhere
    log_channel_id: int
    #: the job as it is now; None: the act was done to no job
    job: Job | None = None
    #: the end of a block, where it has one
    until: datetime | None = None
    #: of a refund, what the account loses again: its allowance has been refilled or lowered since
    expired_ucr: Microcredits = Microcredits(0)


def read_reason(text: str) -> str:
    """A reason as it is stored: one line, without invisible characters, and not too long."""
    return " ".join(clean(text).split())[:REASON_CHARS_MAX].rstrip()


_MINUTE, _HOUR, _DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
#: how units begin, as members write them in all of Easel's languages
_UNITS = {
    "min": _MINUTE, "分": _MINUTE, "h": _HOUR, "std": _HOUR, "stunde": _HOUR, "時間": _HOUR,
    "小时": _HOUR, "小時": _HOUR, "d": _DAY, "tag": _DAY, "j": _DAY, "日": _DAY, "天": _DAY,
    "w": 7 * _DAY, "sem": 7 * _DAY, "週": 7 * _DAY, "周": 7 * _DAY, "mon": 30 * _DAY,
    "mes": 30 * _DAY, "mês": 30 * _DAY, "mois": 30 * _DAY, "か月": 30 * _DAY, "ヶ月": 30 * _DAY,
    "ケ月": 30 * _DAY, "カ月": 30 * _DAY, "ヵ月": 30 * _DAY, "个月": 30 * _DAY, "個月": 30 * _DAY,
    "y": 365 * _DAY, "jahr": 365 * _DAY, "an": 365 * _DAY, "año": 365 * _DAY, "年": 365 * _DAY,
}  # fmt: skip
_BEGINNINGS = sorted(_UNITS, key=len, reverse=True)
_NEVER = frozenset({"", "-", "0", "never", "forever", "none", "no end", "permanent"})
_PART = re.compile(r"(\d{1,6})\s*([^\W\d_]+)")
_PARTS = re.compile(rf"(?:{_PART.pattern}[\s,+&]*)+")
_CLOCK = r"(?:[T\s,]+(\d{1,2}):(\d{2})(?::\d{2})?\s*(?:Z|UTC)?)?"
_YEAR_FIRST = re.compile(rf"(\d{{4}})[-./](\d{{1,2}})[-./](\d{{1,2}}){_CLOCK}", re.IGNORECASE)
_DAY_FIRST = re.compile(rf"(\d{{1,2}})\.(\d{{1,2}})\.(\d{{4}}){_CLOCK}", re.IGNORECASE)
_STAMP = re.compile(r"<t:(\d{1,12})(?::[a-zA-Z])?>")


def read_end(text: str, now: datetime) -> datetime | None:
    """
    Read the end of a block as a moderator types it: `2d`, `12 h`, `1w 2d`, `2026-12-01`,
    `1.12.2026 18:00` or a Discord timestamp. Times are UTC; a day alone stands for its end.

    Returns:
        None: the block has no end, as an empty text, `never` and `forever` say.
    Raises:
        ValueError: it cannot be read, is over already, or is more than ten years away.
    """
    typed = " ".join(clean(text).split())
    if typed.casefold() in _NEVER:
        return None
    try:
        end = _duration(typed.casefold(), now) or _moment(typed)
    except OverflowError as error:
        raise ValueError(f"no end of a block: {typed!r}") from error
    if end is None or not now < end <= now + BLOCK_MAX:
        raise ValueError(f"no end of a block: {typed!r}")
    return end


def _duration(typed: str, now: datetime) -> datetime | None:
    typed = typed.removeprefix("in ").removeprefix("for ")
    if not _PARTS.fullmatch(typed):
        return None
    length = timedelta()
    for number, unit in _PART.findall(typed):
        # A bare m could be minutes or months, so it is neither.
        begins = next((each for each in _BEGINNINGS if unit.startswith(each)), None)
        if begins is None:
            return None
        length += int(number) * _UNITS[begins]
    return now + length


def _moment(typed: str) -> datetime | None:
    if stamp := _STAMP.fullmatch(typed):
        return datetime.fromtimestamp(int(stamp[1]), UTC)
    if found := _YEAR_FIRST.fullmatch(typed):
        year, month, day, hour, minute = found.groups()
    elif found := _DAY_FIRST.fullmatch(typed):
        day, month, year, hour, minute = found.groups()
    else:
        return None
    begins = datetime(int(year), int(month), int(day), tzinfo=UTC)
    if hour is None:
        return begins + _DAY
    return begins.replace(hour=int(hour), minute=int(minute))
