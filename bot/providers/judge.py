"""
Turns any vendor's complaint into the error that the engine handles; knows no vendor.

A vendor's file reads complaints in that vendor's shape and names their kind. This module decides
whose fault a complaint is, and whether the call may be made again.
"""

from collections.abc import Mapping
from enum import Enum, auto
from typing import TypeVar

from msgspec import Struct, field

from bot.domain.ports import Failed
from bot.errors import (
    Facts,
    ProviderBusy,
    ProviderContractBroken,
    ProviderError,
    ProviderMisconfigured,
    ProviderOutcomeUnknown,
    ProviderRefused,
    ProviderUnreachable,
)
from bot.providers.fields import WORD_CHARS_MAX, whole

TOO_MANY_REQUESTS = 429

T = TypeVar("T")


class Stake(Enum):
    """What an unknown outcome would cost."""

    #: nothing: the call may be made again
    REPEATABLE = auto()
    #: an image: the call must not be made again
    SUBMIT = auto()


class Reply(Struct, frozen=True):
    """A vendor's JSON object, whose numbers with a point are Decimal, and what came with it."""

    status: int
    body: Mapping[str, object]
    #: None: the vendor did not say
    retry_after_s: float | None = None

    @property
    def is_good(self) -> bool:
        """Whether the HTTP status is a success; some vendors give errors such a status, too."""
        return 200 <= self.status < 300

    @property
    def code(self) -> int:
        """The body's `code` if it is a number: some vendors send errors with 200. Else `status`."""
        code = whole(self.body, "code")
        return self.status if code is None else code


class Kind(Enum):
    """What a complaint is about."""

    #: the content of the request
    CONTENT = auto()
    #: the form of the request
    REQUEST = auto()
    #: the transparent background that the request asks for
    TRANSPARENCY = auto()
    #: the operator's key, money, or a name in the catalog
    OPERATOR = auto()
    #: the bot sent too much; nothing was accepted
    LIMIT = auto()
    #: the vendor is overloaded or out of service; nothing was accepted
    BUSY = auto()
    #: whatever the status number says; see `by_status`
    STATUS = auto()


class Complaint(Struct, frozen=True):
    """
    What a vendor says is wrong.

    Args:
        words: the vendor's own, which may quote the prompt.
        status: HTTP's, or the vendor's own number if that says more.
        wait_s: how long to wait at least before the next call.
        facts: about a refusal for content; see ProviderRefused.
    """

    words: str
    status: int
    kind: Kind = Kind.STATUS
    wait_s: float | None = None
    facts: Facts = field(default_factory=dict)


def judge(
    provider: str, reply: Reply, complaint: Complaint, words: str, stake: Stake
) -> ProviderError:
    """
    The error that a complaint means.

    Args:
        words: the complaint's, without what must stay hidden.
    """
    status = complaint.status
    kind = by_status(status) if complaint.kind is Kind.STATUS else complaint.kind
    if complaint.kind is Kind.STATUS and 300 <= status < 400:
        words = f"a redirect; is the base address right? {words}"
    match kind:
        case Kind.CONTENT | Kind.REQUEST | Kind.TRANSPARENCY:
            return ProviderRefused(
                provider,
                words,
                moderation=kind is Kind.CONTENT,
                facts=complaint.facts,
                transparency=kind is Kind.TRANSPARENCY,
                status=status,
            )
        case Kind.OPERATOR:
            return ProviderMisconfigured(provider, words, status=status)
        case Kind.LIMIT | Kind.BUSY:
            return ProviderBusy(
                provider,
                words,
                retry_after_s=max(
                    (each for each in (reply.retry_after_s, complaint.wait_s) if each is not None),
                    default=None,
                ),
                rate_limited=kind is Kind.LIMIT,
                status=status,
            )
        case Kind.STATUS:
            unknown = ProviderOutcomeUnknown if stake is Stake.SUBMIT else ProviderUnreachable
            return unknown(provider, words, status=status)


def by_status(status: int) -> Kind:
    """
    What a status number is about, for all vendors; STATUS if the number says nothing certain.

    A 5xx says that something broke, but not when: a submit may have been accepted before. So does
    499, Google's and some gateways' word for a call that was broken off. Only 503 (and kie.ai's
    455, maintenance) says that the work was not accepted.

    301, 307 and 308 ask for the same call at another address, so nothing was accepted at this one.
    Other redirects may point to what was accepted, as 303 does (RFC 9110, section 15.4).
    """
    match status:
        case 301 | 307 | 308 | 401 | 402 | 403 | 407:
            return Kind.OPERATOR
        case 429:
            return Kind.LIMIT
        case 455 | 503:
            return Kind.BUSY
        case _ if 400 <= status < 500 and status not in {408, 425, 499}:
            return Kind.REQUEST
        case _:
            return Kind.STATUS


def failure(code: str, *, moderation: bool, retryable: bool = False) -> Failed:
    """A task's failure; one for the request's content is tried nowhere else."""
    return Failed(moderation, retryable and not moderation, code[:WORD_CHARS_MAX])


def required(found: T | None, provider: str, lack: str) -> T:
    """What an answer has to hold; without it, the answer is not of the documented shape."""
    if found is None:
        raise ProviderContractBroken(provider, lack)
    return found
