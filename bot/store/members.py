"""What members keep for later: preferences, drafts, a basket and presets."""

import secrets
from collections.abc import Sequence
from datetime import datetime, timedelta

from msgspec.structs import replace

from bot.domain.preferences import (
    PRESETS_MAX,
    Preferences,
    preset_name,
    read_preferences,
    write_preferences,
)
from bot.domain.requests import REFERENCES_MAX, ImageRequest, Reference
from bot.errors import InvalidRequest, Reason, Refusal
from bot.store.rows import read_reference, read_request, write_json
from bot.store.sql import Transaction, insert, upsert

DRAFTS_KEPT = timedelta(days=1)
#: counted from the last addition
BASKET_KEPT = timedelta(days=1)
#: drafts per member; with more, the oldest go
DRAFTS_MAX = 100
#: drafts, and pictures of baskets, that one transaction removes for their age
SWEPT_AT_ONCE = 200
#: random bytes in a draft's id, which is written in hexadecimal
DRAFT_ID_BYTES = 12

ALL_PREFERENCES = "SELECT user_id, value FROM preferences"
SET_PREFERENCES = upsert("preferences", ("user_id",), "value")
FORGET_PREFERENCES = "DELETE FROM preferences WHERE user_id = :user"

NEW_DRAFT = insert("drafts", "id", "user_id", "request", "created_at")
DRAFT = "SELECT request FROM drafts WHERE id = :draft AND user_id = :user"
USE_DRAFT = "DELETE FROM drafts WHERE id = :draft AND user_id = :user"
MAKE_ROOM = f"""
    DELETE FROM drafts
    WHERE user_id = :user AND id NOT IN (
        SELECT id FROM drafts
        WHERE user_id = :user
        ORDER BY created_at DESC LIMIT {DRAFTS_MAX - 1}
    )
"""
OLD_DRAFTS = f"""
    DELETE FROM drafts
    WHERE id IN (SELECT id FROM drafts WHERE created_at <= :until LIMIT {SWEPT_AT_ONCE})
"""

BASKET = "SELECT id, reference, added_at FROM basket WHERE user_id = :user ORDER BY id"
ADD = insert("basket", "user_id", "reference", "added_at")
ADD_AGAIN = "UPDATE basket SET reference = :text, added_at = :now WHERE id = :row"
TAKE = "DELETE FROM basket WHERE id = :row"
EMPTY = "DELETE FROM basket WHERE user_id = :user"
OLD_BASKETS = f"""
    DELETE FROM basket WHERE id IN (
        SELECT id FROM basket
        WHERE user_id NOT IN (SELECT user_id FROM basket WHERE added_at > :until)
        LIMIT {SWEPT_AT_ONCE}
    )
"""

PRESETS = "SELECT name, request FROM presets WHERE user_id = :user"
HOW_MANY_PRESETS = "SELECT count(*) FROM presets WHERE user_id = :user"
SET_PRESET = """
    UPDATE presets SET request = :text, saved_at = :now
    WHERE user_id = :user AND name = :preset
"""
NEW_PRESET = insert("presets", "user_id", "name", "request", "saved_at")
REMOVE_PRESET = "DELETE FROM presets WHERE user_id = :user AND name = :preset"


def all_preferences(tx: Transaction) -> dict[int, Preferences]:
    """User id -> preferences, for every member who has set some."""
    return {row.user_id: read_preferences(row.value) for row in tx.rows(ALL_PREFERENCES)}


def prefer(tx: Transaction, user_id: int, preferences: Preferences) -> None:
    """Store a member's preferences; if all are the defaults, no row is kept."""
    if preferences == Preferences():
        tx.execute(FORGET_PREFERENCES, {"user": user_id})
        return
    tx.execute(SET_PREFERENCES, {"user_id": user_id, "value": write_preferences(preferences)})


def keep_draft(tx: Transaction, user_id: int, request: ImageRequest, now: datetime) -> str:
    """
    Keep a request that has not become a job, for a day. With more than DRAFTS_MAX, the member's
    oldest go.

    Returns:
        The draft's id.
    """
    tx.execute(MAKE_ROOM, {"user": user_id})
    draft_id = secrets.token_hex(DRAFT_ID_BYTES)
    row = {"id": draft_id, "user_id": user_id, "request": write_json(request)}
    tx.execute(NEW_DRAFT, row | {"created_at": now})
    return draft_id


def draft(tx: Transaction, draft_id: str, user_id: int) -> ImageRequest | None:
    """The request as it was kept; None: it is gone, unreadable, or another member's."""
    text = tx.scalar(DRAFT, {"draft": draft_id, "user": user_id})
    return None if text is None else read_request(text, user_id=user_id)


def use_draft(tx: Transaction, draft_id: str, user_id: int) -> None:
    """Remove a draft that becomes a job."""
    tx.execute(USE_DRAFT, {"draft": draft_id, "user": user_id})


