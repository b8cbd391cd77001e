"""The bot's answers: first ones, edits, follow-ups, and what Discord refuses of them."""

from __future__ import annotations

import asyncio
import io

import pytest

from bot.playground.discord import DM, NotOfferedError, Permission, Upload
from tests.playground.discord.bot import Menu, command, discord, refused_with, running
from tests.playground.discord.pictures import png


@pytest.fixture(autouse=True)
def _nothing_against_the_document(spec_violations):
    yield
    assert spec_violations() == []


async def test_sixteen_references_arrive_with_their_bytes(playground, client):
    names = [f"reference{number}" for number in range(1, 17)]
    options = ", ".join(f"{name}: discord.Attachment" for name in names)
    made = {}
    exec(  # A command's options are its function's parameters; nobody writes sixteen.
        f"async def body(interaction: discord.Interaction, prompt: str, {options}):\n"
        f"    sizes = [len(await one.read()) for one in ({', '.join(names)})]\n"
        "    await interaction.response.send_message(f'{prompt}: {sizes} {reference16.width}')",
        {"discord": discord},
        made,
    )
    command(client, "imagine")(made["body"])
    picture = png(size=(20, 10))
    async with running(client, playground):
        values = {name: Upload(f"{name}.png", picture) for name in names}
        call = await playground.run_command("Ada", "studio", "imagine", {"prompt": "x", **values})
        message = await call.response()
        assert message.content == f"x: {[len(picture)] * 16} 20"


