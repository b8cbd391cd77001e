import tomllib
from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace
from pydantic import SecretStr

from bot.app import SHIPPED_CATALOG
from bot.catalog import parse_catalog
from bot.domain.catalog import Catalog, Model, NsfwSwitch
from bot.domain.credits import Microcredits
from bot.domain.pricing import TokenRates
from bot.errors import StartupError
from bot.providers.connections import Connections
from bot.providers.registry import VENDORS, build_providers, check_catalog
from bot.providers.vendors import Value
from tests.providers.conftest import OrderOf
from tests.providers.stage import route_of
from tests.vendors import AllVendors


def given(**settings: str) -> Callable[[str], Value]:
    options = {
        name: option.default for vendor in VENDORS for name, option in vendor.options.items()
    }

    def setting(name: str) -> Value:
        value = (options | settings).get(name, "https://vendor.example/v1")
        return SecretStr(value or "") if name.endswith("KEY") else value

    return setting


KEYS = {vendor.key: "" for vendor in VENDORS}


def test_a_provider_is_on_when_its_key_is_set(connections: Connections) -> None:
    providers = build_providers(given(**KEYS | {"APIMODELS_API_KEY": "sk_test"}), connections)
    assert set(providers) == {("apimodels", ""), ("apimodels", "tasks"), ("apimodels", "images")}
    assert providers["apimodels", ""] is providers["apimodels", "tasks"]


@pytest.mark.parametrize("key", ["", " \n"])
def test_a_provider_without_a_key_is_off(connections: Connections, key: str) -> None:
    assert build_providers(given(**dict.fromkeys(KEYS, key)), connections) == {}


def test_every_vendor_is_listed_under_its_own_name(connections: Connections) -> None:
    providers = build_providers(given(**dict.fromkeys(KEYS, "sk_test")), connections)
    assert {name for name, _ in providers} == {vendor.name for vendor in VENDORS}


@pytest.mark.parametrize(
    ("public_url", "key", "called_at"),
    [
        ("https://bot.example.org", "whk", "https://bot.example.org/callbacks/kie"),
        ("https://bot.example.org", "", None),
        (None, "whk", None),
    ],
)
async def test_a_call_is_asked_for_where_it_can_be_heard_and_verified(
    server: AllVendors,
    connections: Connections,
    order: OrderOf,
    public_url: str | None,
    key: str,
    called_at: str | None,
) -> None:
    setting = given(**server.environment | {"KIE_WEBHOOK_KEY": key})
    provider = build_providers(setting, connections, public_url=public_url)["kie", ""]
    await provider.submit(order(route=route_of("kie/gpt-image-2")))
    assert server.submissions[0].body.get("callBackUrl") == called_at


@pytest.mark.parametrize(
    ("route_id", "changes", "complaint"),
    [
        ("kie/gpt-image-2", {"provider": "kye"}, "names no provider; there are apimodels,"),
        ("kie/gpt-image-2", {"nsfw_switch": NsfwSwitch.MODERATION}, "is not sent to this provider"),
        ("kie/gpt-image-2", {"mask": True}, "mask cannot be sent to this provider"),
        ("kie/gpt-image-2", {"qualities": ("low", "high")}, "qualities cannot be sent"),
        ("kie/gpt-image-2", {"api": "images"}, "api must be one of tasks"),
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
