"""What a carrier that is cut short leaves behind."""

from bot.playground.faults import VendorCall
from tests.support.easel import Easel

LOST = "UPDATE tasks SET state = 'failed', failure = 'internal'"


async def test_a_task_that_is_lost_while_its_image_is_fetched_is_not_remembered(
    easel: Easel,
) -> None:
    async with easel.held(VendorCall.RESULT):
        shop = easel.app._shop
        assert len(shop.finished) == 1
        await easel.app.database.write(lambda tx: tx.execute(LOST))
    await easel.idle()
    assert shop.finished == set()
