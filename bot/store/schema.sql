-- The tables, as a new SQLite file gets them at once; what must never be true of a row is a CHECK
-- or a UNIQUE here. An older file is brought to the same by the migrations, word for word, and so is
-- another database in its own words.
--
-- Ids are Discord's (64 bits), but for those of jobs, tasks and drafts; `_ucr` are micro-credits;
-- `_at` and `_until` are milliseconds since 1970; server 0 is direct messages.

-- what moderators have decided: see `write_setting` in bot/domain/settings.py
CREATE TABLE server_settings (
    server_id BIGINT NOT NULL,
    name VARCHAR(40) NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_server_settings PRIMARY KEY (server_id, name)
);

-- every change of a server's settings, for its moderators
CREATE TABLE setting_changes (
    id INTEGER NOT NULL,
    server_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    setting VARCHAR(40) NOT NULL,
    old TEXT NOT NULL,
    new TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_setting_changes PRIMARY KEY (id)
);

CREATE INDEX ix_setting_changes_server_id ON setting_changes (server_id);

CREATE TABLE accounts (
    server_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    allowance_ucr BIGINT NOT NULL,
    grant_ucr BIGINT NOT NULL,
    period_start DATE,
    -- see Account in bot/domain/ledger.py
    refilled_to_ucr BIGINT,
    refill_period VARCHAR(5),
    CONSTRAINT pk_accounts PRIMARY KEY (server_id, user_id),
    CONSTRAINT ck_accounts_allowance_not_negative CHECK (allowance_ucr >= 0),
    CONSTRAINT ck_accounts_grant_not_negative CHECK (grant_ucr >= 0)
);

CREATE TABLE jobs (
    id VARCHAR(25) NOT NULL,
    server_id BIGINT NOT NULL,
    channel_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    -- whose turns it shares: see `queue`
    party_id BIGINT DEFAULT '0' NOT NULL,
    -- where its images are to begin
    route_id VARCHAR(120) DEFAULT '' NOT NULL,
    state VARCHAR(12) NOT NULL,
    -- the request as JSON: see bot/store/rows.py
    request TEXT NOT NULL,
    quote_ucr BIGINT NOT NULL,
    cost_ucr BIGINT,
    nsfw_checker BOOLEAN NOT NULL,
    spoiler BOOLEAN NOT NULL,
    application_id BIGINT NOT NULL,
    token TEXT NOT NULL,
    token_expires_at BIGINT NOT NULL,
    file_bytes_max BIGINT NOT NULL,
    message_id BIGINT,
    failure VARCHAR(30),
    facts TEXT DEFAULT '{}' NOT NULL,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    finished_at BIGINT,
    keeps_images BOOLEAN DEFAULT 0 NOT NULL,
    claims INTEGER DEFAULT '0' NOT NULL,
    -- who works on it, and until when; free for anyone once the time is over
    lease_owner VARCHAR(40),
    lease_until BIGINT,
    interaction_id BIGINT,
    locale VARCHAR(10) DEFAULT 'en-US' NOT NULL,
    -- copies of what the request says, to be looked for
    parent_id VARCHAR(25),
    mode VARCHAR(8) DEFAULT 'generate' NOT NULL,
    unwatched BOOLEAN DEFAULT 0 NOT NULL,
    -- by a moderator
    covered BOOLEAN DEFAULT 0 NOT NULL,
    removed BOOLEAN DEFAULT 0 NOT NULL,
    CONSTRAINT pk_jobs PRIMARY KEY (id),
    CONSTRAINT ck_jobs_state CHECK (state IN ('queued', 'running', 'delivering', 'done', 'failed', 'cancelled')),
    CONSTRAINT ck_jobs_quote_not_negative CHECK (quote_ucr >= 0),
    CONSTRAINT ck_jobs_cost_within_quote CHECK (cost_ucr BETWEEN 0 AND quote_ucr),
    CONSTRAINT ck_jobs_finished_when_final CHECK ((finished_at IS NULL) = (state IN ('queued', 'running', 'delivering'))),
    CONSTRAINT ck_jobs_cost_when_settled CHECK ((cost_ucr IS NULL) = (state IN ('queued', 'running', 'cancelled')))
);

CREATE INDEX ix_jobs_cancelled ON jobs (finished_at) WHERE state = 'cancelled';

-- the jobs of a member and of a server, newest first: their ids sort by time
CREATE INDEX ix_jobs_member ON jobs (server_id, user_id, id);

-- what goes on from a job's result
CREATE INDEX ix_jobs_parent ON jobs (parent_id, id) WHERE parent_id IS NOT NULL;

-- what the claim looks through: never more than those who wait, and the jobs under way
CREATE INDEX ix_jobs_queued ON jobs (party_id, user_id, created_at, id, route_id, lease_until) WHERE state = 'queued';

