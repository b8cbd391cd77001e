"""The page's server over loopback, with the real client behind it; no browser."""

from __future__ import annotations

import asyncio
import io
import json
from ipaddress import ip_address

import aiohttp
import pytest
from yarl import URL

from bot.playground import guard
from bot.playground.discord import PlaygroundDiscord
from bot.playground.site import PAGE_FOLDER, Site
from tests.playground.discord.bot import (
    SampleBot,
    app_commands,
    discord,
    point_discord_py_at,
    running,
)
from tests.playground.discord.pictures import png
from tests.playground.page import Page
from tests.support.garbage import BODIES, GARBAGE, hang_up_amid, posted, status_of
from tests.support.ports import listenable


class Form(discord.ui.Modal, title="Say more"):
    words = discord.ui.TextInput(label="Words")

    async def on_submit(self, interaction):
        await interaction.response.send_message(f"more: {self.words.value}")


class Buttons(discord.ui.View):
    @discord.ui.button(label="More", custom_id="more")
    async def more(self, interaction, _):
        await interaction.response.send_modal(Form())

    @discord.ui.select(custom_id="style", options=[discord.SelectOption(label="ink")])
    async def style(self, interaction, select):
        await interaction.response.edit_message(content=f"in {select.values[0]}")


@pytest.fixture
async def playground(monkeypatch):
    async with PlaygroundDiscord() as started:
        point_discord_py_at(started, monkeypatch)
        yield started


@pytest.fixture
async def page(playground):
    async with Site(playground) as site, aiohttp.ClientSession() as session:
        yield Page(session, site.url)


@pytest.fixture
async def bot(playground):
    """A client with one command of every kind the page knows."""
    client = SampleBot()
    command = client.tree.command

    @command(description="Draw")
    async def draw(
        interaction: discord.Interaction,
        prompt: str,
        reference1: discord.Attachment,
        reference2: discord.Attachment,
    ):
        sizes = [len(await one.read()) for one in (reference1, reference2)]
        file = discord.File(io.BytesIO(png()), "drawn.png", description="a drawing")
        await interaction.response.send_message(f"{prompt}: {sizes}", file=file, view=Buttons())

    @command(description="Whisper")
    async def whisper(interaction: discord.Interaction):
        await interaction.response.send_message("psst", ephemeral=True)

    @command(description="Hand out a web page")
    async def trap(interaction: discord.Interaction):
        file = discord.File(io.BytesIO(b"<script>"), "trap.html")
        await interaction.response.send_message("open it", file=file)

    @command(description="Never answer")
    async def ignore(interaction: discord.Interaction):
        pass

    @command(description="Offer choices")
    async def choose(interaction: discord.Interaction, colour: str):
        pass

    @choose.autocomplete("colour")
    async def colours(interaction, current):
        return [app_commands.Choice(name=name, value=name) for name in ("red", f"{current}!")]

    @client.tree.context_menu(name="Repeat")
    async def repeat(interaction: discord.Interaction, message: discord.Message):
        await interaction.response.send_message(f"again: {message.content}")

    settings = app_commands.Group(
        name="settings",
        description="Rules",
        guild_only=True,
        default_permissions=discord.Permissions(manage_guild=True),
    )

    @settings.command(name="filter", description="Set the filter")
    async def set_filter(interaction: discord.Interaction):
        await interaction.response.send_message("set")

    client.tree.add_command(settings)
    async with running(client, playground):
        yield client


@pytest.fixture
async def drawn(bot, page):
    """The message of a drawing in the studio, as Ada's page shows it."""
    references = [("reference1", png()), ("reference2", png("blue", (30, 20)))]
    answer = await page.run("Ada", "studio", "draw", {"prompt": "a cat"}, references)
    assert answer == (200, {"answered": True, "modal": None})
    (message,) = await page.messages("Ada", "studio")
    return message


