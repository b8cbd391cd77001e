"""Every sentence a member can read when something did not work, gathered and read through."""

import re
import shutil
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from pathlib import Path

import pytest
from msgspec.structs import replace

from bot.app import SHIPPED_CATALOG, load_catalog
from bot.catalog import parse_catalog
from bot.chat import texts
from bot.chat.commands.help import OF_MODERATORS, TASKS
from bot.chat.render import ALIKE
from bot.chat.settings_shown import WORDS
from bot.chat.texts import Notice, explain, refuse, say, tell_name
from bot.chat.texts.languages import english
from bot.chat.texts.phrases import Phrase
from bot.domain.catalog import Catalog, Here, RouteOrder
from bot.domain.jobs import Failure, Problem
from bot.domain.ledger import EntryKind, Period
from bot.domain.oversight import Action, Block
from bot.domain.policy import Guests, Place, check_allowed, check_place
from bot.domain.preferences import PRESETS_MAX, preset_name
from bot.domain.quota import Amend
from bot.domain.requests import (
    REFERENCES_MAX,
    ImageRequest,
    Mode,
    Reference,
    check_request,
    flawed,
)
from bot.domain.settings import FOREVER, SETTINGS, PictureMenus, ServerSettings, Source
from bot.engine.routing import Routing, Terms
from bot.errors import Content, Flaw, Reason, Refusal, StoreBusy
from bot.playground.discord import Permission
from bot.providers.registry import VENDORS as RECORDS
from bot.settings import GivenSettings
from bot.store import members, oversight, settings
from bot.store.database import open_database
from tests.store.bench import ADA, BEN, CLEO, NOW, SERVER, lay, make_job
from tests.support.clock import InstantClock
from tests.support.easel import Easel, told

#: table of en.toml -> the enum that its keys are from; the other tables have keys of their own
TABLES: dict[str, type[StrEnum]] = {
    "notices": Notice,
    "phrases": Phrase,
    "refusals": Reason,
    "failures": Failure,
    "flaws": Flaw,
    "contents": Content,
}
#: table of en.toml -> the words that it names
NAMED: dict[str, set[str]] = {
    "settings": {*SETTINGS},
    "meanings": {f"{field}_{word}" for field, words in WORDS.items() for word in words},
    "sources": {*Source},
    "kinds": {ALIKE.get(each, each) for each in Failure},
    "acts": {*Action, *Amend},
    "amendments": {*Amend, "correct_down"},
    "entries": {*EntryKind, "revoke"},
    "allowances": {*Period},
    "tasks": {*TASKS, *OF_MODERATORS},
    "ways": {*TASKS, *OF_MODERATORS},
}
BOT = Path(texts.__file__).parents[2]
TEXT_CHARS_MAX = 2_000
TODAY = date(2026, 11, 27)
SOME_DAY = datetime(2026, 11, 27, tzinfo=UTC)
PLACE = Place(7, 70, False)
FACTS = {
    "ref": "#a1b2c3",
    "others": ["a", "b"],
    "unfiltered": ["a", "b"],
    "wishes": ["16:9", "4K"],
    "option": "mask",
    "filename": "1.png",
    "keep_days": 7,
    "days": 90,
    "month": "2026-11",
    "jobs": 2,
    "parts": 3,
    "files": 12,
    "again_at": 1_800_000_000,
    "missing": 1,
    "why": "It was damaged.",
    "images": 3,
    "asked": "16:9",
    "width": 1280,
    "height": 720,
    "bytes_max": 10_485_760,
    "authors": ["<@6>"],
    "cost_ucr": 60_000,
    "pictures": 12,
    "price_ucr": 60_000,
    "name": "my cat",
    "presets": 7,
    "knobs": "gpt-image-2",
    "usual_ucr": 6_000,
    "default": "painter",
    "model": "retoucher",
    "refills_at": 1_795_996_800,
    "back_ucr": 60_000,
    "back_at": 1_795_996_800,
    "spent_ucr": 360_000,
    "budget_ucr": 650_000,
    "renewed_at": 1_795_996_800,
    "typed": "much",
    "most_ucr": 100_000_000_000,
    "left_ucr": 60_000,
    "member": "<@7>",
    "amount_ucr": 60_000,
    "lost_ucr": 60_000,
    "roles_max": 25,
    "host_ucr": 650_000,
    "fits": ["1K/low/10000"],
    "contents": ["hate"],
    "said": "A contest.",
    "permissions": ["embed_links"],
    "until": 1_800_000_000,
    "because": "a *rude* word",
    "by_id": 6,
    "user_id": 6,
}
VENDORS = {*(vendor.name for vendor in RECORDS), "api models"}
#: what gives a machine away: links, codes, traces, placeholders, keys
UNSPEAKABLE = re.compile(
    r"https?:|://|www\.|\b[1345]\d\d\b|Traceback|Exception|Error\b|\bNone\b|[{}]|\bsk[-_]|\n\n"
)
#: a time that Discord shows in the member's own words
TIMESTAMP = re.compile(r"<t:\d+:R>")
SENTENCE_ENDS = (".", ":")

