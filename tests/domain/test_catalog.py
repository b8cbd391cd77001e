"""The catalog: the shipped file reads, a wrong key is named, and each quote has its reason."""

import tomllib
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

import bot
from bot.catalog import parse_catalog
from bot.domain.catalog import Catalog, Here, NsfwSwitch
from bot.domain.requests import ASPECT_RATIOS, ImageRequest, Mode, Reference
from bot.errors import InvalidRequest, NotAllowed, Refusal, StartupError
from tests.support.words import told

SHIPPED = Path(bot.__file__).parent / "catalog.toml"
NO_OTHER = "No other model can do this here."

#: "painter" has three routes: a filtered one, a larger one without a filter, one that only edits
DOCUMENT = """
[models.painter]
summary = "Paints"

[[models.painter.routes]]
provider = "north"
upstream = "painter-1"
modes = ["generate"]
references_max = 2
reference_types = ["image/png", "image/jpeg"]
aspect_ratios = ["auto", "1:1"]
qualities = []
sends_resolution = false
nsfw_switch = "nsfw_checker"
typical_s = 10
deadline_s = 60
running_max = 5
price = { 1K = "0.06" }

[[models.painter.routes]]
provider = "south"
upstream = "painter-1"
modes = ["generate", "edit"]
references_max = 4
aspect_ratios = ["auto", "1:1", "16:9"]
qualities = ["low", "high"]
sends_resolution = true
nsfw_switch = "none"
typical_s = 20
deadline_s = 120
running_max = 5
price = { 1K = "0.07", 4K = "0.125" }

[models.retoucher]
summary = "Only edits"

[[models.retoucher.routes]]
provider = "north"
upstream = "retoucher"
modes = ["edit"]
references_max = 1
aspect_ratios = ["auto"]
qualities = []
sends_resolution = false
nsfw_switch = "none"
typical_s = 10
deadline_s = 60
running_max = 5
price = { 1K = "0.01" }
"""
PHOTO = Reference("https://cdn.example/photo.png", "photo.png", 1_000)
LANTERN = ImageRequest(Mode.GENERATE, "a paper lantern", "painter")
BOTH = ("north", "south")
TODAY = date(2026, 11, 27)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return parse_catalog(tomllib.loads(DOCUMENT))


def test_the_shipped_catalog_reads() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    assert next(iter(catalog.models)) == "gpt-image-2-beta"
    beta = catalog.route("apimodels/gpt-image-2-beta")
    plain = catalog.route("apimodels/gpt-image-2")
    assert beta
    assert plain
    assert (beta.nsfw_switch, plain.nsfw_switch) == (NsfwSwitch.NSFW_CHECKER, NsfwSwitch.NONE)
    assert beta.price.images == {("1K", "auto"): 60_000}
    assert plain.price.images["4K", "auto"] == 50_000
    assert catalog.route("apimodels/gpt-image-1") is None


def test_every_model_of_the_shipped_catalog_takes_a_plain_request() -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    providers = {route.provider for route in catalog.routes()}
    for model in catalog.models:
        request = replace(LANTERN, model=model)
        routes = catalog.candidates(request, Here(providers, nsfw_checker=False, today=TODAY))
        assert all(route.quote(request) > 0 for route in routes)


@pytest.mark.parametrize(
    ("ratio", "resolution", "sentence"),
    [
        ("1:1", "4K", "cannot do 1:1 at 4K; it does 1:1 at 1K, 2K, but 4K only at 3:2, 2:3,"),
        ("auto", "2K", "cannot do auto at 2K; it does auto at 1K, but 2K only at 1:1, 3:2,"),
    ],
)
def test_an_impossible_pair_is_refused_with_those_that_work(
    ratio: str, resolution: str, sentence: str
) -> None:
    catalog = parse_catalog(tomllib.loads(SHIPPED.read_text(encoding="utf-8")))
    request = replace(LANTERN, model="gpt-image-2-beta", aspect_ratio=ratio, resolution=resolution)
    with pytest.raises(InvalidRequest) as refused:
        catalog.candidates(request, Here(["kie"], nsfw_checker=True, today=TODAY))
    assert sentence in told(refused.value)


