-- What held tasks wait for, what people have answered, and what they have noted.

CREATE TABLE holds (
  key      INTEGER PRIMARY KEY AUTOINCREMENT,
  -- The epoch in which it began: a restored database gives the same keys again.
  epoch    INTEGER NOT NULL CHECK (epoch >= 1),
  task_key INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  attempt  INTEGER NOT NULL CHECK (attempt >= 0),
  kind     TEXT    NOT NULL CHECK (kind IN ('question', 'suspended')),
  text     TEXT    NOT NULL,
  options  TEXT    NOT NULL CHECK (json_valid(options)),
  held_by  TEXT    NOT NULL,
  since_us INTEGER NOT NULL,
  ended_us INTEGER,
  ended_by TEXT    NOT NULL,
  answer   TEXT    NOT NULL
) STRICT;
CREATE UNIQUE INDEX one_lasting_hold_per_task ON holds (task_key) WHERE ended_us IS NULL;
CREATE INDEX holds_by_task ON holds (task_key, key);

CREATE TABLE notes (
  key      INTEGER PRIMARY KEY,
  task_key INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  text     TEXT    NOT NULL,
  author   TEXT    NOT NULL,
  noted_us INTEGER NOT NULL
) STRICT;
CREATE INDEX notes_by_task ON notes (task_key, key);

-- 1 once a person has answered or noted something: only then a claim looks for it.
ALTER TABLE tasks ADD COLUMN told INTEGER NOT NULL DEFAULT 0 CHECK (told IN (0, 1));
CREATE TRIGGER told_by_answer AFTER UPDATE OF answer ON holds WHEN NEW.answer <> '' BEGIN
  UPDATE tasks SET told = 1 WHERE key = NEW.task_key;
END;
CREATE TRIGGER told_by_note AFTER INSERT ON notes BEGIN
  UPDATE tasks SET told = 1 WHERE key = NEW.task_key;
END;

-- The new status. SQLite can't change a CHECK by ALTER TABLE. This text of the schema changes no row's meaning.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''completed'', ''failed'', ''killed'', ''skipped'')),
  -- 1:', '''completed'', ''failed'', ''killed'', ''skipped'', ''held'')),
  -- 1:') WHERE type = 'table' AND name = 'tasks';
PRAGMA writable_schema = RESET;
INSERT INTO task_totals VALUES ('held', 0, 0, 0);
