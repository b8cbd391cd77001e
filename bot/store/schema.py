"""The tables; what must never be true of a row is a CHECK or a UNIQUE here."""

from collections.abc import Iterable
from datetime import UTC, datetime

import sqlalchemy as sa

from bot.domain.jobs import JobState, TaskState
from bot.domain.ledger import EntryKind
from bot.domain.policy import NsfwMode

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


class UtcTime(sa.TypeDecorator[datetime]):
    """An aware UTC datetime, stored as whole milliseconds since 1970."""

    impl = sa.BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: sa.Dialect) -> int | None:
        return None if value is None else round(value.timestamp() * 1000)

    def process_result_value(self, value: int | None, dialect: sa.Dialect) -> datetime | None:
        return None if value is None else datetime.fromtimestamp(value / 1000, UTC)


def one_of(column: str, words: Iterable[str]) -> str:
    return f"{column} IN ({', '.join(repr(str(word)) for word in words)})"


#: states in which a job still has something to do
ACTIVE = one_of("state", (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING))

servers = sa.Table(
    "servers",
    metadata,
    sa.Column("server_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("nsfw_checker", sa.String(20), nullable=False),
    sa.CheckConstraint(one_of("nsfw_checker", NsfwMode), name="nsfw_checker"),
)

#: every change of a server's settings, for its moderators
setting_changes = sa.Table(
    "setting_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("setting", sa.String(40), nullable=False),
    sa.Column("old", sa.String(100), nullable=False),
    sa.Column("new", sa.String(100), nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
)

accounts = sa.Table(
    "accounts",
    metadata,
    sa.Column("server_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("allowance_ucr", sa.BigInteger, nullable=False),
    sa.Column("grant_ucr", sa.BigInteger, nullable=False),
    sa.Column("period_start", sa.Date),
    sa.CheckConstraint("allowance_ucr >= 0", name="allowance_not_negative"),
    sa.CheckConstraint("grant_ucr >= 0", name="grant_not_negative"),
)

jobs = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", sa.String(25), primary_key=True),
    sa.Column("server_id", sa.BigInteger, nullable=False),
    sa.Column("channel_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    # the request as JSON: see bot/store/jobs.py
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("quote_ucr", sa.BigInteger, nullable=False),
    sa.Column("cost_ucr", sa.BigInteger),
    sa.Column("nsfw_checker", sa.Boolean, nullable=False),
    sa.Column("spoiler", sa.Boolean, nullable=False),
    sa.Column("application_id", sa.BigInteger, nullable=False),
    sa.Column("token", sa.Text, nullable=False),
    sa.Column("token_expires_at", UtcTime, nullable=False),
    sa.Column("file_bytes_max", sa.BigInteger, nullable=False),
    sa.Column("message_id", sa.BigInteger),
    sa.Column("failure", sa.String(30)),
    sa.Column("detail", sa.String(300), nullable=False, server_default=""),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.Column("keeps_images", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
    # who works on it, and until when; free for anyone once the time is over
    sa.Column("lease_owner", sa.String(40)),
    sa.Column("lease_until", UtcTime),
    sa.Column("interaction_id", sa.BigInteger),
    sa.CheckConstraint(one_of("state", JobState), name="state"),
    sa.CheckConstraint("quote_ucr >= 0", name="quote_not_negative"),
    sa.CheckConstraint("cost_ucr BETWEEN 0 AND quote_ucr", name="cost_within_quote"),
    sa.CheckConstraint(f"(finished_at IS NULL) = ({ACTIVE})", name="finished_when_final"),
    sa.CheckConstraint(
        "(cost_ucr IS NULL) = (state IN ('queued', 'running', 'cancelled'))",
        name="cost_when_settled",
    ),
)
#: what the claim looks through: never more than the jobs under way
sa.Index(
    "ix_jobs_active",
    jobs.c.state,
    jobs.c.created_at,
    sqlite_where=sa.text(ACTIVE),
    postgresql_where=sa.text(ACTIVE),
)

#: Discord's gateway repeats an event now and then, and no job is made of it twice
sa.Index("uq_jobs_interaction", jobs.c.interaction_id, unique=True)

#: a member's own jobs, newest first
sa.Index("ix_jobs_member", jobs.c.server_id, jobs.c.user_id, jobs.c.created_at)

#: the last turn of a server (user_id 0) or a member, numbered in the order of claims; members in
#: direct messages each have a "server" of their own, minus their id
turns = sa.Table(
    "turns",
    metadata,
    sa.Column("server_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("turn", sa.BigInteger, nullable=False, index=True),
)

tasks = sa.Table(
    "tasks",
    metadata,
    sa.Column("id", sa.String(30), primary_key=True),
    sa.Column("job_id", sa.ForeignKey("jobs.id"), nullable=False, index=True),
    sa.Column("image_index", sa.Integer, nullable=False),
    sa.Column("route_id", sa.String(120), nullable=False),
    sa.Column("price_ucr", sa.BigInteger, nullable=False),
    sa.Column("state", sa.String(12), nullable=False),
    sa.Column("submits", sa.Integer, nullable=False, server_default="0"),
    sa.Column("provider_task_id", sa.String(200)),
    sa.Column("submitted_at", UtcTime),
    sa.Column("image_name", sa.String(80)),
    sa.Column("width_px", sa.Integer),
    sa.Column("height_px", sa.Integer),
    sa.Column("size_bytes", sa.BigInteger),
    sa.Column("cost_ucr", sa.BigInteger),
    sa.Column("cost_known", sa.Boolean, nullable=False, server_default=sa.true()),
    sa.Column("failure", sa.String(30)),
    sa.Column("detail", sa.String(300), nullable=False, server_default=""),
    sa.CheckConstraint(one_of("state", TaskState), name="state"),
    sa.CheckConstraint("image_index BETWEEN 0 AND 3", name="image_index"),
    sa.CheckConstraint("(failure IS NOT NULL) = (state = 'failed')", name="failed_with_failure"),
    sa.CheckConstraint(
        "state <> 'stored' OR (image_name IS NOT NULL AND cost_ucr IS NOT NULL)",
        name="stored_with_image",
    ),
    sa.CheckConstraint(
        "state <> 'submitted' OR provider_task_id IS NOT NULL", name="submitted_with_id"
    ),
)
#: an image has one task at a time that may still give it
sa.Index(
    "uq_tasks_image",
    tasks.c.job_id,
    tasks.c.image_index,
    unique=True,
    sqlite_where=tasks.c.state != "failed",
    postgresql_where=tasks.c.state != "failed",
)

#: kinds that stand in the ledger at most once for a job
OF_A_JOB = one_of("kind", (EntryKind.HOLD, EntryKind.SETTLE, EntryKind.RELEASE, EntryKind.REFUND))
#: a hold ends exactly once
ENDINGS = one_of("kind", (EntryKind.SETTLE, EntryKind.RELEASE))

#: see Latency in bot/domain/waiting.py
route_latencies = sa.Table(
    "route_latencies",
    metadata,
    sa.Column("route_id", sa.String(120), primary_key=True),
    sa.Column("images", sa.Integer, nullable=False),
    sa.Column("mean", sa.Float, nullable=False),
    sa.Column("variance", sa.Float, nullable=False),
)

entries = sa.Table(
    "entries",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("kind", sa.String(12), nullable=False),
    sa.Column("allowance_ucr", sa.BigInteger, nullable=False),
    sa.Column("grant_ucr", sa.BigInteger, nullable=False),
    sa.Column("period_start", sa.Date),
    sa.Column("job_id", sa.ForeignKey("jobs.id")),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.ForeignKeyConstraint(
        ["server_id", "user_id"],
        ["accounts.server_id", "accounts.user_id"],
        name="fk_entries_account",
    ),
    sa.CheckConstraint(one_of("kind", EntryKind), name="kind"),
    sa.CheckConstraint(f"NOT ({OF_A_JOB}) OR job_id IS NOT NULL", name="of_a_job"),
    sa.Index("ix_entries_account", "server_id", "user_id"),
)
sa.Index(
    "uq_entries_job_kind",
    entries.c.job_id,
    entries.c.kind,
    unique=True,
    sqlite_where=sa.text(OF_A_JOB),
    postgresql_where=sa.text(OF_A_JOB),
)
sa.Index(
    "uq_entries_job_ending",
    entries.c.job_id,
    unique=True,
    sqlite_where=sa.text(ENDINGS),
    postgresql_where=sa.text(ENDINGS),
)

#: the commands last synced, so that Discord is told only of changes
synced_commands = sa.Table(
    "synced_commands",
    metadata,
    # "api base/application id/server id or global"
    sa.Column("scope", sa.String(200), primary_key=True),
    sa.Column("digest", sa.String(64), nullable=False),
)
