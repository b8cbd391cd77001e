"""Tells a server's moderators when half, four fifths and all of its budget are spent."""

from collections.abc import Awaitable, Callable

from bot.domain.budgets import BudgetShare
from bot.domain.credits import Microcredits
from bot.domain.requests import ImageRequest, Mode
from bot.engine.easel import Easel
from bot.engine.workshop import Workshop
from bot.store import notices

#: seconds between two looks at the budgets
LOOK_EVERY_S = 20.0
#: tells a server's moderators; False: that did not get through, and may later
Post = Callable[[BudgetShare], Awaitable[bool]]


async def post_reached(shop: Workshop, easel: Easel, post: Post) -> None:
    """
    Post a notice for each server that has reached a further share since the last look, even if an
    earlier process made that look.

    A notice is committed as posted once it is: after a crash in between, it is posted again.
    """
    now = shop.clock.now()
    request = ImageRequest(Mode.GENERATE, "", "")
    plain = easel.price_of(request, nsfw_checker=True, server_id=0)
    least = plain[1] if plain else Microcredits(0)
    for share in await shop.database.read(notices.reached, shop.house, least, now):
        if await post(share):
            await shop.database.keep(notices.told, share, now)
