"""Every sentence a member can read when something did not work, gathered and read through."""

import ast
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.app import SHIPPED_CATALOG, load_catalog
from bot.chat import replies
from bot.domain import catalog, ledger
from bot.domain.catalog import Catalog, RouteOrder
from bot.domain.catalog_file import parse_catalog
from bot.domain.credits import Microcredits
from bot.domain.jobs import Failure, Problem
from bot.domain.ledger import Account
from bot.domain.ports import ImageLimits
from bot.domain.requests import ImageRequest, Mode, Reference, check_request
from bot.engine.routing import Routing
from bot.engine.stopping import StoppableClock
from bot.errors import Busy, InsufficientCredits, InvalidRequest, NotAllowed, Refusal
from bot.playground.discord import Permission
from bot.providers.images import too_many_bytes
from bot.providers.registry import FACTORIES
from bot.settings import GivenSettings
from bot.store.database import open_database
from tests.store.bench import NOW, lay, make_job
from tests.support.clock import InstantClock
from tests.support.easel import Easel, said

BOT = Path(replies.__file__).parents[1]
#: functions that say what no route of a model can do
COMPLAINTS = {complaint.__name__ for _, complaint in catalog.CHECKS}
REFUSALS = {each.__name__ for each in (InvalidRequest, NotAllowed, InsufficientCredits, Busy)}
TEXT_CHARS_MAX = 2_000
VENDORS = {*FACTORIES, "api models", "apimodels", "maxapi", "kie", "runninghub", "openai"}
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
    known.candidates(request, providers=["studio"], nsfw_checker=checked)


def all_down() -> None:
    clock = StoppableClock(InstantClock())
    routing = Routing(PAINTER, ["studio"], RouteOrder.LISTED, None, clock)
    request = replace(LANTERN, aspect_ratio="1:1")
    for route in routing.candidates(request, nsfw_checker=False):
        routing.fault(route, misconfigured=True)
    routing.candidates(request, nsfw_checker=False)


def checked(**given: object) -> None:
    check_request(replace(LANTERN, **given))


def only_editing() -> Catalog:
    model = PAINTER.models["painter"]
    route = replace(model.routes[0], modes=frozenset({Mode.EDIT}))
    return Catalog({"painter": replace(model, routes=(route,))})


def without_qualities() -> Catalog:
    model = PAINTER.models["painter"]
    return Catalog({"painter": replace(model, routes=(replace(model.routes[0], qualities=()),))})


def hold_too_much() -> None:
    ledger.hold(Account(7, 1, 50_000), "lantern", Microcredits(60_000))


#: each refusal that is decided without a database and without Discord
CAUSES: dict[str, Callable[[], None]] = {
    "no prompt": lambda: checked(prompt="  "),
    "half a character": lambda: checked(prompt="\ud83c"),
    "long prompt": lambda: checked(prompt="x" * 4_001),
    "five images": lambda: checked(count=5),
    "aspect ratio": lambda: checked(aspect_ratio="7:5"),
    "resolution": lambda: checked(resolution="9K"),
    "quality": lambda: checked(quality="superb"),
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
    "no provider": lambda: PAINTER.candidates(LANTERN, providers=[], nsfw_checker=False),
    "no filter": lambda: quoted(checked=True),
    "model cannot edit": lambda: quoted(mode=Mode.EDIT),
    "model only edits": lambda: quoted(only_editing()),
    "model takes fewer references": lambda: quoted(references=(PHOTO,) * 2),
    "model's aspect ratios": lambda: quoted(aspect_ratio="3:1"),
    "model's resolutions": lambda: quoted(resolution="4K"),
    "model without qualities": lambda: quoted(without_qualities(), quality="low"),
    "model's qualities": lambda: quoted(quality="high"),
    "credits": hold_too_much,
}


def refusals() -> list[Refusal]:
    raised = []
    for cause in CAUSES.values():
        with pytest.raises(Refusal) as caught:
            cause()
        raised.append(caught.value)
    return raised


