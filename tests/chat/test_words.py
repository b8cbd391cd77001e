"""The prompt as it is read, sent to the vendor and shown: what the member saw, nothing hidden."""

import pytest

from bot.playground.discord.world import World
from tests.support.easel import Easel, said


async def sent_and_shown(easel: Easel, prompt: str) -> tuple[str, str]:
    message = await easel.finished(await easel.imagine(prompt=prompt))
    return str(easel.providers.submissions[-1].body["prompt"]), said(message)


async def test_a_prompt_that_shows_nothing_is_refused(easel: Easel) -> None:
    for prompt in ("\u200b\u2060", "\ufe0f", "\u0301", "\u3164", "\U000e0061", "\u202e", "\x00"):
        call = await easel.discord.run_command(
            "Ada", "studio", "imagine", {"prompt": prompt}, check=False
        )
        message = await call.response()

        assert "The prompt is empty" in said(message), ascii(prompt)
        assert message.is_ephemeral
    assert await easel.entries() == []


async def test_marks_that_turn_text_reach_neither_vendor_nor_channel(easel: Easel) -> None:
    sent, shown = await sent_and_shown(easel, "a \u202ecat\u2066 in a hat\x00")

    assert sent == "a cat in a hat"
    assert "> a cat in a hat" in shown
    assert not set("\u202e\u2066\x00") & set(shown)


@pytest.mark.parametrize("prompt", ["فانوس ورقي فوق قناة هادئة", "פנס נייר", "👩🏽‍🎨 می‌خواهم"])
async def test_every_script_is_sent_as_it_was_written(easel: Easel, prompt: str) -> None:
    sent, shown = await sent_and_shown(easel, prompt)

    assert sent == prompt
    assert prompt in shown


def ids(world: World) -> dict[str, int]:
    guild = world.guild("Lantern Community")
    moderator = next(role.id for role in guild.roles.values() if role.name == "Moderator")
    return {
        "ada": world.user("Ada").id,
        "ben": world.user("Ben").id,
        "role": moderator,
        "channel": world.channel("after-dark").id,
    }


#: what is typed, and what the member sees of it
MARKUP = {
    "<@{ada}>": "@Ada",
    "<@!{ada}>": "@Ada",
    "<@{ben}>": "@someone",
    "<@&{role}>": "@Moderator",
    "<@&123456789012345678>": "@role",
    "<#{channel}>": "#after-dark",
    "<#123456789012345678>": "#channel",
    "<:lantern:123456789012345678>": ":lantern:",
    "<a:waving_cat:123456789012345678>": ":waving_cat:",
    "</imagine:123456789012345678>": "/imagine",
    "<t:1795795200:R>": "27 November 2026 16:00 UTC",
    "<id:customize>": "#customize",
    "<not markup>": "<not markup>",
    "<@nobody>": "<@nobody>",
}


async def test_the_vendor_is_sent_what_the_member_saw(easel: Easel) -> None:
    for markup, seen in MARKUP.items():
        prompt = f"a portrait of {markup.format(**ids(easel.discord.world))}, please"
        sent, _ = await sent_and_shown(easel, prompt)

        assert sent == f"a portrait of {seen}, please"
