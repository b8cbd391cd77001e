"""A server has an account too, and an account remembers what it was refilled to"""

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"

OF_A_JOB = "kind IN ('hold', 'settle', 'release', 'refund')"
ENDINGS = "kind IN ('settle', 'release')"


def upgrade() -> None:
    # Not as a batch, which would copy the table, and lose its checks.
    op.add_column("accounts", sa.Column("refilled_to_ucr", sa.BigInteger()))
    op.add_column("accounts", sa.Column("refill_period", sa.String(length=5)))
    for name, columns, condition in (
        ("uq_entries_job_kind", ["job_id", "server_id", "user_id", "kind"], OF_A_JOB),
        ("uq_entries_job_ending", ["job_id", "server_id", "user_id"], ENDINGS),
    ):
        where = sa.text(condition)
        op.drop_index(name, "entries")
        op.create_index(
            name, "entries", columns, unique=True, sqlite_where=where, postgresql_where=where
        )