def basket(tx: Transaction, user_id: int, now: datetime) -> list[Reference]:
    """The references in a member's basket, oldest first; kept for a day from the last addition."""
    return [reference for _, reference in _gathered(tx, user_id, now)]


def add_to_basket(
    tx: Transaction, user_id: int, references: Sequence[Reference], now: datetime
) -> list[Reference]:
    """
    Add references. A picture that is in the basket already keeps its place and gets the newer link.

    Returns:
        The whole basket after.
    Raises:
        InvalidRequest: they do not all fit; none is added.
    """
    before = _gathered(tx, user_id, now)
    after = [reference for _, reference in before]
    touched = set()
    for reference in references:
        index = next((n for n, each in enumerate(after) if _same(each, reference)), len(after))
        known = after[index] if index < len(after) else reference
        after[index : index + 1] = [_renewed(known, reference)]
        touched.add(index)
    if len(after) > REFERENCES_MAX:
        raise InvalidRequest(Reason.BASKET_FULL, images_max=REFERENCES_MAX)
    if not before:
        # Rows may be left that are too old, or cannot be read.
        tx.execute(EMPTY, {"user": user_id})
    for index, (row_id, _) in enumerate(before):
        if index in touched:
            text = write_json(after[index])
            tx.execute(ADD_AGAIN, {"row": row_id, "text": text, "now": now})
    added = [
        {"user_id": user_id, "reference": write_json(each), "added_at": now}
        for each in after[len(before) :]
    ]
    if added:
        tx.executemany(ADD, added)
    return after


def take_from_basket(tx: Transaction, user_id: int, index: int | None) -> None:
    """
    Args:
        index: of the reference to take, from 0; None: take all of them.
    """
    if index is None:
        tx.execute(EMPTY, {"user": user_id})
        return
    for number, (row_id, _) in enumerate(_gathered(tx, user_id)):
        if number == index:
            tx.execute(TAKE, {"row": row_id})


def presets(tx: Transaction, user_id: int) -> dict[str, ImageRequest]:
    """The member's presets by name, sorted without case; what cannot be read is left out."""
    found = {}
    for row in tx.rows(PRESETS, {"user": user_id}):
        if request := read_request(row.request, user_id=user_id):
            found[row.name] = request
    return dict(sorted(found.items(), key=lambda each: (each[0].casefold(), each[0])))


def save_preset(
    tx: Transaction, user_id: int, name: str, request: ImageRequest, now: datetime
) -> None:
    """
    Keep a request under a name; it replaces the member's preset of that name.

    Raises:
        Refusal: this cannot be a name, or the member has PRESETS_MAX presets already.
    """
    name, text = preset_name(name), write_json(request)
    given = {"user": user_id, "preset": name, "text": text, "now": now}
    if tx.execute(SET_PRESET, given):
        return
    if tx.scalar(HOW_MANY_PRESETS, {"user": user_id}) >= PRESETS_MAX:
        raise Refusal(Reason.TOO_MANY_PRESETS, presets_max=PRESETS_MAX)
    row = {"user_id": user_id, "name": name, "request": text, "saved_at": now}
    tx.execute(NEW_PRESET, row)


def remove_preset(tx: Transaction, user_id: int, name: str) -> bool:
    """False: there was no preset of that name."""
    try:
        name = preset_name(name)
    except Refusal:
        return False
    return bool(tx.execute(REMOVE_PRESET, {"user": user_id, "preset": name}))


def sweep(tx: Transaction, now: datetime) -> bool:
    """Remove some drafts and baskets that are too old; returns whether there may be more."""
    drafts = tx.execute(OLD_DRAFTS, {"until": now - DRAFTS_KEPT})
    pictures = tx.execute(OLD_BASKETS, {"until": now - BASKET_KEPT})
    return max(drafts, pictures) == SWEPT_AT_ONCE


def _gathered(
    tx: Transaction, user_id: int, now: datetime | None = None
) -> list[tuple[int, Reference]]:
    """
    The references in the member's basket, each with its row's id; what cannot be read is left out.

    Args:
        now: leaves out a basket that is too old; None: takes one of any age.
    """
    rows = list(tx.rows(BASKET, {"user": user_id}))
    if now is not None and all(row.added_at <= now - BASKET_KEPT for row in rows):
        return []
    read = ((row.id, read_reference(row.reference)) for row in rows)
    return [(row_id, reference) for row_id, reference in read if reference is not None]


def _same(one: Reference, other: Reference) -> bool:
    """Whether both are the same picture."""
    if one.kept_as and one.kept_as == other.kept_as:
        return True
    return bool(one.url) and one.address == other.address


def _renewed(known: Reference, again: Reference) -> Reference:
    """The newer reference to a picture, with the link or kept file that only the older one has."""
    return replace(again, url=again.url or known.url, kept_as=again.kept_as or known.kept_as)
