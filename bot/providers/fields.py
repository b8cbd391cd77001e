"""Reads single fields of a vendor's JSON and checks their types; knows no vendor."""

import json
from collections.abc import Collection, Mapping, Sequence
from decimal import Decimal
from typing import TypeGuard
from urllib.parse import urlsplit

from bot.providers.inline import INLINE

#: Words for a task's state, in lower case: those that vendors document and those that clients have
#: met. Every other word means that the task is still running.
FINISHED_WORDS = frozenset({"completed", "complete", "success", "succeeded"})
FAILED_WORDS = frozenset(
    {"failed", "fail", "failure", "error", "cancel", "canceled", "cancelled", "expired", "timeout"}
)
#: Links in one answer. A task makes one image; an answer with more links does not belong to it.
LINKS_MAX = 16
LINK_CHARS_MAX = 4_096
TASK_ID_CHARS_MAX = 200
#: Longest part of a vendor's own word that is kept for the log.
WORD_CHARS_MAX = 64
#: No account holds more. JSON can write numbers that do not fit into memory, such as 1e999999999.
AMOUNT_MAX = 10**12
#: No image takes more.
TOKENS_MAX = 10**9
#: names under which vendors and gateways say what is wrong, and how deep these lie
COMPLAINTS = ("error", "errors", "data", "detail", "details", "message", "msg", "reason")
COMPLAINTS_DEPTH = 4
#: models of a vendor's list that one line names
MODELS_TOLD_MAX = 6


def mapping(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def first(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The first entry of a list of objects; empty if there is none."""
    value = body.get(name)
    return value[0] if isinstance(value, list) and value and isinstance(value[0], dict) else {}


def text(body: Mapping[str, object], *names: str) -> str:
    """The first of these fields that holds a text; empty if none does."""
    texts = (value for name in names if isinstance(value := body.get(name), str))
    return next(filter(None, texts), "")


def any_message(value: object, depth: int = COMPLAINTS_DEPTH) -> str:
    """What an answer complains of, in a shape that its vendor does not document; may be empty."""
    parts: list[object] = []
    if isinstance(value, dict):
        parts = [value[name] for name in COMPLAINTS if name in value]
    elif isinstance(value, list):
        parts = value[:LINKS_MAX]
    elif isinstance(value, str):
        return value
    return " ".join(filter(None, (any_message(each, depth - 1) for each in parts if depth)))


def objects(body: Mapping[str, object], name: str) -> list[Mapping[str, object]]:
    """The objects in a list, whatever else is in it; empty if there is no list."""
    value = body.get(name)
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def whole(body: Mapping[str, object], name: str) -> int | None:
    """A whole number; None if there is none. To Python, `true` is one, too."""
    value = body.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def tokens(body: Mapping[str, object], name: str) -> int | None:
    """A number of tokens; None if there is none, or it is absurd."""
    count = whole(body, name)
    return count if count is not None and 0 <= count <= TOKENS_MAX else None


def code(body: Mapping[str, object], name: str) -> str:
    """A code as text, whether the answer writes a number or a text; empty if there is none."""
    number = whole(body, name)
    return text(body, name).strip() if number is None else str(number)


def amount(body: Mapping[str, object], name: str) -> Decimal | None:
    """A number of credits or dollars, to a millionth; None if there is none, or it is absurd."""
    value = body.get(name)
    if isinstance(value, bool) or not isinstance(value, int | Decimal):
        return None
    return round(Decimal(value), 6) if -AMOUNT_MAX <= value <= AMOUNT_MAX else None


def inner_json(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The JSON object in a text field; empty if the field holds none."""
    try:
        value = json.loads(text(body, name))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def task_id(body: Mapping[str, object], *names: str) -> str | None:
    """The first of these fields that can be a task's id; a number is turned into its digits."""
    for name in names:
        found = code(body, name)
        if 0 < len(found) <= TASK_ID_CHARS_MAX and found.isascii() and found.isprintable():
            return found
    return None


def is_link(value: object) -> TypeGuard[str]:
    if not isinstance(value, str) or len(value) > LINK_CHARS_MAX:
        return False
    try:
        parts = urlsplit(value)
        return parts.scheme in {"https", "http"} and bool(parts.hostname)
    except ValueError:
        return False


def link(body: Mapping[str, object], *names: str) -> str | None:
    """The first of these fields that holds a link."""
    return next((value for name in names if is_link(value := body.get(name))), None)


def results(values: object) -> tuple[tuple[str, ...], bool] | None:
    """As `links`, and whether INLINE stood in the list."""
    if not isinstance(values, list):
        return None
    found = links([each for each in values if each != INLINE])
    in_answer = INLINE in values
    return None if found is None and not in_answer else (found or (), in_answer)


def links(values: object) -> tuple[str, ...] | None:
    """
    A list's links, whatever else is in it; some vendors put words or a null beside them. None if it
    has only other things, or it is not a list of at most LINKS_MAX.
    """
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) > LINKS_MAX:
        return None
    found = tuple(value for value in values if is_link(value))
    return found if found or not values else None


def model_ids(body: Mapping[str, object]) -> list[str]:
    """`data[].id` of a list of models in OpenAI's shape; empty if the body is not in that shape."""
    return [text(each, "id") for each in objects(body, "data")]


def compare_models(listed: Collection[str], upstreams: Collection[str]) -> list[str]:
    """
    For `easel check`: the catalog's models that the vendor does not list, and the other way round.

    Args:
        listed: the vendor's models; those that make images have "image" in their names.
    """
    new = sorted(
        each[:WORD_CHARS_MAX]
        for each in {*listed} - {*upstreams}
        if "image" in each and each.isprintable()
    )
    more = f" and {len(new) - MODELS_TOLD_MAX} more" if len(new) > MODELS_TOLD_MAX else ""
    said = []
    if listed and (gone := sorted({*upstreams} - {*listed})):
        said.append(f"not in the vendor's list: {', '.join(gone)}")
    if new:
        said.append(f"not in the catalog: {', '.join(new[:MODELS_TOLD_MAX])}{more}")
    return said
