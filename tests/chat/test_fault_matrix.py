"""
Every fault of the provider against every fault of Discord: one ending for each pair.

The ending follows from two tables. What the provider does decides whether there is an image, and
which sentence stands in its place; what Discord does decides where the member finds it. Nobody
pays for what stands nowhere.
"""

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from enum import Enum, auto
from functools import partial
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from msgspec import Struct

from bot.chat.render import SHEET_NAME
from bot.domain.ledger import EntryKind
from bot.pictures.folder import sheet_name
from bot.playground.discord import Call, Message, Permission, Upload
from bot.playground.faults import Hold, Respond, VendorCall
from bot.playground.studio import Completes, Fails, Sticks
from bot.providers import connections, http
from tests.conftest import OpenEasel
from tests.support.easel import Easel, said
from tests.support.pictures import noise, picture
from tests.vendors import AllVendors

pytestmark = pytest.mark.slow

ALLOWANCE_UCR = 1_000_000
PRICE_UCR = 60_000
#: seconds; past the route's deadline, and past the life of an interaction's token
DEADLINE_OVER_S = 601
TOKEN_OVER_S = 15 * 60 + 1
RETRY_AFTER_S = 7.0
#: bytes; below what a result has, so that a copy must be made
SMALL_FILE_BYTES_MAX = 4_000
#: what discord.py's webhooks try by themselves, for the progress and for the result, and one more
BAD_GATEWAYS = 11
VENDOR_WORDS = "vendor's own words"
HTML = b"<!DOCTYPE html><html><body>vendor's own words</body></html>"
PNG = picture()
RESULT = noise()
ENDINGS = (EntryKind.SETTLE, EntryKind.RELEASE, EntryKind.REFUND)


class Stands(Enum):
    """Where the member finds the ending."""

    IN_THE_ANSWER = auto()
    IN_THE_CHANNEL = auto()
    NOWHERE = auto()


class ProviderFault(Struct, frozen=True):
    #: queues it; what must wait for the submit is done by `while_running`
    begin: Callable[[Easel], object]
    #: None: the fault passes and there is an image
    words: str | None
    #: the `action` words of the log
    actions: frozenset[str]
    #: orders that the provider accepted
    accepted: int


class DiscordFault(Struct, frozen=True):
    begin: Callable[[Easel, Call], object]
    stands: Stands
    actions: frozenset[str] = frozenset()
    #: where the next image is asked for
    next_channel: str = "studio"
    #: for /history: what could not be posted, or not at its full size
    keeps_images: bool = False


def answers(call: VendorCall, **given: object) -> Callable[[Easel], object]:
    return lambda easel: easel.providers.faults.add(call, Respond(**given))


def envelope(code: int) -> dict[str, object]:
    return {"code": code, "msg": VENDOR_WORDS, "data": None}


def ends(ending: Completes | Fails | Sticks) -> Callable[[Easel], object]:
    return lambda easel: easel.providers.endings.append(ending)


def nothing(*_: object) -> None:
    return None


NOT_SENT_TWICE = "unknown whether it is being made"
REFUSED = frozenset({"submit_failed", "task_failed"})
MADE = frozenset({"task_submitted", "task_stored"})
GIVEN_UP = frozenset({"task_submitted", "task_failed"})

PROVIDER = {
    "provider works": ProviderFault(nothing, None, MADE, 1),
    "500 to the order": ProviderFault(
        answers(VendorCall.CREATE, status=500, body=envelope(500)), NOT_SENT_TWICE, REFUSED, 0
    ),
    "429 with Retry-After": ProviderFault(
        answers(VendorCall.CREATE, status=429, body=envelope(429), headers={"Retry-After": "7"}),
        None,
        MADE | {"submit_failed"},
        1,
    ),
    # Its listener is closed in `while_running`, after the reference was uploaded.
    "unreachable": ProviderFault(nothing, "cannot be reached right now", REFUSED, 0),
    "silent after the order": ProviderFault(
        lambda easel: easel.providers.faults.add(
            VendorCall.CREATE, Hold(asyncio.Event(), after_effect=True)
        ),
        NOT_SENT_TWICE,
        REFUSED,
        1,
    ),
    "order cut off mid-body": ProviderFault(
        answers(VendorCall.CREATE, body=envelope(200), cut=True), NOT_SENT_TWICE, REFUSED, 0
    ),
    "image cut off mid-body": ProviderFault(
        answers(VendorCall.RESULT, body=PNG, content_type="image/png", cut=True), None, MADE, 1
    ),
    "garbage for an answer": ProviderFault(
        answers(VendorCall.CREATE, body=HTML, content_type="text/html"),
        NOT_SENT_TWICE,
        REFUSED,
        0,
    ),
    "unknown state for ever": ProviderFault(
        ends(Sticks("rehydrating")), "did not finish in time", GIVEN_UP, 1
    ),
    "success without images": ProviderFault(
        ends(Completes(empty_polls=999)), "finished without an image", GIVEN_UP, 1
    ),
    "moderation": ProviderFault(
        ends(Fails("CONTENT_MODERATION", VENDOR_WORDS)), "content filter", GIVEN_UP, 1
    ),
}


