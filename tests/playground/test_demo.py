"""What the demo tells whoever tries it."""

import re

from bot.demo import LATENCY_S, open_demo


async def test_the_demo_names_the_time_its_sample_images_take() -> None:
    async with open_demo(LATENCY_S) as demo:
        call = await demo.discord.run_command("Ada", "studio", "models")
        message = await call.response()
    assert set(re.findall(r"usually about (\d+) s", str(message.embeds))) == {"5"}
