"""Members may have erased what is stored of them; sweeps remember how far they came"""

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"


def upgrade() -> None:
    written = sa.text("by_id IS NOT NULL")
    op.create_index(
        "ix_entries_by", "entries", ["by_id"], sqlite_where=written, postgresql_where=written
    )
    op.create_index("ix_acts_user", "acts", ["user_id"])
    op.create_index("ix_acts_by", "acts", ["by_id"])
    op.create_table(
        "erasures",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("erased_id", sa.BigInteger()),
        sa.Column("asked_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_erasures"),
    )
    op.create_table(
        "sweeps",
        sa.Column("name", sa.String(length=20), nullable=False),
        sa.Column("reached", sa.String(length=25), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_sweeps"),
    )
