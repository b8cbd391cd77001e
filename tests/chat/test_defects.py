"""A defect of ours: what the member reads is what stands in the database."""

import re

import pytest

from bot.chat.commands.jobs import JobCommands
from bot.engine.easel import Easel as Engine
from bot.playground.faults import VendorCall
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said, selects
from tests.support.moderation import press

ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000


async def broken(*_: object, **__: object) -> None:
    raise RuntimeError("a defect")


def broken_at_once(*_: object, **__: object) -> None:
    raise RuntimeError("a defect")


def ref_in(text: str) -> str:
    [ref] = re.findall(r"#[0-9a-f]{6}", text)
    return ref


async def test_before_anything_is_held_nothing_was_charged(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(Engine, "accept", broken)
    message = await (await easel.imagine()).response()

    assert "Nothing was charged." in said(message)
    assert message.is_ephemeral
    [line] = [each for each in caplog.records if vars(each).get("action") == "command_failed"]
    assert vars(line)["ref"] == ref_in(said(message))
    assert await easel.entries() == []


async def test_once_it_is_held_it_is_made_and_the_member_is_told_so(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """It breaks on the line after the answer: whoever claims the job later charges it."""
    # What she alone is told is in her language, not in the server's.
    easel.discord.set_server_locale("Lantern Community", "de")
    hand_over = Engine.hand_over
    monkeypatch.setattr(Engine, "hand_over", broken_at_once)
    call = await easel.imagine()
    await easel.discord.wait_for(lambda: len(call.interaction.message_ids) == 2, "both answers")
    monkeypatch.setattr(Engine, "hand_over", hand_over)

    status, told = call.messages
    assert told.is_ephemeral
    assert not status.is_ephemeral
    assert "It goes ahead all the same" in said(told)
    assert "charged" not in said(told)
    [line] = [each for each in caplog.records if vars(each).get("action") == "show_failed"]
    assert line.exc_info
    [job] = await easel.rows("SELECT id FROM jobs")
    assert ref_in(said(told)) == f"#{job.id[-6:]}"

    easel.clock.advance(61)
    easel.app._shop.due.set()
    await call.until(lambda message: bool(message.attachments))
    await easel.idle()
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR


async def test_an_answer_that_cannot_be_drawn_leaves_the_job_to_be_made(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.chat.intake.Intake._answer", broken)
    call = await easel.imagine()
    told = await call.response()
    assert "It goes ahead all the same" in said(told)
    easel.clock.advance(61)
    easel.app._shop.due.set()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs WHERE state = 'done'"))
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR


async def test_a_press_that_breaks_says_nothing_of_charges(
    opened: OpenEasel, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with opened(max_jobs_per_user=1) as easel, easel.held(VendorCall.CREATE):
        waiting = await easel.imagine()
        shown = await waiting.until(lambda message: bool(message.components))
        monkeypatch.setattr(JobCommands, "_shown_job", broken)
        press = await easel.discord.press("Ada", shown, label="Cancel")
        told = await press.response()
        assert "charged" not in said(told)
        assert ref_in(said(told))


@pytest.mark.parametrize("pressed", [False, True])
async def test_an_answer_that_discord_refuses_as_wrong_is_one_of_them(
    easel: Easel, caplog: pytest.LogCaptureFixture, pressed: bool
) -> None:
    shown = await (await easel.discord.run_command("Ada", "studio", "models")).response()
    wrong = {"status": 400, "body": {"code": 50035, "message": "Invalid Form Body"}}
    easel.discord.faults.add(method="POST", path="/callback", **wrong)
    if pressed:
        [options] = selects(shown).values()
        call = await easel.discord.select("Ada", shown, [options[0]["value"]])
    else:
        call = await easel.discord.run_command("Ada", "studio", "models")
    told = await call.response()
    assert "Something went wrong inside this bot" in said(told)
    actions = {vars(each).get("action"): vars(each).get("ref") for each in caplog.records}
    assert actions["press_failed" if pressed else "command_failed"] == ref_in(said(told))


@pytest.mark.parametrize("pressed", [False, True])
async def test_a_job_whose_message_discord_refuses_as_wrong_is_taken_back_and_told(
    easel: Easel, caplog: pytest.LogCaptureFixture, pressed: bool
) -> None:
    shown = await easel.finished(await easel.imagine())
    wrong = {"status": 400, "body": {"code": 50035, "message": "Invalid Form Body"}}
    easel.discord.faults.add(method="POST", path="/callback", **wrong)
    call = await (press(easel, shown, "Again", "Ada") if pressed else easel.imagine())
    told = await call.response()
    assert "Something went wrong inside this bot" in said(told)
    assert told.is_ephemeral
    assert ref_in(said(told))
    assert [each.state for each in await easel.rows("SELECT state FROM jobs ORDER BY id")] == [
        "done",
        "cancelled",
    ]
    assert await easel.balance_ucr() == ALLOWANCE_UCR - PRICE_UCR
    assert "Traceback" in caplog.text