LANTERN = ImageRequest(Mode.GENERATE, "a paper lantern", "painter")
PHOTO = Reference("https://cdn.example/1.png", "1.png", 1_000, "image/png", 64, 64)
PAINTER = parse_catalog(
    {
        "models": {
            "painter": {
                "summary": "Paints",
                "routes": [
                    {
                        "provider": "studio",
                        "upstream": "painter",
                        "modes": ["generate"],
                        "references_max": 1,
                        "aspect_ratios": ["1:1"],
                        "qualities": ["low"],
                        "sends_resolution": True,
                        "nsfw_switch": "none",
                        "typical_s": 10,
                        "deadline_s": 100,
                        "running_max": 5,
                        "price": {"1K": "0.06"},
                    }
                ],
            }
        }
    }
)


def reads_well(text: str) -> bool:
    bare = TIMESTAMP.sub("soon", text)
    return (
        bare == bare.strip()
        and 0 < len(text) <= TEXT_CHARS_MAX
        and bare.endswith(SENTENCE_ENDS)
        and not UNSPEAKABLE.search(bare)
        and not any(re.search(rf"\b{vendor}\b", bare.lower()) for vendor in VENDORS)
    )


def quoted(known: Catalog = PAINTER, *, checked: bool = False, **given: object) -> None:
    request = replace(LANTERN, **{"aspect_ratio": "1:1"} | given)
    known.candidates(request, Here(["studio"], nsfw_checker=checked, today=TODAY))


def all_down() -> None:
    routing = Routing(PAINTER, ["studio"], "painter", RouteOrder.LISTED, None, InstantClock())
    request = replace(LANTERN, aspect_ratio="1:1")
    routing.candidates(request, Terms(nsfw_checker=False, ready=()))


def allowed(**decided: object) -> None:
    pictures = (replace(PHOTO, author_id=7),)
    wanted = replace(LANTERN, private=True, count=2, resolution="2K", references=pictures)
    check_allowed(replace(ServerSettings(), **decided), wanted)


def none_is_left() -> None:
    routing = Routing(PAINTER, ["studio"], "painter", RouteOrder.LISTED, None, InstantClock())
    decided = ServerSettings(allowed_models=frozenset({"dauber"}))
    routing.chosen(replace(LANTERN, model=""), Terms(False, (), decided))


def checked(**given: object) -> None:
    check_request(replace(LANTERN, **given))


def only_editing() -> Catalog:
    model = PAINTER.models["painter"]
    route = replace(model.routes[0], modes=frozenset({Mode.EDIT}))
    return Catalog({"painter": replace(model, routes=(route,))})


def without_qualities() -> Catalog:
    model = PAINTER.models["painter"]
    return Catalog({"painter": replace(model, routes=(replace(model.routes[0], qualities=()),))})