@pytest.fixture
async def full_queues(tmp_path: Path, schema: Path) -> list[Busy]:
    shutil.copy(schema, tmp_path / "full.db")
    async with open_database(f"sqlite:///{tmp_path / 'full.db'}") as database:
        raised = []
        for full in ({"queued": 0}, {"queued_per_user": 0}):
            with pytest.raises(Busy) as caught:
                await lay(database, **full).take(*make_job())
            raised.append(caught.value)
        return raised


async def lack_of_permission(easel: Easel) -> str:
    denied = Permission.ATTACH_FILES | Permission.EMBED_LINKS
    easel.discord.set_bot_permissions("studio", deny=denied)
    message = await easel.finished(await easel.imagine())
    assert message.is_ephemeral
    return said(message)


async def test_every_refusal_reads_well_and_says_that_nothing_was_charged(
    easel: Easel, full_queues: list[Busy]
) -> None:
    texts = [replies.refuse(refusal, NOW) for refusal in [*refusals(), *full_queues]]
    texts.append(await lack_of_permission(easel))

    assert [text for text in texts if not reads_well(text)] == []
    assert all(text.endswith("Nothing was charged.") for text in texts)
    # The list above is complete: each place that refuses has its sentence in it.
    unheard = [
        f"{place}: {words}"
        for place, words in words_of_refusals()
        if not any(words in text for text in texts)
    ]
    assert unheard == []


def words_of_refusals() -> Iterator[tuple[str, str]]:
    """The longest fixed part of each sentence that a refusal is raised with."""
    for path in sorted(BOT.rglob("*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
                if getattr(node.exc.func, "id", "") in REFUSALS:
                    yield f"{path.name}:{node.lineno}", longest_part(node.exc.args[0])
            elif isinstance(node, ast.FunctionDef) and node.name in COMPLAINTS:
                for line in ast.walk(node):
                    if isinstance(line, ast.Return) and line.value is not None:
                        for text in returned(line.value):
                            yield f"{path.name}:{line.lineno}", longest_part(text)


def returned(value: ast.expr) -> list[ast.expr]:
    return [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]


def longest_part(text: ast.expr) -> str:
    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
    fixed = [part.value for part in parts if isinstance(part, ast.Constant)]
    return max(map(str, fixed), key=len)


@pytest.mark.parametrize("failure", Failure)
def test_each_failure_has_its_sentence_and_costs_nothing(failure: Failure) -> None:
    text = replies.explain(Problem(failure))
    assert reads_well(text)
    assert text.endswith("Nothing was charged.")
    assert replies.FAILURES[failure] in text


def test_no_two_failures_are_told_alike() -> None:
    assert len(set(replies.FAILURES.values())) == len(Failure)


def test_what_is_wrong_with_a_reference_ends_its_sentence_well() -> None:
    endings = [too_many_bytes(ImageLimits(10_000_000, 1)), *problems_of_images()]
    texts = [
        replies.explain(Problem(Failure.REFERENCE, f"Reference 3 {ending}.")) for ending in endings
    ]
    assert len(texts) > 5
    assert [text for text in texts if not reads_well(text)] == []
    assert all(text.endswith("Nothing was charged.") for text in texts)


def problems_of_images() -> Iterator[str]:
    """With a word in place of whatever is filled in."""
    for path in sorted((BOT / "providers").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "UnusableImage":
                [text] = node.args
                if isinstance(text, ast.Constant | ast.JoinedStr):
                    parts = text.values if isinstance(text, ast.JoinedStr) else [text]
                    yield "".join(
                        str(part.value) if isinstance(part, ast.Constant) else "12"
                        for part in parts
                    )


def test_every_other_sentence_reads_well() -> None:
    texts = {name: text for name, text in vars(replies).items() if isinstance(text, str)}
    texts = {name: text for name, text in texts.items() if name.isupper()}
    assert len(texts) > 5
    assert [name for name, text in texts.items() if not reads_well(text)] == []


@pytest.mark.parametrize("text", [replies.command_failed("#a1b2c3"), replies.OUTDATED_COMMAND])
def test_a_command_that_failed_says_that_nothing_was_charged(text: str) -> None:
    assert reads_well(text)
    assert text.endswith("Nothing was charged.")


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
