-- Things of which a limited number of tasks at a time may have the use: the names of `exclusive:`, and the files of tasks
-- that share a folder. A file has its path with a slash in front, which no name can have.

CREATE TABLE exclusive_names (
  key      INTEGER PRIMARY KEY,
  name     TEXT    NOT NULL UNIQUE CHECK (length(name) >= 1),
  -- How many attempts may hold it. More may hold it still after a plan has lowered the number.
  capacity INTEGER NOT NULL DEFAULT 1 CHECK (capacity BETWEEN 1 AND 1024),
  -- Whether a plan has set the number: then an export has it.
  is_set   INTEGER NOT NULL DEFAULT 0 CHECK (is_set IN (0, 1)),
  -- How many attempts hold it, and how many claimable tasks wait for it: counted by triggers.
  held     INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
  waiting  INTEGER NOT NULL DEFAULT 0 CHECK (waiting >= 0)
) STRICT;
-- What dispatch looks at: the names that have room and for which a task waits.
CREATE INDEX names_with_room ON exclusive_names (key, capacity, held) WHERE waiting > 0 AND held < capacity;
CREATE INDEX names_in_use ON exclusive_names (name) WHERE held > 0;
CREATE INDEX names_with_number ON exclusive_names (name) WHERE is_set = 1;

CREATE TABLE held_names (
  attempt_key INTEGER NOT NULL REFERENCES attempts (key) ON DELETE CASCADE,
  name_key    INTEGER NOT NULL REFERENCES exclusive_names (key),
  PRIMARY KEY (attempt_key, name_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX holders_of_name ON held_names (name_key, attempt_key);

CREATE TRIGGER name_taken AFTER INSERT ON held_names BEGIN
  UPDATE exclusive_names SET held = held + 1 WHERE key = NEW.name_key;
END;
CREATE TRIGGER name_freed AFTER DELETE ON held_names BEGIN
  UPDATE exclusive_names SET held = held - 1 WHERE key = OLD.name_key;
END;
-- The end of an attempt frees its names, whatever ends it.
CREATE TRIGGER names_of_attempt_freed AFTER UPDATE OF outcome ON attempts
WHEN OLD.outcome IS NULL AND NEW.outcome IS NOT NULL BEGIN
  DELETE FROM held_names WHERE attempt_key = NEW.key;
END;

-- Whether the definition has exclusive names or files.
ALTER TABLE tasks ADD COLUMN exclusive INTEGER NOT NULL DEFAULT 0 CHECK (exclusive IN (0, 1));
UPDATE tasks SET exclusive = 1 WHERE EXISTS
  (SELECT 1 FROM definitions d WHERE d.task_key = tasks.key AND json_array_length(d.body, '$.files') > 0);
-- The name that a claimable task waits for; 0 if it waits for none, as far as dispatch knows.
ALTER TABLE tasks ADD COLUMN wait_key INTEGER NOT NULL DEFAULT 0 CHECK (wait_key = 0 OR ready = 1);
DROP INDEX ready_tasks;
CREATE INDEX ready_tasks ON tasks (label_set_key, wait_key, priority DESC, key) WHERE ready = 1;

CREATE TRIGGER name_waits_move AFTER UPDATE OF wait_key ON tasks WHEN OLD.wait_key <> NEW.wait_key BEGIN
  UPDATE exclusive_names SET waiting = waiting - 1 WHERE key = OLD.wait_key;
  UPDATE exclusive_names SET waiting = waiting + 1 WHERE key = NEW.wait_key;
END;
CREATE TRIGGER name_waits_remove AFTER DELETE ON tasks WHEN OLD.wait_key > 0 BEGIN
  UPDATE exclusive_names SET waiting = waiting - 1 WHERE key = OLD.wait_key;
END;