def retired() -> Catalog:
    return Catalog({"painter": replace(PAINTER.models["painter"], retires=TODAY)})


def with_a_gap() -> Catalog:
    model = PAINTER.models["painter"]
    sizes = {"1:1": ("1K",), "3:2": ("2K",)}
    return Catalog({"painter": replace(model, routes=(replace(model.routes[0], sizes=sizes),))})


#: each refusal that is decided without a database and without Discord
CAUSES: dict[str, Callable[[], None]] = {
    "no prompt": lambda: checked(prompt="  "),
    "half a character": lambda: checked(prompt="\ud83c"),
    "long prompt": lambda: checked(prompt="x" * 4_001),
    "five images": lambda: checked(count=5),
    "aspect ratio": lambda: checked(aspect_ratio="7:5"),
    "resolution": lambda: checked(resolution="9K"),
    "quality": lambda: checked(quality="superb"),
    "background": lambda: checked(background="glass"),
    "model without transparency": lambda: quoted(background="transparent"),
    "nothing to edit": lambda: checked(mode=Mode.EDIT),
    "seventeen references": lambda: checked(references=(PHOTO,) * 17),
    "bytes of a reference": lambda: checked(references=(replace(PHOTO, size_bytes=50_000_001),)),
    "pixels of a reference": lambda: checked(
        references=(replace(PHOTO, width_px=90_000, height_px=9_000),)
    ),
    "mask without an image": lambda: checked(mask=PHOTO),
    "model without masks": lambda: quoted(mask=PHOTO),
    "all routes down": lambda: all_down(),
    "model": lambda: quoted(model="dall-e-2"),
    "no provider": lambda: PAINTER.candidates(LANTERN, Here([], nsfw_checker=False, today=TODAY)),
    "no filter": lambda: quoted(checked=True),
    "model cannot edit": lambda: quoted(mode=Mode.EDIT),
    "model only edits": lambda: quoted(only_editing()),
    "model takes fewer references": lambda: quoted(references=(PHOTO,) * 2),
    "model's aspect ratios": lambda: quoted(aspect_ratio="3:1"),
    "model's resolutions": lambda: quoted(resolution="4K"),
    "model without qualities": lambda: quoted(without_qualities(), quality="low"),
    "model's qualities": lambda: quoted(quality="high"),
    "retired": lambda: quoted(retired()),
    "another server": lambda: Guests(frozenset({8})).check(Place(7, 70, False)),
    "direct message": lambda: Guests(direct_messages=False).check(Place(0, 70, False)),
    "paused": lambda: check_place(
        ServerSettings(paused_until=FOREVER, pause_reason="A contest"), PLACE, SOME_DAY
    ),
    "paused for an hour": lambda: check_place(
        ServerSettings(paused_until=1_800_000_000), PLACE, SOME_DAY
    ),
    "channel": lambda: check_place(
        ServerSettings(allowed_channels=frozenset({71})), PLACE, SOME_DAY
    ),
    "private": lambda: allowed(private_allowed=False),
    "picture": lambda: allowed(picture_menus=PictureMenus.OWN),
    "count": lambda: allowed(count_max=1),
    "resolution here": lambda: allowed(resolution_max="1K"),
    "model here": lambda: allowed(allowed_models=frozenset({"retoucher"})),
    "no model here": lambda: none_is_left(),
    "model's sizes": lambda: quoted(with_a_gap(), resolution="2K"),
    "a preset without a name": lambda: preset_name(" "),
}


def refusals() -> list[Refusal]:
    raised = []
    for cause in CAUSES.values():
        with pytest.raises(Refusal) as caught:
            cause()
        raised.append(caught.value)
    return raised