async def test_thinking_then_a_follow_up_then_an_edit(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.defer(thinking=True, ephemeral=True)
        first = await interaction.followup.send("first")
        assert first.flags.ephemeral
        await interaction.followup.send("second")
        assert (await interaction.original_response()).id == first.id
        await interaction.edit_original_response(content="first, edited")

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        await call.until(lambda message: message.content == "first, edited")
        assert [m.content for m in call.messages] == ["first, edited", "second"]
        assert [m.is_ephemeral for m in call.messages] == [True, False]
        assert [m.content for m in playground.messages_for("Ben", "studio")] == ["second"]
        assert len(playground.messages_for("Ada", "studio")) == 2


async def test_an_edit_keeps_listed_attachments_and_drops_the_rest(playground, client):
    def file(name):
        return discord.File(io.BytesIO(png()), name, description=f"about {name}")

    @command(client)
    async def go(interaction: discord.Interaction):
        files = [file("a.png"), file("b.png")]
        await interaction.response.send_message("two", files=files)
        sent = await interaction.original_response()
        kept = sent.attachments[1]
        await interaction.edit_original_response(content="x", attachments=[kept, file("c.png")])

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        two = await call.until(lambda message: message.content == "two")
        edited = await call.until(lambda message: message.content == "x")
        assert [a.filename for a in two.attachments] == ["a.png", "b.png"]
        assert [a.filename for a in edited.attachments] == ["b.png", "c.png"]
        assert [a.description for a in edited.attachments] == ["about b.png", "about c.png"]
        assert await playground.read_attachment(edited.attachments[0]) == png()
        assert edited.attachments[1].file.content_type == "image/png"
        assert not two.attachments[0].file.path.exists()


async def test_a_file_shown_by_an_embed_is_not_listed(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        embed = discord.Embed(title="shown").set_image(url="attachment://shown.png")
        files = [discord.File(io.BytesIO(png()), n) for n in ("shown.png", "listed.png")]
        await interaction.response.send_message(embed=embed, files=files)
        sent = await interaction.original_response()
        assert [a.filename for a in sent.attachments] == ["listed.png"]
        assert sent.embeds[0].image.width == 8
        # What was read may be sent back: the picture stays where it is.
        await interaction.edit_original_response(embed=sent.embeds[0], attachments=[])
        assert (await interaction.original_response()).embeds[0].image.width == 8

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        edited = await call.until(lambda message: message.edited_at is not None)
        assert [a.filename for a in edited.attachments] == ["shown.png"]
        assert playground.message_json(edited)["attachments"] == []
    assert client.failures == []


async def test_a_new_file_takes_the_place_of_the_one_of_its_name_that_an_embed_showed(
    playground, client
):
    @command(client)
    async def go(interaction: discord.Interaction):
        embed = discord.Embed(title="shown").set_image(url="attachment://shown.png")
        await interaction.response.send_message(
            embed=embed, file=discord.File(io.BytesIO(png()), "shown.png")
        )
        for side_px in (16, 24):
            file = discord.File(io.BytesIO(png(size=(side_px, side_px))), "shown.png")
            await interaction.edit_original_response(embed=embed, attachments=[file])

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        edited = await call.until(lambda message: message.attachments[-1].file.width_px == 24)
        written = playground.message_json(edited)
        assert [embed["image"]["width"] for embed in written["embeds"]] == [24]
        assert (written["attachments"], len(edited.attachments)) == ([], 1)
    assert client.failures == []


async def test_a_link_to_a_file_is_no_place_that_shows_it(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        file = discord.File(io.BytesIO(png()), "listed.png")
        await interaction.response.send_message("x", file=file)
        url = (await interaction.original_response()).attachments[0].url
        view = discord.ui.View().add_item(discord.ui.Button(label="Open", url=url))
        embed = discord.Embed(title="attachment://listed.png", url=url)
        embed.set_image(url="attachment://missing.png")
        await interaction.edit_original_response(view=view, embed=embed)

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        edited = await call.until(lambda message: message.edited_at is not None)
        written = playground.message_json(edited)
        assert [a["filename"] for a in written["attachments"]] == ["listed.png"]
        assert written["components"][0]["components"][0]["url"].startswith("http://127.0.0.1")
        assert written["embeds"][0]["image"]["url"] is None
        with pytest.raises(NotOfferedError, match="link button"):
            await playground.press("Ada", edited, label="Open")


async def test_layouts_show_their_files(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.defer(thinking=True)
        view = discord.ui.LayoutView(timeout=None)
        gallery = discord.ui.MediaGallery(discord.MediaGalleryItem("attachment://one.png"))
        row = discord.ui.ActionRow(discord.ui.Button(label="Again", custom_id="again"))
        view.add_item(discord.ui.Container(discord.ui.TextDisplay("words"), gallery, row))
        files = [discord.File(io.BytesIO(png()), "one.png")]
        message = await interaction.edit_original_response(view=view, attachments=files)
        assert message.components[0].children[1].items[0].media.width == 8
        await interaction.followup.send(view=discord.ui.LayoutView().add_item(gallery))

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        message = await call.response()
        assert playground.message_json(message)["attachments"] == []
        again = await playground.press("Ada", message, label="Again")
        assert again.interaction.data["custom_id"] == "again"
        assert await refused_with(client) == (400, 50035)
    assert "UNFURLED_MEDIA_ITEM_REFERENCED_ATTACHMENT_NOT_FOUND" in str(
        playground.requests[-1].answer
    )


async def test_the_first_answer_is_due_in_three_seconds(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        playground.clock.advance(3.1)
        await interaction.response.send_message("late")

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        assert await refused_with(client) == (404, 10062)
        assert playground.requests[-1].answer == {"message": "Unknown interaction", "code": 10062}
        assert call.messages == []


async def test_a_second_first_answer_is_refused(playground, client, api):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("once")

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        await call.response()
        path = f"/interactions/{call.interaction.id}/{call.interaction.token}/callback"
        status, body = await api("POST", path, {"type": 4, "data": {"content": "twice"}})
        assert (status, body["code"]) == (400, 40060)


async def test_a_token_lives_fifteen_minutes(playground, client, api):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.defer(thinking=True)

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        assert await call.acknowledged() == 5
        path = f"/webhooks/{client.application_id}/{call.interaction.token}/messages/@original"
        playground.clock.advance(14 * 60)
        assert (await api("GET", path))[0] == 200
        playground.clock.advance(61)
        refused = (401, {"message": "Invalid Webhook Token", "code": 50027})
        assert await api("PATCH", path, {"content": "late"}) == refused
        assert await api("GET", path) == refused
        with pytest.raises(TimeoutError, match=r"no answer to 'go' of Ada.*type 5.*thinking"):
            await call.response(timeout_s=0.01)


async def test_before_the_first_answer_the_webhook_is_unknown(playground, client, api):
    started = asyncio.Event()

    @command(client)
    async def go(interaction: discord.Interaction):
        started.set()

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        await started.wait()
        for token in (call.interaction.token, "never-issued"):
            path = f"/webhooks/{client.application_id}/{token}"
            assert await api("POST", path, {"content": "early"}) == (
                404,
                {"message": "Unknown Webhook", "code": 10015},
            )


async def test_the_size_limit_of_an_interaction_holds(playground, client):
    playground.interactions.file_bytes_max = 1000

    @command(client)
    async def go(interaction: discord.Interaction):
        assert interaction.filesize_limit == 1000
        file = discord.File(io.BytesIO(bytes(1001)), "large.bin")
        await interaction.response.send_message(file=file)

    async with running(client, playground):
        await playground.run_command("Ada", "studio", "go")
        assert await refused_with(client) == (413, 40005)


async def test_what_the_bot_may_do_is_told(playground, client):
    seen = []

    @command(client)
    async def go(interaction: discord.Interaction):
        seen.append(interaction)
        await interaction.response.send_message("ok", ephemeral=True)

    playground.set_bot_permissions("after-dark", deny=Permission.ATTACH_FILES)
    async with running(client, playground):
        for member, channel in (("Ada", "studio"), ("Cleo", "after-dark"), ("Ada", DM)):
            await (await playground.run_command(member, channel, "go")).response()
    studio, after_dark, direct = seen
    assert studio.app_permissions.attach_files
    assert not after_dark.app_permissions.attach_files
    assert after_dark.channel.is_nsfw()
    assert not studio.permissions.manage_guild
    assert after_dark.permissions.manage_guild
    assert after_dark.user.display_name == "Cleo"
    assert studio.guild_locale == discord.Locale.american_english
    assert studio.context.guild
    assert direct.guild is None
    assert direct.context.dm_channel
    assert direct.user.display_name == "Ada"
    assert isinstance(direct.channel, discord.DMChannel)


async def test_ephemeral_messages_are_out_of_reach_for_others(playground, client, api):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("secret", view=Menu(timeout=None), ephemeral=True)

    async with running(client, playground):
        message = await (await playground.run_command("Ada", "studio", "go")).response()
        with pytest.raises(NotOfferedError, match="Ben does not see"):
            await playground.press("Ben", message, label="Update")
        path = f"/channels/{message.channel_id}/messages/{message.id}"
        assert (await api("GET", path))[1]["code"] == 10008
        updated = await (await playground.press("Ada", message, label="Update")).response()
        assert updated.content == "updated"


async def test_an_answer_can_be_deleted_but_not_twice(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("gone soon")
        await interaction.delete_original_response()
        await interaction.delete_original_response()

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        assert await refused_with(client) == (404, 10008)
        assert call.messages == []


async def test_in_a_deleted_channel_nothing_can_be_answered(playground, client, api):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.defer(thinking=True)

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        await call.acknowledged()
        playground.delete_channel("studio")
        path = f"/webhooks/{client.application_id}/{call.interaction.token}/messages/@original"
        assert (await api("PATCH", path, {"content": "x"}))[1]["code"] == 10003


async def test_the_wrong_kind_of_answer_is_refused(playground, client, api):
    @command(client)
    async def go(interaction: discord.Interaction):
        pass

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        path = f"/interactions/{call.interaction.id}/{call.interaction.token}/callback"
        status, body = await api("POST", path, {"type": 7, "data": {"content": "x"}})
        assert (status, body["code"], list(body["errors"])) == (400, 50035, ["type"])
        loud = {"type": 5, "data": {"flags": 4}}
        status, body = await api("POST", path, loud)
        assert (status, list(body["errors"]["data"])) == (400, ["flags"])
        quiet = {"type": 4, "data": {"content": "x" * 2001}}
        status, body = await api("POST", path, quiet)
        (error,) = body["errors"]["data"]["content"]["_errors"]
        assert error["code"] == "BASE_TYPE_MAX_LENGTH"
        assert call.interaction.answered_with is None
