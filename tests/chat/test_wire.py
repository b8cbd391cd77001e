"""What discord.py leaves to us: lost answers, resets, 503, dead tokens, gateways that fall."""

import asyncio
import logging
from typing import Any

import pytest
from pydantic import SecretStr

from bot.app import open_app
from bot.chat import connection, intake, wire
from bot.domain.ledger import EntryKind
from bot.engine.delivery import DELIVERIES_MAX
from bot.errors import StartupError
from bot.playground.discord import Message, PlaygroundDiscord
from bot.store.queue import LEASE_S
from tests.support.easel import Easel, labels, said

DEAD_TOKEN = {"code": 10015, "message": "Unknown Webhook"}


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "LOGIN_WAIT_S", 0.0)


async def assert_delivered_once(easel: Easel, message: Message) -> None:
    assert message.attachments
    pictures = [shown for shown in easel.discord.messages_for("Ada", "studio") if shown.attachments]
    assert [shown.id for shown in pictures] == [message.id]
    assert len(await easel.entries(EntryKind.SETTLE)) == 1
    assert len(easel.providers.submissions) == 1


@pytest.mark.parametrize("after_effect", [False, True])
@pytest.mark.parametrize(
    ("method", "path"), [("POST", "/callback"), ("PATCH", "/messages/@original")]
)
async def test_a_cut_connection_shows_nowhere(
    easel: Easel, method: str, path: str, after_effect: bool
) -> None:
    easel.discord.faults.add(method=method, path=path, reset=True, after_effect=after_effect)
    message = await easel.finished(await easel.imagine())

    await assert_delivered_once(easel, message)


async def test_a_press_whose_deferral_lost_its_answer_is_done_all_the_same(easel: Easel) -> None:
    message = await easel.finished(await easel.imagine())
    lost = easel.discord.faults.add(method="POST", path="/callback", reset=True, after_effect=True)
    await easel.discord.press("Ada", message, label="Delete")
    await easel.held_by(lost)
    there = easel.discord.channel("studio").messages_by_id
    await easel.discord.wait_for(lambda: message.id not in there, "its deletion")


