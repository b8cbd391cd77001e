"""The host chooses whom the bot serves; others are told so, and left."""

from tests.conftest import OpenEasel
from tests.support.easel import said

OWN, OTHER = "Lantern Community", "Northwind Design"


async def test_a_server_that_is_not_served_is_told_why_and_left(opened: OpenEasel) -> None:
    async with opened() as easel:
        world = easel.discord.world
        [own] = [guild.id for guild in world.guilds.values() if guild.name == OWN]
        [other] = [guild.id for guild in world.guilds.values() if guild.name == OTHER]
        easel.settings = easel.settings.model_copy(update={"allowed_servers": (own,)})
        await easel.restart()

        await easel.discord.wait_for(lambda: other not in world.guilds, "its leaving")
        assert own in world.guilds
        assert (await easel.finished(await easel.imagine())).attachments


async def test_direct_messages_can_be_turned_off(opened: OpenEasel) -> None:
    async with opened(allow_direct_messages=False) as easel:
        call = await easel.discord.run_command("Ada", "dm", "imagine", {"prompt": "a lantern"})
        message = await easel.finished(call)
        assert "does not work in direct messages here" in said(message)
        assert "Nothing was charged." in said(message)
        assert await easel.entries() == []