def route_key(key: str, value: object) -> Callable[[dict[str, Any]], object]:
    """Set a key of the first route; None takes it away."""

    def change(document: dict[str, Any]) -> None:
        route = document["models"]["painter"]["routes"][0]
        if value is None:
            del route[key]
        else:
            route[key] = value

    return change


RATES = {"text_in": "1", "image_in": "1", "image_out": "1"}
FIRST = "models.painter.routes[0]"


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        (lambda doc: doc.clear(), "models is missing"),
        (lambda doc: doc.update(models={}), "models must not be empty"),
        (lambda doc: doc["models"].update(painter="x"), "models.painter must be a table"),
        (lambda doc: doc["models"]["painter"].pop("summary"), "models.painter.summary is missing"),
        (
            lambda doc: doc["models"].update({"x" * 101: doc["models"]["painter"]}),
            f"models.{'x' * 101} has more than 100 characters",
        ),
        (lambda doc: doc["models"]["painter"].pop("routes"), "models.painter.routes is missing"),
        (
            lambda doc: doc["models"]["painter"]["routes"].clear(),
            "models.painter.routes must not be empty",
        ),
        (
            lambda doc: doc["models"]["painter"]["routes"].insert(0, "x"),
            f"{FIRST} must be a table",
        ),
        (
            lambda doc: doc["models"]["painter"]["routes"].extend(
                doc["models"]["painter"]["routes"][:1]
            ),
            "the route north/painter-1 stands there twice",
        ),
        *(
            (route_key(key, wrong), f"{FIRST}.{key}" + (" is missing" if wrong is None else ""))
            for key, wrongs in {
                "provider": (None, 5, ""),
                "upstream": (None, ["x"]),
                "modes": (None, "edit", ["paint"], [["edit"]]),
                "references_max": (None, -1, 17, 2.0, True, "2"),
                "reference_types": ("image/png", [], ["image/gif"]),
                "aspect_ratios": (None, "1:1", ["1:1", "7:5"]),
                "qualities": (None, ["best"]),
                "sends_resolution": (None, 1, "yes"),
                "nsfw_switch": (None, "safe", ["none"]),
                "typical_s": (None, 0, 3_601),
                "deadline_s": (None, 0, 86_401),
                "running_max": (None, 0, 10_001),
                "price": (None, "0.06"),
            }.items()
            for wrong in wrongs
        ),
        (route_key("limit", {}), f"{FIRST}.limit is not a key here"),
        (lambda doc: doc.update(modells={}), "modells is not a key here"),
        (lambda doc: doc["models"]["painter"].update(rout=1), "models.painter.rout is not a key"),
        (route_key("rate", {"submits": 1, "seconds": 1, "x": 1}), f"{FIRST}.rate.x is not a key"),
        (route_key("rates", RATES | {"image": "1"}), f"{FIRST}.rates.image is not a key"),
        (
            lambda doc: doc["models"]["painter"]["routes"][0].update(rates=RATES, credit="1"),
            f"{FIRST}.credit and rates exclude each other",
        ),
        (route_key("typical_s", 3_000), f"{FIRST}.deadline_s must not be less than typical_s"),
        (
            lambda doc: doc["models"]["painter"]["routes"][0].update(
                references_max=0, modes=["edit"]
            ),
            f"{FIRST}.references_max must not be 0 where modes has edit",
        ),
        (route_key("price", {"1K": {"low": "1"}}), f"{FIRST}.price.1K must be a text"),
        *(
            (
                lambda doc, amounts=amounts: doc["models"]["painter"]["routes"][0].update(
                    qualities=["low", "high"], price={"1K": amounts}
                ),
                f"{FIRST}.price.1K {complaint}",
            )
            for amounts, complaint in (
                ({"low": "1"}, "has a price for each of low, high, or one for all"),
                ({"low": "1", "high": "2"}, "has no medium, as `auto` is priced"),
                ({}, "has a price for each"),
            )
        ),
        (
            lambda doc: doc["models"].update(
                {f"m{n}": doc["models"]["painter"] for n in range(25)}
            ),
            "models has more than 25 entries",
        ),
        (route_key("price", {}), f"{FIRST}.price must not be empty"),
        (
            lambda doc: doc["models"]["painter"]["routes"][0].update(
                rates=RATES, price={"1K": {}}, limits={}
            ),
            f"{FIRST}.price.1K must be a text: the route has no qualities",
        ),
        (route_key("price", {"8K": "1"}), f"{FIRST}.price.8K must be one of 1K, 2K, 4K"),
        (route_key("price", {"4K": "1"}), f"{FIRST}.price.4K is none of 1K"),
        (route_key("limits", {"1:1": ["4K"]}), f"{FIRST}.limits.1:1 must be a list of 1K"),
        (
            route_key("own_sizes", {"1:1": {"1K": "large"}}),
            f"{FIRST}.own_sizes.1:1.1K must be a width",
        ),
        (
            route_key("own_sizes", {"16:9": {"1K": "160x90"}}),
            f"{FIRST}.own_sizes.16:9.1K is none of",
        ),
        (route_key("limits", {"21:9": ["1K"]}), f"{FIRST}.limits.21:9 is none of the route's"),
        (route_key("price", {"1K": 0.06}), f"{FIRST}.price.1K must be a text"),
        (route_key("price", {"1K": "-1"}), f"{FIRST}.price.1K '-1' is not a number of credits"),
    ],
)
def test_a_wrong_key_is_named_in_one_sentence(
    change: Callable[[dict[str, Any]], object], complaint: str
) -> None:
    document = tomllib.loads(DOCUMENT)
    change(document)
    with pytest.raises(StartupError) as refused:
        parse_catalog(document)
    assert complaint in str(refused.value), str(refused.value)
    assert str(refused.value).startswith("Catalog: ")
    assert "should" not in str(refused.value)
    assert refused.value.usage


