"""What members put in: options, menus, buttons, selects and forms, as the bot receives it."""

from __future__ import annotations

import pytest

from bot.playground.discord import NotOfferedError, Upload
from tests.playground.discord.bot import Menu, app_commands, command, discord, running
from tests.playground.discord.pictures import png


@pytest.fixture(autouse=True)
def _nothing_against_the_document(spec_violations):
    yield
    assert spec_violations() == []


async def test_groups_and_all_kinds_of_options_are_bound(playground, client):
    seen = {}
    group = app_commands.Group(name="settings", description="Settings")

    @group.command(name="set", description="Set")
    async def set_(
        interaction: discord.Interaction, member: discord.Member, role: discord.Role,
        channel: discord.TextChannel, many: app_commands.Range[int, 1, 4], share: float, on: bool,
    ):  # fmt: skip
        seen.update(dict(iter(interaction.namespace)))
        await interaction.response.send_message("ok")

    client.tree.add_command(group)
    values = {
        "member": "Ben", "role": "Moderator", "channel": "after-dark", "many": 4,
        "share": 0.5, "on": True,
    }  # fmt: skip
    async with running(client, playground):
        await (await playground.run_command("Cleo", "studio", "settings set", values)).response()
        assert seen["member"].display_name == "Ben"
        assert seen["role"].name == "Moderator"
        assert (seen["channel"].name, seen["many"], seen["on"]) == ("after-dark", 4, True)
        with pytest.raises(NotOfferedError, match="'many' is to be 1 to 4"):
            await playground.run_command("Cleo", "studio", "settings set", {**values, "many": 5})
        with pytest.raises(NotOfferedError, match="required options are missing"):
            await playground.run_command("Cleo", "studio", "settings set", {})
        with pytest.raises(NotOfferedError, match="needs one of"):
            await playground.run_command("Cleo", "studio", "settings")


async def test_what_a_modified_client_could_send_is_sent_unchecked(playground, client):
    @command(client)
    @app_commands.choices(mode=[app_commands.Choice(name="On", value="on")])
    async def go(interaction: discord.Interaction, mode: str, count: app_commands.Range[int, 1, 4]):
        await interaction.response.send_message(f"{mode} {count}")

    async with running(client, playground):
        wrong = {"mode": "surprise", "count": 9}
        with pytest.raises(NotOfferedError, match="choices of 'mode'"):
            await playground.run_command("Ada", "studio", "go", wrong)
        call = await playground.run_command("Ada", "studio", "go", wrong, check=False)
        assert (await call.response()).content == "surprise 9"


async def test_commands_for_moderators_are_offered_to_them_only(playground, client):
    permissions = discord.Permissions(manage_guild=True)

    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("done")

    client.tree.add_command(
        app_commands.default_permissions(permissions)(
            app_commands.Command(name="go", description="Do it", callback=go)
        )
    )
    async with running(client, playground):
        with pytest.raises(NotOfferedError, match="Ada is not offered 'go'"):
            await playground.run_command("Ada", "studio", "go")
        await (await playground.run_command("Cleo", "studio", "go")).response()
        call = await playground.run_command("Ada", "studio", "go", check=False)
        assert (await call.response()).content == "done"


async def test_context_menus_get_the_whole_message(playground, client):
    @client.tree.context_menu(name="Edit image")
    async def edit_image(interaction: discord.Interaction, message: discord.Message):
        data = await message.attachments[0].read()
        await interaction.response.send_message(f"{message.content} {len(data)}")

    @client.tree.context_menu(name="Wave")
    async def wave(interaction: discord.Interaction, member: discord.Member):
        await interaction.response.send_message(f"hello {member.display_name}")

    async with running(client, playground):
        posted = await playground.post("Ben", "studio", "look", [Upload("cat.png", png())])
        call = await playground.run_message_command("Ada", "studio", "Edit image", posted)
        assert (await call.response()).content == f"look {len(png())}"
        call = await playground.run_user_command("Ada", "studio", "Wave", "Ben")
        assert (await call.response()).content == "hello Ben"


async def test_autocomplete_offers_choices(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction, kind: str, model: str):
        await interaction.response.send_message("ok")

    @client.tree.get_command("go").autocomplete("model")
    async def offer(interaction: discord.Interaction, text: str):
        kind = interaction.namespace.kind
        return [app_commands.Choice(name=f"{text} for {kind}", value="v")]

    async with running(client, playground):
        found = await playground.autocomplete("Ada", "studio", "go", "model", "gp", {"kind": "k"})
        assert found == [{"name": "gp for k", "value": "v"}]


