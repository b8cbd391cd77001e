"""
Every error Easel raises on purpose; imports nothing of the bot.

BotError
  Refusal                   cannot be taken; its text is safe to show; nothing is held
    InvalidRequest          the request itself is wrong
    NotAllowed              this server, channel or member may not do it
    InsufficientCredits     the account does not cover the quote
    Busy                    a named bound is reached; worth trying again later
      StoreBusy             another program holds the database, or its disk is full
  ProviderError             carries provider, status and request id, never a key or a prompt
    ProviderRefused         final: policy or bad input
    ProviderBusy            says when to come back (retry_after_s)
    ProviderUnreachable     certainly not accepted, or a read that may be repeated
    ProviderOutcomeUnknown  a submit that may have been accepted: never sent twice
    ProviderMisconfigured   our key or our money
    ProviderContractBroken  the reply is not of the documented shape
  UnusableImage             what was fetched is not an image we take; `problem` is safe to show
  FetchFailed               a link could not be read
  DeliveryError             Discord would not take the post
  StepLost                  a row had left the state that a step starts from
  Repeated                  the interaction has its job already
  GatewayLost               discord.py gave up; the process ends and is to be started again
  StartupError              settings, schema, token: the process ends with this one sentence

The class decides what the engine does; nobody reads status codes again. The member's sentence
for each of them stands in bot/chat/replies.py.
"""

from enum import Enum, auto


class BotError(Exception):
    """Root of the tree. Anything outside it is a broken assumption."""


class Refusal(BotError):
    """A request that is not taken. `str(error)` is a full sentence, safe to show to the member."""


class InvalidRequest(Refusal):
    pass


class NotAllowed(Refusal):
    pass


class InsufficientCredits(Refusal):
    pass


class Busy(Refusal):
    pass


class StoreBusy(Busy):
    pass


class ProviderError(BotError):
    """
    A vendor's answer, or its absence, as the engine has to treat it.

    Args:
        message: what the vendor says, or we of its answer; no key. For the log at DEBUG alone.
        status: HTTP status or the vendor's own numeric code, where there was one.
        request_id: the vendor's, for its support.
    """

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        # The words may quote the prompt, so they are no part of how it is printed.
        super().__init__(f"{provider}: {type(self).__name__}" + (f" ({status})" if status else ""))
        self.provider = provider
        self.words = message
        self.status = status
        self.request_id = request_id


class ProviderRefused(ProviderError):
    """
    The vendor will not make this image.

    Args:
        moderation: refused for its content, not for its form.
    """

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        moderation: bool = False,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(provider, message, status=status, request_id=request_id)
        self.moderation = moderation


class ProviderBusy(ProviderError):
    """Certainly not accepted; may be sent again after `retry_after_s` seconds (None: not said)."""

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        status: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(provider, message, status=status, request_id=request_id)
        self.retry_after_s = retry_after_s


class ProviderUnreachable(ProviderError):
    pass


class ProviderOutcomeUnknown(ProviderError):
    pass


class ProviderMisconfigured(ProviderError):
    pass


class ProviderContractBroken(ProviderError):
    pass


class UnusableImage(BotError):
    """
    Args:
        problem: the end of a sentence that begins with the image, such as
            "is not a PNG, JPEG or WebP image"; safe to show.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


class FetchTrouble(Enum):
    """What a link that could not be read leaves to hope for."""

    #: the same link may answer later
    PASSING = auto()
    #: it was refused: another link to the same file may do
    REFUSED = auto()
    #: nothing is there: not yet, or not any more
    GONE = auto()
    #: it is no link that is ever followed
    NEVER = auto()
    #: nothing is wrong with the link: our disk is full, or cannot be written to
    OUR_DISK = auto()


class FetchFailed(BotError):
    def __init__(self, message: str, trouble: FetchTrouble) -> None:
        super().__init__(message)
        self.trouble = trouble


class DeliveryError(BotError):
    """
    Args:
        retryable: Discord or the network is down; the same post may go through later.
        not_shown: Discord will not show these images to this member; words it may.
    """

    def __init__(self, message: str, *, retryable: bool, not_shown: bool = False) -> None:
        super().__init__(message)
        self.retryable = retryable
        self.not_shown = not_shown


class StepLost(BotError):
    """Somebody else took the job or task on; whoever meets this lets go of it."""


class Repeated(BotError):
    """Discord sent an interaction again whose job exists, here or in another process."""


class GatewayLost(BotError):
    pass


class StartupError(BotError):
    """
    Args:
        usage: wrong settings or usage (exit code 2) rather than a failure (exit code 1).
    """

    def __init__(self, message: str, *, usage: bool = False) -> None:
        super().__init__(message)
        self.usage = usage
