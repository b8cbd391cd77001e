"""Which vendors are on, and how each is built; adding one is a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from bot.domain.ports import Provider
from bot.providers import apimodels
from bot.providers.http import Connections, TimeLimits, VendorHttp

FACTORIES: Mapping[str, Callable[[VendorHttp], Provider]] = {
    apimodels.NAME: apimodels.ApiModels,
}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """
    Args:
        key: None or empty: the provider is off.
        base_url: without a slash at its end.
    """

    key: SecretStr | None
    base_url: str


def build_providers(
    settings: Mapping[str, ProviderSettings],
    connections: Connections,
    limits: TimeLimits | None = None,
) -> dict[str, Provider]:
    """The providers whose key is set, by name; the connections stay the caller's to close."""
    providers: dict[str, Provider] = {}
    for name, each in settings.items():
        key = each.key.get_secret_value().strip() if each.key else ""
        if key:
            http = VendorHttp(name, each.base_url, SecretStr(key), connections, limits)
            providers[name] = FACTORIES[name](http)
    return providers
