-- Orders to land accepted work, and names for the creations of a task.

-- Where the next attempt of the task starts, and the attempt whose accepted work it lands; 0 if it does its own.
ALTER TABLE tasks ADD COLUMN starts_at TEXT NOT NULL DEFAULT 'builder';
ALTER TABLE tasks ADD COLUMN work_of INTEGER NOT NULL DEFAULT 0
  CHECK (work_of >= 0 AND (work_of > 0 OR starts_at = 'builder'));
-- A task that is removed and added again gets another one. Empty for tasks from before: any landing of their id is theirs.
ALTER TABLE tasks ADD COLUMN creation TEXT NOT NULL DEFAULT '';

-- The attempt whose accepted work this one lands, without a session; 0 if it does its own.
ALTER TABLE attempts ADD COLUMN work_of INTEGER NOT NULL DEFAULT 0 CHECK (work_of >= 0 AND work_of < number);
