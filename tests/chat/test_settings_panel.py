"""/settings: the panel and its controls, the subcommands, the trail, and who may not."""

import asyncio
import re
from itertools import pairwise
from typing import Any

import pytest

from bot.chat.settings_shown import FIELDS as FIELD_OF
from bot.chat.settings_shown import LANGUAGES, WORDS
from bot.chat.texts import tell_name
from bot.domain.settings import FOREVER
from bot.playground.discord import DM, Call, Message, Permission
from bot.playground.discord.interactions import COMMAND, COMPONENT, MODAL_SUBMIT
from bot.playground.discord.validation import BUTTON, SELECTS, STRING_SELECT, walk
from tests.conftest import OpenEasel
from tests.support.easel import Easel, labels, said, selects
from tests.support.settings import decide

ONLY_MODERATORS = "Only members who may manage this server can do that."
SERVER = "Lantern Community"
#: subcommands that decide something, with what they decide; those without a value show it
DECIDING: dict[str, dict[str, Any]] = {
    "nsfw_checker": {"mode": "age_restricted"},
    "picture_menus": {"mode": "own"},
    "default_model": {"model": "gpt-image-2"},
    "allowed_models": {"allow": "gpt-image-2"},
    "resolution_max": {"resolution": "2K"},
    "count_max": {"count": 2},
    "allowed_channels": {"allow": "studio"},
    "private_allowed": {"allowed": False},
    "private_seen": {"seen": True},
    "confirm_above": {"credits": 0.5},
    "locale": {"language": "ja"},
    "log_channel": {"channel": "studio"},
}
ACTING: dict[str, dict[str, Any]] = {
    "panel": {},
    "trail": {},
    "pause": {"hours": 2.0, "reason": "A contest"},
    "resume": {},
    "reset": {"setting": "count_max"},
}
#: of each setting that has a select in the panel: what is chosen there, and what is kept
SELECTED: dict[str, tuple[list[str], str]] = {
    "nsfw_checker": (["age_restricted"], "age_restricted"),
    "picture_menus": (["nobody"], "nobody"),
    "default_model": (["gpt-image-2"], "gpt-image-2"),
    "allowed_models": (["gpt-image-2"], '["gpt-image-2"]'),
    "resolution_max": (["1K"], "1K"),
    "count_max": (["3"], "3"),
    "locale": (["ja"], "ja"),
}
FIELDS = (
    *SELECTED,
    "allowed_channels",
    "log_channel_id",
    "private_allowed",
    "private_seen",
    "confirm_above_ucr",
    "paused_until",
)


async def kept(easel: Easel) -> dict[str, str]:
    rows = await easel.rows("SELECT name, value FROM server_settings")
    return {row.name: row.value for row in rows}


async def trail(easel: Easel) -> list[tuple[str, str, str]]:
    rows = await easel.rows("SELECT setting, old, new FROM setting_changes ORDER BY id")
    return [tuple(row) for row in rows]


def moderates(easel: Easel, member: str, *, does: bool = True) -> None:
    """Make someone a moderator, or no longer one."""
    guild = easel.discord.world.guild(SERVER)
    [role] = [each for each in guild.roles.values() if each.name == "Moderator"]
    guild.members[easel.discord.world.user(member).id] = (role.id,) if does else ()


async def panel(easel: Easel, field: str = "", member: str = "Cleo") -> Message:
    """The panel, with a setting open."""
    call = await easel.discord.run_command(member, "studio", "settings panel")
    message = await call.response()
    assert message.is_ephemeral
    if not field:
        return message
    opened = await easel.discord.select(member, message, [field], custom_id="settings:open")
    return await opened.response()


def controls(message: Message) -> list[dict[str, Any]]:
    return [each for each in walk(message.components) if each["type"] in (BUTTON, *SELECTS)]


async def pressed(easel: Easel, message: Message, label: str, member: str = "Cleo") -> Message:
    return await (await easel.discord.press(member, message, label=label)).response()


async def filled(easel: Easel, message: Message, label: str, **values: str) -> Call:
    form = await easel.discord.press("Cleo", message, label=label)
    modal = await form.opened_modal()
    await easel.restart()
    return await easel.discord.submit_modal("Cleo", modal, values)


