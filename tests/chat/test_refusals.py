"""A refusal for content is told as one and goes to no other vendor, in whose words it may come."""

import pytest
from pydantic import SecretStr

from bot.domain.ledger import EntryKind
from bot.playground.discord import Upload
from bot.playground.faults import Respond, VendorCall
from bot.playground.studio import Fails
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import picture

WORDS = "Your request was rejected by the safety system. safety_violations=[sexual]"


def refused(easel: Easel, at: VendorCall) -> None:
    answer = Respond(400, {"code": 400, "msg": WORDS, "error": {"code": "moderation_blocked"}})
    easel.providers.faults.add(at, answer)


@pytest.mark.parametrize("where", ["submit", "poll", "failed task", "upload"])
async def test_a_refusal_that_is_relayed_falls_over_to_nobody(
    opened: OpenEasel, where: str
) -> None:
    """API Models refuses in OpenAI's words; kie.ai, whose route is next, is asked for nothing."""
    async with opened() as easel:
        kie = {
            "kie_api_key": SecretStr(easel.providers.api_key),
            "kie_base_url": easel.providers.kie_base_url,
            "kie_upload_url": easel.providers.kie_upload_url,
        }
        easel.settings = easel.settings.model_copy(update=kie)
        await easel.restart()
        if where == "failed task":
            easel.providers.endings.append(Fails("moderation_blocked", WORDS, retryable=True))
        else:
            at = {
                "submit": VendorCall.CREATE,
                "poll": VendorCall.POLL,
                "upload": VendorCall.UPLOAD,
            }[where]
            refused(easel, at)
        references = {"reference1": Upload("a.png", picture())} if where == "upload" else {}
        message = await easel.finished(await easel.imagine(**references))

        assert "content filter refused" in said(message)
        assert len([each for each in easel.providers.submissions if each.task_id]) <= 1
        assert len(await easel.entries(EntryKind.RELEASE)) == 1
        [task] = await easel.rows("SELECT route_id, failure FROM tasks")
        assert tuple(task) == ("apimodels/gpt-image-2-beta", "moderation")


async def test_a_member_hears_what_the_filter_looked_at_in_our_words(opened: OpenEasel) -> None:
    details = {"moderation_stage": "output", "categories": ["violence/graphic"]}
    error = {"code": "moderation_blocked", "message": WORDS, "moderation_details": details}
    async with opened() as easel:
        easel.providers.faults.add(VendorCall.CREATE, Respond(400, {"error": error}))
        message = await easel.finished(await easel.imagine())
        assert "it was taken for violence. Trying again, or other words, may help." in said(message)
        assert "Nothing was charged." in said(message)
        assert "sexual" not in said(message)
        # Over a restart, it is told the same from its row.
        await easel.restart()
        call = await easel.discord.run_command("Ada", "studio", "history")
        assert "Refused by the content filter" in said(await call.response())
