from pydantic import SecretStr

from bot.providers.apimodels import ApiModels
from bot.providers.connections import Connections
from bot.providers.registry import FACTORIES, ProviderSettings, build_providers

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
