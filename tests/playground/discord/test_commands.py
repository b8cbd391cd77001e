"""The command registry: shapes taken and refused, scopes, ids that last."""

from __future__ import annotations

import pytest

from bot.playground.discord import DM, NotOfferedError
from tests.playground.discord.bot import discord, running
from tests.support.openapi import require_spec


def command(name="go", **more):
    return {"name": name, "description": "Do it", "type": 1, **more}


def option(name="x", kind=3, **more):
    return {"name": name, "description": "x", "type": kind, **more}


@pytest.fixture
def path(playground):
    return f"/applications/{playground.world.application_id}/commands"


@pytest.mark.parametrize(
    ("commands", "where", "code"),
    [
        ([command("Go")], ["0", "name"], "APPLICATION_COMMAND_INVALID_NAME"),
        ([command("a b")], ["0", "name"], "APPLICATION_COMMAND_INVALID_NAME"),
        ([command(description="")], ["0", "description"], "BASE_TYPE_BAD_LENGTH"),
        ([command(), command()], ["1"], "APPLICATION_COMMANDS_DUPLICATE_NAME"),
        (
            [command(options=[option(f"x{n}") for n in range(26)])],
            ["0", "options"],
            "BASE_TYPE_MAX_LENGTH",
        ),
        (
            [command(options=[option("a"), option("b", required=True)])],
            ["0", "options", "1"],
            "APPLICATION_COMMAND_OPTIONS_REQUIRED_INVALID",
        ),
        (
            [command(options=[option(choices=[{"name": "x", "value": "x" * 101}])])],
            ["0", "options", "0", "choices", "0", "value"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            [command(options=[option(f"x{n}", description="x" * 100, choices=[
                {"name": f"{m:0>100}", "value": f"{m:0>100}"} for m in range(2)
            ]) for n in range(20)])],
            ["0"],
            "APPLICATION_COMMAND_TOO_LARGE",
        ),
        (
            [command(options=[option("g", 2, options=[option("g", 2)])])],
            ["0", "options", "0", "options", "0", "type"],
            "APPLICATION_COMMAND_OPTIONS_TYPE_INVALID",
        ),
        (
            [command(name_localizations={"de": "Los"})],
            ["0", "name_localizations", "de"],
            "APPLICATION_COMMAND_INVALID_NAME",
        ),
        (
            [command(description_localizations={"tlh": "x"})],
            ["0", "description_localizations", "tlh"],
            "BASE_TYPE_CHOICES",
        ),
        (
            [command(options=[option(choices=[
                {"name": "x", "name_localizations": {"ja": ""}, "value": "x"}
            ])])],
            ["0", "options", "0", "choices", "0", "name_localizations", "ja"],
            "BASE_TYPE_BAD_LENGTH",
        ),
        (
            [{"name": "Menu", "type": 3, "description": "x"}],
            ["0", "description"],
            "APPLICATION_COMMAND_INVALID",
        ),
    ],
)  # fmt: skip
async def test_wrong_shapes_are_refused_and_change_nothing(api, path, commands, where, code):
    assert (await api("PUT", path, [command("kept")]))[0] == 200
    status, answer = await api("PUT", path, commands)
    assert (status, answer["code"]) == (400, 50035)
    errors = answer["errors"]
    for key in where:
        errors = errors[key]
    assert code in [error["code"] for error in errors["_errors"]]
    assert [found["name"] for found in (await api("GET", path))[1]] == ["kept"]


async def test_commands_keep_their_ids_when_overwritten(api, path):
    _, (first, other) = await api("PUT", path, [command("one"), command("two")])
    _, (again,) = await api("PUT", path, [command("one", description="New words")])
    assert again["id"] == first["id"]
    assert again["version"] != first["version"]
    assert (await api("GET", f"{path}/{other['id']}"))[1]["code"] == 10063


async def test_single_commands_are_created_changed_and_removed(api, path):
    _, created = await api("POST", path, command())
    one = f"{path}/{created['id']}"
    _, changed = await api("PATCH", one, {"description": "Changed"})
    assert (await api("GET", one))[1]["version"] == changed["version"]
    assert (await api("GET", one))[1]["description"] == "Changed"


async def test_a_command_that_does_not_exist_cannot_be_removed(api, path):
    _, created = await api("POST", path, command())
    one = f"{path}/{created['id']}"
    assert (await api("PATCH", one, {"name": "Not Valid"}))[1]["code"] == 50035
    assert (await api("PUT", path, {"not": "a list"}))[1]["code"] == 50035
    assert (await api("PUT", path, []))[0] == 200
    assert (await api("DELETE", one))[1]["code"] == 10063


@pytest.mark.parametrize("path", ["/applications/1/commands", "/applications/{}/guilds/1/commands"])
async def test_commands_of_others_are_out_of_reach(playground, api, path):
    path = path.format(playground.world.application_id)
    assert (await api("GET", path))[1]["code"] == 50001


async def test_the_commands_of_one_server_are_offered_there_only(playground, client):
    @client.tree.command(guild=discord.Object(playground.world.guild("Northwind Design").id))
    async def mockup(interaction: discord.Interaction):
        """Draw"""
        await interaction.response.send_message("here")

    async with running(client, playground):
        await client.tree.sync(guild=discord.Object(playground.world.guild("Northwind Design").id))
        call = await playground.run_command("Ada", "mockups", "mockup")
        assert (await call.response()).content == "here"
        for elsewhere in ("studio", DM):
            with pytest.raises(NotOfferedError, match="no command 'mockup'"):
                await playground.run_command("Ada", elsewhere, "mockup")


async def test_commands_for_servers_are_not_offered_in_direct_messages(playground, api, path):
    await api("PUT", path, [command("here", contexts=[0]), command("there", contexts=[1])])
    with pytest.raises(NotOfferedError):
        await playground.run_command("Ada", DM, "here")
    await playground.run_command("Ada", DM, "there")


async def test_age_restricted_commands_need_such_a_channel(playground, api, path):
    await api("PUT", path, [command("lewd", nsfw=True)])
    with pytest.raises(NotOfferedError, match="age-restricted"):
        await playground.run_command("Ada", "studio", "lewd")
    await playground.run_command("Ada", "after-dark", "lewd")


async def test_the_document_catches_what_the_playground_lets_pass():
    spec = require_spec()
    template = "/channels/{channel_id}/messages"
    assert spec.complaints("POST", template, {"content": "fine"}) == []
    assert len(spec.complaints("POST", template, {"content": 5})) == 1
    assert spec.complaints("GET", "/nowhere", None) == ["there is no GET /nowhere"]
