"""Which vendors are on, and how each is built; adding one is a line here."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pydantic import SecretStr

from bot.domain.ports import Provider
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
