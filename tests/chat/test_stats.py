"""/stats: a month's numbers, chart and table, for those who manage the server and nobody else."""

import csv
import io
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from PIL import Image

from bot.domain.jobs import id_at
from bot.engine.statistics import COLUMNS
from bot.playground.discord import Message, NotOfferedError
from bot.playground.studio import Fails
from bot.store import stats
from bot.store.sql import Transaction
from tests.chat.test_iterate import press
from tests.chat.test_privacy import erase
from tests.conftest import OpenEasel
from tests.store.plans import plan_of, recorded
from tests.support import moderation
from tests.support.easel import Easel, labels, said
from tests.support.pictures import noise

PICTURE = noise()


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE, allowance="10.00") as easel:
        yield easel


async def month(
    easel: Easel, member: str = "Cleo", *, check: bool = True, **options: str
) -> Message:
    call = await easel.discord.run_command(member, "studio", "stats", options, check=check)
    message = await call.until(lambda message: not message.is_loading)
    assert message.is_ephemeral
    return message


async def table(easel: Easel, message: Message) -> list[dict[str, str]]:
    pressed = await press(easel, message, "Download as CSV", "Cleo")
    sent = await pressed.until(lambda message: bool(message.attachments))
    assert sent.is_ephemeral
    data = await easel.discord.read_attachment(sent.attachments[0])
    return list(csv.DictReader(io.StringIO(data.decode("utf-8-sig"))))


async def test_it_tells_what_was_made_spent_and_not_made(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="10.00", server_budget="50.00") as easel:
        await easel.finished(await easel.imagine(count=3))
        await easel.finished(await easel.imagine("Ben"))
        easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
        await easel.finished(await easel.imagine("Ben"))
        await easel.finished(await easel.imagine(channel="mockups"))
        message = await month(easel)
        words = said(message)
        ada, ben = (easel.discord.world.user(name).id for name in ("Ada", "Ben"))
        assert f"{easel.clock.now():%Y-%m}" in words
        assert "Spent: 0.24 cr\n" in words
        assert "Budget of the server: 49.76 cr of 50.00 cr left for this month" in words
        assert "Images: 4 from 3 jobs, 1 without an image" in words
        assert "gpt-image-2-beta · apimodels: 4 images, 0.24 cr" in words
        assert f"<@{ada}>: 0.18 cr, 1 job\n<@{ben}>: 0.06 cr, 2 jobs" in words
        assert "Refused by the content filter: 1" in words
        assert "Waiting time, median" in words
        assert labels(message) == ["Download as CSV"]


@pytest.mark.parametrize(("at_once", "pieces"), [(2, 3), (3, 2), (5, 1)])
async def test_a_month_is_counted_in_pieces_between_which_others_may_read(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, at_once: int, pieces: int
) -> None:
    await easel.finished(await easel.imagine(count=3))
    await easel.finished(await easel.imagine("Ben"))
    easel.providers.endings.append(Fails("CONTENT_MODERATION", "vendor's own words"))
    await easel.finished(await easel.imagine("Ben"))
    easel.clock.advance(timedelta(days=1).total_seconds())
    await easel.finished(await easel.imagine())
    whole = said(await month(easel))
    assert "Images: 5 from 4 jobs, 1 without an image" in whole
    monkeypatch.setattr(stats, "COUNTED_AT_ONCE", at_once)
    with recorded() as statements:
        assert said(await month(easel)) == whole
    assert [statement for statement, _ in statements].count(stats.COUNTED) == pieces


async def test_a_budget_counts_as_it_does_for_quota(opened: OpenEasel) -> None:
    given = {"allowance": "10.00", "server_budget": "1.00"}
    async with opened(paint=lambda _: PICTURE, **given) as easel:
        result = await easel.finished(await easel.imagine())
        refunded = await moderation.press(easel, await moderation.card(easel, result), "Refund")
        assert "was given back 0.06 cr" in said(await refunded.response())
        # The host limits the budget, so what moderators give back stays spent in it.
        words = said(await month(easel))
        assert "Spent: 0.00 cr\n" in words
        assert "gpt-image-2-beta · apimodels: 1 image, 0.00 cr" in words
        assert "Budget of the server: 0.94 cr of 1.00 cr left" in words
        call = await easel.discord.run_command("Cleo", "studio", "quota budget")
        assert "Budget of the server: 0.94 cr of 1.00 cr left" in said(await call.response())

        name = f"{easel.clock.now():%Y-%m}"
        easel.clock.advance(timedelta(days=31).total_seconds())
        # Which budget a month had that is over, nobody knows.
        assert "Budget of the server" not in said(await month(easel, month=name))


