"""Lists all vendors and builds those that are on; a new vendor needs one line here."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial

from pydantic import SecretStr

from bot.domain.catalog import Catalog
from bot.domain.ports import Provider
from bot.errors import StartupError
from bot.providers import apimodels, google, kie, maxapi, openai, runninghub
from bot.providers.connections import Connections
from bot.providers.http import TimeLimits, VendorHttp
from bot.providers.vendors import Setup, Value, Vendor

VENDORS: Sequence[Vendor] = (
    apimodels.VENDOR,
    maxapi.VENDOR,
    kie.VENDOR,
    openai.VENDOR,
    google.VENDOR,
    runninghub.VENDOR,
)


def check_catalog(catalog: Catalog) -> None:
    """
    Raises:
        StartupError: a route names an unknown vendor, or promises what cannot be sent to it.
    """
    vendors = {vendor.name: vendor for vendor in VENDORS}
    for route in catalog.routes():
        vendor = vendors.get(route.provider)
        if vendor is None:
            raise StartupError(
                f"Catalog: the route {route.id} names no provider; there are {', '.join(vendors)}.",
                usage=True,
            )
        api = vendor.api(route)
        lack = f"api must be one of {', '.join(vendor.apis)}" if api is None else api.lack(route)
        if lack:
            raise StartupError(f"Catalog: the route {route.id}: {lack}.", usage=True)


def build_providers(
    setting: Callable[[str], Value],
    connections: Connections,
    *,
    public_url: str | None = None,
    limits: TimeLimits | None = None,
) -> dict[tuple[str, str], Provider]:
    """
    Args:
        setting: the value of a vendor's setting, by its name.
        connections: stay the caller's to close.
        public_url: where vendors can call back.
    Returns:
        The APIs of all vendors whose key is set, by the vendor's name and the catalog's word for
        the API. "" stands for the vendor's first API.
    """
    providers: dict[tuple[str, str], Provider] = {}
    for vendor in VENDORS:
        key = key_of(vendor, setting)
        if key is None:
            continue
        setup = Setup(
            root=str(setting(vendor.root)),
            http=partial(VendorHttp, vendor.name, key=key, connections=connections, limits=limits),
            options=options_of(vendor, setting),
            callback_url=None if public_url is None else f"{public_url}/callbacks/{vendor.name}",
        )
        for word, api in vendor.apis.items():
            providers[vendor.name, word] = api.build(setup)
        providers[vendor.name, ""] = providers[vendor.name, next(iter(vendor.apis))]
    return providers


def key_of(vendor: Vendor, setting: Callable[[str], Value]) -> SecretStr | None:
    """The vendor's key; None: it is not set, so the vendor is off."""
    key = setting(vendor.key)
    plain = key.get_secret_value().strip() if isinstance(key, SecretStr) else ""
    return SecretStr(plain) if plain else None


def options_of(vendor: Vendor, setting: Callable[[str], Value]) -> Mapping[str, Value]:
    return {name: setting(name) for name in vendor.options}