@pytest.mark.parametrize(
    ("changes", "routes", "price_ucr"),
    [
        ({}, ["north/painter-1", "south/painter-1"], 60_000),
        # What the first route cannot do, the next one does, at its own price.
        ({"aspect_ratio": "16:9"}, ["south/painter-1"], 70_000),
        ({"quality": "high"}, ["south/painter-1"], 70_000),
        ({"resolution": "4K"}, ["south/painter-1"], 125_000),
        ({"references": (PHOTO,) * 2}, ["north/painter-1", "south/painter-1"], 60_000),
        ({"references": (PHOTO,) * 3}, ["south/painter-1"], 70_000),
        ({"mode": Mode.EDIT, "references": (PHOTO,)}, ["south/painter-1"], 70_000),
    ],
)
def test_the_routes_that_can_do_it_come_as_listed(
    catalog: Catalog, changes: dict[str, Any], routes: list[str], price_ucr: int
) -> None:
    request = replace(LANTERN, **changes)
    able = catalog.candidates(request, Here(BOTH, nsfw_checker=False, today=TODAY))
    assert [route.id for route in able] == routes
    assert able[0].quote(request) == price_ucr
    assert type(able[0].quote(request)) is int


def test_a_provider_that_is_off_is_passed_over(catalog: Catalog) -> None:
    [route] = catalog.candidates(LANTERN, Here(["south"], nsfw_checker=False, today=TODAY))
    assert route.provider == "south"