async def test_the_panel_shows_each_setting_and_whose_decision_it_is(opened: OpenEasel) -> None:
    async with opened(confirm_above="0.50") as easel:
        await decide(easel, "count_max", count=2)
        shown = said(await panel(easel))
        assert "Most images at a time: **`2`** · set by this server" in shown
        assert "Ask first above: **0.50 cr** · set by whoever hosts this bot" in shown
        assert "Largest resolution: **`4K`** · default" in shown
        assert "Default model: **`gpt-image-2-beta`** · default" in shown
        assert "Allowed models: **all** · default" in shown
        assert shown.count(" · ") == len(FIELDS)


@pytest.mark.parametrize("field", SELECTED)
async def test_each_select_decides_after_a_restart(easel: Easel, field: str) -> None:
    message = await panel(easel, field)
    await easel.restart()
    values, text = SELECTED[field]
    after = await easel.discord.select("Cleo", message, values, custom_id=f"settings:set:{field}")
    assert "set by this server" in said(await after.response())
    assert await kept(easel) == {field: text}
    cleo = easel.discord.world.user("Cleo").id
    [change] = await easel.rows("SELECT user_id, setting, new FROM setting_changes")
    assert tuple(change) == (cleo, field, text)


@pytest.mark.parametrize("field", ["allowed_channels", "log_channel_id"])
async def test_channels_are_chosen_and_taken_out_again(easel: Easel, field: str) -> None:
    studio = easel.discord.channel("studio").id
    message = await panel(easel, field)
    await easel.restart()
    called = f"settings:set:{field}"
    after = await easel.discord.select("Cleo", message, ["studio"], custom_id=called)
    message = await after.response()
    assert f"<#{studio}>" in said(message)
    assert str(studio) in (await kept(easel))[field]
    [select] = [each for each in controls(message) if each["custom_id"] == called]
    assert [int(each["id"]) for each in select["default_values"]] == [studio]
    after = await easel.discord.select("Cleo", message, [], custom_id=called)
    assert "default" in said(await after.response())
    assert str(studio) not in (await kept(easel))[field]


@pytest.mark.parametrize("by", ["panel", "subcommand"])
async def test_notices_need_a_channel_that_they_can_be_posted_in(easel: Easel, by: str) -> None:
    easel.discord.set_bot_permissions("after-dark", deny=Permission.EMBED_LINKS)
    if by == "panel":
        message = await panel(easel, "log_channel_id")
        called = "settings:set:log_channel_id"
        call = await easel.discord.select("Cleo", message, ["after-dark"], custom_id=called)
        told = said(await call.response())
    else:
        told = said(await decide(easel, "log_channel", channel="after-dark"))
    assert "I lack Embed Links." in told
    assert await kept(easel) == {}


@pytest.mark.parametrize("field", ["private_allowed", "private_seen"])
async def test_a_yes_or_no_is_pressed(easel: Easel, field: str) -> None:
    message = await panel(easel, field)
    await easel.restart()
    for label, text in (("Yes", "true"), ("No", "false"), ("Yes", "true")):
        message = await pressed(easel, message, label)
        assert f"**{label.lower()}**" in said(message)
        assert (await kept(easel)).get(field, text) == text


async def test_an_amount_is_typed(easel: Easel) -> None:
    call = await filled(easel, await panel(easel, "confirm_above_ucr"), "Change", amount="0,75")
    assert "0.75 cr" in said(await call.response())
    assert await kept(easel) == {"confirm_above_ucr": "750000"}


@pytest.mark.parametrize("amount", ["much", "-1", "1e9", "1000000.01"])
async def test_what_is_no_amount_changes_nothing(easel: Easel, amount: str) -> None:
    call = await filled(easel, await panel(easel, "confirm_above_ucr"), "Change", amount=amount)
    assert "Nothing was changed" in said(await call.response())
    assert await kept(easel) == {}


async def test_making_images_is_paused_and_resumed(easel: Easel) -> None:
    given = {"hours": "1,5", "reason": "A  contest"}
    call = await filled(easel, await panel(easel, "paused_until"), "Pause", **given)
    message = await call.response()
    assert "“A contest”" in said(message)
    until = int(easel.clock.now().timestamp()) + 5_400
    assert abs(int((await kept(easel))["paused_until"]) - until) <= 5
    after = await pressed(easel, message, "Resume")
    assert "under way" in said(after)
    assert await kept(easel) == {"paused_until": "0", "pause_reason": ""}


