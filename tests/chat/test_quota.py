"""/quota: who may, what each command does, what it writes down, and what members see of it."""

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import discord
import pytest

from bot.domain.ledger import EntryKind
from bot.domain.quota import ROLES_MAX
from bot.playground.discord import NotOfferedError
from bot.playground.discord.world import MEMBER_PERMISSIONS, Role
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise
from tests.support.settings import decide, set_filter

PICTURE = noise()
DAY_S = 86_400
COMMANDS: dict[str, dict[str, Any]] = {
    "set": {"allowance": "5"},
    "role": {"role": "Moderator", "allowance": "5"},
    "budget": {"amount": "5"},
    "ceiling": {"amount": "5"},
    "grant": {"member": "Ben", "amount": "5", "reason": "a gift to myself"},
    "revoke": {"member": "Ada", "amount": "5", "reason": "spite"},
    "correct": {"member": "Ben", "amount": "5", "reason": "a gift to myself"},
    "member": {"member": "Ada"},
    "reset": {},
}


@pytest.fixture
async def easel(opened: OpenEasel) -> AsyncIterator[Easel]:
    async with opened(paint=lambda _: PICTURE) as easel:
        yield easel


async def quota(easel: Easel, command: str, **given: Any) -> str:
    call = await easel.discord.run_command("Cleo", "studio", f"quota {command}", given)
    message = await call.response()
    assert message.is_ephemeral
    return said(message)


async def credits_of(easel: Easel, member: str = "Ada") -> str:
    call = await easel.discord.run_command(member, "studio", "credits")
    return said(await call.response())


def add_role(easel: Easel, name: str, *members: str, role_id: int = 0) -> int:
    """A role of the studio's server, which these members have from now on."""
    world = easel.discord.world
    server = world.guilds[world.channel("studio").guild_id or 0]
    role = Role(role_id or world.new_id(), name, MEMBER_PERMISSIONS)
    server.roles[role.id] = role
    for member in members:
        user = world.user(member).id
        server.members[user] = (*server.members[user], role.id)
    written = {"guild_id": str(server.id), "role": easel.discord.payloads.role(role)}
    easel.discord.gateway.dispatch("GUILD_ROLE_CREATE", written, server.id)
    return role.id


def id_of(easel: Easel, name: str) -> int:
    return easel.discord.world.user(name).id


@pytest.mark.parametrize("command", COMMANDS)
async def test_a_member_is_not_offered_it_and_refused_where_discord_lets_it_through(
    easel: Easel, command: str
) -> None:
    name, given = f"quota {command}", COMMANDS[command]
    with pytest.raises(NotOfferedError):
        await easel.discord.run_command("Ben", "studio", name, given)
    call = await easel.discord.run_command("Ben", "studio", name, given, check=False)

    assert "Only members who may manage this server" in said(await call.response())
    for table in ("setting_changes", "entries", "acts", "accounts"):
        assert await easel.rows(f"SELECT 1 FROM {table}") == []


async def test_it_is_no_command_of_direct_messages(easel: Easel) -> None:
    with pytest.raises(NotOfferedError):
        await easel.discord.run_command(
            "Cleo",
            easel.discord.world.dm(easel.discord.world.user("Cleo")),
            "quota member",
            {"member": "Ada"},
        )


async def test_the_servers_allowance_and_its_period_count_from_the_next_command(
    easel: Easel,
) -> None:
    assert "1.00 cr a day\nset by whoever hosts" in await quota(easel, "set")
    assert "1.00 cr a month\nset by this server" in await quota(easel, "set", period="month")
    shown = await quota(easel, "set", allowance="0,1", period="week")
    assert "0.10 cr a week\nset by this server" in shown
    await easel.finished(await easel.imagine())
    refused = await easel.finished(await easel.imagine())

    assert "you have 0.04 cr left" in said(refused)
    mine = await credits_of(easel)
    assert "0.04 cr of 0.10 cr" in mine
    assert "set by this server" in mine
    elsewhere = await easel.finished(await easel.imagine(channel="mockups"))
    assert elsewhere.attachments


async def test_of_several_roles_the_best_counts_and_credits_name_it(easel: Easel) -> None:
    painter = add_role(easel, "Painter", "Ada")
    add_role(easel, "Guest", "Ada", "Ben")
    await quota(easel, "role", role="Painter", allowance="0.20")
    shown = await quota(easel, "role", role="Guest", allowance="0.05")
    assert f"<@&{painter}> 0.20 cr" in shown

    assert f"0.20 cr of 0.20 cr, refills <t:{await next_midnight(easel)}:R>\nby the role" in (
        await credits_of(easel)
    )
    assert f"by the role <@&{painter}>" in await quota(easel, "member", member="Ada")
    assert "you have 0.05 cr left" in said(await easel.finished(await easel.imagine("Ben")))
    await quota(easel, "role", role="Guest", remove=True)
    assert "1.00 cr of 1.00 cr" in await credits_of(easel, "Ben")


