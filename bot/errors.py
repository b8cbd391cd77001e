"""
Every error Easel raises on purpose; imports nothing of the bot.

BotError
  Refusal                   cannot be taken; nothing is held
    InvalidRequest          the request itself is wrong
    NotAllowed              this server, channel or member may not do it
    InsufficientCredits     the account does not cover the quote
    Busy                    a named bound is reached; worth trying again later
      StoreBusy             another program holds the database, or its disk is full
  ProviderError             carries a status and the vendor's words, never a key
    ProviderRefused         final: policy or bad input
    ProviderBusy            says when to come back (retry_after_s)
    ProviderUnreachable     certainly not accepted, or a read that may be repeated
    ProviderOutcomeUnknown  a submit that may have been accepted: never sent twice
    ProviderMisconfigured   our key or our money
    ProviderContractBroken  the reply is not of the documented shape
  UnusableImage             what was fetched is not an image that Easel takes
  FetchFailed               a link could not be read
  DeliveryError             Discord would not take the post
  StepLost                  a row had left the state that a step starts from
  Repeated                  the interaction has its job already
  GatewayLost               discord.py gave up; the process ends and is to be started again
  StartupError              settings, schema, token: the process ends with this one sentence

The class decides what the engine does; nobody reads status codes again. A refusal, or a flaw of an
image, is a reason with its facts; the sentence for each stands in bot/chat/texts.
"""

from collections.abc import Mapping, Sequence
from enum import Enum, StrEnum, auto

#: a value that fills a gap in a reason's sentence; JSON can hold it
Fact = str | int | Sequence[str]
Facts = Mapping[str, Fact]
#: characters of a vendor's number that are printed
STATUS_CHARS_MAX = 20


class BotError(Exception):
    """Root of the tree. Anything outside it is a broken assumption."""


def _spelled(reason: str, facts: Facts) -> str:
    """The reason and its facts, for the log."""
    return ", ".join([reason, *(f"{name} {fact}" for name, fact in facts.items())])


class Reason(StrEnum):
    """Why a request is not taken; above each reason, the facts that come with it."""

    PROMPT_EMPTY = "prompt_empty"
    #: chars, chars_max
    PROMPT_TOO_LONG = "prompt_too_long"
    #: images_max
    TOO_MANY_IMAGES = "too_many_images"
    #: allowed
    NO_SUCH_RATIO = "no_such_ratio"
    #: allowed
    NO_SUCH_RESOLUTION = "no_such_resolution"
    #: allowed
    NO_SUCH_QUALITY = "no_such_quality"
    #: allowed
    NO_SUCH_BACKGROUND = "no_such_background"
    #: allowed
    NO_SUCH_MODEL = "no_such_model"
    NOTHING_TO_EDIT = "nothing_to_edit"
    #: references_max
    TOO_MANY_REFERENCES = "too_many_references"
    #: images_max
    BASKET_FULL = "basket_full"
    MASK_WITHOUT_IMAGE = "mask_without_image"
    #: option, filename, and those of `flaw`
    REFERENCE = "reference"
    #: model
    NO_PROVIDER = "no_provider"
    #: model, since: a day, as 2026-12-01
    RETIRED = "retired"
    #: model
    NO_FILTER = "no_filter"
    #: model
    EDITS_NOTHING = "edits_nothing"
    #: model
    ONLY_EDITS = "only_edits"
    #: model, references_max
    MODEL_REFERENCES = "model_references"
    #: model
    MODEL_MASK = "model_mask"
    #: model
    MODEL_BACKGROUND = "model_background"
    #: model
    MODEL_WITHOUT_QUALITIES = "model_without_qualities"
    #: model, quality, qualities
    MODEL_QUALITY = "model_quality"
    #: model, ratio, ratios
    MODEL_RATIO = "model_ratio"
    #: model, resolution, resolutions
    MODEL_RESOLUTION = "model_resolution"
    #: model, ratio, resolution; resolutions of that ratio, ratios at that resolution
    MODEL_SIZE = "model_size"
    #: permissions
    PERMISSIONS = "permissions"
    #: needed_ucr, available_ucr; refills_at in seconds since 1970 if that is then enough; `fits` if
    #: something would fit: "resolution/quality/micro-credits" of each; usual_ucr if it is less than
    #: needed_ucr
    CREDITS = "credits"
    #: the same, always with refills_at, for the budget of the whole server
    BUDGET = "budget"
    #: the same, for the budget of all servers together
    TOTAL_BUDGET = "total_budget"
    SERVER_NOT_SERVED = "server_not_served"
    NO_DIRECT_MESSAGES = "no_direct_messages"
    #: again_at in seconds since 1970, if it is known
    ROUTES_DOWN = "routes_down"
    QUEUE_FULL = "queue_full"
    #: waiting
    OWN_QUEUE_FULL = "own_queue_full"
    STORE_BUSY = "store_busy"
    #: the draft was ordered before, or is kept no longer
    DRAFT_USED = "draft_used"
    #: presets_max
    TOO_MANY_PRESETS = "too_many_presets"
    #: chars_max
    PRESET_NAME = "preset_name"
    #: `said` if the moderators gave a reason
    PAUSED = "paused"
    #: until in seconds since 1970; `said` if the moderators gave a reason
    PAUSED_UNTIL = "paused_until"
    #: channels
    CHANNEL_NOT_ALLOWED = "channel_not_allowed"
    #: `direct` if the host lets members ask in direct messages
    PRIVATE_NOT_ALLOWED = "private_not_allowed"
    PICTURE_NOT_ALLOWED = "picture_not_allowed"
    #: count_max
    COUNT_NOT_ALLOWED = "count_not_allowed"
    #: resolution, allowed
    RESOLUTION_NOT_ALLOWED = "resolution_not_allowed"
    #: model, allowed
    MODEL_NOT_ALLOWED = "model_not_allowed"
    #: allowed
    NO_ALLOWED_MODEL = "no_allowed_model"
    #: because: the moderator's words; until in seconds since 1970, if the block has an end
    BLOCKED = "blocked"
    #: needed_ucr, available_ucr (as much as one job may cost here), `fits` as above
    CEILING = "ceiling"
    #: for an allowance that rolls: those of CREDITS, but instead of refills_at, if something is to
    #: come back, back_ucr and back_at in seconds since 1970
    ROLLING_CREDITS = "rolling_credits"
    #: what is stored of the member is about to be erased
    ERASING = "erasing"


