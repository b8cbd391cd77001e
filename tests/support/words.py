"""What a member reads of a refusal, without what every refusal ends with."""

from bot.chat.texts import Notice, refuse, say
from bot.errors import Refusal


def told(refusal: Refusal) -> str:
    return refuse(refusal).removesuffix(f" {say(Notice.NOTHING_CHARGED)}")
