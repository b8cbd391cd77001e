"""Each interaction of Discord's makes one job"""

from itertools import count

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

#: milliseconds since 1970; Discord's ids count from here (Discord docs, Snowflakes)
DISCORD_EPOCH_MS = 1_420_070_400_000
#: an id begins with its milliseconds, and ends with 22 bits to tell them apart
SERIAL_BITS = 22
#: an answer may be older than the row of its job
OLDER_MS = 60_000


def upgrade() -> None:
    with op.batch_alter_table("jobs") as batch_op:
        batch_op.add_column(sa.Column("interaction_id", sa.BigInteger(), nullable=True))
    _give_ids(op.get_bind())
    op.create_index("uq_jobs_interaction", "jobs", ["interaction_id"], unique=True)


def _give_ids(connection: sa.Connection) -> None:
    """Jobs from before get ids of their time, by which their messages are looked for."""
    jobs = sa.table("jobs", sa.column("id"), sa.column("created_at"), sa.column("interaction_id"))
    serials = count()
    given = [
        {
            "job": row.id,
            "given": (row.created_at - OLDER_MS - DISCORD_EPOCH_MS << SERIAL_BITS)
            | (next(serials) % (1 << SERIAL_BITS)),
        }
        for row in connection.execute(sa.select(jobs.c.id, jobs.c.created_at))
    ]
    if given:
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == sa.bindparam("job"))
            .values(interaction_id=sa.bindparam("given")),
            given,
        )