async def test_serves_the_page_under_a_strict_policy(page):
    async with page.session.get(page.url) as response:
        text = await response.text()
        assert response.status == 200
        assert "default-src 'self'" in response.headers["Content-Security-Policy"]
        assert "unsafe" not in response.headers["Content-Security-Policy"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert "<title>Easel playground</title>" in text
    assert "http:" not in text
    assert "https:" not in text


@pytest.mark.parametrize("name", sorted(path.name for path in PAGE_FOLDER.iterdir()))
async def test_serves_every_part_of_the_page(page, name):
    async with page.session.get(f"{page.url}/page/{name}") as response:
        assert response.status == 200
        kinds = {"js": "text/javascript", "css": "text/css", "svg": "image/svg+xml"}
        assert response.content_type == kinds.get(name.rsplit(".")[-1], "text/html")


async def test_serves_nothing_beside_the_page(page):
    async with page.session.get(f"{page.url}/page/%2e%2e/site.py") as response:
        assert response.status in (403, 404)


async def test_each_person_is_offered_what_they_may_run_there(page, bot):
    _, world = await page.get("/api/world")
    names = {command["id"]: command["name"] for command in world["commands"]}
    people = {person["name"]: person for person in world["people"]}
    assert list(people) == ["Ada", "Ben", "Cleo"]
    assert people["Cleo"]["roles"] == ["Moderator"]
    (studio,) = [c for s in world["servers"] for c in s["channels"] if c["name"] == "studio"]

    def offered(person, channel_id):
        found = world["offered"][people[person]["id"]][channel_id]
        return {names[command_id] for command_id in found}

    everyone = {"draw", "whisper", "trap", "ignore", "choose", "Repeat"}
    assert offered("Ada", studio["id"]) == everyone
    assert offered("Cleo", studio["id"]) == everyone | {"settings"}
    assert offered("Cleo", people["Cleo"]["dm"]) == everyone
    assert people["Cleo"]["dm"] not in world["offered"][people["Ada"]["id"]]


async def test_what_the_page_lists_is_what_discord_takes(page, bot, playground):
    """The listing repeats a rule that the playground enforces; they are not to part."""
    _, world = await page.get("/api/world")
    commands = {command["id"]: command["name"] for command in world["commands"]}
    for channel_id, offered in world["offered"][world["people"][0]["id"]].items():
        status, _ = await page.run("Ada", channel_id, "settings filter")
        listed = "settings" in {commands[command_id] for command_id in offered}
        assert (status == 200) == listed


async def test_a_command_with_files_comes_back_as_a_message(drawn):
    assert drawn["content"] == f"a cat: [{len(png())}, {len(png('blue', (30, 20)))}]"
    assert drawn["author"]["name"] == "Easel"
    assert drawn["attachments"][0]["description"] == "a drawing"


async def test_pictures_come_from_the_pages_own_origin(page, drawn):
    url = drawn["attachments"][0]["url"]
    assert url.startswith("/files/")
    async with page.session.get(page.url + url) as response:
        assert await response.read() == png()
        assert response.content_type == "image/png"
        assert "sandbox" in response.headers["Content-Security-Policy"]
    assert (await page.get("/files/1/x.png")) == (404, {"error": "This file is gone."})


async def test_files_that_are_no_pictures_are_for_saving_only(page, bot):
    await page.run("Ada", "studio", "trap")
    (message,) = await page.messages("Ada", "studio")
    async with page.session.get(page.url + message["attachments"][0]["url"]) as response:
        assert response.content_type == "application/octet-stream"
        assert response.headers["Content-Disposition"] == "attachment"


async def test_an_ephemeral_answer_is_shown_to_nobody_else(page, bot):
    await page.run("Ada", "studio", "whisper")
    assert [m["content"] for m in await page.messages("Ada", "studio")] == ["psst"]
    assert await page.messages("Ben", "studio") == []


async def test_events_tell_each_member_what_they_are_shown(page, bot):
    async with page.events("Ada") as ada, page.events("Ben") as ben:
        await page.run("Ada", "studio", "whisper")
        await page.run("Cleo", "studio", "settings filter")
        await page.run("Ben", "dm", "whisper")
        await page.run("Ben", "studio", "trap")
        seen = [
            [(await socket.receive_json())["message"] for _ in range(3)] for socket in (ada, ben)
        ]
    assert [[m["content"] for m in one] for one in seen] == [
        ["psst", "set", "open it"],
        ["set", "psst", "open it"],
    ]
    assert seen[0][1]["interaction_metadata"]["name"] == "settings filter"


async def test_events_tell_of_edits_deletions_and_new_commands(page, bot, playground):
    await page.say("Ada", "studio", "hello")
    channel = bot.get_channel(playground.channel("studio").id)
    async with page.events("Ben") as events:
        message = await channel.send("one")
        await message.edit(content="two")
        await message.delete()
        await bot.tree.sync()
        heard = [await events.receive_json() for _ in range(4)]
    kinds = ["message_created", "message_updated", "message_deleted", "world_changed"]
    assert [event["kind"] for event in heard] == kinds
    assert heard[1]["message"]["content"] == "two"
    assert heard[2]["message"] == {"id": str(message.id), "channel_id": str(channel.id)}
    assert [m["content"] for m in await page.messages("Ben", "studio")] == ["hello"]


async def test_a_button_opens_a_form_that_is_sent_in(page, drawn):
    click = {"member": "Ben", "channel": "studio", "message": drawn["id"], "custom_id": "more"}
    status, answer = await page.post("/api/components", click)
    assert (status, answer["modal"]["title"]) == (200, "Say more")
    form = aiohttp.FormData({"member": "Ben", "interaction": answer["modal"]["interaction"]})
    form.add_field("values", json.dumps({"Words": "much"}))
    assert await page.post("/api/modals", form) == (200, {"answered": True, "modal": None})
    assert (await page.messages("Ada", "studio"))[-1]["content"] == "more: much"


async def test_a_select_changes_its_message(page, drawn):
    click = {"member": "Ada", "channel": "studio", "message": drawn["id"], "custom_id": "style"}
    assert (await page.post("/api/components", {**click, "values": ["ink"]}))[0] == 200
    assert (await page.messages("Ada", "studio"))[0]["content"] == "in ink"


async def test_a_messages_menu_runs_its_command(page, drawn):
    status, _ = await page.run("Ada", "studio", "Repeat", message=drawn["id"])
    assert status == 200
    assert (await page.messages("Ada", "studio"))[-1]["content"].startswith("again: a cat")


async def test_members_post_files_reply_forward_and_delete(page, bot):
    files = [("files", png()), ("files", png("blue"))]
    _, posted = await page.say("Ben", "studio", "look", files)
    assert [a["filename"] for a in posted["attachments"]] == ["files.png", "files.png"]
    _, reply = await page.say("Ada", "studio", "nice", message=posted["id"])
    assert reply["message_reference"]["message_id"] == posted["id"]
    assert [user["username"] for user in reply["mentions"]] == ["ben"]
    where = {"member": "Ada", "channel": "studio", "message": posted["id"]}
    status, forward = await page.post("/api/forwards", {**where, "to": "dm"})
    snapshot = forward["message_snapshots"][0]["message"]
    assert (status, snapshot["content"]) == (200, "look")
    assert snapshot["attachments"][0]["url"].startswith("/files/")
    assert (await page.post("/api/deletions", {**where, "member": "Ben"}))[0] == 200
    assert [m["content"] for m in await page.messages("Ada", "studio")] == ["nice"]
    assert [m["id"] for m in await page.messages("Ada", "dm")] == [forward["id"]]


async def test_members_and_servers_choose_their_language(page, bot):
    await page.post("/api/locales", {"member": "Ben", "locale": "ja"})
    _, world = await page.get("/api/world")
    (server, *_) = world["servers"]
    await page.post("/api/locales", {"server": server["id"], "locale": "de"})
    _, world = await page.get("/api/world")
    assert {p["name"]: p["locale"] for p in world["people"]}["Ben"] == "ja"
    assert [server["locale"] for server in world["servers"]] == ["de", "en-US"]
    assert "pt-BR" in world["locales"]


async def test_a_private_channel_is_shown_to_those_in_it(page, bot, playground):
    trip = playground.world.private_channel("trip", ["Ada", "Ben"])
    _, world = await page.get("/api/world")
    assert [place["name"] for place in world["private"]] == ["trip"]
    seen = [str(trip.id) in world["offered"][p["id"]] for p in world["people"]]
    assert seen == [True, True, False]


async def test_autocomplete_returns_what_the_bot_offers(page, bot):
    typed = {"member": "Ada", "channel": "dm", "command": "choose", "option": "colour", "text": "b"}
    choices = [{"name": name, "value": name} for name in ("red", "b!")]
    assert await page.post("/api/autocomplete", typed) == (200, choices)


async def test_a_command_nobody_answers_is_said_to_be_so(page, bot, monkeypatch):
    monkeypatch.setattr("bot.playground.site.FIRST_ANSWER_S", 0.01)
    assert await page.run("Ada", "studio", "ignore") == (200, {"answered": False})


async def test_refusals_are_sentences(page, bot):
    _, posted = await page.say("Ada", "studio", "mine")
    said = {"channel": "studio", "message": posted["id"]}
    refused = {
        "a member": await page.run("Nobody", "studio", "whisper"),
        "a channel": await page.run("Ada", "nowhere", "whisper"),
        "a command": await page.run("Ada", "studio", "unknown"),
        "moderators only": await page.run("Ada", "studio", "settings filter"),
        "who owns all": await page.run("Dana", "studio", "whisper"),
        "not an option": await page.run("Ada", "studio", "whisper", {"loud": True}),
        "a message": await page.run("Ada", "studio", "Repeat", message="1"),
        "no JSON": await page.post("/api/components", aiohttp.FormData({"member": "Ada"})),
        "no channel": await page.post("/api/messages", aiohttp.FormData({"member": "Ada"})),
        "no text": await page.say("Ada", "dm", " "),
        "a language": await page.post("/api/locales", {"member": "Ada", "locale": "tlh"}),
        "others' words": await page.post("/api/deletions", {**said, "member": "Ben"}),
        "an old form": await page.post(
            "/api/modals", aiohttp.FormData({"member": "Ada", "interaction": "1"})
        ),
        "a path": await page.get("/api/unknown"),
    }
    assert {name: status for name, (status, _) in refused.items()} == {
        "a member": 404, "a channel": 404, "a command": 403, "moderators only": 403,
        "who owns all": 403, "not an option": 403, "a message": 404, "no JSON": 400,
        "no channel": 400, "no text": 400, "a language": 404, "others' words": 403,
        "an old form": 404, "a path": 404,
    }  # fmt: skip
    for _, body in refused.values():
        assert body["error"][0].isupper()
        assert body["error"].endswith(".")


@pytest.mark.parametrize("name", [*GARBAGE, *BODIES])
async def test_garbage_is_refused_and_no_defect(page, name):
    sent = GARBAGE.get(name) or posted("/api/deletions", *BODIES[name])
    # 403: without a page as its origin, or to another host.
    assert await status_of(int(page.url.rsplit(":")[-1]), sent) in (400, 403, 404)


@pytest.mark.parametrize("wrong", [5, 1.5, True, [[1]], [{}], {"a": {}}, "none of these"])
async def test_json_of_another_type_is_refused_and_no_defect(page, drawn, wrong):
    ada = {"member": "Ada", "channel": "studio"}
    there = {**ada, "message": drawn["id"]}
    _, opened = await page.post("/api/components", {**there, "custom_id": "more"})
    form = {"member": "Ada", "interaction": opened["modal"]["interaction"]}
    typed = {**ada, "command": "draw", "option": "prompt", "text": ""}
    wrong_text = {} if isinstance(wrong, str) else wrong
    sent = [
        ("/api/components", {**there, "custom_id": wrong}),
        ("/api/components", {**there, "custom_id": "style", "values": wrong}),
        ("/api/components", {**there, "custom_id": "style", "values": [wrong]}),
        ("/api/autocomplete", {**typed, "options": wrong}),
        ("/api/autocomplete", {**typed, "options": {"reference1": wrong}}),
    ]
    forms = [
        ("/api/modals", {**form, "values": json.dumps(wrong)}),
        ("/api/modals", {**form, "values": json.dumps({"Words": wrong_text})}),
        ("/api/commands", {**ada, "command": "choose", "options": json.dumps(wrong)}),
        (
            "/api/commands",
            {**ada, "command": "choose", "options": json.dumps({"colour": wrong_text})},
        ),
    ]
    sent += [(path, aiohttp.FormData(body)) for path, body in forms]
    assert {(await page.post(*each))[0] for each in sent} <= {400, 403, 404}


async def test_who_hangs_up_amid_a_request_is_no_defect(page, caplog):
    await hang_up_amid(int(page.url.rsplit(":")[-1]), "/api/deletions")
    assert (await page.get("/api/world"))[0] == 200
    assert caplog.messages == []


async def test_a_members_direct_messages_are_theirs(page, bot, playground):
    channel_id = str(playground.channel("dm", "Ben").id)
    status, _ = await page.get("/api/messages", member="Ada", channel=channel_id)
    assert status == 403


@pytest.mark.parametrize("host", listenable("127.0.0.2", "::1"))
async def test_the_page_can_be_at_another_address(playground, bot, host):
    async with (
        Site(playground, host=ip_address(host)) as site,
        aiohttp.ClientSession() as session,
    ):
        page = Page(session, site.url)
        async with page.events("Ada") as events:
            assert (await page.run("Ada", "studio", "trap"))[0] == 200
            message = (await events.receive_json())["message"]
        async with session.get(page.url + message["attachments"][0]["url"]) as response:
            assert await response.read() == b"<script>"
        with pytest.raises(ConnectionRefusedError):
            await asyncio.open_connection("127.0.0.1", URL(site.url).port)


@pytest.mark.parametrize(
    "host",
    [
        "",
        "attacker.example",
        "attacker.example:8765",
        "127.0.0.1.attacker.example",
        "localhost.attacker.example",
        "[::1].attacker.example",
        "127.0.0.1@attacker.example",
    ],
)
async def test_other_names_for_this_machine_are_refused(page, host):
    async with page.session.get(page.url + "/api/world", headers={"Host": host}) as response:
        assert response.status == 403
        assert "localhost or an IP address" in (await response.json())["error"]


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8765", "192.0.2.7", "192.0.2.7:8765", "[2001:db8::7]:8765"]
)
async def test_the_page_answers_to_addresses_and_ports_that_lead_to_it(page, host):
    async with page.session.get(page.url + "/api/world", headers={"Host": host}) as response:
        assert response.status == 200