@pytest.fixture
async def full(tmp_path: Path, schema: Path) -> list[Refusal]:
    shutil.copy(schema, tmp_path / "full.db")
    async with open_database(f"sqlite:///{tmp_path / 'full.db'}") as database:
        raised = []
        for bound in ("queued", "queued_per_user", "allowance", "budget", "total"):
            with pytest.raises(Refusal) as caught:
                await lay(database, **{bound: 0}).take(*make_job())
            raised.append(caught.value)
        rolling = lay(database, period=Period.ROLLING, allowance=60_000)
        await rolling.delivering(40_000, user=BEN)
        with pytest.raises(Refusal) as caught:
            await rolling.take(*make_job("next", user=BEN))
        raised.append(caught.value)
        await database.write(settings.change, SERVER, lambda _: {"job_max_ucr": 50_000}, ADA, NOW)
        with pytest.raises(Refusal) as caught:
            await rolling.take(*make_job("dear"))
        return [*raised, caught.value]


@pytest.fixture
async def gone(tmp_path: Path, schema: Path) -> list[Refusal]:
    """What is refused for what its member has kept, or has kept no more, or did before."""
    shutil.copy(schema, tmp_path / "gone.db")
    async with open_database(f"sqlite:///{tmp_path / 'gone.db'}") as database:
        with pytest.raises(Refusal) as used:
            await lay(database).jobs.accept(make_job()[0], (), lambda _: [], draft_id="gone")
        for number in range(PRESETS_MAX):
            await database.write(members.save_preset, ADA, f"{number}", LANTERN, NOW)
        with pytest.raises(Refusal) as too_many:
            await database.write(members.save_preset, ADA, "more", LANTERN, NOW)
        pictures = [replace(PHOTO, url=f"https://x.test/{n}") for n in range(REFERENCES_MAX + 1)]
        with pytest.raises(Refusal) as basket_full:
            await database.write(members.add_to_basket, ADA, pictures, NOW)
        block = Block(SERVER, ADA, CLEO, "rude *words*", NOW, NOW + timedelta(days=2))
        await database.write(oversight.block, block)
        with pytest.raises(Refusal) as blocked:
            await lay(database).take(*make_job())
        return [each.value for each in (used, too_many, basket_full, blocked)]


async def lack_of_permission(easel: Easel) -> str:
    denied = Permission.ATTACH_FILES | Permission.EMBED_LINKS
    easel.discord.set_bot_permissions("studio", deny=denied)
    message = await easel.finished(await easel.imagine())
    assert message.is_ephemeral
    return told(message)


async def test_every_refusal_reads_well_and_says_that_nothing_was_charged(
    easel: Easel, full: list[Refusal], gone: list[Refusal]
) -> None:
    raised = [*refusals(), *full, *gone, StoreBusy(Reason.STORE_BUSY), Refusal(Reason.ERASING)]
    texts = [refuse(refusal) for refusal in raised]
    texts.append(await lack_of_permission(easel))

    assert [text for text in texts if not reads_well(text)] == []
    assert all(text.endswith("Nothing was charged.") for text in texts)
    heard = {refusal.reason for refusal in raised} | {Reason.PERMISSIONS}
    assert set(Reason) - heard == set()


@pytest.mark.parametrize("table", [*TABLES, *NAMED])
def test_there_is_the_sentence_of_each_reason_or_word_and_no_other(table: str) -> None:
    keys = [key.partition(".")[2] for key in english() if key.startswith(f"{table}.")]
    assert set(keys) == set(TABLES.get(table) or NAMED[table])


@pytest.mark.parametrize("words", [each for each in TABLES.values() if each is not Content])
def test_each_reason_is_given_somewhere(words: type[StrEnum]) -> None:
    """Nobody could read what stands nowhere but in its list; it is vendors who name contents."""
    source = "".join(path.read_text(encoding="utf-8") for path in BOT.rglob("*.py"))
    assert [each for each in words if f"{words.__name__}.{each.name}" not in source] == []


@pytest.mark.parametrize("failure", Failure)
def test_each_failure_has_its_sentence_and_costs_nothing(failure: Failure) -> None:
    text = explain(Problem(failure))
    assert reads_well(text)
    assert text.endswith("Nothing was charged.")


