"""Why a job has no image is kept as facts, not as words; a job knows its member's language"""

import json
import re

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"

#: how a stored sentence on a reference began, and the ends that it had
NAMED = re.compile(
    r"(?:`(?P<option>[^`]*)`|The image (?P<filename>.*?)) (?P<end>(?:"
    r"is (?:empty|damaged|animated|a video|no picture|larger)|has more than|must be|could not"
    r").*)",
    re.DOTALL,
)
MEGAPIXELS = re.compile(r"has more than ([0-9.e+]+) megapixels")
MEGABYTES = re.compile(r"is larger than ([0-9.e+]+) MB")
ENDS = {
    "is empty": "empty",
    "is damaged or cut off": "damaged",
    "is animated": "animated",
    "is a video": "video",
    "is no picture": "no_picture",
    "must be a picture with transparent parts": "wrong_mask",
    "could not be fetched": "not_fetched",
}


def facts_of(detail: str) -> dict[str, object]:
    """Empty where the sentence is not known: that of its failure stands in its place then."""
    named = NAMED.fullmatch(detail)
    if named is None:
        return {}
    facts: dict[str, object] = {
        "option": named["option"] or "",
        "filename": named["filename"] or "",
    }
    end = named["end"]
    if found := MEGAPIXELS.match(end):
        return facts | {
            "flaw": "too_many_pixels",
            "pixels_max": round(float(found[1]) * 1_000_000),
        }
    if found := MEGABYTES.match(end):
        return facts | {"flaw": "too_many_bytes", "bytes_max": round(float(found[1]) * 1_000_000)}
    for start, flaw in ENDS.items():
        if end.startswith(start):
            return facts | {"flaw": flaw}
    return {}


def upgrade() -> None:
    connection = op.get_bind()
    for name in ("jobs", "tasks"):
        op.add_column(name, sa.Column("facts", sa.Text(), server_default="{}", nullable=False))
        table = sa.table(name, sa.column("id"), sa.column("detail"), sa.column("facts"))
        told = sa.select(table.c.id, table.c.detail).where(table.c.detail != "")
        for row in connection.execute(told).all():
            facts = json.dumps(facts_of(row.detail), ensure_ascii=False)
            connection.execute(sa.update(table).where(table.c.id == row.id).values(facts=facts))
        # Not as a batch, which would copy the table, and lose its checks.
        op.execute(f"ALTER TABLE {name} DROP COLUMN detail")
    op.add_column(
        "jobs", sa.Column("locale", sa.String(length=10), server_default="en-US", nullable=False)
    )
