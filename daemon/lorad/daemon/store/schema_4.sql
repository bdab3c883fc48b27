-- Version 4, of a database of version 3.
ALTER TABLE jobs ADD COLUMN after_reboot TEXT NOT NULL DEFAULT 'resume';
ALTER TABLE transitions ADD COLUMN priority INTEGER;    -- where the job stood after this line;
ALTER TABLE transitions ADD COLUMN position REAL;       -- null: before version 4, or of no job
-- The newest line of each job says what the log did not tell until now.
UPDATE transitions SET
    priority = (SELECT jobs.priority FROM jobs WHERE jobs.id = transitions.job),
    position = (SELECT jobs.position FROM jobs WHERE jobs.id = transitions.job)
WHERE number IN (SELECT max(number) FROM transitions GROUP BY job);
PRAGMA user_version = 4;