async def test_roles_are_shown_the_oldest_first(easel: Easel) -> None:
    """Ids have had 19 digits since July 2022."""
    amounts = dict.fromkeys((10**18, 10**18 - 1), 500_000)
    for role_id in amounts:
        add_role(easel, f"Role {role_id}", role_id=role_id)
    server_id = easel.discord.world.channel("studio").guild_id or 0
    await easel.app.client.easel.servers.change(
        server_id, lambda _: {"role_allowances_ucr": amounts}, 3
    )
    shown = await quota(easel, "ceiling", amount="5")
    assert shown.index(f"<@&{10**18 - 1}>") < shown.index(f"<@&{10**18}>")


async def test_a_server_has_so_many_roles_with_an_allowance_and_no_more(easel: Easel) -> None:
    painter = add_role(easel, "Painter", "Ada")
    add_role(easel, "Guest", "Ben")
    await quota(easel, "role", role="Guest", allowance="0.05")
    amounts = dict.fromkeys(range(1, ROLES_MAX), 500_000)
    for role_id in amounts:
        add_role(easel, f"Role {role_id}", role_id=role_id)
    server_id = easel.discord.world.channel("studio").guild_id or 0
    servers = easel.app.client.easel.servers
    [(guest, given)] = servers.known(server_id).role_allowances_ucr.items()
    full = {"role_allowances_ucr": {guest: given} | amounts}
    await servers.change(server_id, lambda _: full, 3)

    assert f"{ROLES_MAX} roles" in await quota(easel, "role", role="Painter", allowance="0.20")
    assert "1.00 cr of 1.00 cr" in await credits_of(easel)
    assert "0.10 cr" in await quota(easel, "role", role="Guest", allowance="0.10")
    await quota(easel, "role", role="Guest", remove=True)
    assert f"<@&{painter}> 0.20 cr" in await quota(easel, "role", role="Painter", allowance="0.20")
    assert servers.known(server_id).role_allowances_ucr == amounts | {painter: 200_000}


async def test_a_role_that_was_deleted_is_not_listed_and_takes_no_room(easel: Easel) -> None:
    painter = add_role(easel, "Painter", "Ada")
    guest = add_role(easel, "Guest", "Ben")
    await quota(easel, "role", role="Painter", allowance="0.20")
    server = easel.discord.world.guilds[easel.discord.world.channel("studio").guild_id or 0]
    del server.roles[painter]
    server.members[id_of(easel, "Ada")] = ()
    gone = {"guild_id": str(server.id), "role_id": str(painter)}
    easel.discord.gateway.dispatch("GUILD_ROLE_DELETE", gone, server.id)
    assert f"<@&{painter}>" not in await quota(easel, "set")
    await quota(easel, "role", role="Guest", allowance="0.05")
    decided = easel.app.client.easel.servers.known(server.id)
    assert decided.role_allowances_ucr == {guest: 50_000}


