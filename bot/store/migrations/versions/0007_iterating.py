"""Members keep preferences, drafts, a basket and presets; a job says what it goes on from"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

#: how the request of an edit has always begun
EDIT = '{"mode": "edit"'
HAS_PARENT = "parent_id IS NOT NULL"


def upgrade() -> None:
    # Not as a batch, which would copy the table, and lose its checks.
    for column in (
        sa.Column("parent_id", sa.String(length=25)),
        sa.Column("mode", sa.String(length=8), server_default="generate", nullable=False),
        sa.Column("unwatched", sa.Boolean(), server_default=sa.false(), nullable=False),
    ):
        op.add_column("jobs", column)
    jobs = sa.table("jobs", sa.column("mode"), sa.column("request"))
    edits = sa.func.substr(jobs.c.request, 1, len(EDIT)) == EDIT
    op.execute(sa.update(jobs).where(edits).values(mode="edit"))
    op.drop_index("ix_jobs_member", "jobs")
    op.create_index("ix_jobs_member", "jobs", ["server_id", "user_id", "id"])
    where = sa.text(HAS_PARENT)
    op.create_index(
        "ix_jobs_parent", "jobs", ["parent_id", "id"], sqlite_where=where, postgresql_where=where
    )
    _create_tables()


def _create_tables() -> None:
    op.create_table(
        "preferences",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", name="pk_preferences"),
    )
    op.create_table(
        "drafts",
        sa.Column("id", sa.String(length=24), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_drafts"),
    )
    op.create_index("ix_drafts_created_at", "drafts", ["created_at"])
    op.create_index("ix_drafts_member", "drafts", ["user_id", "created_at"])
    op.create_table(
        "basket",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("reference", sa.Text(), nullable=False),
        sa.Column("added_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_basket"),
    )
    op.create_index("ix_basket_member", "basket", ["user_id", "id"])
    op.create_table(
        "presets",
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=50), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("saved_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("user_id", "name", name="pk_presets"),
    )
