import tomllib
from dataclasses import replace
from typing import Any

import pytest
from pydantic import SecretStr

from bot.app import SHIPPED_CATALOG
from bot.domain.catalog import Catalog, Model, NsfwSwitch
from bot.domain.catalog_file import parse_catalog
from bot.domain.credits import Microcredits
from bot.domain.pricing import TokenRates
from bot.errors import StartupError
from bot.providers.apimodels import ApiModels
from bot.providers.connections import Connections
from bot.providers.registry import (
    FACTORIES,
    ProviderSettings,
    build_providers,
    check_catalog,
)

BASE_URL = "https://vendor.example/v1"


def test_a_provider_is_on_when_its_key_is_set(connections: Connections) -> None:
    settings = {"apimodels": ProviderSettings(SecretStr("sk_test"), BASE_URL)}
    providers = build_providers(settings, connections)
    assert {name: type(each) for name, each in providers.items()} == {"apimodels": ApiModels}


def test_a_provider_without_a_key_is_off(connections: Connections) -> None:
    for key in (None, SecretStr(""), SecretStr(" \n")):
        settings = {"apimodels": ProviderSettings(key, BASE_URL)}
        assert build_providers(settings, connections) == {}


def test_every_provider_is_listed_under_its_own_name(connections: Connections) -> None:
    settings = {name: ProviderSettings(SecretStr("sk_test"), BASE_URL) for name in FACTORIES}
    providers = build_providers(settings, connections)
    assert {name: each.name for name, each in providers.items()} == {n: n for n in FACTORIES}


@pytest.mark.parametrize(
    ("route_id", "changes", "complaint"),
    [
        ("kie/gpt-image-2", {"provider": "kye"}, "names no provider; there are apimodels,"),
        ("kie/gpt-image-2", {"nsfw_switch": NsfwSwitch.MODERATION}, "is not sent to this provider"),
        ("kie/gpt-image-2", {"mask": True}, "mask cannot be sent to this provider"),
        ("kie/gpt-image-2", {"qualities": ("low", "high")}, "qualities cannot be sent"),
        ("apimodels/gpt-image-2-all", {"nsfw_switch": NsfwSwitch.NSFW_CHECKER}, "is not sent"),
        ("openai/gpt-image-2", {"nsfw_switch": NsfwSwitch.NSFW_CHECKER}, "is not sent"),
        ("runninghub/rhart-image-g-2", {"rates": True}, "rates are of no use"),
        ("openai/gpt-image-2", {"credit": True}, "credit is of no use"),
    ],
)
def test_a_catalog_promises_only_what_its_provider_can_be_told(
    route_id: str, changes: dict[str, Any], complaint: str
) -> None:
    shipped = parse_catalog(tomllib.loads(SHIPPED_CATALOG.read_text()))
    check_catalog(shipped)
    route = shipped.route(route_id)
    assert route is not None
    price = route.price
    if changes.pop("rates", False):
        price = replace(price, rates=TokenRates(*[Microcredits(1)] * 3))
    if changes.pop("credit", False):
        price = replace(price, credit=Microcredits(1))
    wrong = replace(route, price=price, **changes)
    catalog = Catalog({"painter": Model("painter", "Paints", (route, wrong))})
    with pytest.raises(StartupError) as refused:
        check_catalog(catalog)
    assert complaint in str(refused.value)
    assert refused.value.usage
