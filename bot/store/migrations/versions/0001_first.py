"""Accounts, entries, jobs and tasks"""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    _accounts()
    _jobs()
    _what_was_learned()
    _settings()
    _commands()
    _turns()
    _entries()
    _tasks()


def _accounts() -> None:
    op.create_table(
        "accounts",
        sa.Column("server_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("allowance_ucr", sa.BigInteger(), nullable=False),
        sa.Column("grant_ucr", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.CheckConstraint("allowance_ucr >= 0", name="ck_accounts_allowance_not_negative"),
        sa.CheckConstraint("grant_ucr >= 0", name="ck_accounts_grant_not_negative"),
        sa.PrimaryKeyConstraint("server_id", "user_id", name="pk_accounts"),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(length=25), nullable=False),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("channel_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("request", sa.Text(), nullable=False),
        sa.Column("quote_ucr", sa.BigInteger(), nullable=False),
        sa.Column("cost_ucr", sa.BigInteger(), nullable=True),
        sa.Column("nsfw_checker", sa.Boolean(), nullable=False),
        sa.Column("spoiler", sa.Boolean(), nullable=False),
        sa.Column("application_id", sa.BigInteger(), nullable=False),
        sa.Column("token", sa.Text(), nullable=False),
        sa.Column("token_expires_at", sa.BigInteger(), nullable=False),
        sa.Column("file_bytes_max", sa.BigInteger(), nullable=False),
        sa.Column("message_id", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.String(length=30), nullable=True),
        sa.Column("detail", sa.String(length=300), server_default="", nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.Column("started_at", sa.BigInteger(), nullable=True),
        sa.Column("finished_at", sa.BigInteger(), nullable=True),
        sa.Column("keeps_images", sa.Boolean(), server_default=sa.false(), nullable=False),
        sa.Column("claims", sa.Integer(), server_default="0", nullable=False),
        sa.Column("lease_owner", sa.String(length=40), nullable=True),
        sa.Column("lease_until", sa.BigInteger(), nullable=True),
        sa.CheckConstraint(
            "(cost_ucr IS NULL) = (state IN ('queued', 'running', 'cancelled'))",
            name="ck_jobs_cost_when_settled",
        ),
        sa.CheckConstraint(
            "(finished_at IS NULL) = (state IN ('queued', 'running', 'delivering'))",
            name="ck_jobs_finished_when_final",
        ),
        sa.CheckConstraint(
            "state IN ('queued', 'running', 'delivering', 'done', 'failed', 'cancelled')",
            name="ck_jobs_state",
        ),
        sa.CheckConstraint("cost_ucr BETWEEN 0 AND quote_ucr", name="ck_jobs_cost_within_quote"),
        sa.CheckConstraint("quote_ucr >= 0", name="ck_jobs_quote_not_negative"),
        sa.PrimaryKeyConstraint("id", name="pk_jobs"),
    )
    _create_index(
        "ix_jobs_active",
        "jobs",
        ["state", "created_at"],
        "state IN ('queued', 'running', 'delivering')",
    )
    op.create_index("ix_jobs_member", "jobs", ["server_id", "user_id", "created_at"])


def _what_was_learned() -> None:
    op.create_table(
        "route_latencies",
        sa.Column("route_id", sa.String(length=120), nullable=False),
        sa.Column("images", sa.Integer(), nullable=False),
        sa.Column("mean", sa.Float(), nullable=False),
        sa.Column("variance", sa.Float(), nullable=False),
        sa.PrimaryKeyConstraint("route_id", name="pk_route_latencies"),
    )


def _settings() -> None:
    op.create_table(
        "servers",
        sa.Column("server_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("nsfw_checker", sa.String(length=20), nullable=False),
        sa.CheckConstraint(
            "nsfw_checker IN ('on', 'age_restricted', 'off')", name="ck_servers_nsfw_checker"
        ),
        sa.PrimaryKeyConstraint("server_id", name="pk_servers"),
    )
    op.create_table(
        "setting_changes",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("setting", sa.String(length=40), nullable=False),
        sa.Column("old", sa.String(length=100), nullable=False),
        sa.Column("new", sa.String(length=100), nullable=False),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_setting_changes"),
    )
    op.create_index("ix_setting_changes_server_id", "setting_changes", ["server_id"])


def _commands() -> None:
    op.create_table(
        "synced_commands",
        sa.Column("scope", sa.String(length=200), nullable=False),
        sa.Column("digest", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("scope", name="pk_synced_commands"),
    )


def _turns() -> None:
    op.create_table(
        "turns",
        sa.Column("server_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("user_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("turn", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("server_id", "user_id", name="pk_turns"),
    )
    op.create_index("ix_turns_turn", "turns", ["turn"])


def _entries() -> None:
    op.create_table(
        "entries",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("server_id", sa.BigInteger(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("kind", sa.String(length=12), nullable=False),
        sa.Column("allowance_ucr", sa.BigInteger(), nullable=False),
        sa.Column("grant_ucr", sa.BigInteger(), nullable=False),
        sa.Column("period_start", sa.Date(), nullable=True),
        sa.Column("job_id", sa.String(length=25), nullable=True),
        sa.Column("created_at", sa.BigInteger(), nullable=False),
        sa.CheckConstraint(
            "NOT (kind IN ('hold', 'settle', 'release', 'refund')) OR job_id IS NOT NULL",
            name="ck_entries_of_a_job",
        ),
        sa.CheckConstraint(
            "kind IN ('allowance', 'grant', 'hold', 'settle', 'release', 'refund', 'expire', 'correct')",
            name="ck_entries_kind",
        ),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_entries_job_id"),
        sa.ForeignKeyConstraint(
            ["server_id", "user_id"],
            ["accounts.server_id", "accounts.user_id"],
            name="fk_entries_account",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_entries"),
    )
    op.create_index("ix_entries_account", "entries", ["server_id", "user_id"])
    _create_index(
        "uq_entries_job_ending", "entries", ["job_id"], "kind IN ('settle', 'release')", unique=True
    )
    _create_index(
        "uq_entries_job_kind",
        "entries",
        ["job_id", "kind"],
        "kind IN ('hold', 'settle', 'release', 'refund')",
        unique=True,
    )


def _tasks() -> None:
    op.create_table(
        "tasks",
        sa.Column("id", sa.String(length=30), nullable=False),
        sa.Column("job_id", sa.String(length=25), nullable=False),
        sa.Column("image_index", sa.Integer(), nullable=False),
        sa.Column("route_id", sa.String(length=120), nullable=False),
        sa.Column("price_ucr", sa.BigInteger(), nullable=False),
        sa.Column("state", sa.String(length=12), nullable=False),
        sa.Column("submits", sa.Integer(), server_default="0", nullable=False),
        sa.Column("provider_task_id", sa.String(length=200), nullable=True),
        sa.Column("submitted_at", sa.BigInteger(), nullable=True),
        sa.Column("image_name", sa.String(length=80), nullable=True),
        sa.Column("width_px", sa.Integer(), nullable=True),
        sa.Column("height_px", sa.Integer(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("cost_ucr", sa.BigInteger(), nullable=True),
        sa.Column("cost_known", sa.Boolean(), server_default=sa.true(), nullable=False),
        sa.Column("failure", sa.String(length=30), nullable=True),
        sa.Column("detail", sa.String(length=300), server_default="", nullable=False),
        sa.CheckConstraint(
            "(failure IS NOT NULL) = (state = 'failed')", name="ck_tasks_failed_with_failure"
        ),
        sa.CheckConstraint(
            "state <> 'stored' OR (image_name IS NOT NULL AND cost_ucr IS NOT NULL)",
            name="ck_tasks_stored_with_image",
        ),
        sa.CheckConstraint(
            "state <> 'submitted' OR provider_task_id IS NOT NULL",
            name="ck_tasks_submitted_with_id",
        ),
        sa.CheckConstraint(
            "state IN ('pending', 'submitting', 'submitted', 'stored', 'failed')",
            name="ck_tasks_state",
        ),
        sa.CheckConstraint("image_index BETWEEN 0 AND 3", name="ck_tasks_image_index"),
        sa.ForeignKeyConstraint(["job_id"], ["jobs.id"], name="fk_tasks_job_id"),
        sa.PrimaryKeyConstraint("id", name="pk_tasks"),
    )
    op.create_index("ix_tasks_job_id", "tasks", ["job_id"])
    _create_index(
        "uq_tasks_image", "tasks", ["job_id", "image_index"], "state != 'failed'", unique=True
    )


def _create_index(
    name: str, table: str, columns: list[str], condition: str, *, unique: bool = False
) -> None:
    where = sa.text(condition)
    op.create_index(name, table, columns, unique=unique, sqlite_where=where, postgresql_where=where)