@pytest.mark.parametrize("hours", ["soon", "0", "0.001", "99999", "nan"])
async def test_what_is_no_time_pauses_nothing(easel: Easel, hours: str) -> None:
    call = await filled(easel, await panel(easel, "paused_until"), "Pause", hours=hours)
    assert "Nothing was changed" in said(await call.response())
    assert await kept(easel) == {}


async def test_a_pause_that_is_over_is_none(easel: Easel) -> None:
    assert "paused; resumes <t:" in said(
        await decide(easel, "pause", hours=2.0, reason="A contest")
    )
    assert "paused; resumes <t:" in said(await panel(easel))
    easel.clock.advance(2 * 3_600)
    for shown in (await panel(easel), await panel(easel, "paused_until")):
        assert "under way" in said(shown)
        assert "paused; resumes" not in said(shown)
        assert "A contest" not in said(shown)


async def test_a_pause_without_an_end_lasts(easel: Easel) -> None:
    assert "paused until you resume it" in said(await decide(easel, "pause"))
    assert await kept(easel) == {"paused_until": str(FOREVER)}
    await decide(easel, "resume")
    assert (await kept(easel))["paused_until"] == "0"


async def test_what_was_decided_is_taken_back(easel: Easel) -> None:
    await decide(easel, "count_max", count=2)
    message = await panel(easel, "count_max")
    await easel.restart()
    assert "default" in said(await pressed(easel, message, "Reset"))
    await decide(easel, "resolution_max", resolution="1K")
    assert "default" in said(await decide(easel, "reset", setting="resolution_max"))
    assert await trail(easel) == [
        ("count_max", "4", "2"),
        ("count_max", "2", "4"),
        ("resolution_max", "4K", "1K"),
        ("resolution_max", "1K", "4K"),
    ]


@pytest.mark.parametrize("by", ["panel", "subcommand"])
async def test_the_filter_is_turned_off_after_a_second_question(easel: Easel, by: str) -> None:
    if by == "panel":
        message = await panel(easel, "nsfw_checker")
        called = "settings:set:nsfw_checker"
        call = await easel.discord.select("Cleo", message, ["off"], custom_id=called)
    else:
        given = {"mode": "off"}
        call = await easel.discord.run_command("Cleo", "studio", "settings nsfw_checker", given)
    asked = await call.response()
    assert asked.is_ephemeral
    assert "Discord's rules allow adult content only in channels" in said(asked)
    assert labels(asked) == ["Turn the filter off", "Keep it as it is"]
    assert await kept(easel) == {}
    await easel.restart()
    done = await pressed(easel, asked, "Turn the filter off")
    assert "**Off everywhere**" in said(done)
    assert await kept(easel) == {"nsfw_checker": "off"}
    # It is off already: there is nothing to ask.
    again = await easel.discord.run_command(
        "Cleo", "studio", "settings nsfw_checker", {"mode": "off"}
    )
    assert not (await again.response()).components


async def test_a_second_question_can_be_declined(easel: Easel) -> None:
    given = {"mode": "off"}
    call = await easel.discord.run_command("Cleo", "studio", "settings nsfw_checker", given)
    await pressed(easel, await call.response(), "Keep it as it is")
    assert await kept(easel) == {}


@pytest.mark.parametrize("setting", DECIDING)
async def test_each_setting_is_a_subcommand_that_shows_or_decides(
    easel: Easel, setting: str
) -> None:
    shown = said(await decide(easel, setting))
    assert "default" in shown
    assert "Nobody has changed it yet." in shown
    assert await kept(easel) == {}
    decided = said(await decide(easel, setting, **DECIDING[setting]))
    assert "set by this server" in decided
    # As it was shown before it was decided, and in a line of its own.
    before = re.search(r"^\*\*(.+)\*\* · default$", shown, re.MULTILINE)
    assert before
    assert f"Before: {before[1]}." in decided.splitlines()
    assert f": **{tell_name('settings', FIELD_OF[setting])}** " in decided
    assert len(await trail(easel)) == 1
    assert "default" in said(await decide(easel, "reset", setting=setting))


@pytest.mark.parametrize(
    ("setting", "given"),
    [("resolution_max", {"resolution": "9K"}), ("picture_menus", {"mode": "x"})],
)
async def test_a_word_that_is_no_choice_is_not_set(
    easel: Easel, setting: str, given: dict[str, str]
) -> None:
    """A changed client may send any word for it."""
    call = await easel.discord.run_command(
        "Cleo", "studio", f"settings {setting}", given, check=False
    )
    assert "Restart Discord to reload its commands" in said(await call.response())
    assert await kept(easel) == {}


