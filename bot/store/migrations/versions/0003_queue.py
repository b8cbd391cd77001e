"""Who waits is counted, and each index is one that the statements can use"""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"

IS_QUEUED = "state = 'queued'"
IS_WORKED_ON = "state IN ('running', 'delivering')"
IS_CANCELLED = "state = 'cancelled'"
IS_WAITING = "waiting > 0"
#: of parties and members without a turn, in the order of their oldest jobs
NEWCOMER = -(2**40)


def upgrade() -> None:
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.add_column(
            sa.Column("party_id", sa.BigInteger(), server_default="0", nullable=False)
        )
        batch_op.add_column(
            sa.Column("route_id", sa.String(length=120), server_default="", nullable=False)
        )
        batch_op.drop_index("ix_jobs_active")
    op.execute(
        "UPDATE jobs SET party_id = CASE WHEN server_id = 0 THEN -user_id ELSE server_id END"
    )
    op.execute(
        "UPDATE jobs SET route_id = coalesce((SELECT min(tasks.route_id) FROM tasks"
        " WHERE tasks.job_id = jobs.id), '') WHERE state = 'queued'"
    )
    for name, columns, condition in (
        (
            "ix_jobs_queued",
            ["party_id", "user_id", "created_at", "id", "route_id", "lease_until"],
            IS_QUEUED,
        ),
        ("ix_jobs_worked_on", ["created_at"], IS_WORKED_ON),
        ("ix_jobs_cancelled", ["finished_at"], IS_CANCELLED),
    ):
        _create_index(name, "jobs", columns, condition)
    op.create_table(
        "queue",
        sa.Column("party_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("waiting", sa.Integer(), nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.CheckConstraint("waiting >= 0", name="ck_queue_waiting_not_negative"),
        sa.PrimaryKeyConstraint("party_id", "user_id", name="pk_queue"),
    )
    op.create_index("ix_queue_turn", "queue", ["turn"])
    _create_index(
        "ix_queue_waiting", "queue", ["user_id", "turn", "party_id", "waiting"], IS_WAITING
    )
    _create_index(
        "ix_queue_members", "queue", ["party_id", "turn", "user_id", "waiting"], IS_WAITING
    )
    op.execute(
        "INSERT INTO queue (party_id, user_id, waiting, turn)"
        " SELECT server_id, user_id, 0, turn FROM turns"
    )
    _count(op.get_bind())
    op.drop_table("turns")
    with op.batch_alter_table("synced_commands") as batch_op:
        batch_op.drop_column("digest")


def _create_index(name: str, table: str, columns: list[str], condition: str) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, sqlite_where=where, postgresql_where=where)


def _count(connection: sa.Connection) -> None:
    rows = connection.execute(
        sa.text("SELECT party_id, user_id FROM jobs WHERE state = 'queued' ORDER BY created_at, id")
    )
    for arrival, row in enumerate(rows.all()):
        for user_id in (0, row.user_id):
            connection.execute(
                sa.text(
                    "INSERT INTO queue (party_id, user_id, waiting, turn)"
                    " VALUES (:party, :user, 1, :turn)"
                    " ON CONFLICT (party_id, user_id) DO UPDATE SET waiting = queue.waiting + 1"
                ),
                {"party": row.party_id, "user": user_id, "turn": NEWCOMER + arrival},
            )