async def next_midnight(easel: Easel) -> int:
    return (int(easel.clock.now().timestamp()) // DAY_S + 1) * DAY_S


async def test_a_role_of_everyone_is_named_as_discord_names_it(easel: Easel) -> None:
    shown = await quota(easel, "role", role="@everyone", allowance="0.30")
    assert "@everyone 0.30 cr" in shown
    assert "by the role @everyone" in await credits_of(easel, "Ben")


async def test_what_costs_more_than_the_ceiling_is_refused_with_what_would_fit(
    easel: Easel,
) -> None:
    assert "0.05 cr at most" in await quota(easel, "ceiling", amount="0.05")
    refused = await easel.finished(await easel.imagine(count=2))
    assert "allow 0.05 cr for one job at most" in said(refused)
    assert await easel.entries() == []
    assert "Enough for" not in await credits_of(easel)

    await quota(easel, "ceiling", amount="0.07")
    assert "Enough for about 16 plain images at 0.06 cr each." in await credits_of(easel)
    refused = await easel.finished(await easel.imagine(count=2))
    assert "may cost up to 0.12 cr" in said(refused)
    made = await easel.finished(await easel.imagine())
    assert made.attachments
    await quota(easel, "ceiling", remove=True)
    assert (await easel.finished(await easel.imagine(count=2))).attachments


@pytest.mark.parametrize(
    ("command", "typed"),
    [
        ("grant", "-1"),
        ("grant", "much"),
        ("grant", "100000.01"),
        ("revoke", "1.2.3"),
        ("correct", "--1"),
        ("correct", "0.0000001"),
    ],
)
async def test_what_is_no_amount_is_said_to_be_none(easel: Easel, command: str, typed: str) -> None:
    told = await quota(easel, command, member="Ada", amount=typed, reason="why not")
    assert "is not an amount of credits. Type one like 0.50" in told
    assert await easel.entries() == []


@pytest.mark.parametrize(
    ("command", "given"),
    [("set", {"allowance": "x"}), ("budget", {"amount": "-1"}), ("ceiling", {"amount": "1e3"})],
)
async def test_nor_is_it_a_setting(easel: Easel, command: str, given: dict[str, str]) -> None:
    assert "is not an amount of credits" in await quota(easel, command, **given)
    assert await easel.rows("SELECT 1 FROM setting_changes") == []


async def test_nothing_is_no_grant(easel: Easel) -> None:
    told = await quota(easel, "grant", member="Ada", amount="0", reason="a start")
    assert "Zero changes nothing." in told
    assert await easel.rows("SELECT 1 FROM acts") == []


async def test_a_reason_that_nobody_sees_is_none(easel: Easel) -> None:
    told = await quota(easel, "grant", member="Ada", amount="1", reason="\u200b \u2060")
    assert "Please say why" in told
    assert await easel.rows("SELECT 1 FROM acts") == []
    await quota(easel, "grant", member="Ada", amount="1", reason="a\u202e start")
    assert [row.reason for row in await easel.rows("SELECT reason FROM acts")] == ["a start"]


async def test_grants_are_spent_taken_back_and_corrected_with_who_and_why(easel: Easel) -> None:
    cleo, ada = id_of(easel, "Cleo"), id_of(easel, "Ada")
    told = await quota(easel, "grant", member="Ada", amount="0.50", reason="won the *contest*")
    assert f"<@{ada}> was granted 0.50 cr and has 1.50 cr left" in told
    await quota(easel, "revoke", member="Ada", amount="0,20", reason="second thoughts")
    await quota(easel, "correct", member="Ada", amount="+0.10", reason="a lost image")
    told = await quota(easel, "correct", member="Ada", amount="-0.60", reason="a mistake")
    assert f"0.60 cr was taken from <@{ada}>, who has 0.80 cr left" in told

    entries = [each for each in await easel.entries() if each.by_id is not None]
    assert [
        (each.kind.value, each.allowance_ucr, each.grant_ucr, each.by_id, each.reason)
        for each in entries
    ] == [
        ("grant", 0, 500_000, cleo, "won the *contest*"),
        ("grant", 0, -200_000, cleo, "second thoughts"),
        ("correct", 0, 100_000, cleo, "a lost image"),
        ("correct", -200_000, -400_000, cleo, "a mistake"),
    ]
    acts = await easel.rows("SELECT action, by_id, user_id, amount_ucr, reason FROM acts")
    assert [tuple(act) for act in acts] == [
        ("grant", cleo, ada, 500_000, "won the *contest*"),
        ("revoke", cleo, ada, 200_000, "second thoughts"),
        ("correct", cleo, ada, 100_000, "a lost image"),
        ("correct", cleo, ada, -600_000, "a mistake"),
    ]
    for shown in (await credits_of(easel), await quota(easel, "member", member="Ada")):
        assert f"+0.50 cr · granted · <@{cleo}>: won the \\*contest\\*" in shown
        assert f"-0.20 cr · taken back · <@{cleo}>: second thoughts" in shown
        assert f"-0.60 cr · corrected · <@{cleo}>: a mistake" in shown


async def test_no_more_is_taken_than_there_is(easel: Easel) -> None:
    await quota(easel, "grant", member="Ada", amount="0.50", reason="a gift")
    told = await quota(easel, "revoke", member="Ada", amount="0.51", reason="back")
    assert "of what was granted, 0.50 cr is left" in told
    told = await quota(easel, "correct", member="Ada", amount="-1.51", reason="back")
    assert "1.50 cr is left" in told
    assert len(await easel.rows("SELECT 1 FROM acts")) == 1
    await quota(easel, "correct", member="Ada", amount="-1.50", reason="back")
    assert await easel.balance_ucr() == 0


async def test_reset_goes_back_to_the_host_as_a_whole_or_in_parts(easel: Easel) -> None:
    await quota(easel, "set", allowance="3", period="month")
    await quota(easel, "budget", amount="7")
    await quota(easel, "ceiling", amount="0.50")
    shown = await quota(easel, "reset", what="ceiling")
    assert "Ceiling for one job: no limit of its own" in shown
    assert "3.00 cr a month" in shown
    shown = await quota(easel, "reset")
    assert "1.00 cr a day\nset by whoever hosts" in shown
    assert "Budget of the server: no limit" in shown
    changes = await easel.rows("SELECT setting, new FROM setting_changes ORDER BY id")
    assert [tuple(each) for each in changes][-3:] == [
        ("allowance_ucr", ""),
        ("allowance_period", ""),
        ("budget_ucr", ""),
    ]


async def test_the_trail_calls_a_period_as_the_choice_is_called(easel: Easel) -> None:
    await quota(easel, "set", period="month")
    await quota(easel, "set", period="day")
    easel.discord.set_locale("Cleo", "de")
    shown = said(await decide(easel, "trail"))
    assert "Monat → Tag, ab Mitternacht UTC" in shown


async def test_a_server_allows_itself_less_than_its_host_and_never_more(
    opened: OpenEasel,
) -> None:
    async with opened(paint=lambda _: PICTURE, server_budget="0.10") as easel:
        shown = await quota(easel, "budget", amount="500")
        assert "0.10 cr of 0.10 cr left" in shown
        assert "Whoever hosts this bot allows 0.10 cr a month at most" in shown
        await easel.finished(await easel.imagine())
        refused = await easel.finished(await easel.imagine("Ben"))
        assert "has 0.04 cr of its budget left" in said(refused)


async def test_a_rolling_allowance_comes_back_a_day_after_it_was_spent(easel: Easel) -> None:
    await quota(easel, "set", allowance="0.15", period="rolling")
    assert "0.15 cr of 0.15 cr; what you spend comes back" in await credits_of(easel)
    await easel.finished(await easel.imagine())
    easel.clock.advance(3_600)
    await easel.finished(await easel.imagine())
    [(first,), (second,)] = await easel.rows("SELECT due_at FROM returns ORDER BY due_at")
    assert second - first >= timedelta(hours=1)
    refused = said(await easel.finished(await easel.imagine()))
    assert "What you spend of your allowance comes back a day later." in refused
    assert f"Next, 0.06 cr comes back <t:{int(first.timestamp())}:R>" in refused
    mine = await credits_of(easel)
    assert "0.03 cr of 0.15 cr; what you spend comes back a day later" in mine
    assert f"0.06 cr comes back <t:{int(first.timestamp())}:R>" in mine

    easel.clock.advance(DAY_S - 3_600 + 60)
    made = await easel.finished(await easel.imagine())
    assert made.attachments
    back = [each.allowance_ucr for each in await easel.entries(EntryKind.ALLOWANCE)]
    assert back == [150_000, 60_000]


async def test_what_a_lowered_rolling_allowance_takes_is_not_said_to_come_back(
    easel: Easel,
) -> None:
    await quota(easel, "set", allowance="1", period="rolling")
    await easel.finished(await easel.imagine())
    await quota(easel, "set", allowance="0.05")
    assert "0.05 cr comes back" in await credits_of(easel)
    assert "Next, 0.05 cr comes back" in said(await easel.finished(await easel.imagine()))
    await quota(easel, "set", allowance="0")
    assert "cr comes back" not in await credits_of(easel)
    assert "cr comes back" not in said(await easel.finished(await easel.imagine()))
    easel.clock.advance(DAY_S + 1)
    assert "0.00 cr left" in await credits_of(easel)


async def test_the_host_can_let_it_roll_too(opened: OpenEasel) -> None:
    async with opened(
        paint=lambda _: PICTURE, allowance="0.06", allowance_period="rolling"
    ) as easel:
        assert (await easel.finished(await easel.imagine())).attachments
        easel.clock.advance(DAY_S - 60)
        assert "you have 0.00 cr left" in said(await easel.finished(await easel.imagine()))
        easel.clock.advance(120)
        assert (await easel.finished(await easel.imagine())).attachments


async def test_what_is_given_and_taken_stands_in_the_trail_and_the_log_channel(
    easel: Easel,
) -> None:
    log = easel.discord.channel("after-dark")
    server_id = log.guild_id or 0
    await easel.app.client.easel.servers.change(server_id, lambda _: {"log_channel_id": log.id}, 3)
    await quota(easel, "grant", member="Ada", amount="0.50", reason="a *prize*")
    message = await easel.discord.wait_for_message("after-dark", lambda each: bool(each.embeds))
    assert message.embeds[0]["title"] == "Credits granted"
    assert "0.50 cr" in said(message)
    assert r"a \*prize\*" in said(message)
    call = await easel.discord.run_command("Cleo", "studio", "moderation acts")
    assert "**Credits granted**" in said(await call.response())


@pytest.mark.parametrize(("typed", "shown"), [("-0.25", "-0.25 cr"), ("0.25", "+0.25 cr")])
async def test_moderators_read_whether_a_correction_gave_or_took(
    easel: Easel, typed: str, shown: str
) -> None:
    log = easel.discord.channel("after-dark")
    server_id = log.guild_id or 0
    await easel.app.client.easel.servers.change(server_id, lambda _: {"log_channel_id": log.id}, 3)
    await quota(easel, "correct", member="Ada", amount=typed, reason="a mistake")
    message = await easel.discord.wait_for_message("after-dark", lambda each: bool(each.embeds))
    assert f"Amount: {shown}" in said(message)
    call = await easel.discord.run_command("Cleo", "studio", "moderation acts")
    assert f" {shown} " in said(await call.response())


async def test_what_would_fit_fits_every_limit(opened: OpenEasel) -> None:
    async with opened(paint=lambda _: PICTURE, allowance="0.03") as easel:
        await set_filter(easel, "off")
        given = {"model": "gpt-image-2-quality", "quality": "high", "aspect_ratio": "1:1"}
        fits = "What would fit: 2K at low quality for 0.03 cr, 1K at medium quality for 0.03 cr."
        await quota(easel, "ceiling", amount="0.05")
        refused = said(await easel.finished(await easel.imagine(**given)))
        assert "allow 0.05 cr for one job at most" in refused
        assert fits in refused
        await quota(easel, "reset", what="ceiling")
        await quota(easel, "set", allowance="0.05")
        await quota(easel, "budget", amount="0.03")
        refused = said(await easel.finished(await easel.imagine(**given)))
        assert "you have 0.05 cr left" in refused
        assert fits in refused


async def test_roles_count_before_the_servers_roles_are_known(easel: Easel) -> None:
    """Discord describes servers one by one after a start, and members need not wait for theirs."""
    painter = add_role(easel, "Painter", "Ada")
    server_id = easel.discord.channel("studio").guild_id or 0
    amounts = {painter: 40_000, server_id: 20_000}
    await easel.app.client.easel.servers.change(
        server_id, lambda _: {"role_allowances_ucr": amounts}, 3
    )
    guild = easel.app.client.get_guild(server_id)
    assert guild is not None
    await easel.until(lambda: known(guild, painter))
    guild._roles.clear()
    assert "0.04 cr of 0.04 cr" in await credits_of(easel)
    assert "0.02 cr of 0.02 cr" in await credits_of(easel, "Ben")
    assert "0.04 cr of 0.04 cr" in await quota(easel, "member", member="Ada")
    await quota(easel, "role", role="Painter", allowance="0.03")
    assert "0.02 cr of 0.02 cr" in await credits_of(easel, "Ben")


async def known(guild: discord.Guild, role_id: int) -> bool:
    return guild.get_role(role_id) is not None


async def test_a_lowered_limit_is_shown_as_it_is_now(easel: Easel) -> None:
    await quota(easel, "budget", amount="1")
    for _ in range(2):
        await easel.finished(await easel.imagine())
    assert "0.00 cr of 0.10 cr left for this month" in await quota(easel, "budget", amount="0.10")
    await quota(easel, "set", allowance="0.08")
    for shown in (await credits_of(easel), await quota(easel, "member", member="Ada")):
        assert "0.00 cr of 0.08 cr, refills" in shown


@pytest.mark.parametrize("limit", ["server_budget", "total_budget"])
async def test_what_moderators_give_back_the_host_has_paid_all_the_same(
    opened: OpenEasel, limit: str
) -> None:
    async with opened(paint=lambda _: PICTURE, **{limit: "0.13"}) as easel:
        for _ in range(2):
            result = await easel.finished(await easel.imagine())
            opened_card = await easel.discord.run_message_command(
                "Cleo", "studio", "Moderate", result
            )
            shown = await opened_card.response()
            pressed = await easel.discord.press("Cleo", shown, label="Refund · 0.06 cr")
            assert "was given back 0.06 cr." in said(await pressed.response())
        assert "1.00 cr left" in await credits_of(easel)
        refused = await easel.finished(await easel.imagine())
        assert not refused.attachments
        assert len(easel.providers.submissions) == 2