@pytest.mark.parametrize("locale", LANGUAGES)
@pytest.mark.parametrize("field", WORDS)
async def test_a_value_is_called_as_its_choice_is(easel: Easel, field: str, locale: str) -> None:
    easel.discord.set_locale("Cleo", locale)
    choices = selects(await panel(easel, field))[f"settings:set:{field}"]
    [settings] = [
        each for each in easel.discord.commands_for("Cleo", "studio") if each["name"] == "settings"
    ]
    [command] = [each for each in settings["options"] if each["name"] == field]
    named = [
        each.get("name_localizations", {}).get(locale, each["name"])
        for each in command["options"][0]["choices"]
    ]
    words = [each["label"] for each in choices]
    assert named == words
    for each in (*choices[1:], choices[0]):
        assert f"**{each['label']}** · " in said(await decide(easel, field, mode=each["value"]))
    trail = said(await decide(easel, "trail"))
    for old, new in pairwise((*words, words[0])):
        assert f"** {old} → {new}" in trail


async def test_a_language_goes_by_its_own_name(easel: Easel) -> None:
    shown = said(await decide(easel, "locale", language="ja"))
    assert "**日本語** · set by this server" in shown
    assert f"**{tell_name('settings', 'locale')}** the server's own → 日本語" in shown


async def test_a_list_is_extended_and_shortened_but_never_emptied(easel: Easel) -> None:
    await decide(easel, "allowed_models", allow="gpt-image-2")
    await decide(easel, "allowed_models", allow="gpt-image-2-beta")
    await decide(easel, "allowed_models", forbid="gpt-image-2")
    assert await kept(easel) == {"allowed_models": '["gpt-image-2-beta"]'}
    refused = said(await decide(easel, "allowed_models", forbid="gpt-image-2-beta"))
    assert "Nothing was changed" in refused
    assert await kept(easel) == {"allowed_models": '["gpt-image-2-beta"]'}


@pytest.mark.parametrize(
    ("setting", "option", "typed", "values"),
    [
        ("default_model", "model", "lite", ["gpt-image-2-lite"]),
        ("allowed_models", "allow", "lite", ["gpt-image-2-lite"]),
        ("allowed_models", "forbid", "lite", ["gpt-image-2-lite"]),
        ("locale", "language", "deu", ["de"]),
        ("locale", "language", "ja", ["ja"]),
    ],
)
async def test_models_and_languages_are_offered_as_one_types(
    easel: Easel, setting: str, option: str, typed: str, values: list[str]
) -> None:
    command = f"settings {setting}"
    offered = await easel.discord.autocomplete("Cleo", "studio", command, option, typed)
    assert [each["value"] for each in offered] == values


@pytest.mark.parametrize(
    ("setting", "option"),
    [("default_model", "model"), ("allowed_models", "allow"), ("locale", "language")],
)
async def test_what_is_not_there_cannot_be_decided(easel: Easel, setting: str, option: str) -> None:
    told = said(await decide(easel, setting, **{option: "klingon"}))
    assert "no such model" in told or "not one of the languages" in told
    assert await trail(easel) == []


@pytest.mark.parametrize("setting", ["allowed_models", "allowed_channels"])
async def test_a_list_is_shown_where_nothing_is_to_be_changed(easel: Easel, setting: str) -> None:
    shown = said(await decide(easel, setting))
    assert "**all**" in shown
    assert "Nothing was changed" not in shown


async def test_forbidding_what_is_not_there_changes_nothing(easel: Easel) -> None:
    told = said(await decide(easel, "allowed_models", forbid="klingon"))
    assert "Nothing was changed" in told
    assert await trail(easel) == []


async def test_forbidding_the_first_model_leaves_the_others(easel: Easel) -> None:
    shown = said(await decide(easel, "allowed_models", forbid="gpt-image-2-beta"))
    assert "gpt-image-2-beta" not in shown.partition("·")[0]
    assert "`gpt-image-2`" in shown.partition("·")[0]


async def test_the_trail_is_read_page_by_page(easel: Easel) -> None:
    for number in range(23):
        await decide(easel, "count_max", count=number % 3 + 1)
    message = await decide(easel, "trail")
    await easel.restart()
    lines = []
    while True:
        lines += [line for line in said(message).splitlines() if "Most images" in line]
        if "Older" not in labels(message):
            break
        message = await pressed(easel, message, "Older")
    assert len(lines) == len(await trail(easel)) == 23
    assert lines[-1].endswith("**Most images at a time** `4` → `1`")
    assert "Newest" in labels(message)
    assert len(await trail(easel)) == 23