CREATE INDEX ix_jobs_server ON jobs (server_id, id);

CREATE INDEX ix_jobs_worked_on ON jobs (created_at) WHERE state IN ('running', 'delivering');

-- Discord's gateway repeats an event now and then, and no job is made of it twice
CREATE UNIQUE INDEX uq_jobs_interaction ON jobs (interaction_id);

-- How many jobs of a party (user_id 0) or of a member in it wait, and its turn: the number of its
-- last claim, counted from 1; of one that was never served, a negative number that grows with its
-- arrival. A party is a server; a member in direct messages is one of their own, minus their id.
CREATE TABLE queue (
    party_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    waiting INTEGER NOT NULL,
    turn BIGINT NOT NULL,
    CONSTRAINT pk_queue PRIMARY KEY (party_id, user_id),
    CONSTRAINT ck_queue_waiting_not_negative CHECK (waiting >= 0)
);

-- the members of a party
CREATE INDEX ix_queue_members ON queue (party_id, turn, user_id, waiting) WHERE waiting > 0;

CREATE INDEX ix_queue_turn ON queue (turn);

-- parties in the order of their turns, and what each member has waiting anywhere
CREATE INDEX ix_queue_waiting ON queue (user_id, turn, party_id, waiting) WHERE waiting > 0;

CREATE TABLE tasks (
    id VARCHAR(30) NOT NULL,
    job_id VARCHAR(25) NOT NULL,
    image_index INTEGER NOT NULL,
    route_id VARCHAR(120) NOT NULL,
    price_ucr BIGINT NOT NULL,
    state VARCHAR(12) NOT NULL,
    submits INTEGER DEFAULT '0' NOT NULL,
    provider_task_id VARCHAR(200),
    submitted_at BIGINT,
    image_name VARCHAR(80),
    width_px INTEGER,
    height_px INTEGER,
    size_bytes BIGINT,
    cost_ucr BIGINT,
    cost_known BOOLEAN DEFAULT 1 NOT NULL,
    failure VARCHAR(30),
    facts TEXT DEFAULT '{}' NOT NULL,
    CONSTRAINT pk_tasks PRIMARY KEY (id),
    CONSTRAINT ck_tasks_state CHECK (state IN ('pending', 'submitting', 'submitted', 'stored', 'failed')),
    CONSTRAINT ck_tasks_image_index CHECK (image_index BETWEEN 0 AND 3),
    CONSTRAINT ck_tasks_failed_with_failure CHECK ((failure IS NOT NULL) = (state = 'failed')),
    CONSTRAINT ck_tasks_stored_with_image CHECK (state <> 'stored' OR (image_name IS NOT NULL AND cost_ucr IS NOT NULL)),
    CONSTRAINT ck_tasks_submitted_with_id CHECK (state <> 'submitted' OR provider_task_id IS NOT NULL),
    CONSTRAINT fk_tasks_job_id FOREIGN KEY(job_id) REFERENCES jobs (id)
);

CREATE INDEX ix_tasks_job_id ON tasks (job_id);

-- an image has one task at a time that may still give it
CREATE UNIQUE INDEX uq_tasks_image ON tasks (job_id, image_index) WHERE state != 'failed';

-- see Latency in bot/domain/waiting.py
CREATE TABLE route_latencies (
    route_id VARCHAR(120) NOT NULL,
    images INTEGER NOT NULL,
    mean FLOAT NOT NULL,
    variance FLOAT NOT NULL,
    CONSTRAINT pk_route_latencies PRIMARY KEY (route_id)
);

-- of rolling allowances, what comes back to them and when
CREATE TABLE returns (
    id INTEGER NOT NULL,
    server_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    amount_ucr BIGINT NOT NULL,
    due_at BIGINT NOT NULL,
    CONSTRAINT pk_returns PRIMARY KEY (id)
);

CREATE INDEX ix_returns_account ON returns (server_id, user_id, due_at);

-- members whose commands are not taken; server 0 is everywhere, by the operator
CREATE TABLE blocks (
    server_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    by_id BIGINT NOT NULL,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    -- null: until it is ended
    until BIGINT,
    CONSTRAINT pk_blocks PRIMARY KEY (server_id, user_id)
);

-- what moderators and the operator (0) did to members and jobs
CREATE TABLE acts (
    id INTEGER NOT NULL,
    server_id BIGINT NOT NULL,
    by_id BIGINT NOT NULL,
    action VARCHAR(20) NOT NULL,
    user_id BIGINT,
    job_id VARCHAR(25),
    amount_ucr BIGINT,
    reason TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_acts PRIMARY KEY (id)
);

CREATE INDEX ix_acts_by ON acts (by_id);

-- each member reports a result once, and not more than a few within an hour
CREATE INDEX ix_acts_reports ON acts (by_id, created_at) WHERE action = 'report';