async def test_a_result_is_not_replaced_by_an_answer_that_comes_later(
    easel: Easel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The news of the deferral took longer than the job's lease lasts."""
    monkeypatch.setattr(intake, "DEFER_AFTER_S", 0.0)
    until = asyncio.Event()
    easel.discord.faults.add(method="POST", path="/callback", hold=until, after_effect=True)
    call = await easel.imagine()
    await easel.until(lambda: easel.rows("SELECT 1 FROM jobs"))
    easel.clock.advance(LEASE_S + 1)
    easel.app._shop.due.set()
    await call.until(lambda message: bool(message.attachments))
    await easel.idle()
    until.set()
    await easel.app.client.finish_answers()

    [message] = call.messages
    assert labels(message)[0] == "Again"
    await assert_delivered_once(easel, message)


async def test_an_answer_is_given_up_before_the_job_may_be_made(
    easel: Easel, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert intake.ANSWER_S_MAX < LEASE_S
    monkeypatch.setattr(intake, "ANSWER_S_MAX", 0.3)
    monkeypatch.setattr(intake, "DEFER_AFTER_S", 0.0)
    edit = easel.discord.faults.add(method="PATCH", path="@original", hold=asyncio.Event())
    message = await easel.finished(await easel.imagine())
    assert edit.hold
    edit.hold.set()

    await assert_delivered_once(easel, message)
    assert "answer_late" in {vars(each).get("action") for each in caplog.records}


@pytest.mark.parametrize(
    "mishap", [{"status": 404, "body": {"code": 10062, "message": "Unknown"}}, {"reset": True}]
)
async def test_choices_that_discord_does_not_take_are_no_defect(
    easel: Easel, caplog: pytest.LogCaptureFixture, mishap: dict[str, Any]
) -> None:
    caplog.set_level(logging.INFO)
    easel.discord.faults.add(method="POST", path="/callback", times=9, **mishap)
    with pytest.raises(TimeoutError):
        await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "g", timeout_s=0.2)
    assert "choices_lost" in {vars(each).get("action") for each in caplog.records}
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


async def test_choices_that_discord_refuses_as_wrong_are_a_defect(
    easel: Easel, caplog: pytest.LogCaptureFixture
) -> None:
    wrong = {"code": 50035, "message": "Invalid Form Body"}
    easel.discord.faults.add(method="POST", path="/callback", status=400, body=wrong)
    with pytest.raises(TimeoutError):
        await easel.discord.autocomplete("Ada", "studio", "imagine", "model", "g", timeout_s=0.2)
    assert [each.name for each in caplog.records if each.exc_info] == ["discord.app_commands.tree"]


async def test_a_503_is_tried_again_in_the_channel(easel: Easel) -> None:
    easel.discord.faults.add(path="/messages/@original", status=404, times=9, body=DEAD_TOKEN)
    easel.discord.faults.add(method="POST", path="/channels/", status=503)
    call = await easel.imagine()
    message = await easel.discord.wait_for_message("studio", lambda m: bool(m.attachments))
    await easel.idle()

    await assert_delivered_once(easel, message)
    assert "own answer is gone" in str(message.embeds[0])
    assert call.messages[0].id != message.id


@pytest.mark.parametrize("after_effect", [False, True])
async def test_a_dead_token_sends_the_result_to_the_channel_once(
    easel: Easel, after_effect: bool
) -> None:
    easel.providers.studio.latency_s = 1e9
    call = await easel.imagine()
    await call.until(lambda message: "Drawing" in said(message))
    # From then on the vendor's time counts.
    await easel.until(lambda: easel.rows("SELECT 1 FROM tasks WHERE state = 'submitted'"))
    easel.discord.clock.advance(15 * 60 + 1)
    easel.clock.advance(15 * 60 + 1)
    easel.discord.faults.add(
        method="POST", path="/channels/", reset=True, after_effect=after_effect
    )
    message = await easel.discord.wait_for_message("studio", lambda m: "No image" in said(m))
    await easel.idle()

    shown = [said(m) for m in easel.discord.messages_for("Ada", "studio")]
    assert sum("No image this time" in words for words in shown) == 1
    assert "did not finish in time" in said(message)
    # Whoever has waited for so long is told.
    assert [user.name for user in message.mentions] == ["Ada"]


async def test_a_result_that_discord_takes_nowhere_is_refunded_and_kept(easel: Easel) -> None:
    easel.discord.faults.add(path="/messages/@original", status=404, body=DEAD_TOKEN, times=9)
    missing = {"code": 50013, "message": "Missing Permissions"}
    easel.discord.faults.add(method="POST", path="/channels/", status=403, body=missing, times=9)
    await easel.imagine()
    await easel.until(lambda: easel.entries(EntryKind.REFUND))
    await easel.idle()

    assert await easel.balance_ucr() == 1_000_000
    [job] = await easel.rows("SELECT state, failure FROM jobs")
    assert tuple(job) == ("failed", "undeliverable")
    assert len(list((easel.folder / "images").glob("*.png"))) == 1


@pytest.mark.parametrize("days", [0, 1])
async def test_where_only_words_are_taken_they_promise_what_is_kept(opened, days: int) -> None:
    async with opened(keep_results=days) as easel:
        easel.discord.faults.add(path="/messages/@original", status=404, body=DEAD_TOKEN, times=9)
        missing = {"code": 50013, "message": "Missing Permissions"}
        easel.discord.faults.add(method="POST", path="/channels/", status=403, body=missing)
        await easel.imagine()
        told = await easel.discord.wait_for_message("studio", lambda m: "No image" in said(m))
        await easel.idle()

        assert ("The result is kept for 1 day" in said(told)) is (days == 1)
        assert "/history" not in said(told) or days == 1
        assert ("Get the images" in labels(told)) is (days == 1)
        [job] = await easel.rows("SELECT failure, keeps_images FROM jobs")
        assert tuple(job) == ("undeliverable", days)
        assert len(list((easel.folder / "images").glob("*.png"))) == days


async def test_where_discord_stays_down_a_delivery_is_given_up_and_refunded(easel: Easel) -> None:
    easel.discord.faults.add(path="/messages/@original", status=404, body=DEAD_TOKEN, times=1_000)
    down = easel.discord.faults.add(method="POST", path="/channels/", status=503, times=1_000)
    await easel.imagine()
    await easel.until(lambda: easel.entries(EntryKind.REFUND))
    await easel.idle()

    # Each delivery is tried a few times, and the words are tried once more in the end.
    assert down.hits == (DELIVERIES_MAX + 1) * wire.TRIES_MAX
    [job] = await easel.rows("SELECT state, failure, keeps_images FROM jobs")
    assert tuple(job) == ("failed", "undeliverable", True)


async def test_a_file_discord_finds_too_large_after_all_is_made_smaller(easel: Easel) -> None:
    too_large = {"code": 40005, "message": "Request entity too large"}
    fault = easel.discord.faults.add(
        method="PATCH", path="/messages/@original", status=413, body=too_large, times=2
    )
    message = await easel.finished(await easel.imagine())

    assert fault.hits == 2
    assert message.attachments[0].filename.endswith(".webp")
    assert "smaller copy" in said(message)


async def test_discord_may_be_down_when_the_bot_starts(
    opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    naps: list[float] = []
    sleep = asyncio.sleep

    async def nap(seconds: float) -> None:
        naps.append(seconds)
        await sleep(0)

    # discord.py waits 5 s after a failed handshake.
    monkeypatch.setattr("discord.shard.asyncio.sleep", nap)

    def break_down(discord: PlaygroundDiscord) -> None:
        discord.faults.add(path="/users/@me", status=503)
        discord.faults.add(path="/users/@me", status=429, body="banned for a while")
        discord.faults.add(path="/gateway/bot", reset=True)
        discord.gateway.fail_handshakes()

    async with opened(prepare=break_down) as easel:
        message = await easel.finished(await easel.imagine())

        await assert_delivered_once(easel, message)
        assert 5.0 in naps


async def test_a_dropped_gateway_loses_no_command(easel: Easel) -> None:
    easel.discord.gateway.drop()
    message = await easel.finished(await easel.imagine())

    await assert_delivered_once(easel, message)


async def test_a_wrong_token_is_one_sentence(opened) -> None:
    with pytest.raises(StartupError, match="Discord does not accept DISCORD_TOKEN"):
        async with opened(discord_token=SecretStr("wrong")):
            pass


async def test_a_token_that_is_reset_meanwhile_is_the_same_sentence(easel: Easel) -> None:
    gateway = easel.discord.gateway
    token = gateway.token
    await easel.bot.aclose()
    async with open_app(easel.settings, easel.clock) as app:
        serving = asyncio.create_task(app.run())
        await easel.discord.wait_until_ready()
        gateway.token = "reset"
        await gateway.close(4004)
        with pytest.raises(StartupError, match="Discord does not accept DISCORD_TOKEN") as refused:
            await serving
    assert refused.value.usage
    gateway.token = token


NOT_THERE = {"code": 50001, "message": "Missing Access"}
BAD_FORM = {
    "code": 50035,
    "message": "Invalid Form Body",
    "errors": {"0": {"name": {"_errors": [{"code": "TAKEN", "message": "is taken"}]}}},
}


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (
            {"method": "GET", "path": "/guilds/", "status": 403, "body": NOT_THERE},
            "DISCORD_GUILD_IDS names server 12345, which the bot is not in: invite it there",
        ),
        (
            {"method": "PUT", "path": "/commands", "status": 400, "body": BAD_FORM},
            "Discord refuses the commands, .* CATALOG_FILE: .*In command 'imagine'.* is taken",
        ),
        (
            {"path": "/users/@me", "status": 404, "body": "<p>no such page</p>" * 100},
            r"DISCORD_API_BASE http://127\.0\.0\.1:\d+/api/v10 refuses the bot: 404 .{,300}$",
        ),
        (
            {"path": "/gateway/bot", "status": 403},
            r"DISCORD_API_BASE http://127\.0\.0\.1:\d+/api/v10 refuses the bot: 403",
        ),
    ],
    ids=["a server it is not in", "commands", "not Discord", "the gateway"],
)
async def test_what_discord_refuses_at_the_start_is_one_sentence(opened, fault, words: str) -> None:
    """Each fault strikes once: who tries again gets in."""
    servers = (12345,) if fault["path"] == "/guilds/" else ()
    with pytest.raises(StartupError, match=words) as refused:
        async with opened(
            prepare=lambda discord: discord.faults.add(**fault), discord_guild_ids=servers
        ):
            pass
    assert "\n" not in str(refused.value)


async def test_a_bot_whose_gateway_is_gone_is_not_connected(easel: Easel) -> None:
    client, gateway = easel.app.client, easel.discord.gateway
    await client.wait_until_ready()
    assert client.is_connected()
    gateway.fail_handshakes(100)
    gateway.drop()

    async def is_gone() -> bool:
        return not client.is_connected()

    await easel.until(is_gone)


async def test_a_bot_that_is_ready_says_so_once_with_its_invite(easel: Easel, caplog) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(2):
        await easel.app.client.on_ready()

    [line] = [record for record in caplog.records if vars(record).get("action") == "ready"]
    assert line.getMessage().startswith("ready as ")
    assert (
        f"invite: https://discord.com/oauth2/authorize?client_id={easel.app.client.application_id}"
        "&scope=bot+applications.commands&permissions=274878024704"
    ) in line.getMessage()
