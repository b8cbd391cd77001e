"""Where a member uses the app and in which language: servers, direct messages, private channels."""

from __future__ import annotations

import pytest

from bot.playground.discord import DM, NotOfferedError, Upload
from tests.playground.discord.bot import app_commands, command, discord, eventually, running
from tests.playground.discord.pictures import png


@pytest.fixture(autouse=True)
def _nothing_against_the_document(spec_violations):
    yield
    assert spec_violations() == []


def heard(client):
    return [arguments[0] for event, arguments in client.heard if event == "message"]


async def test_members_and_servers_have_a_language(playground, client):
    seen = []

    @command(client)
    async def go(interaction: discord.Interaction):
        seen.append((str(interaction.locale), str(interaction.guild_locale)))
        await interaction.response.send_message("ok")

    async with running(client, playground):
        playground.set_locale("Ada", "pt-BR")
        playground.set_server_locale("Lantern Community", "ja")
        guild = client.get_guild(playground.world.guild("Lantern Community").id)
        await eventually(lambda: guild.preferred_locale is discord.Locale.japanese)
        for member, place in (("Ada", "studio"), ("Ben", "studio"), ("Ada", "mockups")):
            await (await playground.run_command(member, place, "go")).response()
        with pytest.raises(LookupError, match="no language 'tlh'"):
            playground.set_locale("Ada", "tlh")
    assert seen == [("pt-BR", "ja"), ("en-US", "ja"), ("pt-BR", "en-US")]


@pytest.mark.parametrize(
    ("about", "places"),
    [
        ({}, ["studio", "dm"]),
        ({"contexts": [0]}, ["studio"]),
        ({"contexts": [1]}, ["dm"]),
        ({"contexts": [0, 1, 2]}, ["studio", "dm"]),
        ({"contexts": [0, 1, 2], "integration_types": [0, 1]}, ["studio", "dm", "trip"]),
        ({"contexts": [2], "integration_types": [1]}, ["trip"]),
        ({"integration_types": [1]}, ["studio", "dm"]),
    ],
)
async def test_commands_are_offered_where_they_are_meant_to_be(playground, api, about, places):
    path = f"/applications/{playground.world.application_id}/commands"
    both = [{"name": "go", "description": "Do it"}, {"name": "Menu", "type": 3}]
    await api("PUT", path, [{**one, **about} for one in both])
    playground.world.private_channel("trip", ["Ada", "Ben"])
    playground.install("Ada")
    for kind in (1, 3):
        offered = [p for p in ("studio", DM, "trip") if playground.commands_for("Ada", p, kind)]
        assert offered == places
    assert not playground.commands_for("Ben", "trip")


async def test_in_a_private_channel_only_answers_reach_anyone(playground, client, api):
    @command(
        client,
        allowed_installs=app_commands.AppInstallationType(user=True),
        allowed_contexts=app_commands.AppCommandContext(private_channel=True),
    )
    async def go(interaction: discord.Interaction):
        assert interaction.context.private_channel
        assert interaction.is_user_integration()
        assert not interaction.is_guild_integration()
        await interaction.response.send_message("first")
        for number in range(6):
            await interaction.followup.send(str(number))

    trip = playground.world.private_channel("trip", ["Ada", "Ben"])
    playground.install("Ada")
    async with running(client, playground):
        await playground.post("Ben", "trip", "the bot does not hear this")
        call = await playground.run_command("Ada", "trip", "go")
        await eventually(lambda: client.failures)
        assert [m.content for m in call.messages] == ["first", *"01234"]
        assert client.failures[0].code == 40094
        assert len(playground.messages_for("Ben", "trip")) == 7
        playground.install("Cleo")
        with pytest.raises(NotOfferedError, match="Cleo does not see 'trip'"):
            await playground.run_command("Cleo", "trip", "go")
    assert heard(client) == []
    status, answer = await api("POST", f"/channels/{trip.id}/messages", {"content": "x"})
    assert (status, answer["code"]) == (403, 50001)


async def test_a_menu_sees_what_a_forward_forwards(playground, client):
    @client.tree.context_menu(name="Edit image")
    async def edit_image(interaction: discord.Interaction, message: discord.Message):
        (snapshot,) = message.message_snapshots
        data = await snapshot.attachments[0].read()
        text = f"{snapshot.content} {len(data)} {message.reference.type.name}"
        await interaction.response.send_message(text)

    async with running(client, playground):
        posted = await playground.post("Ben", "mockups", "look", [Upload("cat.png", png())])
        forwards = [await playground.forward("Ada", place, posted) for place in ("studio", DM)]
        await playground.delete("Ben", posted)
        for forward in forwards:
            place = forward.channel_id
            call = await playground.run_message_command("Ada", place, "Edit image", forward)
            assert (await call.response()).content == f"look {len(png())} forward"
            await playground.delete("Ada", forward)
            assert not forward.forwarded.attachments[0].file.path.exists()


async def test_a_reply_mentions_its_author_unless_it_answers_an_interaction(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("an answer")

    async with running(client, playground):
        channel = client.get_channel(playground.channel("studio").id)
        await channel.send("a message")
        (message,) = playground.channel("studio").messages
        answer = await (await playground.run_command("Ada", "studio", "go")).response()
        loud = await playground.post("Ada", "studio", "words", reply_to=message)
        quiet = await playground.post("Ada", "studio", "words", reply_to=message, ping=False)
        other = await playground.post("Ada", "studio", "words", reply_to=answer)
        await eventually(lambda: len(heard(client)) == 5)
        assert [message.content for message in heard(client)[2:]] == ["words", "", ""]
    assert [bool(m.mentions) for m in (loud, quiet, other)] == [True, False, False]


async def test_members_delete_their_own_messages_and_moderators_all(playground):
    first, second = [await playground.post("Ada", "studio", text) for text in ("one", "two")]
    with pytest.raises(NotOfferedError, match="Ben may not delete"):
        await playground.delete("Ben", first)
    await playground.delete("Ada", first)
    await playground.delete("Cleo", second)
    assert playground.messages_for("Ada", "studio") == []
