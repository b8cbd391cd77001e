"""Logging in, staying connected, coming back."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest

from bot.playground.discord import PlaygroundDiscord
from tests.playground.discord.bot import (
    SampleBot,
    discord,
    eventually,
    point_discord_py_at,
    running,
)


def heard(client, name):
    return [arguments for event, arguments in client.heard if event == name]


async def resumed(playground, times):
    await playground.wait_for(lambda: playground.gateway.resumed == times, "resume")


async def test_a_client_logs_in_and_sees_the_servers(playground, client):
    async with running(client, playground):
        assert client.user.name == "easel"
        assert client.application_id == playground.world.application_id
        await eventually(lambda: len(client.guilds) == 2)
        guild = client.get_guild(playground.world.guild("Lantern Community").id)
        assert [channel.name for channel in guild.text_channels] == ["studio", "after-dark"]
        assert [channel.nsfw for channel in guild.text_channels] == [False, True]
        assert guild.me.guild_permissions.attach_files


async def test_shards_serve_their_own_servers(monkeypatch):
    async with PlaygroundDiscord(shard_count=2) as playground:
        point_discord_py_at(playground, monkeypatch)
        async with running(SampleBot(), playground) as client:
            assert client.shard_count == 2
            await eventually(lambda: len(client.guilds) == 2)
            assert sorted(guild.shard_id for guild in client.guilds) == [0, 1]


async def test_a_wrong_token_is_refused_at_login(playground, client):
    with pytest.raises(discord.LoginFailure):
        await client.start("wrong")
    await client.close()


async def test_a_wrong_token_is_refused_by_the_gateway(playground):
    async with aiohttp.ClientSession() as session, session.ws_connect(playground.gateway.url) as ws:
        assert (await ws.receive_json())["op"] == 10
        await ws.send_json({"op": 2, "d": {"token": "wrong", "intents": 0, "shard": [0, 1]}})
        assert (await ws.receive()).data == 4004


async def test_privileged_intents_are_refused(playground):
    intents = discord.Intents.default()
    intents.message_content = True
    client = SampleBot(intents=intents)
    with pytest.raises(discord.PrivilegedIntentsRequired):
        await client.start(playground.token)


async def test_heartbeats_are_acknowledged(playground):
    async with aiohttp.ClientSession() as session, session.ws_connect(playground.gateway.url) as ws:
        await ws.receive_json()
        await ws.send_json({"op": 1, "d": None})
        assert await ws.receive_json() == {"op": 11}


async def test_a_client_has_noted_its_heartbeat_when_the_answer_comes(playground):
    """An answer at once seemed to discord.py to have taken since the heartbeat before."""
    now_s = asyncio.get_running_loop().time
    async with aiohttp.ClientSession() as session, session.ws_connect(playground.gateway.url) as ws:
        await ws.receive_json()
        await ws.send_json({"op": 2, "d": {"token": playground.token, "intents": 0}})
        assert (await ws.receive_json())["t"] == "READY"
        sent_s = now_s()
        await ws.send_json({"op": 1, "d": 1})
        assert await ws.receive_json() == {"op": 11}
        assert now_s() - sent_s >= 0.05


@pytest.mark.parametrize(
    ("frame", "code"), [('{"op": 3}', 4003), ("no json", 4002), ('{"no": "op"}', 4002)]
)
async def test_frames_out_of_order_close_the_connection(playground, frame, code):
    async with aiohttp.ClientSession() as session, session.ws_connect(playground.gateway.url) as ws:
        await ws.receive_json()
        await ws.send_str(frame)
        assert (await ws.receive()).data == code


@pytest.mark.parametrize(
    ("frames", "code"),
    [
        ([{"op": 2, "d": {"token": "", "shard": [1, 1]}}], 4010),
        ([{"op": 2, "d": {"token": ""}}, {"op": 2, "d": {"token": ""}}], 4005),
        ([{"op": 2, "d": {"token": ""}}, {"op": 99}], 4001),
    ],
)
async def test_wrong_frames_close_the_connection(playground, frames, code):
    async with aiohttp.ClientSession() as session, session.ws_connect(playground.gateway.url) as ws:
        for frame in frames:
            if "d" in frame:
                frame = {"op": 2, "d": {**frame["d"], "token": playground.token, "intents": 0}}
            await ws.send_json(frame)
        while (message := await ws.receive()).type is aiohttp.WSMsgType.TEXT:
            pass
        assert message.data == code


async def test_a_client_that_leaves_in_order_gives_up_its_session(playground):
    async with running(SampleBot(), playground):
        assert len(playground.gateway.sessions) == 1
    await playground.wait_for(lambda: not playground.gateway.sessions, "end of the session")


async def test_after_a_tcp_reset_missed_events_are_replayed(playground, client):
    async with running(client, playground):
        playground.gateway.drop()
        await playground.post("Ada", "studio", "said while the bot was away")
        await resumed(playground, 1)
        await playground.post("Ada", "studio", "said after")
        await eventually(lambda: len(heard(client, "message")) >= 2)
        assert len(heard(client, "message")) == 2
        assert playground.gateway.identified == 1


@pytest.mark.parametrize("how", ["close", "ask_to_reconnect"])
async def test_a_closed_connection_is_resumed(playground, client, how):
    async with running(client, playground):
        await (playground.gateway.close(4000) if how == "close" else
               playground.gateway.ask_to_reconnect())  # fmt: skip
        await resumed(playground, 1)
        assert playground.gateway.identified == 1


@pytest.mark.parametrize("told", [True, False])
async def test_a_lost_session_makes_the_client_identify_again(playground, client, told):
    async with running(client, playground):
        if told:
            await playground.gateway.invalidate_sessions()
        else:
            playground.gateway.forget_sessions()
            playground.gateway.drop()
        await playground.wait_for(lambda: playground.gateway.identified == 2, "new identify")
        assert playground.gateway.resumed == 0


async def test_a_handshake_can_fail(playground):
    playground.gateway.fail_handshakes()
    async with aiohttp.ClientSession() as session:
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await session.ws_connect(playground.gateway.url)
        async with session.ws_connect(playground.gateway.url) as ws:
            assert (await ws.receive_json())["op"] == 10


async def test_words_of_others_are_withheld_without_the_intent(playground, client):
    async with running(client, playground):
        await playground.post("Ada", "studio", "private words")
        await playground.post("Ada", "studio", f"hello <@{client.user.id}>")
        await playground.post("Ada", "dm", "psst")
        await eventually(lambda: len(heard(client, "message")) >= 3)
        texts = [message.content for (message,) in heard(client, "message")]
        assert texts == ["", f"hello <@{client.user.id}>", "psst"]


async def test_a_deleted_channel_is_announced_and_gone(playground, client, api):
    async with running(client, playground):
        channel = playground.channel("studio")
        playground.delete_channel("studio")
        await eventually(lambda: heard(client, "guild_channel_delete"))
    assert await api("GET", f"/channels/{channel.id}") == (
        404,
        {"message": "Unknown Channel", "code": 10003},
    )


async def test_waiting_says_what_was_there_instead(playground):
    with pytest.raises(TimeoutError, match=r"no client with all shards.*instead: 0 sessions"):
        await playground.wait_until_ready(timeout_s=0.01)
