-- Tokens of running sessions, what sessions say about their progress, and the tasks that they file.

-- The token with which the session calls SessionService, by id and hash; empty if it has none.
ALTER TABLE sessions ADD COLUMN token_id TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN token_hash BLOB NOT NULL DEFAULT x'';
-- The last that it said; no time if it said nothing, no percentage if it gave none.
ALTER TABLE sessions ADD COLUMN progress_text TEXT NOT NULL DEFAULT '';
ALTER TABLE sessions ADD COLUMN progress_percent INTEGER CHECK (progress_percent BETWEEN 0 AND 100);
ALTER TABLE sessions ADD COLUMN progress_us INTEGER;

-- The tasks that sessions have filed.
CREATE TABLE follow_ups (
  task_key    INTEGER PRIMARY KEY REFERENCES tasks (key) ON DELETE CASCADE,
  parent_key  INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  session_key INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE
) STRICT;
CREATE INDEX follow_ups_by_parent ON follow_ups (parent_key);
