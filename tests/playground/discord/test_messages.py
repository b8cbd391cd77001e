"""Channel messages: limits, permissions, nonces, attachments and their links."""

from __future__ import annotations

import asyncio
import io
import json
import logging

import aiohttp
import pytest

from bot.playground.discord import MessageFlag, Permission, Upload, messages
from bot.playground.discord.cdn import FILE_BYTES_MAX, LINK_LIFE_S, SPOILER
from bot.playground.discord.messages import NONCE_WINDOW_S
from tests.playground.discord.bot import discord, running
from tests.playground.discord.pictures import png


@pytest.fixture
async def studio(playground, client):
    """The #studio channel as the client sees it, without a gateway."""
    await client.login(playground.token)
    yield await client.fetch_channel(playground.channel("studio").id)
    await client.close()


async def test_a_message_is_posted_edited_listed_and_deleted(playground, studio, spec_violations):
    sent = await studio.send("hello", file=discord.File(io.BytesIO(png()), "a b.png"))
    assert playground.channel("studio").messages[0].content == "hello"
    assert sent.attachments[0].filename == "a_b.png"
    assert (sent.attachments[0].width, sent.attachments[0].height) == (8, 6)
    edited = await sent.edit(content="hello again")
    assert [a.id for a in edited.attachments] == [a.id for a in sent.attachments]
    assert edited.edited_at is not None
    assert [message.content async for message in studio.history()] == ["hello again"]
    await sent.delete()
    with pytest.raises(discord.NotFound):
        await studio.fetch_message(sent.id)
    assert spec_violations() == []


async def test_a_reply_names_its_message(playground, studio):
    posted = await playground.post("Ada", "studio", "question")
    await studio.get_partial_message(posted.id).reply("answer")
    assert playground.channel("studio").messages[-1].reply_to_id == posted.id
    with pytest.raises(discord.HTTPException, match="Unknown message"):
        await studio.get_partial_message(1).reply("to nobody")


async def test_a_nonce_is_enforced_for_some_minutes(playground, api):
    path = f"/channels/{playground.channel('studio').id}/messages"
    body = {"content": "once", "nonce": "job-1", "enforce_nonce": True}
    first, repeated = await asyncio.gather(api("POST", path, body), api("POST", path, body))
    assert first[1]["id"] == repeated[1]["id"]
    assert first[1]["nonce"] == "job-1"
    playground.clock.advance(NONCE_WINDOW_S + 1)
    later = await api("POST", path, body)
    assert later[1]["id"] != first[1]["id"]
    unenforced = await api("POST", path, {"content": "twice", "nonce": "job-1"})
    assert unenforced[1]["content"] == "twice"


@pytest.mark.parametrize(
    ("denied", "status", "code"),
    [
        (Permission.VIEW_CHANNEL, 403, 50001),
        (Permission.SEND_MESSAGES, 403, 50013),
        (Permission.ATTACH_FILES, 403, 50013),
    ],
)
async def test_missing_permissions_are_refused(playground, studio, denied, status, code):
    playground.set_bot_permissions("studio", deny=denied)
    with pytest.raises(discord.Forbidden) as refused:
        await studio.send("x", file=discord.File(io.BytesIO(b"x"), "x.txt"))
    assert (refused.value.status, refused.value.code) == (status, code)
    assert playground.channel("studio").messages == []


async def test_files_over_the_limit_are_refused(playground, studio):
    large = discord.File(io.BytesIO(bytes(FILE_BYTES_MAX + 1)), "large.bin")
    with pytest.raises(discord.HTTPException) as refused:
        await studio.send(file=large)
    assert (refused.value.status, refused.value.code) == (413, 40005)


async def test_requests_over_the_limit_are_refused(playground, studio):
    files = [discord.File(io.BytesIO(bytes(FILE_BYTES_MAX)), f"{n}.bin") for n in range(3)]
    with pytest.raises(discord.HTTPException) as refused:
        await studio.send(files=files)
    assert (refused.value.status, refused.value.code) == (413, 40005)
    assert playground.channel("studio").messages == []


def row(*components):
    return {"type": 1, "components": list(components)}


