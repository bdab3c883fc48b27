-- Version 1. A later version is a migration beside this file, never an edit of it.
CREATE TABLE jobs (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT NOT NULL,
    recipe TEXT NOT NULL,           -- frozen when added
    recipe_folder TEXT NOT NULL,
    folder TEXT NOT NULL,
    max_train_steps INTEGER NOT NULL,   -- 0: only the data tell
    created REAL NOT NULL,
    priority INTEGER NOT NULL,
    position REAL NOT NULL,
    status BLOB NOT NULL,           -- lorad.shared.jobs.Status
    progress BLOB NOT NULL,         -- lorad.shared.jobs.Progress
    fresh INTEGER NOT NULL DEFAULT 1    -- the next run begins at step 0
);
CREATE TABLE transitions (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL,
    before TEXT NOT NULL,
    after TEXT NOT NULL,
    event TEXT NOT NULL,
    cause TEXT NOT NULL,
    actor TEXT NOT NULL,
    time REAL NOT NULL
);
CREATE TABLE attempts (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    number INTEGER NOT NULL,
    token TEXT NOT NULL,
    fresh INTEGER NOT NULL,
    acknowledged INTEGER NOT NULL DEFAULT 0,    -- the newest report that is stored
    saved INTEGER NOT NULL DEFAULT 0,           -- whether it wrote a checkpoint
    ending BLOB,                                -- its EndReport
    PRIMARY KEY (job, number)
);
CREATE TABLE metrics (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    time REAL NOT NULL,
    loss REAL,                      -- null: not a number
    learning_rate REAL NOT NULL,
    grad_norm REAL,
    images_per_second REAL NOT NULL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE samples (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    number INTEGER NOT NULL,
    picture BLOB NOT NULL,          -- lorad.shared.messages.SamplePicture
    PRIMARY KEY (job, step, number)
) WITHOUT ROWID;
CREATE TABLE commands (
    id TEXT PRIMARY KEY,            -- made by the client: the same id acts once
    reply BLOB NOT NULL,
    time REAL NOT NULL
) WITHOUT ROWID;
PRAGMA user_version = 1;