async def test_settings_are_named_in_the_readers_language(easel: Easel) -> None:
    easel.discord.set_locale("Cleo", "de")
    await decide(easel, "count_max", count=2)
    shown = said(await decide(easel, "trail"))
    assert "Höchstzahl an Bildern auf einmal" in shown
    assert "count_max" not in shown


async def test_two_moderators_at_once_lose_nothing(easel: Easel) -> None:
    """Each has the panel open as it was, and adds another model to the list."""
    moderates(easel, "Ben")
    panels = {
        member: await panel(easel, "allowed_models", member=member) for member in ("Ben", "Cleo")
    }
    models = {"Ben": "gpt-image-2", "Cleo": "gpt-image-2-beta"}
    called = "settings:set:allowed_models"
    calls = await asyncio.gather(
        *(
            easel.discord.select(member, message, [models[member]], custom_id=called)
            for member, message in panels.items()
        ),
        easel.discord.run_command("Cleo", "studio", "settings count_max", {"count": 2}),
    )
    for call in calls:
        await call.response()
    assert await kept(easel) == {
        "allowed_models": '["gpt-image-2","gpt-image-2-beta"]',
        "count_max": "2",
    }
    assert len(await trail(easel)) == 3
    # What one takes out, as it was shown, is taken out; what the other added stays.
    stale = panels["Ben"]
    [select] = [each for each in controls(stale) if each["custom_id"] == called]
    assert not [each for each in select["options"] if each.get("default")]


async def test_an_old_panel_takes_out_only_what_it_showed(easel: Easel) -> None:
    await decide(easel, "allowed_models", allow="gpt-image-2")
    message = await panel(easel, "allowed_models")
    await decide(easel, "allowed_models", allow="gpt-image-2-beta")
    called = "settings:set:allowed_models"
    call = await easel.discord.select("Cleo", message, [], custom_id=called)
    assert "`gpt-image-2-beta`" in said(await call.response())
    assert await kept(easel) == {"allowed_models": '["gpt-image-2-beta"]'}


async def test_each_subcommand_is_refused_to_a_member_who_gets_at_it(easel: Easel) -> None:
    """As where the server's own overrides show it to everyone; and in direct messages."""
    discord, ben = easel.discord, easel.discord.world.user("Ben")
    for command, given in {**DECIDING, **ACTING}.items():
        call = await discord.run_command("Ben", "studio", f"settings {command}", given, check=False)
        here = await call.response()
        call = discord._open(COMMAND, ben, discord.world.dm(ben), call.interaction.data)
        for message in (here, await call.response()):
            assert said(message) == ONLY_MODERATORS, command
            assert message.is_ephemeral
    assert await trail(easel) == []


async def every_control(easel: Easel) -> list[tuple[Message, dict[str, Any]]]:
    """All that Ben, who moderates for now, can press or choose, and where."""
    moderates(easel, "Ben")
    await decide(easel, "count_max", count=1)
    messages = [await panel(easel, field, member="Ben") for field in ("", *FIELDS)]
    given = {"mode": "off"}
    asked = await easel.discord.run_command("Ben", "studio", "settings nsfw_checker", given)
    messages.append(await asked.response())
    messages.append(await decide(easel, "trail", by="Ben"))
    return [(message, control) for message in messages for control in controls(message)]


async def test_each_control_is_refused_to_whoever_moderates_no_longer(easel: Easel) -> None:
    found = await every_control(easel)
    ids = {control["custom_id"] for _, control in found}
    assert {each.split(":")[1] for each in ids} == {
        *("open", "home", "set", "flag", "off", "reset", "resume", "form", "trail")
    }
    before = await trail(easel)
    moderates(easel, "Ben", does=False)
    ben = easel.discord.world.user("Ben")
    for message, control in found:
        place = easel.discord.channel("studio")
        for channel in (place, easel.discord.world.dm(ben)):
            data = {key: control[key] for key in ("custom_id", "id")}
            data["component_type"] = control["type"]
            if control["type"] in SELECTS:
                options = control.get("options") or [{"value": str(place.id)}]
                data["values"] = [options[-1]["value"]]
            call = easel.discord._open(COMPONENT, ben, channel, data, source=message)
            assert said(await call.response()) == ONLY_MODERATORS, control
    assert await trail(easel) == before


