"""A server's settings are rows, so that a new one needs no column"""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.create_table(
        "server_settings",
        sa.Column("server_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("name", sa.String(length=40), nullable=False),
        sa.Column("value", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "name", name="pk_server_settings"),
    )
    op.execute(
        "INSERT INTO server_settings (server_id, name, value)"
        " SELECT server_id, 'nsfw_checker', nsfw_checker FROM servers"
    )
    op.drop_table("servers")
    with op.batch_alter_table("setting_changes") as batch_op:
        for name in ("old", "new"):
            batch_op.alter_column(name, type_=sa.Text(), existing_nullable=False)
