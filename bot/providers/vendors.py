"""Describes a vendor beside its wire format; each adapter's file has one such record."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Literal

from msgspec import Struct, field
from pydantic import SecretStr

from bot.domain.catalog import NsfwSwitch, Route
from bot.domain.ports import Provider
from bot.providers.http import VendorHttp

#: a setting's value: an address, a key, or a word from a list; None: it is not set
Value = str | SecretStr | None


class Option(Struct, frozen=True):
    """A vendor's setting besides its key and its root."""

    default: str | None = None
    #: the kind of value, or the words to choose from
    takes: Literal["address", "key"] | tuple[str, ...] = "address"


class Setup(Struct, frozen=True):
    """What an adapter is built from."""

    root: str
    #: makes the HTTP side for a root address, with the vendor's key
    http: Callable[..., VendorHttp]
    #: values by the names of the vendor's options
    options: Mapping[str, Value] = field(default_factory=dict)
    #: where the vendor may report that a task has ended; None: nowhere
    callback_url: str | None = None


class Api(Struct, frozen=True):
    """One wire format of a vendor, and what can be sent in it: a catalog must not promise more."""

    build: Callable[[Setup], Provider]
    switches: frozenset[NsfwSwitch] = frozenset()
    mask: bool = False
    qualities: bool = False
    transparency: bool = False
    #: whether the vendor's bills name tokens, or credits
    tokens: bool = False
    credits: bool = False

    def lack(self, route: Route) -> str | None:
        """What is wrong with a route, in words that begin with its key; None if nothing is."""
        if route.nsfw_switch not in self.switches | {NsfwSwitch.NONE}:
            return f'nsfw_switch "{route.nsfw_switch}" is not sent to this provider'
        for key in ("mask", "transparency", "qualities"):
            if getattr(route, key) and not getattr(self, key):
                return f"{key} cannot be sent to this provider"
        if route.price.rates and not self.tokens:
            return "rates are of no use: this provider names no tokens"
        if route.price.credit is not None and not self.credits:
            return "credit is of no use: this provider names no credits"
        return None


class Vendor(Struct, frozen=True):
    """
    Args:
        name: the provider's name in the catalog.
        key, root: the names of the settings for its key and its root address.
        root_default: without a slash at its end.
        options: by the names of their settings.
        apis: by the catalog's word for them; a route that names no API uses the first.
        verify_callback: takes options, headers, body and the time now; returns the id of the task
            that a callback is about, or None if it is not valid. None: the vendor never calls back.
    """

    name: str
    key: str
    root: str
    root_default: str
    apis: Mapping[str, Api]
    options: Mapping[str, Option] = field(default_factory=dict)
    verify_callback: (
        Callable[[Mapping[str, Value], Mapping[str, str], bytes, datetime], str | None] | None
    ) = None

    def api(self, route: Route) -> Api | None:
        return self.apis.get(route.api or next(iter(self.apis)))