@pytest.mark.parametrize("field", ["paused_until", "confirm_above_ucr"])
@pytest.mark.parametrize("channel", ["studio", DM])
async def test_each_form_is_refused_to_whoever_moderates_no_longer(
    easel: Easel, field: str, channel: str
) -> None:
    moderates(easel, "Ben")
    message = await panel(easel, field, member="Ben")
    form = await easel.discord.press("Ben", message, custom_id=f"settings:form:{field}")
    modal = await form.opened_modal()
    moderates(easel, "Ben", does=False)
    ben = easel.discord.world.user("Ben")
    typed = [
        {"type": 18, "component": {"type": 4, "custom_id": each, "value": "1"}}
        for each in ("hours", "reason", "amount")
    ]
    data = {"custom_id": modal.custom_id, "components": typed}
    place = easel.discord.world.channel(channel, ben)
    call = easel.discord._open(MODAL_SUBMIT, ben, place, data)
    assert said(await call.response()) == ONLY_MODERATORS
    assert await trail(easel) == []


async def test_each_setting_can_be_opened_and_has_a_control(easel: Easel) -> None:
    message = await panel(easel)
    [select] = [each for each in controls(message) if each["type"] == STRING_SELECT]
    assert {each["value"] for each in select["options"]} == set(FIELDS)
    for field in FIELDS:
        opened = await easel.discord.select("Cleo", message, [field], custom_id="settings:open")
        shown = controls(await opened.response())
        assert len(shown) >= 3
        words = [each.get("label") or each.get("placeholder") for each in shown]
        options = [option for each in shown for option in each.get("options", ())]
        # A model's name is its value, and stays as it is.
        words += [each["label"] for each in options if each["label"] != each["value"]]
        assert [each for each in words if each[0].islower()] == []


async def test_the_log_channel_is_one_of_this_server(easel: Easel) -> None:
    """As a changed client may choose one of a server in which its moderator is a plain member."""
    shown = await panel(easel, "log_channel_id")
    other = easel.discord.channel("mockups")
    forged = easel.forge("Cleo", shown, "settings:set:log_channel_id", [str(other.id)])
    assert "does not work any more" in said(await forged.response())
    assert await easel.rows("SELECT * FROM server_settings") == []


async def test_a_default_model_is_one_that_is_allowed(easel: Easel) -> None:
    await decide(easel, "allowed_models", allow="gpt-image-2")
    refused = await decide(easel, "default_model", model="gpt-image-2-quality")
    assert "This server does not allow gpt-image-2-quality" in said(refused)
    assert not await easel.rows("SELECT 1 FROM server_settings WHERE name = 'default_model'")
    [menu] = [
        part
        for part in walk((await panel(easel, "default_model")).components)
        if part.get("custom_id") == "settings:set:default_model"
    ]
    assert [option["value"] for option in menu["options"]] == ["-", "gpt-image-2"]


@pytest.mark.parametrize("own", [True, False])
async def test_a_default_model_that_is_not_allowed_any_more_is_shown_so(
    easel: Easel, own: bool
) -> None:
    if own:
        await decide(easel, "default_model", model="gpt-image-2")
    assert "does not allow it" not in said(await panel(easel))
    await decide(easel, "allowed_models", allow="gpt-image-2-quality")
    words = "`gpt-image-2`" if own else "`gpt-image-2-beta`"
    for shown in (
        await panel(easel),
        await panel(easel, "default_model"),
        await decide(easel, "default_model"),
    ):
        assert words in said(shown)
        assert "Not here: this server does not allow it." in said(shown)


async def test_a_list_of_long_names_is_shown_as_far_as_there_is_room(easel: Easel) -> None:
    names = [f"{number:02}-{'long' * 24}" for number in range(25)]
    servers, server_id = easel.app.client.easel.servers, easel.discord.world.guild(SERVER).id
    for left_out in names[:10]:
        models = frozenset(names) - {left_out}
        await servers.change(server_id, lambda _, new=models: {"allowed_models": new}, 5)
    for call in (
        decide(easel, "panel"),
        decide(easel, "trail"),
        decide(easel, "allowed_models", forbid=names[-1]),
    ):
        shown = said(await call)
        assert names[0] in shown
        assert "…" in shown
