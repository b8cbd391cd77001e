"""What a carrier that is cut short leaves behind."""

from base64 import b64encode

from bot.playground.faults import Respond, VendorCall
from tests.support.easel import Easel
from tests.support.pictures import noise

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


async def test_an_image_beside_a_failure_is_not_kept(easel: Easel) -> None:
    image = f"data:image/png;base64,{b64encode(noise()).decode()}"
    failed = {"code": 200, "data": {"state": "fail", "failCode": "500", "draft": image}}
    easel.providers.faults.add(VendorCall.POLL, Respond(200, failed))
    await easel.finished(await easel.imagine())
    assert await easel.rows("SELECT 1 FROM tasks WHERE state = 'failed'")
    assert not list((easel.folder / "images").glob("*.fetched"))
