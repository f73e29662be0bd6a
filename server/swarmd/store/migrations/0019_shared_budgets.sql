-- Budgets that tasks share: of a plan, of a day (UTC), and of an account, which is what pays for the sessions of workers.

CREATE TABLE budgets (
  key             INTEGER PRIMARY KEY AUTOINCREMENT,
  kind            TEXT    NOT NULL CHECK (kind IN ('plan', 'day', 'account')),
  -- Of the plan or the account. A day has none.
  name            TEXT    NOT NULL,
  max_cost_nano   INTEGER CHECK (max_cost_nano > 0),
  max_tokens      INTEGER CHECK (max_tokens > 0),
  -- What people have added; for a day, on `added_day` alone, in days since 1970.
  added_cost_nano INTEGER NOT NULL DEFAULT 0 CHECK (added_cost_nano >= 0),
  added_tokens    INTEGER NOT NULL DEFAULT 0 CHECK (added_tokens >= 0),
  added_day       INTEGER NOT NULL DEFAULT 0,
  -- Of a plan alone: what the sessions of its tasks have used. The others are summed up from `spending`.
  spent_cost_nano INTEGER NOT NULL DEFAULT 0 CHECK (spent_cost_nano >= 0),
  spent_tokens    INTEGER NOT NULL DEFAULT 0 CHECK (spent_tokens >= 0),
  -- 1 while a task waits for it and nothing runs that could leave something of its reservation: a person has to act.
  reached         INTEGER NOT NULL DEFAULT 0 CHECK (reached IN (0, 1)),
  UNIQUE (kind, name)
) STRICT;

-- What sessions have used by day and account, whatever becomes of their tasks.
CREATE TABLE spending (
  day       INTEGER NOT NULL,
  account   TEXT    NOT NULL,
  cost_nano INTEGER NOT NULL,
  tokens    INTEGER NOT NULL,
  PRIMARY KEY (day, account)
) STRICT, WITHOUT ROWID;

-- The budget of the plan that the task belongs to; 0 for none.
ALTER TABLE tasks ADD COLUMN plan_key INTEGER NOT NULL DEFAULT 0;
CREATE INDEX tasks_by_plan ON tasks (plan_key, key) WHERE plan_key > 0;

-- What pays for the attempt, and what was reserved for it. Only an open attempt reserves anything.
ALTER TABLE attempts ADD COLUMN account TEXT NOT NULL DEFAULT '';
ALTER TABLE attempts ADD COLUMN reserved_cost_nano INTEGER NOT NULL DEFAULT 0 CHECK (reserved_cost_nano >= 0);
ALTER TABLE attempts ADD COLUMN reserved_tokens INTEGER NOT NULL DEFAULT 0 CHECK (reserved_tokens >= 0);
UPDATE attempts SET account = coalesce((SELECT coalesce(json_extract(w.labels, '$.account'), w.runner) FROM workers w
  WHERE w.key = attempts.worker_key), '');

-- The shared budget that a task is held for; 0 if it is its own cap.
ALTER TABLE holds ADD COLUMN budget_key INTEGER NOT NULL DEFAULT 0;
CREATE INDEX holds_by_budget ON holds (budget_key) WHERE budget_key > 0 AND ended_us IS NULL;

-- The day for which usage counts that is reported now, in days since 1970, UTC.
ALTER TABLE swarm ADD COLUMN day INTEGER NOT NULL DEFAULT 0;

INSERT INTO spending
SELECT s.started_us / 86400000000, a.account, sum(coalesce(s.cost_nano, 0)), sum(s.input_tokens + s.output_tokens)
  FROM sessions s JOIN attempts a ON a.key = s.attempt_key GROUP BY 1, 2;

CREATE TRIGGER spending_add AFTER UPDATE OF input_tokens, output_tokens, cost_nano ON sessions
WHEN OLD.input_tokens <> NEW.input_tokens OR OLD.output_tokens <> NEW.output_tokens
  OR OLD.cost_nano IS NOT NEW.cost_nano BEGIN
  INSERT INTO spending
  SELECT w.day, a.account,
         coalesce(NEW.cost_nano, 0) - coalesce(OLD.cost_nano, 0),
         NEW.input_tokens + NEW.output_tokens - OLD.input_tokens - OLD.output_tokens
    FROM swarm w JOIN attempts a WHERE a.key = NEW.attempt_key
      ON CONFLICT (day, account) DO UPDATE SET cost_nano = cost_nano + excluded.cost_nano,
                                               tokens = tokens + excluded.tokens;
  UPDATE budgets SET spent_cost_nano = spent_cost_nano + coalesce(NEW.cost_nano, 0) - coalesce(OLD.cost_nano, 0),
         spent_tokens = spent_tokens + NEW.input_tokens + NEW.output_tokens - OLD.input_tokens - OLD.output_tokens
   WHERE key = (SELECT plan_key FROM tasks WHERE key = NEW.task_key);
END;