@pytest.mark.parametrize(
    "origin",
    [
        {},
        {"Origin": "null"},
        {"Origin": "http://attacker.example"},
        {"Origin": "http://192.0.2.7:8765"},
        {"Origin": "http://127.0.0.1:1"},
    ],
    ids=str,
)
async def test_other_sites_can_neither_act_nor_listen(page, bot, origin):
    page.headers = origin
    assert (await page.run("Ada", "studio", "whisper"))[0] == 403
    with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
        await page.events("Ada")
    assert refused.value.status == 403
    assert await page.messages("Ada", "studio") == []


async def test_a_body_over_the_limit_is_refused_unread(page):
    host = page.url.removeprefix("http://")
    reader, writer = await asyncio.open_connection(*host.split(":"))
    head = [
        "POST /api/commands HTTP/1.1", f"Host: {host}", f"Origin: {page.url}",
        f"Content-Length: {guard.BODY_BYTES_MAX + 1}", "Connection: close", "", "",
    ]  # fmt: skip
    writer.write("\r\n".join(head).encode())
    assert (await reader.readline()).split()[1] == b"413"
    writer.close()
    await writer.wait_closed()


async def test_a_body_that_hides_its_length_is_cut_off(playground, monkeypatch):
    monkeypatch.setattr("bot.playground.site.BODY_BYTES_MAX", 1000)
    async with Site(playground) as site, aiohttp.ClientSession() as session:

        async def endless():
            for _ in range(100):
                yield b"x" * 1000

        headers = {"Origin": site.url.rstrip("/"), "Content-Type": "application/json"}
        url = site.url + "api/components"
        async with session.post(url, data=endless(), headers=headers) as response:
            assert response.status == 413


async def test_stopping_hangs_up_on_listeners(playground):
    async with aiohttp.ClientSession() as session:
        async with Site(playground) as site:
            page = Page(session, site.url)
            events = await page.events("Ada")
        assert (await events.receive()).type is aiohttp.WSMsgType.CLOSE
        await events.close()


async def test_a_taken_port_is_said_at_once(playground):
    async with Site(playground) as site:
        port = int(site.url.rsplit(":")[-1].rstrip("/"))
        with pytest.raises(OSError, match="address already in use"):
            await Site(playground, port).__aenter__()
