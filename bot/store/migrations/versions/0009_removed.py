"""Results are covered and removed by moderators; each member reports a result once"""

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"

IS_REPORT = "action = 'report'"


def upgrade() -> None:
    for name in ("covered", "removed"):
        op.add_column(
            "jobs", sa.Column(name, sa.Boolean(), server_default=sa.false(), nullable=False)
        )
    where = sa.text(IS_REPORT)
    op.create_index(
        "uq_acts_report",
        "acts",
        ["job_id", "by_id"],
        unique=True,
        sqlite_where=where,
        postgresql_where=where,
    )
    op.create_index(
        "ix_acts_reports",
        "acts",
        ["by_id", "created_at"],
        sqlite_where=where,
        postgresql_where=where,
    )