def edits(**fault: object) -> Callable[[Easel, Call], object]:
    return lambda easel, _: easel.discord.faults.add(
        method="PATCH", path="/messages/@original", **fault
    )


def shrink_the_limit(_: Easel, call: Call) -> None:
    """As when a server loses its boosts: Discord itself answers 413 from now on."""
    call.interaction.file_bytes_max = SMALL_FILE_BYTES_MAX


def forbid(easel: Easel, _: Call) -> None:
    easel.discord.set_bot_permissions("studio", deny=Permission.SEND_MESSAGES)


def expire(easel: Easel, _: Call) -> None:
    easel.discord.clock.advance(TOKEN_OVER_S)
    easel.clock.advance(TOKEN_OVER_S)


def forbid_and_expire(easel: Easel, call: Call) -> None:
    forbid(easel, call)
    expire(easel, call)


DISCORD = {
    "Discord works": DiscordFault(nothing, Stands.IN_THE_ANSWER),
    "429": DiscordFault(edits(retry_after_s=0.01), Stands.IN_THE_ANSWER),
    "502": DiscordFault(
        edits(status=502, times=BAD_GATEWAYS), Stands.IN_THE_ANSWER, frozenset({"not_delivered"})
    ),
    "dropped gateway": DiscordFault(
        lambda easel, _: easel.discord.gateway.drop(), Stands.IN_THE_ANSWER
    ),
    "expired token": DiscordFault(expire, Stands.IN_THE_CHANNEL),
    "413": DiscordFault(shrink_the_limit, Stands.IN_THE_ANSWER, keeps_images=True),
    # The interaction's own message needs no permission in the channel.
    "403 while the token lives": DiscordFault(
        forbid, Stands.IN_THE_ANSWER, next_channel="after-dark"
    ),
    "403 after the token": DiscordFault(
        forbid_and_expire,
        Stands.NOWHERE,
        frozenset({"not_delivered"}),
        next_channel="after-dark",
        keeps_images=True,
    ),
    # With the channel its messages are gone, the interaction's among them.
    "deleted channel": DiscordFault(
        lambda easel, _: easel.discord.delete_channel("studio"),
        Stands.NOWHERE,
        frozenset({"not_delivered"}),
        next_channel="after-dark",
        keeps_images=True,
    ),
}


class Hasty:
    """The module asyncio as discord.py sees it, with back-offs that take no time."""

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(0)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("discord.http", "discord.shard", "discord.webhook.async_"):
        monkeypatch.setattr(f"{module}.asyncio", Hasty())


@pytest.mark.parametrize("discord_fault", DISCORD)
@pytest.mark.parametrize("provider_fault", PROVIDER)
async def test_each_pair_of_faults_has_its_ending(
    opened: OpenEasel,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    provider_fault: str,
    discord_fault: str,
) -> None:
    caplog.set_level(logging.INFO, "bot")
    if provider_fault == "silent after the order":
        monkeypatch.setattr(http, "TimeLimits", partial(http.TimeLimits, 0.2, 0.2))
    if provider_fault == "unreachable":
        # Else the order goes out on the connection of the upload, which is not refused any more.
        monkeypatch.setattr(connections, "IDLE_POST_S", 0.0)
    provider, discord = PROVIDER[provider_fault], DISCORD[discord_fault]
    async with opened(paint=lambda _: RESULT) as easel:
        call = await carried_out(easel, provider_fault, discord)

        await assert_credits(easel, provider, discord)
        assert_message(easel, call, provider, discord)
        assert_orders(easel, provider)
        assert_log(caplog, provider, discord)
        assert_no_secrets(easel, call, caplog.text)
        kept = {path.name for path in (easel.folder / "images").glob("*.*[gdp]")}
        sheets = {name for name in kept if name.endswith(sheet_name(""))}
        assert len(kept - sheets) == (provider.words is None)
        assert not sheets or provider.words is None
        message = await easel.finished(await easel.imagine(channel=discord.next_channel))
        assert message.attachments


async def test_what_was_for_one_alone_is_never_posted_for_all(opened: OpenEasel) -> None:
    """Once its token has died, a private answer can be given nowhere: refunded and kept."""
    async with opened(paint=lambda _: RESULT) as easel:
        async with easel.held(VendorCall.CREATE, private=True) as call:
            expire(easel, call)
        await easel.idle()

        await assert_credits(easel, PROVIDER["provider works"], DISCORD["403 after the token"])
        assert not any(is_ending(message) for message in easel.discord.channel("studio").messages)
        assert len(list((easel.folder / "images").glob("*.png"))) == 1