@pytest.mark.parametrize("ratio", ASPECT_RATIOS)
def test_with_the_filter_on_no_route_without_a_switch_is_ever_chosen(
    catalog: Catalog, ratio: str
) -> None:
    request = replace(LANTERN, aspect_ratio=ratio)
    try:
        routes = catalog.candidates(request, Here(BOTH, nsfw_checker=True, today=TODAY))
    except InvalidRequest:
        assert ratio not in ("auto", "1:1")
    else:
        assert {route.nsfw_switch for route in routes} == {NsfwSwitch.NSFW_CHECKER}


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"model": "sculptor"}, "There is no such model. Choose one of painter, retoucher."),
        ({"aspect_ratio": "16:9"}, f"painter cannot do 16:9; it does auto, 1:1. {NO_OTHER}"),
        ({"resolution": "4K"}, f"painter cannot do 4K; it does 1K. {NO_OTHER}"),
        ({"quality": "high"}, f"painter has no quality setting; leave it out. {NO_OTHER}"),
        (
            {"mode": Mode.EDIT, "references": (PHOTO,)},
            "painter cannot edit images. retoucher can do this.",
        ),
        ({"model": "retoucher"}, "retoucher only edits images. painter can do this."),
    ],
)
def test_what_no_route_can_do_is_refused_with_what_is_possible(
    catalog: Catalog, changes: dict[str, Any], sentence: str
) -> None:
    request = replace(LANTERN, **changes)
    with pytest.raises(InvalidRequest) as refused:
        catalog.candidates(request, Here(["north"], nsfw_checker=False, today=TODAY))
    assert told(refused.value) == sentence


@pytest.mark.parametrize(
    ("providers", "nsfw_checker", "sentence"),
    [
        (["north", "south"], False, "retoucher only edits images. painter can do this."),
        (
            ["north", "south"],
            True,
            "retoucher has no NSFW filter, and the filter is on here."
            " Where the NSFW filter is off, painter can do this.",
        ),
        (["north"], False, f"retoucher only edits images. {NO_OTHER}"),
    ],
)
def test_a_model_is_named_also_if_it_needs_a_ratio_of_its_own(
    providers: list[str], nsfw_checker: bool, sentence: str
) -> None:
    """Larger images of the painter have named ratios only, of which it is then given one."""
    document = tomllib.loads(DOCUMENT)
    document["models"]["painter"]["routes"][1]["aspect_ratios"] = ["1:1", "16:9"]
    catalog = parse_catalog(document)
    request = replace(LANTERN, model="retoucher", resolution="4K")
    with pytest.raises(Refusal) as refused:
        catalog.candidates(request, Here(providers, nsfw_checker=nsfw_checker, today=TODAY))
    assert told(refused.value) == sentence


def test_only_models_that_somebody_offers_here_are_named(catalog: Catalog) -> None:
    request = replace(LANTERN, model="sculptor")
    with pytest.raises(InvalidRequest) as refused:
        catalog.candidates(request, Here(["south"], nsfw_checker=False, today=TODAY))
    assert told(refused.value) == "There is no such model. Choose one of painter."


def test_a_quality_that_the_route_lacks_is_refused_with_those_it_has(catalog: Catalog) -> None:
    request = replace(LANTERN, quality="medium")
    with pytest.raises(InvalidRequest) as refused:
        catalog.candidates(request, Here(["south"], nsfw_checker=False, today=TODAY))
    assert told(refused.value).endswith(f"has no quality medium; it has low, high. {NO_OTHER}")


@pytest.mark.parametrize(
    ("model", "providers", "nsfw_checker", "sentence"),
    [
        ("painter", (), False, "whoever hosts this bot has not set up a provider for it."),
        ("painter", ("south",), True, "painter has no NSFW filter, and the filter is on here."),
        ("retoucher", BOTH, True, "retoucher has no NSFW filter, and the filter is on here."),
    ],
)
def test_a_model_that_may_not_be_used_here_is_refused(
    catalog: Catalog, model: str, providers: tuple[str, ...], nsfw_checker: bool, sentence: str
) -> None:
    with pytest.raises(NotAllowed) as refused:
        catalog.candidates(
            replace(LANTERN, model=model),
            Here(providers, nsfw_checker=nsfw_checker, today=TODAY),
        )
    assert sentence in told(refused.value)
