"""The tables; what must never be true of a row is a CHECK or a UNIQUE here."""

from typing import Any

import sqlalchemy as sa

from bot.domain.jobs import JobState, TaskState
from bot.domain.ledger import EntryKind
from bot.domain.requests import Mode
from bot.store.types import FactsText, UtcTime, one_of

metadata = sa.MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)


#: states in which a job still has something to do
ACTIVE = one_of("state", (JobState.QUEUED, JobState.RUNNING, JobState.DELIVERING))

# SQLite takes an index with a condition only for a statement that repeats the condition word for
# word: a bound value proves nothing. So each of these stands in its index and in the statements.
IS_QUEUED = "state = 'queued'"
IS_WORKED_ON = one_of("state", (JobState.RUNNING, JobState.DELIVERING))
IS_CANCELLED = "state = 'cancelled'"
IS_WAITING = "waiting > 0"
HAS_PARENT = "parent_id IS NOT NULL"
IS_REPORT = "action = 'report'"
HAS_AUTHOR = "by_id IS NOT NULL"

#: what moderators have decided; see SETTINGS in bot/domain/settings.py
server_settings = sa.Table(
    "server_settings",
    metadata,
    sa.Column("server_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(40), primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
)

#: every change of a server's settings, for its moderators
setting_changes = sa.Table(
    "setting_changes",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server_id", sa.BigInteger, nullable=False, index=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("setting", sa.String(40), nullable=False),
    sa.Column("old", sa.Text, nullable=False),
    sa.Column("new", sa.Text, nullable=False),
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
    # see Account in bot/domain/ledger.py
    sa.Column("refilled_to_ucr", sa.BigInteger),
    sa.Column("refill_period", sa.String(5)),
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
    # whose turns it shares: see `queue`
    sa.Column("party_id", sa.BigInteger, nullable=False, server_default="0"),
    # where its images are to begin
    sa.Column("route_id", sa.String(120), nullable=False, server_default=""),
    sa.Column("state", sa.String(12), nullable=False),
    # the request as JSON: see bot/store/rows.py
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
    sa.Column("facts", FactsText, nullable=False, server_default="{}"),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Column("started_at", UtcTime),
    sa.Column("finished_at", UtcTime),
    sa.Column("keeps_images", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("claims", sa.Integer, nullable=False, server_default="0"),
    # who works on it, and until when; free for anyone once the time is over
    sa.Column("lease_owner", sa.String(40)),
    sa.Column("lease_until", UtcTime),
    sa.Column("interaction_id", sa.BigInteger),
    sa.Column("locale", sa.String(10), nullable=False, server_default="en-US"),
    # copies of what the request says, to be looked for
    sa.Column("parent_id", sa.String(25)),
    sa.Column("mode", sa.String(8), nullable=False, server_default=str(Mode.GENERATE)),
    sa.Column("unwatched", sa.Boolean, nullable=False, server_default=sa.false()),
    # by a moderator
    sa.Column("covered", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.Column("removed", sa.Boolean, nullable=False, server_default=sa.false()),
    sa.CheckConstraint(one_of("state", JobState), name="state"),
    sa.CheckConstraint("quote_ucr >= 0", name="quote_not_negative"),
    sa.CheckConstraint("cost_ucr BETWEEN 0 AND quote_ucr", name="cost_within_quote"),
    sa.CheckConstraint(f"(finished_at IS NULL) = ({ACTIVE})", name="finished_when_final"),
    sa.CheckConstraint(
        "(cost_ucr IS NULL) = (state IN ('queued', 'running', 'cancelled'))",
        name="cost_when_settled",
    ),
)


def _partial(name: str, condition: str, *columns: sa.Column[Any], unique: bool = False) -> None:
    # PostgreSQL's are made by the migrations, which name theirs too: a word of its dialect here
    # would load all of it at each start.
    sa.Index(name, *columns, unique=unique, sqlite_where=sa.text(condition))


#: what the claim looks through: never more than those who wait, and the jobs under way
_partial(
    "ix_jobs_queued",
    IS_QUEUED,
    jobs.c.party_id,
    jobs.c.user_id,
    jobs.c.created_at,
    jobs.c.id,
    jobs.c.route_id,
    jobs.c.lease_until,
)
_partial("ix_jobs_worked_on", IS_WORKED_ON, jobs.c.created_at)
_partial("ix_jobs_cancelled", IS_CANCELLED, jobs.c.finished_at)

#: Discord's gateway repeats an event now and then, and no job is made of it twice
sa.Index("uq_jobs_interaction", jobs.c.interaction_id, unique=True)

#: the jobs of a member and of a server, newest first: their ids sort by time
sa.Index("ix_jobs_member", jobs.c.server_id, jobs.c.user_id, jobs.c.id)
sa.Index("ix_jobs_server", jobs.c.server_id, jobs.c.id)

#: what goes on from a job's result
_partial("ix_jobs_parent", HAS_PARENT, jobs.c.parent_id, jobs.c.id)

#: How many jobs of a party (user_id 0) or of a member in it wait, and its turn: the number of its
#: last claim, counted from 1; of one that was never served, a negative number that grows with its
#: arrival. A party is a server; a member in direct messages is one of their own, minus their id.
queue = sa.Table(
    "queue",
    metadata,
    sa.Column("party_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("waiting", sa.Integer, nullable=False),
    sa.Column("turn", sa.BigInteger, nullable=False, index=True),
    sa.CheckConstraint("waiting >= 0", name="waiting_not_negative"),
)
#: parties in the order of their turns, and what each member has waiting anywhere
_partial(
    "ix_queue_waiting",
    IS_WAITING,
    queue.c.user_id,
    queue.c.turn,
    queue.c.party_id,
    queue.c.waiting,
)
#: the members of a party
_partial(
    "ix_queue_members",
    IS_WAITING,
    queue.c.party_id,
    queue.c.turn,
    queue.c.user_id,
    queue.c.waiting,
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
    sa.Column("facts", FactsText, nullable=False, server_default="{}"),
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
_partial("uq_tasks_image", "state != 'failed'", tasks.c.job_id, tasks.c.image_index, unique=True)

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

#: of rolling allowances, what comes back to them and when
returns = sa.Table(
    "returns",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server_id", sa.BigInteger, nullable=False),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("amount_ucr", sa.BigInteger, nullable=False),
    sa.Column("due_at", UtcTime, nullable=False),
    sa.Index("ix_returns_account", "server_id", "user_id", "due_at"),
)
#: members whose commands are not taken; server 0 is everywhere, by the operator
blocks = sa.Table(
    "blocks",
    metadata,
    sa.Column("server_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("by_id", sa.BigInteger, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    # null: until it is ended
    sa.Column("until", UtcTime),
)
#: what moderators and the operator (0) did to members and jobs
acts = sa.Table(
    "acts",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("server_id", sa.BigInteger, nullable=False),
    sa.Column("by_id", sa.BigInteger, nullable=False),
    sa.Column("action", sa.String(20), nullable=False),
    sa.Column("user_id", sa.BigInteger),
    sa.Column("job_id", sa.String(25)),
    sa.Column("amount_ucr", sa.BigInteger),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False),
    sa.Index("ix_acts_server", "server_id", "id"),
    sa.Index("ix_acts_user", "user_id"),
    sa.Index("ix_acts_by", "by_id"),
)
#: each member reports a result once, and not more than a few within an hour
_partial("uq_acts_report", IS_REPORT, acts.c.job_id, acts.c.by_id, unique=True)
_partial("ix_acts_reports", IS_REPORT, acts.c.by_id, acts.c.created_at)
#: shares of a server's budget whose notice was posted
notices = sa.Table(
    "notices",
    metadata,
    sa.Column("server_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("period_start", sa.Date, primary_key=True),
    sa.Column("percent", sa.Integer, primary_key=True, autoincrement=False),
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
    # of a moderator or the operator (0) who granted, revoked or corrected; null: nobody did
    sa.Column("by_id", sa.BigInteger),
    sa.Column("reason", sa.Text),
    sa.ForeignKeyConstraint(
        ["server_id", "user_id"],
        ["accounts.server_id", "accounts.user_id"],
        name="fk_entries_account",
    ),
    sa.CheckConstraint(one_of("kind", EntryKind), name="kind"),
    sa.CheckConstraint(f"NOT ({OF_A_JOB}) OR job_id IS NOT NULL", name="of_a_job"),
    sa.Index("ix_entries_account", "server_id", "user_id"),
)
#: what a moderator did to accounts
_partial("ix_entries_by", HAS_AUTHOR, entries.c.by_id)
#: of the member's account and of each budget
_partial(
    "uq_entries_job_kind",
    OF_A_JOB,
    entries.c.job_id,
    entries.c.server_id,
    entries.c.user_id,
    entries.c.kind,
    unique=True,
)
_partial(
    "uq_entries_job_ending",
    ENDINGS,
    entries.c.job_id,
    entries.c.server_id,
    entries.c.user_id,
    unique=True,
)

#: servers that were given commands of their own: "api base/application id/server id"
synced_commands = sa.Table(
    "synced_commands",
    metadata,
    sa.Column("scope", sa.String(200), primary_key=True),
)

#: what members have decided for themselves, as JSON: see bot/domain/preferences.py
preferences = sa.Table(
    "preferences",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.Text, nullable=False),
)

#: requests that have not become jobs: refused, to be confirmed, or in an open form
drafts = sa.Table(
    "drafts",
    metadata,
    sa.Column("id", sa.String(24), primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("created_at", UtcTime, nullable=False, index=True),
    sa.Index("ix_drafts_member", "user_id", "created_at"),
)

#: what members gather for a request to come
basket = sa.Table(
    "basket",
    metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("user_id", sa.BigInteger, nullable=False),
    # as JSON: see bot/store/rows.py
    sa.Column("reference", sa.Text, nullable=False),
    sa.Column("added_at", UtcTime, nullable=False),
    sa.Index("ix_basket_member", "user_id", "id"),
)

#: requests that members keep under a name
presets = sa.Table(
    "presets",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("request", sa.Text, nullable=False),
    sa.Column("saved_at", UtcTime, nullable=False),
)

#: members who have asked for it that what is stored of them is erased; see bot/store/privacy.py
erasures = sa.Table(
    "erasures",
    metadata,
    sa.Column("user_id", sa.BigInteger, primary_key=True, autoincrement=False),
    # what stands in the place of theirs, negative; null: it is done, and only what their accounts
    # had left is still theirs, until its period ends
    sa.Column("erased_id", sa.BigInteger),
    sa.Column("asked_at", UtcTime, nullable=False),
)

#: how far each sweep through the jobs has come: the id of the last one that it looked at
sweeps = sa.Table(
    "sweeps",
    metadata,
    sa.Column("name", sa.String(20), primary_key=True),
    sa.Column("reached", sa.String(25), nullable=False),
)