async def test_buttons_and_selects_reach_the_bot(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("menu", view=Menu(timeout=None))

    async with running(client, playground):
        menu = await (await playground.run_command("Ada", "studio", "go")).response()
        updated = await (await playground.press("Ada", menu, label="Update")).response()
        assert (updated.id, updated.content) == (menu.id, "updated")
        later = await playground.press("Ben", menu, custom_id="later")
        assert (await later.response()).content == "updated later"
        chosen = await (await playground.select("Ada", menu, ["Big"], custom_id="size")).response()
        assert chosen.content == "chose ['b']"
        assert chosen.is_ephemeral
        chosen = await (await playground.select("Ada", menu, ["Ben"], custom_id="who")).response()
        assert chosen.content == "chose Ben"
        with pytest.raises(NotOfferedError, match="disabled"):
            await playground.press("Ada", menu, label="Off")
        with pytest.raises(NotOfferedError, match="0 components fit"):
            await playground.press("Ada", menu, label="Missing")
        with pytest.raises(NotOfferedError, match="choose 1 to 1, not 2"):
            await playground.select("Ada", menu, ["b", "Small"], custom_id="size")


class Form(discord.ui.Modal, title="Edit"):
    """A text, a choice and files."""

    prompt = discord.ui.TextInput(label="Prompt", max_length=10)
    size = discord.ui.Label(
        text="Size", component=discord.ui.Select(options=[discord.SelectOption(label="Big")])
    )
    files = discord.ui.Label(
        text="Files", component=discord.ui.FileUpload(min_values=0, max_values=2, required=False)
    )

    async def on_submit(self, interaction):
        files = [(file.filename, len(await file.read())) for file in self.files.component.values]
        text = f"{self.prompt.value} {self.size.component.values} {files}"
        await interaction.response.send_message(text)


async def test_a_modal_is_filled_in_and_sent(playground, client):
    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_modal(Form())

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        modal = await call.opened_modal()
        assert modal.title == "Edit"
        files = [Upload("a.png", png()), Upload("b.txt", b"text")]
        values = {"Prompt": "a cat", "Size": ["Big"], "Files": files}
        answer = await (await playground.submit_modal("Ada", modal, values)).response()
        assert answer.content == f"a cat ['Big'] [('a.png', {len(png())}), ('b.txt', 4)]"
        with pytest.raises(NotOfferedError, match="characters"):
            await playground.submit_modal("Ada", modal, {**values, "Prompt": "far too long"})
        with pytest.raises(NotOfferedError, match="'Prompt' is required"):
            await playground.submit_modal("Ada", modal, {"Size": ["Big"]})
        with pytest.raises(NotOfferedError, match="no form was opened for Ben"):
            await playground.submit_modal("Ben", modal, values)


LINK = {"type": 2, "style": 5, "label": "Docs"}
INPUT = {"type": 4, "custom_id": "a", "style": 1, "label": "A"}
RADIO = {"type": 21, "custom_id": "r", "options": [
    {"label": "Wide", "value": "w", "default": True}, {"label": "Tall", "value": "t"}]}  # fmt: skip
GROUP = {"type": 22, "custom_id": "g", "required": False, "options": [
    {"label": "One", "value": "1"}, {"label": "Two", "value": "2"}]}  # fmt: skip
PART = ["components", "0", "component"]


def labelled(component, label="Label", **more):
    return {"type": 18, "label": label, "component": component, **more}


@pytest.mark.parametrize(
    ("modal", "path"),
    [
        ({"title": "", "components": [{"type": 1, "components": [INPUT]}]}, ["title"]),
        ({"components": []}, ["components"]),
        ({"components": [{"type": 1, "components": [LINK]}]}, ["components", "0", "components"]),
        ({"components": [{"type": 18, "label": "", "component": INPUT}]}, ["components", "0"]),
        ({"components": [{"type": 18, "label": "x", "component": LINK}]}, ["components", "0"]),
        ({"components": [{"type": 9, "components": []}]}, ["components", "0", "type"]),
        ({"components": [labelled(INPUT, label="x" * 46)]}, ["components", "0", "label"]),
        ({"components": [labelled(INPUT, description="x" * 101)]}, ["components", "0"]),
        ({"components": [labelled(INPUT | {"value": "x" * 4001})]}, [*PART, "value"]),
        ({"components": [labelled(INPUT | {"max_length": 4001})]}, [*PART, "max_length"]),
        ({"components": [labelled(INPUT | {"placeholder": "x" * 101})]}, [*PART, "placeholder"]),
        ({"components": [labelled(RADIO | {"options": RADIO["options"][:1]})]}, [*PART, "options"]),
        ({"components": [labelled({"type": 19, "custom_id": "f", "max_values": 11})]}, PART),
        ({"components": [labelled(INPUT)] * 6}, ["components"]),
    ],
)
async def test_forms_out_of_bounds_are_refused(playground, client, api, modal, path):
    @command(client)
    async def go(interaction: discord.Interaction):
        pass

    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        callback = f"/interactions/{call.interaction.id}/{call.interaction.token}/callback"
        body = {"type": 9, "data": {"custom_id": "m", "title": "Form", **modal}}
        status, answer = await api("POST", callback, body)
        assert (status, answer["code"]) == (400, 50035)
        errors = answer["errors"]["data"]
        for key in path:
            errors = errors[key]
        assert call.modal is None


async def test_what_a_form_proposes_is_sent_unless_it_is_changed(playground, client, api):
    @command(client)
    async def go(interaction: discord.Interaction):
        pass

    parts = [INPUT | {"value": "blue", "required": False}, RADIO, GROUP,
             {"type": 23, "custom_id": "c", "default": True}]  # fmt: skip
    async with running(client, playground):
        call = await playground.run_command("Ada", "studio", "go")
        callback = f"/interactions/{call.interaction.id}/{call.interaction.token}/callback"
        data = {
            "custom_id": "m",
            "title": "Form",
            "components": [labelled(p, p["custom_id"]) for p in parts],
        }
        body = {"type": 9, "data": data}
        assert (await api("POST", f"{callback}?with_response=true", body))[0] == 200

        async def sent(values):
            call_ = await playground.submit_modal("Ada", call.modal, values)
            inner = [part["component"] for part in call_.interaction.data["components"]]
            return [part.get("value", part.get("values")) for part in inner]

        assert await sent({}) == ["blue", "w", [], True]
        changed = {"a": "", "r": "Tall", "g": ["Two", "1"], "c": False}
        assert await sent(changed) == ["", "t", ["2", "1"], False]
        with pytest.raises(NotOfferedError, match="choices are"):
            await playground.submit_modal("Ada", call.modal, {"r": "Round"})


async def test_a_form_from_a_button_can_update_its_message(playground, client):
    class Ask(discord.ui.Modal, title="Ask"):
        answer = discord.ui.TextInput(label="Answer", required=False, default="blue")

        async def on_submit(self, interaction):
            await interaction.response.edit_message(content=f"it is {self.answer.value}")

    class Asking(discord.ui.View):
        @discord.ui.button(label="Ask")
        async def ask(self, interaction, _):
            await interaction.response.send_modal(Ask())

    @command(client)
    async def go(interaction: discord.Interaction):
        await interaction.response.send_message("what colour?", view=Asking())

    async with running(client, playground):
        message = await (await playground.run_command("Ada", "studio", "go")).response()
        modal = await (await playground.press("Ben", message)).opened_modal()
        updated = await (await playground.submit_modal("Ben", modal)).response()
        assert (updated.id, updated.content) == (message.id, "it is blue")
        playground.world.channel("studio").messages_by_id.clear()
        with pytest.raises(NotOfferedError, match="gone"):
            await playground.press("Ben", message)


async def test_a_member_is_offered_commands_by_permission_and_place(playground, client):
    async def go(interaction: discord.Interaction):
        pass

    moderators = discord.Permissions(manage_guild=True)
    for name, permissions in (("open", None), ("closed", moderators)):
        made = app_commands.Command(name=name, description="Do it", callback=go)
        made.default_permissions = permissions
        client.tree.add_command(made)
    async with running(client, playground):
        offered = {
            member: [one["name"] for one in playground.commands_for(member, "studio")]
            for member in ("Ada", "Cleo", "Dana")
        }
        assert offered == {
            "Ada": ["open"],
            "Cleo": ["open", "closed"],
            "Dana": ["open", "closed"],
        }
        unknown = await playground.run_command("Ada", "studio", "no-such", check=False)
        assert unknown.messages == []
        with pytest.raises(NotOfferedError, match="has no subcommand 'sub'"):
            await playground.run_command("Ada", "studio", "open sub")
