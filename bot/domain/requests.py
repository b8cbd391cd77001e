"""What a member asks for, and the bounds that hold on every route; Discord checks none of them."""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Annotated, Any

from msgspec import Meta, Struct, field
from msgspec.structs import replace

from bot.domain import words
from bot.errors import Fact, Flaw, InvalidRequest, Reason

#: characters; what a Discord text input takes (Discord docs, Text Input), so that a prompt
#: typed as an option can be opened for editing later
PROMPT_CHARS_MAX = 4_000
IMAGES_MAX = 4
REFERENCES_MAX = 16
#: bytes; kie.ai and RunningHub, upstream of API Models, take at most 10 MB an image
REFERENCE_BYTES_MAX = 10_000_000
#: bytes of a picture as a member attaches it: a larger picture is refused, and a picture above what
#: vendors take is made smaller
PHOTO_BYTES_MAX = 50_000_000
#: pixels of one reference; larger than any model's own output, small enough to decode safely
REFERENCE_PIXELS_MAX = 40_000_000
#: pixels of one reference that is decoded at a fraction of its size, as a JPEG can be
PHOTO_PIXELS_MAX = 250_000_000
#: bytes (OpenAI API reference, images: mask)
MASK_BYTES_MAX = 4_000_000
#: names the end of a link's signature (Discord docs, Reference, Signed Attachment CDN URLs)
SIGNED = "ex"
REFERENCE_TYPES = ("image/png", "image/jpeg", "image/webp")

ASPECT_RATIOS = (
    "auto", "1:1", "3:2", "2:3", "4:3", "3:4", "5:4", "4:5", "16:9", "9:16", "2:1", "1:2",
    "21:9", "9:21", "3:1", "1:3",
)  # fmt: skip
RESOLUTIONS = ("1K", "2K", "4K")
QUALITIES = ("auto", "low", "medium", "high", "xhigh", "max")
TRANSPARENT = "transparent"
BACKGROUNDS = ("auto", "opaque", TRANSPARENT)

#: kinds of values that are kept apart from requests, and checked as they are read
Ratio = Annotated[str, Meta(pattern=rf"^(?:{'|'.join(ASPECT_RATIOS)})\Z")]
Resolution = Annotated[str, Meta(pattern=rf"^(?:{'|'.join(RESOLUTIONS)})\Z")]
Count = Annotated[int, Meta(ge=1, le=IMAGES_MAX)]


class Turn(StrEnum):
    """What a request does with the result that it goes on from, besides its member's words."""

    PLAIN = ""
    VARY = "vary"
    #: the same image at the next resolution
    LARGER = "larger"


class Mode(StrEnum):
    GENERATE = "generate"
    EDIT = "edit"


class Reference(Struct, frozen=True, forbid_unknown_fields=True):
    """
    An image a member attached, as Discord describes it. Everything but `url` is a claim; what the
    image really is shows when it is fetched.
    """

    url: str
    filename: str
    size_bytes: int
    content_type: str | None = None
    width_px: int | None = None
    height_px: int | None = None
    #: the command's option in which the member attached it
    option: str = ""
    #: name of the image's file in the image folder, if Easel made the image; as long as the file is
    #: there, it is used instead of the link
    kept_as: str = ""
    #: id of another member who posted it; 0: the member themselves did
    author_id: int = 0
    #: whoever posted it put it behind a spoiler cover
    covered: bool = False

    @property
    def address(self) -> str:
        """The link, or what of it stays the same: Discord signs its own anew each time."""
        path, _, query = self.url.partition("?")
        names = {part.partition("=")[0] for part in query.split("&")}
        return path if SIGNED in names else self.url

    @property
    def job_id(self) -> str:
        """Id of the job that made the image; empty: it is not known, or Easel did not make it."""
        return self.kept_as.partition("-")[0]


class ImageRequest(Struct, frozen=True, forbid_unknown_fields=True):
    """One `/imagine` or `/edit`. In mode edit, the first reference is the image to change."""

    mode: Mode
    prompt: str
    #: empty: any that can do it, the member's preferred one first, then the default
    model: str
    aspect_ratio: str = "auto"
    resolution: str = "1K"
    quality: str = "auto"
    count: int = 1
    references: tuple[Reference, ...] = ()
    #: confines an edit; transparent where the image may change
    mask: Reference | None = None
    private: bool = False
    #: the preferred or default model, if it cannot do what was asked and `model` was chosen in its
    #: place
    instead_of: str = ""
    background: str = "auto"
    #: id of the job whose result this goes on from; empty: none
    parent_id: str = ""
    turn: Turn = Turn.PLAIN
    #: the model that the member prefers when they name none; empty: none
    prefers: str = ""
    #: of shape and size, those that the member prefers and has not asked for, by the field's name
    wishes: Mapping[str, str] = field(default_factory=dict)


def by_itself(request: ImageRequest) -> ImageRequest:
    """The request without what it goes on from, and without what was preferred or replaced."""
    return replace(request, parent_id="", turn=Turn.PLAIN, instead_of="", prefers="", wishes={})


