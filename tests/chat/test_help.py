"""/help: each button begins its task, also after a restart."""

import pytest

from bot.playground.discord import DM
from tests.support.easel import Easel, labels, said

WORDS = {
    "Your images here": "There are none yet",
    "Your credits": "Enough for about",
    "Preferences": "wherever you leave an option out",
}


@pytest.mark.parametrize("channel", ["studio", DM])
async def test_each_button_begins_its_task(easel: Easel, channel: str) -> None:
    call = await easel.discord.run_command("Ben", channel, "help")
    message = await call.response()
    assert message.is_ephemeral
    assert labels(message) == ["A new image", *WORDS]
    await easel.restart()
    for label, words in WORDS.items():
        answer = await (await easel.discord.press("Ben", message, label=label)).response()
        assert words in said(answer)
        assert answer.is_ephemeral
        assert answer.id != message.id
    form = await easel.discord.press("Ben", message, label="A new image")
    sent = await easel.discord.submit_modal("Ben", await form.opened_modal(), {"prompt": "a heron"})
    assert (await easel.finished(sent)).attachments


async def test_a_reader_is_helped_in_their_language(easel: Easel) -> None:
    easel.discord.set_locale("Ada", "de")
    message = await (await easel.discord.run_command("Ada", "studio", "help")).response()
    assert "KI" in said(message)


@pytest.mark.parametrize(
    ("member", "channel"), [("Cleo", "studio"), ("Ada", "studio"), ("Cleo", DM)]
)
async def test_moderators_are_told_of_their_commands_where_they_moderate(
    easel: Easel, member: str, channel: str
) -> None:
    message = await (await easel.discord.run_command(member, channel, "help")).response()
    assert ("/moderation" in said(message)) is ((member, channel) == ("Cleo", "studio"))
    assert "/privacy" in said(message)