class Refusal(BotError):
    """
    A request that is not taken.

    Args:
        facts: those that the reason names. If another model may be able to do it: `others` that
            are, and if there are none, those that are where the filter is off (`unfiltered`).
    """

    def __init__(self, reason: Reason, **facts: Fact) -> None:
        super().__init__(_spelled(reason, facts))
        self.reason = reason
        self.facts = facts
        #: of the request, if it was kept so that it can be worded anew
        self.draft_id = ""


class InvalidRequest(Refusal):
    pass


class NotAllowed(Refusal):
    pass


class InsufficientCredits(Refusal):
    #: micro-credits that the member's account and each budget have left, for what would fit
    left_ucr = 0


class Busy(Refusal):
    pass


class StoreBusy(Busy):
    pass


class ProviderError(BotError):
    """
    A vendor's answer, or its absence, as the engine has to treat it.

    Args:
        message: what the vendor says, or Easel about its answer; no key. Only for the log at DEBUG
            and for `easel check`.
        status: HTTP status or the vendor's own numeric code, where there was one.
    """

    #: seconds until the vendor wants to be asked again; None: it did not say
    retry_after_s: float | None = None
    #: whether too many calls were sent; nothing is wrong with the vendor then
    rate_limited = False

    def __init__(self, provider: str, message: str, *, status: int | None = None) -> None:
        # The words may quote the prompt, so they are no part of what is printed.
        number = f" ({str(status)[:STATUS_CHARS_MAX]})" if status else ""
        super().__init__(f"{provider}: {type(self).__name__}{number}")
        self.words = message
        self.status = status


class ProviderRefused(ProviderError):
    """
    The vendor will not make this image.

    Args:
        moderation: refused for its content, not for its form.
        facts: `stage` and `contents`, if it is known at which stage and for what.
        transparency: refused for the transparent background that was asked for.
    """

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        moderation: bool = False,
        facts: Facts | None = None,
        transparency: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(provider, message, status=status)
        self.moderation = moderation
        self.facts = facts or {}
        self.transparency = transparency


class ProviderBusy(ProviderError):
    """Certainly not accepted; may be sent again."""

    def __init__(
        self,
        provider: str,
        message: str,
        *,
        retry_after_s: float | None = None,
        rate_limited: bool,
        status: int | None = None,
    ) -> None:
        super().__init__(provider, message, status=status)
        self.retry_after_s = retry_after_s
        self.rate_limited = rate_limited


class ProviderUnreachable(ProviderError):
    pass


class ProviderOutcomeUnknown(ProviderError):
    pass


class ProviderMisconfigured(ProviderError):
    pass


class ProviderContractBroken(ProviderError):
    pass


class Flaw(StrEnum):
    """What is wrong with an image; above each flaw, the facts that come with it."""

    EMPTY = "empty"
    #: damaged, or cut off
    DAMAGED = "damaged"
    ANIMATED = "animated"
    VIDEO = "video"
    #: no kind of picture that is taken
    NO_PICTURE = "no_picture"
    #: a picture, but of a kind that no vendor should answer with; found
    OTHER_FORMAT = "other_format"
    #: bytes_max
    TOO_MANY_BYTES = "too_many_bytes"
    #: pixels_max
    TOO_MANY_PIXELS = "too_many_pixels"
    #: more than there is memory for in this kind of file; pixels_max
    TOO_MANY_PIXELS_OF_ITS_KIND = "too_many_pixels_of_its_kind"
    #: as a JPEG it may have more; pixels_max
    TOO_MANY_PIXELS_BUT_AS_JPEG = "too_many_pixels_but_as_jpeg"
    #: a mask that is opaque, or not as large as its image
    WRONG_MASK = "wrong_mask"
    #: Discord did not give it out; nothing may be wrong with the image itself
    NOT_FETCHED = "not_fetched"


class UnusableImage(BotError):
    def __init__(self, flaw: Flaw, **facts: Fact) -> None:
        super().__init__(_spelled(flaw, facts))
        self.flaw = flaw
        self.facts = facts


class Stage(StrEnum):
    """What a content filter looked at when it refused."""

    #: the words and the references
    INPUT = "input"
    #: the picture that was made from them
    OUTPUT = "output"


class Content(StrEnum):
    """What a content filter refuses, as far as vendors name it."""

    VIOLENCE = "violence"
    SEXUAL = "sexual"
    HATE = "hate"
    HARASSMENT = "harassment"
    SELF_HARM = "self_harm"
    ILLICIT = "illicit"


class FetchTrouble(Enum):
    """Why a link could not be read, and so whether another try may help."""

    #: the same link may answer later
    PASSING = auto()
    #: it was refused: another link to the same file may do
    REFUSED = auto()
    #: nothing is there: not yet, or not any more
    GONE = auto()
    #: the bot never follows such a link
    NEVER = auto()
    #: nothing is wrong with the link: the bot's own disk is full, or cannot be written to
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
    """Somebody else has taken the job or task on; the caller lets go of it."""


class Repeated(BotError):
    """Discord sent an interaction again that has its job already, from any process."""


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