def button(custom_id="a", **more):
    return {"type": 2, "style": 1, "label": "x", "custom_id": custom_id, **more}


SELECT = {"type": 3, "custom_id": "s", "options": [{"label": "x", "value": "x"}]}
TEXT = {"type": 10, "content": "x" * 3000}
V2 = int(MessageFlag.IS_COMPONENTS_V2)


@pytest.mark.parametrize(
    ("body", "path", "code"),
    [
        ({"content": "x" * 2001}, ["content"], "BASE_TYPE_MAX_LENGTH"),
        ({"content": "x", "nonce": "x" * 26}, ["nonce"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"title": "x" * 257}]}, ["embeds", "0", "title"], "BASE_TYPE_MAX_LENGTH"),
        ({"embeds": [{"description": "x" * 3001}] * 2}, ["embeds"], "MAX_EMBED_SIZE_EXCEEDED"),
        ({"embeds": [{"title": "x"}] * 11}, ["embeds"], "BASE_TYPE_MAX_LENGTH"),
        ({"components": [row(button())] * 6}, ["components"], "BASE_TYPE_MAX_LENGTH"),
        (
            {"components": [row(button(), button())]},
            ["components", "0", "components", "1", "custom_id"],
            "COMPONENT_CUSTOM_ID_DUPLICATED",
        ),
        (
            {"components": [row(button(), SELECT)]},
            ["components", "0", "components"],
            "COMPONENT_LAYOUT_WIDTH_EXCEEDED",
        ),
        (
            {"components": [row(button("x" * 101))]},
            ["components", "0", "components", "0", "custom_id"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        ({"components": [TEXT]}, ["components", "0", "type"], "BASE_TYPE_CHOICES"),
        (
            {"components": [row({"type": 2, "style": 5, "label": "x"})]},
            ["components", "0", "components", "0", "url"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"components": [row({"type": 2, "style": 1, "custom_id": "x"})]},
            ["components", "0", "components", "0", "label"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"components": [row({"type": 2, "style": 1, "label": "x"})]},
            ["components", "0", "components", "0", "custom_id"],
            "BASE_TYPE_REQUIRED",
        ),
        (
            {"components": [row({**SELECT, "options": SELECT["options"] * 2})]},
            ["components", "0", "components", "0", "options", "1"],
            "SELECT_COMPONENT_OPTION_VALUE_DUPLICATED",
        ),
        (
            {"components": [row({**SELECT, "max_values": 2})]},
            ["components", "0", "components", "0", "max_values"],
            "NUMBER_TYPE_MAX",
        ),
        (
            {"components": [{"type": 17, "components": [{"type": 14}] * 40}], "flags": V2},
            ["components"],
            "COMPONENT_MAX_TOTAL_COMPONENTS_EXCEEDED",
        ),
        (
            {"components": [{"type": 17, "components": [button()]}], "flags": V2},
            ["components", "0", "components", "0", "type"],
            "BASE_TYPE_CHOICES",
        ),
        ({"embeds": {"title": "x"}}, ["embeds"], "BASE_TYPE_BAD_TYPE"),
        (
            {"components": [{"type": 12, "items": []}], "flags": V2},
            ["components", "0", "items"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            {"components": [{"type": 9, "components": [{**TEXT, "content": "x"}]}], "flags": V2},
            ["components", "0", "accessory", "type"],
            "BASE_TYPE_CHOICES",
        ),
        (
            {"components": [row({**SELECT, "min_values": 26})]},
            ["components", "0", "components", "0", "min_values"],
            "NUMBER_TYPE_MAX",
        ),
        (
            {"components": [TEXT, TEXT], "flags": V2},
            ["components"],
            "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
        ),
        (
            {"components": [TEXT], "flags": V2, "content": "x"},
            ["content"],
            "MESSAGE_CANNOT_USE_LEGACY_FIELDS_WITH_COMPONENTS_V2",
        ),
        (
            {"content": "x", "attachments": [{"id": "7"}]},
            ["attachments", "0"],
            "ATTACHMENT_NOT_FOUND",
        ),
    ],
)
async def test_bodies_out_of_bounds_are_refused_field_by_field(playground, api, body, path, code):
    status, answer = await api(
        "POST", f"/channels/{playground.channel('studio').id}/messages", body
    )
    assert (status, answer["code"]) == (400, 50035)
    errors = answer["errors"]
    for key in path:
        errors = errors[key]
    assert code in [error["code"] for error in errors["_errors"]]
    assert playground.channel("studio").messages == []


async def test_a_file_is_covered_where_its_message_says_so(playground, api):
    name, path = "a.png", f"/channels/{playground.channel('studio').id}/messages"
    form = aiohttp.FormData()
    about = [{"id": "0", "filename": name, "is_spoiler": True}]
    form.add_field("payload_json", json.dumps({"attachments": about}))
    form.add_field("files[0]", png(), filename=name)
    headers = {"Authorization": f"Bot {playground.token}"}
    url = playground.api_base + path
    async with (
        aiohttp.ClientSession(headers=headers) as session,
        session.post(url, data=form) as response,
    ):
        (attachment,) = (await response.json())["attachments"]
    assert attachment["flags"] == SPOILER


async def test_texts_of_too_many_bytes_make_discord_fail(playground, api):
    """Not refused by a code: discord-api-docs #8554."""
    path = f"/channels/{playground.channel('studio').id}/messages"
    texts = [{"type": 10, "content": "字" * (3386 - 9)}, {"type": 10, "content": "x" * 15}]
    for more, status in (("", 200), ("x", 500)):
        content = texts[1]["content"] + more
        body = {"components": [texts[0], {**texts[1], "content": content}], "flags": V2}
        assert (await api("POST", path, body))[0] == status


@pytest.mark.parametrize("body", [{}, {"content": " \n"}, {"embeds": []}])
async def test_empty_messages_are_refused(playground, api, body):
    path = f"/channels/{playground.channel('studio').id}/messages"
    assert await api("POST", path, body) == (
        400,
        {"message": "Cannot send an empty message", "code": 50006},
    )


async def test_only_allowed_mentions_are_mentions(playground, studio):
    ada = playground.world.user("Ada")
    text = f"<@{ada.id}> @everyone"
    await studio.send(text)
    await studio.send(text, allowed_mentions=discord.AllowedMentions.none())
    loud, quiet = playground.channel("studio").messages
    assert (loud.mentions, loud.mentions_everyone) == ((ada,), True)
    assert (quiet.mentions, quiet.mentions_everyone) == ((), False)


async def test_others_messages_are_deleted_by_permission_and_never_edited(playground, studio):
    posted = await playground.post("Ada", "studio", "mine")
    message = studio.get_partial_message(posted.id)
    with pytest.raises(discord.Forbidden, match="authored by another user"):
        await message.edit(content="yours")
    with pytest.raises(discord.Forbidden, match="Missing Permissions"):
        await message.delete()
    playground.set_bot_permissions("studio", allow=Permission.MANAGE_MESSAGES)
    await message.delete()
    assert playground.channel("studio").messages == []


async def test_history_comes_in_pages(playground, studio):
    posted = [await playground.post("Ada", "studio", str(number)) for number in range(5)]

    async def ids(**page):
        return [message.id async for message in studio.history(**page)]

    every = [message.id for message in posted]
    assert await ids(limit=2) == every[:2:-1]
    assert await ids(before=discord.Object(every[2])) == every[1::-1]
    assert await ids(after=discord.Object(every[2])) == every[3:]
    playground.set_bot_permissions("studio", deny=Permission.READ_MESSAGE_HISTORY)
    assert await ids() == []


async def test_old_messages_are_forgotten_with_their_files(playground, monkeypatch):
    monkeypatch.setattr(messages, "MESSAGES_KEPT_MAX", 2)
    first = await playground.post("Ada", "studio", "", [Upload("cat.png", png())])
    for text in ("two", "three"):
        await playground.post("Ada", "studio", text)
    assert [m.content for m in playground.channel("studio").messages] == ["two", "three"]
    assert not first.attachments[0].file.path.exists()


async def test_links_expire_and_can_be_refreshed(playground, api):
    posted = await playground.post("Ada", "studio", "look", [Upload("cat.png", png())])
    link = playground.attachment_url(posted.attachments[0])
    async with aiohttp.ClientSession() as session:

        async def fetch(url):
            async with session.get(url) as response:
                return response.status, response.content_type, await response.read()

        assert await fetch(link) == (200, "image/png", png())
        playground.clock.advance(LINK_LIFE_S + 1)
        gone = (404, "text/plain", b"This content is no longer available.")
        assert await fetch(link) == gone
        body = {"attachment_urls": [link]}
        _, answer = await api("POST", "/attachments/refresh-urls", body)
        (fresh,) = answer["refreshed_urls"]
        assert fresh["original"] == link
        assert (await fetch(fresh["refreshed"]))[0] == 200
        assert await fetch(fresh["refreshed"].replace("hm=", "hm=0")) == gone
        assert await fetch(link.split("?")[0]) == gone


async def test_links_of_others_are_not_refreshed(api):
    body = {"attachment_urls": ["https://example.org/attachments/1/2/x.png"]}
    status, answer = await api("POST", "/attachments/refresh-urls", body)
    assert (status, answer["code"]) == (400, 50035)


async def test_what_is_not_implemented_is_not_found_and_logged(playground, api, caplog):
    with caplog.at_level(logging.WARNING):
        answer = await api("GET", f"/channels/{playground.channel('studio').id}/invites")
    assert answer == (404, {"message": "404: Not Found", "code": 0})
    assert "does not implement GET /channels/" in caplog.text
    path = f"/channels/{playground.channel('studio').id}/messages"
    assert (await api("POST", path, {"poll": {"question": {"text": "?"}}}))[0] == 404


async def test_a_wrong_token_is_unauthorized(api):
    expected = (401, {"message": "401: Unauthorized", "code": 0})
    assert await api("GET", "/users/@me", token="wrong") == expected


async def test_broken_json_is_refused(playground, api):
    path = f"/channels/{playground.channel('studio').id}/messages"
    status, answer = await api("POST", path, raw=b"{")
    assert (status, answer["code"]) == (400, 50109)


async def test_the_rest_of_the_world_can_be_read(playground, client, studio):
    ada = await client.fetch_user(playground.world.user("Ada").id)
    assert ada.display_name == "Ada"
    guild = await client.fetch_guild(playground.world.guild("Northwind Design").id)
    assert guild.name == "Northwind Design"
    await (await ada.create_dm()).send("hello Ada")
    assert [m.content for m in playground.messages_for("Ada", "dm")] == ["hello Ada"]
    with pytest.raises(discord.NotFound):
        await client.fetch_user(1)


async def test_a_file_may_lie_about_what_it_is(playground, tmp_path):
    (tmp_path / "x").write_bytes(b"no picture")
    upload = Upload("cat.png", tmp_path / "x", content_type="image/gif")
    waiting = asyncio.create_task(playground.wait_for_message("studio"))
    posted = await playground.post("Ada", "studio", "look", [upload])
    assert (await waiting).id == posted.id
    (attachment,) = posted.attachments
    assert attachment.file.content_type == "image/gif"
    assert attachment.file.width_px is None
    assert await playground.read_attachment(attachment) == b"no picture"


async def test_replies_of_members_are_seen_as_such(playground, studio):
    sent = await studio.send("question")
    (question,) = playground.channel("studio").messages
    await playground.post("Ada", "studio", "answer", reply_to=question)
    (answer,) = [message async for message in studio.history(limit=1)]
    assert answer.reference.message_id == sent.id


async def test_events_tell_what_members_see(playground, client):
    with playground.events() as events:
        async with running(client, playground):
            channel = client.get_partial_messageable(playground.channel("studio").id)
            message = await channel.send("one")
            await message.edit(content="two")
            await message.delete()
            seen = [await anext(events) for _ in range(4)]
    assert [event.kind for event in seen] == [
        "commands_synced",
        "message_created",
        "message_updated",
        "message_deleted",
    ]
    assert [event.message.content for event in seen[1:]] == ["one", "two", "two"]
