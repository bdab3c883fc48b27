-- Version 3, of a database of version 2.
ALTER TABLE jobs ADD COLUMN in_group TEXT NOT NULL DEFAULT 'default';
ALTER TABLE jobs ADD COLUMN after TEXT NOT NULL DEFAULT '[]';    -- JSON: jobs that it waits for
ALTER TABLE jobs ADD COLUMN start_after REAL;                    -- null: at once
ALTER TABLE jobs ADD COLUMN gpus TEXT NOT NULL DEFAULT '[]';     -- JSON: UUIDs that it may have
ALTER TABLE jobs ADD COLUMN retries INTEGER NOT NULL DEFAULT 0;
CREATE TABLE groups (
    name TEXT PRIMARY KEY,
    slots INTEGER NOT NULL,         -- 0: no limit of its own
    gpus TEXT NOT NULL,             -- JSON: UUIDs; none: all
    on_failure TEXT NOT NULL,
    paused INTEGER NOT NULL,
    cause TEXT NOT NULL             -- why it is paused, where nobody asked for it
) WITHOUT ROWID;
INSERT INTO groups VALUES ('default', 0, '[]', 'continue', 0, '');
CREATE TABLE settings (             -- of the whole queue
    name TEXT PRIMARY KEY,
    value TEXT NOT NULL
) WITHOUT ROWID;
ALTER TABLE jobs ADD COLUMN saves INTEGER NOT NULL DEFAULT 0;    -- counts the calls for a checkpoint
ALTER TABLE jobs ADD COLUMN removed REAL;       -- when; it is kept as long as that can be undone
CREATE INDEX removed_jobs ON jobs (id) WHERE removed IS NOT NULL;
CREATE TABLE edits (                            -- changes of the queue that can be taken back
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    said TEXT NOT NULL,
    actor TEXT NOT NULL,
    time REAL NOT NULL
);
CREATE TABLE edited (                           -- what an edit did to each job
    edit INTEGER NOT NULL REFERENCES edits (number) ON DELETE CASCADE,
    job INTEGER NOT NULL,
    before BLOB NOT NULL,                       -- lorad.daemon.edited.Look
    after BLOB NOT NULL,
    PRIMARY KEY (edit, job)
) WITHOUT ROWID;
CREATE INDEX edited_jobs ON edited (job);
CREATE TABLE gauges (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    time REAL NOT NULL,
    gpu_utilization REAL,           -- of the run's cards; null: the driver does not say
    gpu_memory REAL,
    gpu_power REAL,
    gpu_temperature REAL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE marks (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    kind TEXT NOT NULL,             -- lorad.shared.messages.MarkKind, but notes and samples
    text TEXT NOT NULL,
    PRIMARY KEY (job, step, kind)
) WITHOUT ROWID;
PRAGMA user_version = 3;