async def test_the_chart_is_a_picture_on_a_ground_of_its_own(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    message = await month(easel)
    [attached] = message.attachments
    assert attached.filename in message.embeds[0]["image"]["url"]
    picture = Image.open(io.BytesIO(await easel.discord.read_attachment(attached)))
    assert picture.format == "PNG"
    assert picture.size == (960, 480)
    # Nothing is transparent, so it is the same on a dark page and on a light one.
    assert picture.convert("RGBA").getextrema()[3] == (255, 255)
    assert not list((easel.folder / "images").glob("*-month.*"))


async def test_the_table_has_every_job_and_no_private_words(easel: Easel) -> None:
    await easel.finished(await easel.imagine(prompt='=HYPERLINK(1) a lantern, and "more"'))
    await easel.finished(await easel.imagine(prompt="a secret", private=True))
    await easel.finished(await easel.imagine(channel="mockups", prompt="elsewhere"))
    rows = await table(easel, await month(easel))
    assert list(rows[0]) == list(COLUMNS)
    assert [row["prompt"] for row in rows] == ['\'=HYPERLINK(1) a lantern, and "more"', ""]
    assert [row["private"] for row in rows] == ["no", "yes"]
    assert {row["credits"] for row in rows} == {"0.06"}
    assert rows[0]["member"] == f"id {easel.discord.world.user('Ada').id}"
    assert not list((easel.folder / "images").glob("*-month.*"))


async def test_a_table_that_is_too_large_is_packed_or_refused(easel: Easel) -> None:
    for _ in range(2):
        await easel.finished(await easel.imagine(prompt="a lantern " * 300))
    message = await month(easel)
    easel.discord.interactions.file_bytes_max = 2_000
    pressed = await press(easel, message, "Download as CSV", "Cleo")
    sent = await pressed.until(lambda each: bool(each.attachments))
    assert sent.attachments[0].filename.endswith(".zip")
    easel.discord.interactions.file_bytes_max = 50
    refused = await press(easel, message, "Download as CSV", "Cleo")
    told = await refused.until(lambda each: not each.is_loading)
    assert "larger than what Discord takes here" in said(told)


async def test_each_month_is_told_by_itself(easel: Easel) -> None:
    await easel.finished(await easel.imagine(count=2))
    then = easel.clock.now()
    easel.clock.advance(40 * 24 * 3_600)
    await easel.finished(await easel.imagine())
    assert "Images: 1 from 1 job" in said(await month(easel))
    assert "Images: 2 from 1 job" in said(await month(easel, month=f"{then:%Y-%m}"))
    long_ago = then - timedelta(days=90)
    assert "Nothing was asked for here" in said(await month(easel, month=f"{long_ago:%Y-%m}"))


@pytest.mark.parametrize("text", ["2026-13", "last", "2099-01", "2026-1", "1970-01"])
async def test_what_is_no_month_is_said(easel: Easel, text: str) -> None:
    assert "There is no such month." in said(await month(easel, month=text))


async def test_discord_hides_it_from_members(easel: Easel) -> None:
    with pytest.raises(NotOfferedError):
        await month(easel, "Ben")


async def test_ben_is_refused_where_discords_overrides_let_him_through(easel: Easel) -> None:
    result = await easel.finished(await easel.imagine())
    refused = await month(easel, "Ben", check=False)
    assert "Only members who may manage this server" in said(refused)
    assert not refused.attachments
    # And by a button that he has somehow got.
    [row] = result.components
    row["components"][0]["custom_id"] = f"stats:{easel.clock.now():%Y-%m}"
    answer = await (await press(easel, result, "Again", "Ben")).response()
    assert "Only members who may manage this server" in said(answer)
    assert not answer.attachments


async def test_whose_data_was_erased_is_somebody_still(easel: Easel) -> None:
    await easel.finished(await easel.imagine())
    await erase(easel)
    assert "someone whose data was erased: 0.06 cr, 1 job" in said(await month(easel))
    [row] = await table(easel, await month(easel))
    assert row["prompt"] == ""
    assert row["member"].startswith("id -")


async def test_each_question_goes_by_the_months_ids_alone(easel: Easel) -> None:
    """Also where no statistics were gathered of the tables."""
    await easel.finished(await easel.imagine())
    now = easel.clock.now()
    given = {
        "server": 1,
        "first": id_at(now - timedelta(days=20)),
        "end": id_at(now),
        "last": id_at(now),
        "after": "",
        "at_once": 1,
    }

    def explain(tx: Transaction) -> list[str]:
        return [
            "\n".join(plan_of(tx, statement, given))
            for statement in (stats.COUNTED, stats.IMAGES, stats.SOME)
        ]

    for plan in await easel.app.database.read(explain):
        assert "INDEX ix_jobs_server (server_id=? AND id>? AND id<?)" in plan, plan
        assert "SCAN" not in plan
