"""A row that this version cannot read, as after a step back to an older one, stops nobody else."""

import pytest

from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import said
from tests.support.pictures import noise

PICTURE = noise()


@pytest.mark.parametrize(
    "request_text",
    ["{}", "not JSON", '{"mode": "animate"}', "[]", "null"],
)
async def test_what_waits_fails_alone_and_is_refunded(opened: OpenEasel, request_text: str) -> None:
    async with opened(max_running_jobs=1, paint=lambda _: PICTURE) as easel:
        async with easel.held(VendorCall.CREATE) as first:
            broken, after = await easel.imagine(), await easel.imagine("Ben")
            for call in (broken, after):
                await call.response()
            ours = f"SELECT id FROM jobs WHERE message_id = {broken.messages[0].id}"
            # It is committed a moment after the answer.
            await easel.until(lambda: easel.rows(ours))
            [[job_id]] = await easel.rows(ours)
            await easel.app.database.write(
                lambda tx: tx.execute(
                    "UPDATE jobs SET request = :text, failure = NULL WHERE id = :id",
                    {"text": request_text, "id": job_id},
                )
            )
        assert (await easel.finished(first)).attachments
        assert (await easel.finished(after)).attachments
        message = await broken.until(lambda each: "No image this time" in said(each))
        assert "Nothing was charged." in said(message)
        await easel.idle()
        [job] = await easel.rows(f"SELECT state, failure, cost_ucr FROM jobs WHERE id = '{job_id}'")
        assert tuple(job) == ("failed", "internal", 0)
        assert len(easel.providers.submissions) == 2


async def test_an_unknown_failure_is_one_of_ours(opened: OpenEasel) -> None:
    """Of a newer version, in a job that is shown by /history."""
    async with opened() as easel:
        await easel.finished(await easel.imagine())
        await easel.app.database.write(
            lambda tx: tx.execute("UPDATE jobs SET failure = 'of the future'")
        )
        shown = await (await easel.discord.run_command("Ada", "studio", "history")).response()
        assert shown.embeds
