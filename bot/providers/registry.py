"""Which vendors are on, and how each is built; adding one is a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from bot.domain.catalog import Catalog, NsfwSwitch, Route
from bot.domain.ports import Provider
from bot.errors import StartupError
from bot.providers import apimodels, gemini, kie, maxapi, openai, runninghub
from bot.providers.connections import Connections
from bot.providers.http import TimeLimits, VendorHttp


@dataclass(frozen=True, slots=True)
class Access:
    """What an adapter may be built from."""

    http: VendorHttp
    #: the same, but for a vendor that takes references on another host
    upload_http: VendorHttp
    #: where the vendor is to say that a task has ended; None: nowhere
    callback_url: str | None
    #: which host MaxAPI's result links are to name
    asset_delivery: str


@dataclass(frozen=True, slots=True)
class Speaks:
    """What an adapter can tell its vendor, so that a catalog promises no more."""

    switches: frozenset[NsfwSwitch] = frozenset()
    mask: bool = False
    qualities: bool = False
    #: what the vendor's bills name
    tokens: bool = False
    credits: bool = False

    def complaint(self, route: Route) -> str | None:
        """What is wrong with a route, from its key on; None if nothing is."""
        if route.nsfw_switch not in self.switches | {NsfwSwitch.NONE}:
            return f'nsfw_switch "{route.nsfw_switch}" is not sent to this provider'
        if route.mask and not self.mask:
            return "mask cannot be sent to this provider"
        if route.qualities and not self.qualities:
            return "qualities cannot be sent to this provider"
        if route.price.rates and not self.tokens:
            return "rates are of no use: this provider names no tokens"
        if route.price.credit is not None and not self.credits:
            return "credit is of no use: this provider names no credits"
        return None


_CHECKER = frozenset({NsfwSwitch.NSFW_CHECKER})
_MODERATION = frozenset({NsfwSwitch.MODERATION})


def speaks(route: Route) -> Speaks | None:
    """None: there is no such provider."""
    match route.provider:
        case apimodels.NAME if route.upstream in apimodels.SYNC_UPSTREAMS:
            return Speaks(mask=True, qualities=True, tokens=True)
        case apimodels.NAME:
            return Speaks(switches=_CHECKER, qualities=True)
        case kie.NAME:
            return Speaks(switches=_CHECKER, credits=True)
        case openai.NAME | maxapi.NAME:
            return Speaks(switches=_MODERATION, mask=True, qualities=True, tokens=True)
        case gemini.NAME:
            return Speaks(tokens=True)
        case runninghub.NAME:
            return Speaks(qualities=True)
        case _:
            return None


def check_catalog(catalog: Catalog) -> None:
    """
    Raises:
        StartupError: a route names no provider of ours, or promises what it cannot be told.
    """
    for route in catalog.routes():
        known = speaks(route)
        if known is None:
            raise StartupError(
                f"Catalog: the route {route.id} names no provider; there are"
                f" {', '.join(FACTORIES)}.",
                usage=True,
            )
        if complaint := known.complaint(route):
            raise StartupError(f"Catalog: the route {route.id}: {complaint}.", usage=True)


FACTORIES: Mapping[str, Callable[[Access], Provider]] = {
    apimodels.NAME: lambda access: apimodels.ApiModels(access.http),
    kie.NAME: lambda access: kie.Kie(
        access.http, access.upload_http, callback_url=access.callback_url
    ),
    openai.NAME: lambda access: openai.OpenAI(access.http),
    runninghub.NAME: lambda access: runninghub.RunningHub(access.http),
    maxapi.NAME: lambda access: maxapi.MaxApi(access.http, asset_delivery=access.asset_delivery),
    gemini.NAME: lambda access: gemini.MaxApiGemini(access.http),
}


@dataclass(frozen=True, slots=True)
class ProviderSettings:
    """
    Args:
        key: None or empty: the provider is off.
        base_url: without a slash at its end.
        upload_url: as base_url; None where references go to the same host.
        callback_url: None where the vendor is not to call, or never does.
        asset_delivery: MaxAPI's "default" or "mirror".
    """

    key: SecretStr | None
    base_url: str
    upload_url: str | None = None
    callback_url: str | None = None
    asset_delivery: str = "default"


def build_providers(
    settings: Mapping[str, ProviderSettings],
    connections: Connections,
    limits: TimeLimits | None = None,
) -> dict[str, Provider]:
    """The providers whose key is set, by name; the connections stay the caller's to close."""
    providers: dict[str, Provider] = {}
    for name, each in settings.items():
        key = SecretStr(each.key.get_secret_value().strip() if each.key else "")
        if key.get_secret_value():
            http = VendorHttp(name, each.base_url, key, connections, limits)
            upload_http = VendorHttp(
                name, each.upload_url or each.base_url, key, connections, limits
            )
            providers[name] = FACTORIES[name](
                Access(http, upload_http, each.callback_url, each.asset_delivery)
            )
    return providers
