"""Guarded reading of the fields in a vendor's JSON; knows no vendor."""

import json
from collections.abc import Collection, Mapping, Sequence
from typing import TypeGuard
from urllib.parse import urlsplit

from bot.providers.inline import INLINE

#: Words for a task's state, in lower case: the vendors', and those that clients have met. Every
#: other word means: still running.
FINISHED_WORDS = frozenset({"completed", "complete", "success", "succeeded"})
FAILED_WORDS = frozenset(
    {"failed", "fail", "failure", "error", "cancel", "canceled", "cancelled", "expired", "timeout"}
)
#: Links in one answer; a task makes one image, more than this is not an answer to ours.
LINKS_MAX = 16
LINK_CHARS_MAX = 4_096
TASK_ID_CHARS_MAX = 200
#: A vendor's own word, as far as it is kept for the log.
WORD_CHARS_MAX = 64
#: of a vendor's list, in one line
MODELS_TOLD_MAX = 6


def mapping(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = body.get(name)
    return value if isinstance(value, dict) else {}


def text(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def code(body: Mapping[str, object], name: str) -> str:
    """A code that one answer writes as a number, another as a text; empty where there is none."""
    value = body.get(name)
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""


def inner_json(body: Mapping[str, object], name: str) -> Mapping[str, object]:
    """The object that a text field holds as JSON; empty where it holds none."""
    try:
        value = json.loads(text(body, name))
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def task_id(body: Mapping[str, object], *names: str) -> str | None:
    """The first of these fields that can be a task's id; a number becomes its digits."""
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


def results(values: object) -> tuple[tuple[str, ...], bool] | None:
    """A list of links, and whether an image stood in it; None if it holds something else."""
    in_answer = isinstance(values, list) and INLINE in values
    found = links(
        [each for each in values if each != INLINE] if isinstance(values, list) else values
    )
    return None if found is None else (found, in_answer)


def links(values: object) -> tuple[str, ...] | None:
    """A list of links; None if it is something else."""
    if not isinstance(values, Sequence) or isinstance(values, str) or len(values) > LINKS_MAX:
        return None
    found = tuple(value for value in values if is_link(value))
    return found if len(found) == len(values) else None


def model_ids(body: Mapping[str, object]) -> list[str]:
    """`data[].id` of a list of models in OpenAI's shape; empty where it is no such list."""
    data = body.get("data")
    models = data if isinstance(data, list) else []
    return [text(each, "id") for each in models if isinstance(each, dict)]


def compare_models(listed: Collection[str], upstreams: Collection[str]) -> list[str]:
    """
    For `easel check`: what the catalog has and the vendor does not list, and the other way round.

    Args:
        listed: by the vendor; of these, those that make images have that in their names.
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