def asking(request: ImageRequest, **asked: Any) -> ImageRequest:
    """The request with what its member asks for, which is a wish no longer."""
    wishes = {name: wish for name, wish in request.wishes.items() if name not in asked}
    return replace(request, wishes=wishes, **asked)


def yielding(request: ImageRequest) -> Iterator[ImageRequest]:
    """The request, and what it may be instead where its member's wishes cannot be had."""
    if not request.wishes:
        yield request
        return
    ratios, resolutions = [request.aspect_ratio], [request.resolution]
    if "aspect_ratio" in request.wishes:
        ratios.append("auto")
    if "resolution" in request.wishes:
        resolutions += reversed(RESOLUTIONS[: RESOLUTIONS.index(request.resolution)])
    for ratio in ratios:
        for resolution in resolutions:
            yield replace(request, aspect_ratio=ratio, resolution=resolution)


def denied(request: ImageRequest) -> list[str]:
    """The member's wishes that the request is without."""
    return [wish for name, wish in request.wishes.items() if getattr(request, name) != wish]


#: what a vendor is told besides the member's words, which are those of the original image
TOLD = {
    Turn.VARY: (
        "Make a variation of this image: keep its subject, mood and style, and change composition"
        " and details. It was made from these words:"
    ),
    Turn.LARGER: (
        "Draw this image again at a higher resolution: keep subject, composition, colours and"
        " style exactly as they are, and make the details finer. It was made from these words:"
    ),
}


def words_of(request: ImageRequest) -> str:
    """The prompt that a vendor is given."""
    if request.turn is Turn.PLAIN:
        return request.prompt
    return f"{TOLD[request.turn]}\n\n{request.prompt}"[:PROMPT_CHARS_MAX]


#: stands in for a stored request that this version cannot read; it is private, because the stored
#: request may have been
UNREADABLE = ImageRequest(Mode.GENERATE, prompt="", model="", private=True)


def emptied(request: ImageRequest) -> ImageRequest:
    """The request without its words and references, which are kept no longer; it can be read."""
    return replace(request, prompt="", references=(), mask=None)


def check_request(request: ImageRequest) -> None:
    """
    Check the request against the bounds that hold on every route; the catalog checks the rest.

    Raises:
        InvalidRequest: names the first bound that the request breaks.
    """
    if not words.is_seen(request.prompt):
        raise InvalidRequest(Reason.PROMPT_EMPTY)
    if len(request.prompt) > PROMPT_CHARS_MAX:
        raise InvalidRequest(
            Reason.PROMPT_TOO_LONG, chars=len(request.prompt), chars_max=PROMPT_CHARS_MAX
        )
    if not 1 <= request.count <= IMAGES_MAX:
        raise InvalidRequest(Reason.TOO_MANY_IMAGES, images_max=IMAGES_MAX)
    _check_word(Reason.NO_SUCH_RATIO, request.aspect_ratio, ASPECT_RATIOS)
    _check_word(Reason.NO_SUCH_RESOLUTION, request.resolution, RESOLUTIONS)
    _check_word(Reason.NO_SUCH_QUALITY, request.quality, QUALITIES)
    _check_word(Reason.NO_SUCH_BACKGROUND, request.background, BACKGROUNDS)
    if request.mode is Mode.EDIT and not request.references:
        raise InvalidRequest(Reason.NOTHING_TO_EDIT)
    if len(request.references) > REFERENCES_MAX:
        raise InvalidRequest(Reason.TOO_MANY_REFERENCES, references_max=REFERENCES_MAX)
    for reference in request.references:
        _check_reference(reference)
    if request.mask is not None:
        if request.mode is not Mode.EDIT:
            raise InvalidRequest(Reason.MASK_WITHOUT_IMAGE)
        _check_reference(request.mask)


def _check_word(reason: Reason, word: str, allowed: Sequence[str]) -> None:
    if word not in allowed:
        raise InvalidRequest(reason, allowed=allowed)


def flawed(reference: Reference, flaw: Flaw, **facts: Fact) -> dict[str, Fact]:
    """The facts about a reference that cannot be used: what its member knows it by, and why."""
    return {"option": reference.option, "filename": reference.filename, "flaw": flaw, **facts}


def _check_reference(reference: Reference) -> None:
    """Refuse what Discord describes as too large; the bytes themselves are checked when fetched."""
    flaw = None
    if reference.size_bytes > PHOTO_BYTES_MAX:
        flaw = flawed(reference, Flaw.TOO_MANY_BYTES, bytes_max=PHOTO_BYTES_MAX)
    elif (reference.width_px or 0) * (reference.height_px or 0) > PHOTO_PIXELS_MAX:
        flaw = flawed(reference, Flaw.TOO_MANY_PIXELS, pixels_max=PHOTO_PIXELS_MAX)
    if flaw:
        raise InvalidRequest(Reason.REFERENCE, **flaw)
