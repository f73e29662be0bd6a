-- What is asked for again and again is counted as it changes, by triggers, so that no code path can forget it
-- and nobody has to read a million rows for a sum.

-- Where each lasting reader of the events stands.
CREATE TABLE readers (
  name TEXT PRIMARY KEY,
  seq  INTEGER NOT NULL CHECK (seq >= 0)
) STRICT;

-- When the task became claimable. For people only, like all times.
ALTER TABLE tasks ADD COLUMN ready_us INTEGER;
UPDATE tasks SET ready_us = created_us WHERE ready = 1;
CREATE INDEX ready_tasks_by_age ON tasks (ready_us) WHERE ready = 1;

CREATE TABLE task_totals (
  status      TEXT PRIMARY KEY,
  tasks       INTEGER NOT NULL CHECK (tasks >= 0),
  ready       INTEGER NOT NULL CHECK (ready >= 0),
  -- Estimated hours in millionths, so that no sum drifts.
  micro_hours INTEGER NOT NULL CHECK (micro_hours >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO task_totals
SELECT s.value, count(t.key), coalesce(sum(t.ready), 0),
       coalesce(sum(CAST(round(coalesce(t.estimated_hours, 0) * 1000000) AS INTEGER)), 0)
  FROM json_each('["blocked", "not_started", "claimed", "in_progress", "killing",
                   "completed", "failed", "killed", "skipped"]') s
  LEFT JOIN tasks t ON t.status = s.value
 GROUP BY s.value;

CREATE TRIGGER task_totals_add AFTER INSERT ON tasks BEGIN
  UPDATE task_totals SET tasks = tasks + 1, ready = ready + NEW.ready,
         micro_hours = micro_hours + CAST(round(coalesce(NEW.estimated_hours, 0) * 1000000) AS INTEGER)
   WHERE status = NEW.status;
END;
CREATE TRIGGER task_totals_remove AFTER DELETE ON tasks BEGIN
  UPDATE task_totals SET tasks = tasks - 1, ready = ready - OLD.ready,
         micro_hours = micro_hours - CAST(round(coalesce(OLD.estimated_hours, 0) * 1000000) AS INTEGER)
   WHERE status = OLD.status;
END;
CREATE TRIGGER task_totals_move AFTER UPDATE OF status, ready, estimated_hours ON tasks
WHEN OLD.status <> NEW.status OR OLD.ready <> NEW.ready OR OLD.estimated_hours IS NOT NEW.estimated_hours BEGIN
  UPDATE task_totals SET tasks = tasks - 1, ready = ready - OLD.ready,
         micro_hours = micro_hours - CAST(round(coalesce(OLD.estimated_hours, 0) * 1000000) AS INTEGER)
   WHERE status = OLD.status;
  UPDATE task_totals SET tasks = tasks + 1, ready = ready + NEW.ready,
         micro_hours = micro_hours + CAST(round(coalesce(NEW.estimated_hours, 0) * 1000000) AS INTEGER)
   WHERE status = NEW.status;
END;

-- What the sessions that are there have used, by role; `priced` counts those whose cost is known.
CREATE TABLE usage_totals (
  role          TEXT PRIMARY KEY,
  sessions      INTEGER NOT NULL CHECK (sessions >= 0),
  input_tokens  INTEGER NOT NULL CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
  cost_nano     INTEGER NOT NULL CHECK (cost_nano >= 0),
  priced        INTEGER NOT NULL CHECK (priced >= 0)
) STRICT, WITHOUT ROWID;
INSERT INTO usage_totals
SELECT r.value, count(s.key), coalesce(sum(s.input_tokens), 0), coalesce(sum(s.output_tokens), 0),
       coalesce(sum(s.cost_nano), 0), count(s.cost_nano)
  FROM json_each('["builder", "validator"]') r LEFT JOIN sessions s ON s.role = r.value GROUP BY r.value;

CREATE TRIGGER usage_totals_add AFTER INSERT ON sessions BEGIN
  UPDATE usage_totals SET sessions = sessions + 1, input_tokens = input_tokens + NEW.input_tokens,
         output_tokens = output_tokens + NEW.output_tokens, cost_nano = cost_nano + coalesce(NEW.cost_nano, 0),
         priced = priced + (NEW.cost_nano IS NOT NULL)
   WHERE role = NEW.role;
END;
CREATE TRIGGER usage_totals_remove AFTER DELETE ON sessions BEGIN
  UPDATE usage_totals SET sessions = sessions - 1, input_tokens = input_tokens - OLD.input_tokens,
         output_tokens = output_tokens - OLD.output_tokens, cost_nano = cost_nano - coalesce(OLD.cost_nano, 0),
         priced = priced - (OLD.cost_nano IS NOT NULL)
   WHERE role = OLD.role;
END;
CREATE TRIGGER usage_totals_move AFTER UPDATE OF input_tokens, output_tokens, cost_nano ON sessions BEGIN
  UPDATE usage_totals SET input_tokens = input_tokens - OLD.input_tokens + NEW.input_tokens,
         output_tokens = output_tokens - OLD.output_tokens + NEW.output_tokens,
         cost_nano = cost_nano - coalesce(OLD.cost_nano, 0) + coalesce(NEW.cost_nano, 0),
         priced = priced - (OLD.cost_nano IS NOT NULL) + (NEW.cost_nano IS NOT NULL)
   WHERE role = NEW.role;
END;

-- How attempts have ended; an empty failure class where none failed. Only grows, whatever becomes of the tasks.
CREATE TABLE attempt_totals (
  outcome       TEXT    NOT NULL,
  failure_class TEXT    NOT NULL,
  attempts      INTEGER NOT NULL CHECK (attempts >= 0),
  PRIMARY KEY (outcome, failure_class)
) STRICT, WITHOUT ROWID;
INSERT INTO attempt_totals
SELECT outcome, coalesce(failure_class, ''), count(*) FROM attempts WHERE outcome IS NOT NULL GROUP BY 1, 2;

CREATE TRIGGER attempt_totals_add AFTER UPDATE OF outcome ON attempts
WHEN NEW.outcome IS NOT OLD.outcome AND NEW.outcome IS NOT NULL BEGIN
  INSERT INTO attempt_totals VALUES (NEW.outcome, coalesce(NEW.failure_class, ''), 1)
      ON CONFLICT (outcome, failure_class) DO UPDATE SET attempts = attempts + 1;
END;
