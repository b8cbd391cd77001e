"""What the demo tells whoever tries it."""

import re
from pathlib import Path

import pytest

from bot.demo import LATENCY_S, open_demo, run_once
from bot.errors import StartupError
from bot.playground.discord import PlaygroundDiscord


async def test_the_demo_names_the_time_its_sample_images_take() -> None:
    async with open_demo(LATENCY_S) as demo:
        call = await demo.discord.run_command("Ada", "studio", "models")
        message = await call.response()
    assert set(re.findall(r"usually about (\d+) s", str(message.embeds))) == {"5"}


async def test_a_bot_that_never_gets_ready_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As where few files may be open at once."""

    async def never(_: PlaygroundDiscord) -> None:
        raise TimeoutError("no client within 10 s")

    monkeypatch.setattr(PlaygroundDiscord, "wait_until_ready", never)
    with pytest.raises(StartupError, match=r"^The bot did not start: no client within 10 s\.$"):
        await run_once(tmp_path)
