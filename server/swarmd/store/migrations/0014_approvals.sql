-- Points at which tasks wait for the approval of a person.

-- Where the task waits, empty if it does not; and the approval in force, of its start or of the landing of `work_of`.
ALTER TABLE tasks ADD COLUMN approve TEXT NOT NULL DEFAULT ''
  CHECK (approve IN ('', 'before-start', 'before-landing', 'after'));
ALTER TABLE tasks ADD COLUMN approved TEXT NOT NULL DEFAULT ''
  CHECK (approved IN ('', 'before-start', 'before-landing'));

-- The point of an approval, and how it ended. The reason of a rejection is its answer.
ALTER TABLE holds ADD COLUMN point TEXT NOT NULL DEFAULT ''
  CHECK (point IN ('', 'before-start', 'before-landing', 'after'));
ALTER TABLE holds ADD COLUMN approved INTEGER NOT NULL DEFAULT 0 CHECK (approved IN (0, 1));

-- The new kind. SQLite can't change a CHECK by ALTER TABLE. This text of the schema changes no row's meaning.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'kind IN (', 'kind IN (''approval'', ')
 WHERE type = 'table' AND name = 'holds';
PRAGMA writable_schema = RESET;
