"""Reads a catalog file; every complaint names the key that is wrong."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StringConstraints,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from bot.domain.catalog import Catalog, Model, NsfwSwitch, Rate, Route
from bot.domain.credits import Microcredits, parse_credits
from bot.domain.pricing import Price, TokenRates
from bot.domain.requests import ASPECT_RATIOS, QUALITIES, REFERENCE_TYPES, RESOLUTIONS, Mode
from bot.errors import StartupError

#: choices of one option (Discord docs, Application Command Option)
MODELS_MAX = 25
#: of a model's id, which is a choice (Discord docs, Application Command Option Choice)
CHARS_MAX = 100
#: what `auto` is priced as (apimodels.app docs, gpt-image-2-all)
AUTO_QUALITY = "medium"
#: key of a price that counts for every quality
EVERY = ""


def parse_catalog(document: Mapping[str, object]) -> Catalog:
    """
    Read a decoded catalog file: `read`, the day on which its prices were read, and `[models.<id>]`
    with `summary`, `retires` and `[[models.<id>.routes]]`.

    Raises:
        StartupError: names the key that is missing or wrong.
    """
    try:
        return _Catalog.model_validate(document).made()
    except ValidationError as error:
        complaints = error.errors(include_url=False, include_input=False)
        # A misspelt key is missing, too; what was misspelt says more.
        first = min(complaints, key=lambda each: each["type"] != "extra_forbidden")
        raise StartupError(f"Catalog: {_sentence(first)}.", usage=True) from None


#: pydantic's kind of complaint -> what it is called here; the others say "Input should be ..."
COMPLAINTS = {
    "missing": "is missing",
    "extra_forbidden": "is not a key here",
    "model_type": "must be a table",
    "dict_type": "must be a table",
    "tuple_type": "must be a list",
    "frozen_set_type": "must be a list",
    "string_type": "must be a text",
    "string_too_short": "must not be empty",
    "string_too_long": f"has more than {CHARS_MAX} characters",
    "string_pattern_mismatch": "must be a width and a height, as in 4096x4096",
    "too_short": "must not be empty",
    "too_long": f"has more than {MODELS_MAX} entries",
}
#: kind of this module's own complaints about a route, which begin with the key in the route
OF_ROUTE = "of_route"


def _sentence(complaint: Any) -> str:
    kind, loc = complaint["type"], [*complaint["loc"]]
    key = "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}"
        for part in loc
        if part not in ("[key]", EVERY)
    )[1:]
    said: str = complaint["msg"].removeprefix("Value error, ").replace("Input should", "must")
    if kind == OF_ROUTE:
        return f"{key}.{said}"
    return f"{key} {COMPLAINTS.get(kind, said)}".lstrip()


def _of_route(said: str) -> PydanticCustomError:
    return PydanticCustomError(OF_ROUTE, "{said}", {"said": said})


def _one_of(words: Sequence[str]) -> AfterValidator:
    def check(word: str) -> str:
        if word not in words:
            raise ValueError(f"must be one of {', '.join(words)}")
        return word

    return AfterValidator(check)


def _amount(text: object) -> Microcredits:
    if not isinstance(text, str):
        raise ValueError("must be a text, such as '0.06'")
    return parse_credits(text)


Word = Annotated[str, StringConstraints(min_length=1)]
ModelId = Annotated[str, StringConstraints(min_length=1, max_length=CHARS_MAX)]
Number = Annotated[int, Field(strict=True)]
Seconds = Annotated[Number, Field(ge=1, le=86_400)]
Calls = Annotated[Number, Field(ge=1, le=100_000)]
Amount = Annotated[Microcredits, BeforeValidator(_amount)]
Ratio = Annotated[str, _one_of(ASPECT_RATIOS)]
Resolution = Annotated[str, _one_of(RESOLUTIONS)]
Quality = Annotated[str, _one_of(QUALITIES)]
Size = Annotated[str, StringConstraints(pattern="^[1-9][0-9]{1,4}x[1-9][0-9]{1,4}$")]
ReferenceType = Annotated[str, _one_of(REFERENCE_TYPES)]
#: an amount for each quality, or one for all
Amounts = Annotated[
    dict[str, Amount],
    BeforeValidator(lambda given: given if isinstance(given, dict) else {EVERY: given}),
]


class _Table(BaseModel):
    # A table within another is built with it.
    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)


class _Submits(_Table):
    calls: Annotated[Calls, Field(alias="submits")]
    seconds: Seconds


class _Polls(_Table):
    calls: Annotated[Calls, Field(alias="polls")]
    seconds: Seconds


class _Rates(_Table):
    text_in: Amount
    image_in: Amount
    image_out: Amount
    text_out: Amount = Microcredits(0)


class _Route(_Table):
    provider: Word
    upstream: Word
    api: Word = ""
    route_mode: Word = ""
    modes: Annotated[frozenset[Mode], Field(min_length=1)]
    references_max: Annotated[Number, Field(ge=0, le=16)]
    reference_types: Annotated[tuple[ReferenceType, ...], Field(min_length=1)] = REFERENCE_TYPES
    mask: StrictBool = False
    transparency: StrictBool = False
    aspect_ratios: Annotated[tuple[Ratio, ...], Field(min_length=1)]
    limits: Mapping[Ratio, Annotated[tuple[Resolution, ...], Field(min_length=1)]] = {}
    own_sizes: Mapping[Ratio, Mapping[Resolution, Size]] = {}
    qualities: tuple[Quality, ...]
    sends_resolution: StrictBool
    nsfw_switch: NsfwSwitch
    typical_s: Annotated[Number, Field(ge=1, le=3_600)]
    deadline_s: Seconds
    running_max: Annotated[Number, Field(ge=1, le=10_000)]
    price: Annotated[Mapping[Resolution, Amounts], Field(min_length=1)]
    rates: _Rates | None = None
    credit: Amount | None = None
    reference_price: Amount = Microcredits(0)
    rate: _Submits | None = None
    poll_rate: _Polls | None = None

    @model_validator(mode="after")
    def _agrees(self) -> Self:
        """Each complaint begins with a key of this table."""
        if Mode.EDIT in self.modes and self.references_max == 0:
            raise _of_route("references_max must not be 0 where modes has edit")
        if self.deadline_s < self.typical_s:
            raise _of_route("deadline_s must not be less than typical_s")
        if self.rates and self.credit is not None:
            raise _of_route("credit and rates exclude each other")
        sent = RESOLUTIONS if self.sends_resolution else RESOLUTIONS[:1]
        for resolution, amounts in self.price.items():
            if resolution not in sent:
                raise _of_route(f"price.{resolution} is none of {', '.join(sent)}")
            if not amounts or amounts.keys() not in ({EVERY}, {*self.qualities}):
                named = f"has a price for each of {', '.join(self.qualities)}, or one for all"
                what = named if self.qualities else "must be a text: the route has no qualities"
                raise _of_route(f"price.{resolution} {what}")
            by_list = EVERY not in amounts and not self._is_billed_by_use
            if by_list and AUTO_QUALITY not in amounts:
                raise _of_route(f"price.{resolution} has no {AUTO_QUALITY}, as `auto` is priced")
        for ratio, resolutions in self.limits.items():
            if ratio not in self.aspect_ratios:
                raise _of_route(f"limits.{ratio} is none of the route's aspect_ratios")
            if not {*resolutions} <= self.price.keys():
                raise _of_route(f"limits.{ratio} must be a list of {', '.join(self.price)}")
        for ratio, resolution in self._own_sizes():
            if resolution not in self._sizes().get(ratio, ()):
                raise _of_route(f"own_sizes.{ratio}.{resolution} is none of the route's sizes")
        return self

    @property
    def id(self) -> str:
        mode = f"@{self.route_mode}" if self.route_mode else ""
        return f"{self.provider}/{self.upstream}{mode}"

    @property
    def _is_billed_by_use(self) -> bool:
        return self.rates is not None or self.credit is not None

    def made(self) -> Route:
        """What the table and the route call by the same name is the same in both."""
        made: dict[str, Any] = {
            "id": self.id,
            "sizes": self._sizes(),
            "own_sizes": self._own_sizes(),
            "price": Price(
                images={
                    (resolution, quality): self._price(amounts, quality)
                    for resolution, amounts in self.price.items()
                    for quality in ("auto", *self.qualities)
                },
                rates=TokenRates(**dict(self.rates)) if self.rates else None,
                credit=self.credit,
                reference=self.reference_price,
            ),
            "rate": Rate(**dict(self.rate)) if self.rate else None,
            "poll_rate": Rate(**dict(self.poll_rate)) if self.poll_rate else None,
        }
        others = set(Route.__struct_fields__) - made.keys()
        return Route(**made, **{name: getattr(self, name) for name in others})

    def _sizes(self) -> Mapping[str, tuple[str, ...]]:
        """Each ratio in every priced resolution, unless `limits` says less."""
        priced = tuple(resolution for resolution in RESOLUTIONS if resolution in self.price)
        return dict.fromkeys(self.aspect_ratios, priced) | dict(self.limits)

    def _own_sizes(self) -> Mapping[tuple[str, str], str]:
        return {
            (ratio, resolution): size
            for ratio, sizes in self.own_sizes.items()
            for resolution, size in sizes.items()
        }

    def _price(self, amounts: Mapping[str, Microcredits], quality: str) -> Microcredits:
        if EVERY in amounts:
            return amounts[EVERY]
        if quality != "auto":
            return amounts[quality]
        # Billed by use, `auto` may turn out as the dearest quality, and the hold must cover that.
        return max(amounts.values()) if self._is_billed_by_use else amounts[AUTO_QUALITY]


class _Model(_Table):
    summary: Word
    retires: date | None = None
    routes: Annotated[tuple[_Route, ...], Field(min_length=1)]

    def made(self, model_id: str) -> Model:
        routes = tuple(route.made() for route in self.routes)
        return Model(model_id, self.summary, routes, self.retires)


class _Catalog(_Table):
    read: date | None = None
    models: Annotated[Mapping[ModelId, _Model], Field(min_length=1, max_length=MODELS_MAX)]

    @model_validator(mode="after")
    def _has_each_route_once(self) -> Self:
        ids = Counter(route.id for model in self.models.values() for route in model.routes)
        route_id, times = ids.most_common(1)[0]
        if times > 1:
            raise ValueError(f"the route {route_id} stands there twice")
        return self

    def made(self) -> Catalog:
        models = {model_id: table.made(model_id) for model_id, table in self.models.items()}
        return Catalog(models, self.read)