CREATE INDEX ix_acts_server ON acts (server_id, id);

CREATE INDEX ix_acts_user ON acts (user_id);

CREATE UNIQUE INDEX uq_acts_report ON acts (job_id, by_id) WHERE action = 'report';

-- shares of a server's budget whose notice was posted
CREATE TABLE notices (
    server_id BIGINT NOT NULL,
    period_start DATE NOT NULL,
    percent INTEGER NOT NULL,
    CONSTRAINT pk_notices PRIMARY KEY (server_id, period_start, percent)
);

CREATE TABLE entries (
    id INTEGER NOT NULL,
    server_id BIGINT NOT NULL,
    user_id BIGINT NOT NULL,
    kind VARCHAR(12) NOT NULL,
    allowance_ucr BIGINT NOT NULL,
    grant_ucr BIGINT NOT NULL,
    period_start DATE,
    job_id VARCHAR(25),
    created_at BIGINT NOT NULL,
    -- of a moderator or the operator (0) who granted, revoked or corrected; null: nobody did
    by_id BIGINT,
    reason TEXT,
    CONSTRAINT pk_entries PRIMARY KEY (id),
    CONSTRAINT fk_entries_account FOREIGN KEY(server_id, user_id) REFERENCES accounts (server_id, user_id),
    CONSTRAINT ck_entries_kind CHECK (kind IN ('allowance', 'grant', 'hold', 'settle', 'release', 'refund', 'expire', 'correct')),
    CONSTRAINT ck_entries_of_a_job CHECK (NOT (kind IN ('hold', 'settle', 'release', 'refund')) OR job_id IS NOT NULL),
    CONSTRAINT fk_entries_job_id FOREIGN KEY(job_id) REFERENCES jobs (id)
);

CREATE INDEX ix_entries_account ON entries (server_id, user_id);

-- what a moderator did to accounts
CREATE INDEX ix_entries_by ON entries (by_id) WHERE by_id IS NOT NULL;

-- a hold ends exactly once
CREATE UNIQUE INDEX uq_entries_job_ending ON entries (job_id, server_id, user_id) WHERE kind IN ('settle', 'release');

-- of the member's account and of each budget, at most once for a job
CREATE UNIQUE INDEX uq_entries_job_kind ON entries (job_id, server_id, user_id, kind) WHERE kind IN ('hold', 'settle', 'release', 'refund');

-- servers that were given commands of their own: "api base/application id/server id"
CREATE TABLE synced_commands (
    scope VARCHAR(200) NOT NULL,
    CONSTRAINT pk_synced_commands PRIMARY KEY (scope)
);

-- what members have decided for themselves, as JSON: see bot/domain/preferences.py
CREATE TABLE preferences (
    user_id BIGINT NOT NULL,
    value TEXT NOT NULL,
    CONSTRAINT pk_preferences PRIMARY KEY (user_id)
);

-- requests that have not become jobs: refused, to be confirmed, or in an open form
CREATE TABLE drafts (
    id VARCHAR(24) NOT NULL,
    user_id BIGINT NOT NULL,
    request TEXT NOT NULL,
    created_at BIGINT NOT NULL,
    CONSTRAINT pk_drafts PRIMARY KEY (id)
);

CREATE INDEX ix_drafts_created_at ON drafts (created_at);

CREATE INDEX ix_drafts_member ON drafts (user_id, created_at);

-- what members gather for a request to come
CREATE TABLE basket (
    id INTEGER NOT NULL,
    user_id BIGINT NOT NULL,
    -- as JSON: see bot/store/rows.py
    reference TEXT NOT NULL,
    added_at BIGINT NOT NULL,
    CONSTRAINT pk_basket PRIMARY KEY (id)
);

CREATE INDEX ix_basket_member ON basket (user_id, id);

-- requests that members keep under a name
CREATE TABLE presets (
    user_id BIGINT NOT NULL,
    name VARCHAR(50) NOT NULL,
    request TEXT NOT NULL,
    saved_at BIGINT NOT NULL,
    CONSTRAINT pk_presets PRIMARY KEY (user_id, name)
);

-- members who have asked for it that what is stored of them is erased: see bot/store/privacy.py
CREATE TABLE erasures (
    user_id BIGINT NOT NULL,
    -- what stands in the place of theirs, negative; null: it is done, and only what their accounts
    -- had left is still theirs, until its period ends
    erased_id BIGINT,
    asked_at BIGINT NOT NULL,
    CONSTRAINT pk_erasures PRIMARY KEY (user_id)
);

-- how far each sweep through the jobs has come: the id of the last one that it looked at
CREATE TABLE sweeps (
    name VARCHAR(20) NOT NULL,
    reached VARCHAR(25) NOT NULL,
    CONSTRAINT pk_sweeps PRIMARY KEY (name)
);
