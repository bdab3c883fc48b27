-- Version 2, of a database of version 1.
ALTER TABLE jobs ADD COLUMN changes TEXT NOT NULL DEFAULT '{}';  -- JSON: key in full -> TOML
ALTER TABLE jobs ADD COLUMN revision INTEGER NOT NULL DEFAULT 0; -- counts the changes
ALTER TABLE jobs ADD COLUMN samples INTEGER NOT NULL DEFAULT 0;  -- counts the calls for pictures
CREATE TABLE validations (
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    loss REAL,                      -- null: not a number
    best INTEGER NOT NULL,
    PRIMARY KEY (job, step)
) WITHOUT ROWID;
CREATE TABLE notes (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    job INTEGER NOT NULL REFERENCES jobs (id) ON DELETE CASCADE,
    step INTEGER NOT NULL,
    kind TEXT NOT NULL,
    text TEXT NOT NULL,
    time REAL NOT NULL,
    UNIQUE (job, step, kind, text)
);
PRAGMA user_version = 2;
