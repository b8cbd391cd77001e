"""What a member reads of a refusal, without what every refusal ends with."""

from bot.chat.texts import Notice, refuse, say
from bot.errors import Refusal


def told(refusal: Refusal) -> str:
    return refuse(refusal, refills_at_s=0).removesuffix(f" {say(Notice.NOTHING_CHARGED)}")