def test_no_two_failures_are_told_alike() -> None:
    assert len({explain(Problem(failure)) for failure in Failure}) == len(Failure)


@pytest.mark.parametrize("flaw", Flaw)
def test_what_is_wrong_with_a_reference_is_told_by_its_name(flaw: Flaw) -> None:
    facts = {"found": "GIF", "bytes_max": 10_000_000, "pixels_max": 12_300_000}
    for reference, name in ((PHOTO, "The image 1.png "), (replace(PHOTO, option="mask"), "`mask`")):
        problem = Problem(Failure.REFERENCE, flawed(reference, flaw, **facts))
        text = explain(problem)
        assert reads_well(text)
        assert text.startswith(name)
        assert text.endswith("Nothing was charged.")


@pytest.mark.parametrize(
    ("facts", "words"),
    [
        (
            {"stage": "input", "contents": ["violence", "self_harm"]},
            "refused your words or one of your images, for violence and self-harm.",
        ),
        ({"stage": "input", "contents": []}, "refused your words or one of your images. Change"),
        ({"stage": "output", "contents": ["sexual"]}, "it was taken for sexual content. Trying"),
        ({"stage": "output", "contents": ["unheard of"]}, "the picture that came of them. Trying"),
        ({"stage": "unheard of"}, "refused this prompt or one of its images"),
        ({}, "refused this prompt or one of its images"),
    ],
)
def test_a_refusal_says_what_the_filter_looked_at(facts: dict, words: str) -> None:
    text = explain(Problem(Failure.MODERATION, facts))
    assert words in text
    assert reads_well(text)


@pytest.mark.parametrize("facts", [{"flaw": "unheard of"}, {"flaw": "too_many_bytes"}, {}])
def test_facts_of_another_version_leave_the_sentence_of_the_failure(facts: dict) -> None:
    assert explain(Problem(Failure.REFERENCE, facts)).startswith("One of the references")


@pytest.mark.parametrize("locale", ["en-GB", "tlh", ""])
def test_a_language_that_is_not_there_is_english(locale: str) -> None:
    assert say(Notice.TOO_LATE, locale) == say(Notice.TOO_LATE)


@pytest.mark.parametrize("notice", Notice)
def test_every_other_sentence_reads_well(notice: Notice) -> None:
    text = say(notice, **FACTS)
    part = notice.startswith("named_by")
    assert part or text.endswith(SENTENCE_ENDS)
    assert reads_well(f"{text}." if part else text)


def test_a_word_of_another_version_is_told_as_it_is() -> None:
    assert tell_name("acts", "over_ruled") == "over\\_ruled"


@pytest.mark.parametrize("word", sorted(NAMED["amendments"]))
def test_what_was_done_to_credits_reads_well(word: str) -> None:
    assert reads_well(tell_name("amendments", word, **FACTS))


@pytest.mark.parametrize("notice", [Notice.COMMAND_FAILED, Notice.OUTDATED_COMMAND])
def test_a_command_that_failed_says_that_nothing_was_charged(notice: Notice) -> None:
    assert say(notice, ref="#a1b2c3").endswith("Nothing was charged.")


def test_the_shipped_models_can_be_named_in_a_sentence() -> None:
    """Their ids and summaries stand in what members read."""
    shipped = load_catalog(GivenSettings(catalog_file=SHIPPED_CATALOG))
    texts = [f"{model.id}: {model.summary}." for model in shipped.models.values()]
    assert [text for text in texts if not reads_well(text)] == []


def test_reading_through_finds_what_must_not_be_said() -> None:
    wrong = [
        "no end",
        "It answered 502.",
        "See https://example.org.",
        "apimodels is down.",
        "Exception: Traceback.",
        "There is no {name}.",
        "The key sk_1234 is wrong.",
        "None was made.",
        "x" * TEXT_CHARS_MAX + ".",
        "",
    ]
    assert [text for text in wrong if reads_well(text)] == []
