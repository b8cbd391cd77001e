"""What Easel keeps for a member, over a restart and until it is swept."""

from typing import Any

import pytest
from msgspec.structs import replace

from bot.domain.policy import Place
from bot.domain.preferences import Pings, Preferences
from bot.domain.requests import ImageRequest, Mode, Reference
from bot.errors import Reason, Refusal
from tests.support.easel import Easel

ADA, BEN = 1, 2
LANTERN = ImageRequest(Mode.GENERATE, "a paper lantern", "")
PICTURE = Reference("https://cdn.example/1/a.png", "a.png", 5)
AGES_AGO = ["UPDATE drafts SET created_at = 0", "UPDATE basket SET added_at = 0"]


def keeper(easel: Easel) -> Any:
    """What the chat asks."""
    return easel.app.client.easel


async def test_preferences_hold_at_once_and_over_a_restart(easel: Easel) -> None:
    mine = Preferences("16:9", pings=Pings.NEVER)
    assert keeper(easel).preferences_of(ADA) == Preferences()
    await keeper(easel).prefer(ADA, mine)
    await keeper(easel).prefer(BEN, Preferences())
    for _ in range(2):
        assert keeper(easel).preferences_of(ADA) == mine
        assert keeper(easel).preferences_of(BEN) == Preferences()
        await easel.restart()
    await keeper(easel).prefer(ADA, Preferences())
    assert keeper(easel).preferences_of(ADA) == Preferences()


async def test_what_is_kept_is_there_after_a_restart(easel: Easel) -> None:
    draft_id = await keeper(easel).keep_draft(ADA, LANTERN)
    assert await keeper(easel).add_to_basket(ADA, [PICTURE]) == [PICTURE]
    await keeper(easel).save_preset(ADA, "lantern", LANTERN)
    await easel.restart()
    assert await keeper(easel).draft(draft_id, ADA) == LANTERN
    assert await keeper(easel).basket(ADA) == [PICTURE]
    assert await keeper(easel).presets(ADA) == {"lantern": LANTERN}
    await keeper(easel).take_from_basket(ADA, 0)
    assert await keeper(easel).basket(ADA) == []
    assert await keeper(easel).remove_preset(ADA, "lantern") is True


async def test_what_is_older_than_a_day_goes_as_the_bot_tidies(easel: Easel) -> None:
    draft_id = await keeper(easel).keep_draft(ADA, LANTERN)
    await keeper(easel).add_to_basket(ADA, [PICTURE])
    await easel.app.runner._duties.tidy()
    assert await keeper(easel).draft(draft_id, ADA) == LANTERN
    for statement in AGES_AGO:
        await easel.app.database.write(lambda tx, each=statement: tx.execute(each))
    await easel.app.runner._duties.tidy()
    assert await easel.rows("SELECT id FROM drafts UNION ALL SELECT id FROM basket") == []
    with pytest.raises(Refusal) as refused:
        await order(easel, draft_id, 10**17)
    assert refused.value.reason is Reason.DRAFT_USED


async def test_a_draft_is_ordered_once_and_looked_back_at(easel: Easel) -> None:
    call = await easel.imagine()
    await easel.finished(call)
    [first] = [each.id for each in await easel.rows("SELECT id FROM jobs")]
    job = await keeper(easel).find(first)
    draft_id = await keeper(easel).keep_draft(job.user_id, LANTERN)
    accepted = await order(easel, draft_id, 10**17, job, parent_id=first)
    with pytest.raises(Refusal):
        await order(easel, draft_id, 10**17 + 1, job)
    assert await keeper(easel).children(first) == [accepted.job.id]
    stopped = await keeper(easel).stop_watching(accepted.job.id)
    assert stopped.unwatched
    assert await keeper(easel).stop_watching(first) is None
    whose = (job.server_id, job.user_id)
    assert [each.id for each in await keeper(easel).history(*whose)] == [accepted.job.id, first]
    older = await keeper(easel).history(*whose, before=accepted.job.id, kind="pictures", limit=1)
    assert [each.id for each in older] == [first]
    await keeper(easel).cancel(accepted.job.id)


async def test_a_refusal_before_the_settings_are_read_does_not_forget_them(easel: Easel) -> None:
    """The locale of public text, for one, is taken from memory."""
    await keeper(easel).servers.change(7, lambda _: {"locale": "de"}, 3)
    given = (LANTERN, Place(7, 70, age_restricted=False), ADA, (), 10**17, None, "en-US")
    with pytest.raises(Refusal) as refused:
        await keeper(easel).accept(*given, draft_id="used before")
    assert refused.value.reason is Reason.DRAFT_USED
    assert keeper(easel).servers.known(7).locale == "de"


async def order(
    easel: Easel, draft_id: str, interaction_id: int, like: Any = None, parent_id: str = ""
) -> Any:
    reply = like.reply if like else None
    return await keeper(easel).accept(
        replace(LANTERN, parent_id=parent_id),
        Place(like.server_id if like else 0, 70, False),
        like.user_id if like else ADA,
        (),
        interaction_id,
        reply,
        "en-US",
        draft_id=draft_id,
    )