async def carried_out(easel: Easel, provider_fault: str, discord: DiscordFault) -> Call:
    """Let the job run as far as its reference, break things, and let it end."""
    PROVIDER[provider_fault].begin(easel)
    async with AsyncExitStack() as until_the_end:
        reference = Upload("a.png", PNG)
        async with easel.held(VendorCall.UPLOAD, reference1=reference) as call:
            discord.begin(easel, call)
            if provider_fault == "unreachable":
                await until_the_end.enter_async_context(unreachable(easel.providers))
        if provider_fault == "unknown state for ever":
            await easel.until(lambda: easel.rows("SELECT 1 FROM tasks WHERE state = 'submitted'"))
            easel.clock.advance(DEADLINE_OVER_S)
        await easel.idle()
    return call


@asynccontextmanager
async def unreachable(providers: AllVendors) -> AsyncIterator[None]:
    """Connections to the provider are refused meanwhile."""
    runner = providers._runner
    [site] = runner.sites
    await site.stop()
    yield
    await web.TCPSite(runner, "127.0.0.1", urlsplit(providers.root_url).port).start()


async def assert_credits(easel: Easel, provider: ProviderFault, discord: DiscordFault) -> None:
    """Charged, or not delivered; never both and never neither."""
    made, stands = provider.words is None, discord.stands is not Stands.NOWHERE
    [job] = await easel.rows("SELECT state, cost_ucr, failure FROM jobs")
    endings = [EntryKind.SETTLE] if made else [EntryKind.RELEASE]
    if made and not stands:
        endings.append(EntryKind.REFUND)
    entries = await easel.entries(*ENDINGS)
    assert [entry.kind for entry in entries] == endings
    cost = PRICE_UCR if made and stands else 0
    assert await easel.balance_ucr() == ALLOWANCE_UCR - cost
    assert (job.state, job.cost_ucr) == ("done" if made and stands else "failed", cost)
    if made:
        assert job.failure == (None if stands else "undeliverable")


def assert_message(
    easel: Easel, call: Call, provider: ProviderFault, discord: DiscordFault
) -> None:
    """One ending at most, and in its place."""
    endings = [message for message in shown(easel) if is_ending(message)]
    if discord.stands is Stands.NOWHERE:
        assert endings == []
        return
    [message] = endings
    in_answer = discord.stands is Stands.IN_THE_ANSWER
    assert (message.id == call.messages[0].id) is in_answer
    if not in_answer:
        link = f"/{message.guild_id}/{message.channel_id}/{message.id}"
        assert said(call.messages[0]).endswith(link)
        # Whoever has waited for long is told so.
        assert {user.name for user in message.mentions} <= {"Ada"}
    pictures = [each for each in message.attachments if each.filename != SHEET_NAME]
    assert len(pictures) == (provider.words is None)
    if provider.words is None:
        assert "· 0.06 cr" in said(message)
    else:
        assert provider.words in said(message)
        assert "Nothing was charged." in said(message)


def shown(easel: Easel) -> list[Message]:
    if all(channel.name != "studio" for channel in easel.discord.world.channels.values()):
        return []
    return easel.discord.messages_for("Ada", "studio")


def is_ending(message: Message) -> bool:
    return bool(message.attachments) or "No image this time" in said(message)


def assert_orders(easel: Easel, provider: ProviderFault) -> None:
    accepted = [order for order in easel.providers.submissions if order.task_id]
    assert len(accepted) == provider.accepted
    if provider.words == NOT_SENT_TWICE:
        assert easel.providers.calls[VendorCall.CREATE] == 1
    waited = any(nap == pytest.approx(RETRY_AFTER_S, abs=0.01) for nap in easel.clock.naps)
    assert waited is (provider is PROVIDER["429 with Retry-After"])


def assert_log(
    caplog: pytest.LogCaptureFixture, provider: ProviderFault, discord: DiscordFault
) -> None:
    actions = {getattr(record, "action", "") for record in caplog.records}
    stands = discord.stands is not Stands.NOWHERE
    ending = "job_delivered" if stands else "job_undeliverable"
    assert actions >= {"job_claimed", ending} | provider.actions | discord.actions
    wrong = {"job_delivered", "job_undeliverable", "task_stored", "task_failed", "job_interrupted"}
    assert not actions & (wrong - provider.actions - {ending})


def assert_no_secrets(easel: Easel, call: Call, log: str) -> None:
    """In no version of any message, and not in the log."""
    sent = [request.body for request in easel.discord.requests if request.method != "PUT"]
    texts = json.dumps(sent)
    for word in ("apimodels/", "Traceback", "task-0", easel.providers.root_url, VENDOR_WORDS):
        assert word not in texts
    for secret in (easel.providers.api_key, easel.discord.token, call.interaction.token):
        assert secret not in texts
        assert secret not in log
