-- The whole state of a swarm. Times are microseconds since 1970, UTC, and only for people: no decision
-- reads one. Keys are never reused, so a lease of a removed task can never fit another.

CREATE TABLE swarm (
  id              INTEGER PRIMARY KEY CHECK (id = 1),
  -- Names the swarm among all swarms.
  swarm_id        TEXT    NOT NULL CHECK (length(swarm_id) = 12),
  epoch           INTEGER NOT NULL CHECK (epoch >= 1),
  mode            TEXT    NOT NULL CHECK (mode IN ('running', 'paused', 'stopped')),
  cause           TEXT    NOT NULL,
  stop_generation INTEGER NOT NULL CHECK (stop_generation >= 0)
) STRICT;
INSERT INTO swarm VALUES (1, lower(hex(randomblob(6))), 1, 'running', '', 0);

-- Which WAL continues this file: each begins by setting a new mark, and names the one before.
CREATE TABLE lineage (
  id     INTEGER PRIMARY KEY CHECK (id = 1),
  before TEXT    NOT NULL,
  mark   TEXT    NOT NULL CHECK (length(mark) = 16)
) STRICT;
INSERT INTO lineage VALUES (1, '', lower(hex(randomblob(8))));

-- Runners whose provider refused for good; cleared by a resume.
CREATE TABLE paused_runners (
  runner    TEXT PRIMARY KEY,
  cause     TEXT    NOT NULL,
  paused_us INTEGER NOT NULL
) STRICT;

-- The different sets of labels that tasks ask for: few, whatever the number of tasks.
CREATE TABLE label_sets (
  key    INTEGER PRIMARY KEY,
  labels TEXT NOT NULL UNIQUE CHECK (json_valid(labels))
) STRICT;

CREATE TABLE tasks (
  key             INTEGER PRIMARY KEY AUTOINCREMENT,
  task_id         TEXT    NOT NULL UNIQUE CHECK (length(task_id) BETWEEN 1 AND 128),
  name            TEXT    NOT NULL,
  phase           TEXT    NOT NULL,
  type            TEXT    NOT NULL,
  priority        INTEGER NOT NULL CHECK (priority BETWEEN -1000 AND 1000),
  estimated_hours REAL             CHECK (estimated_hours >= 0),
  label_set_key   INTEGER NOT NULL REFERENCES label_sets (key),
  policy          TEXT    NOT NULL CHECK (policy IN ('skip', 'run', 'block')),
  max_retries     INTEGER NOT NULL CHECK (max_retries BETWEEN 0 AND 100),
  status          TEXT    NOT NULL CHECK (status IN ('blocked', 'not_started', 'claimed', 'in_progress',
                                                     'killing', 'completed', 'failed', 'killed', 'skipped')),
  -- 1: claimable as far as the task itself goes. 0 in a backoff.
  ready           INTEGER NOT NULL CHECK (ready IN (0, 1)),
  -- How many dependencies are not met.
  unmet           INTEGER NOT NULL CHECK (unmet >= 0),
  attempt         INTEGER NOT NULL CHECK (attempt >= 0),
  failures        INTEGER NOT NULL CHECK (failures BETWEEN 0 AND max_retries + 1),
  losses          INTEGER NOT NULL CHECK (losses >= 0),
  last_error      TEXT    NOT NULL,
  failure_class   TEXT,
  cause           TEXT    NOT NULL,
  interrupted     INTEGER NOT NULL CHECK (interrupted IN (0, 1)),
  backoff_s       REAL    NOT NULL CHECK (backoff_s >= 0),
  created_us      INTEGER NOT NULL,
  started_us      INTEGER,
  completed_us    INTEGER,
  CHECK (ready = 0 OR (status = 'not_started' AND unmet = 0)),
  CHECK (status <> 'blocked' OR unmet > 0),
  CHECK (status <> 'not_started' OR unmet = 0),
  CHECK ((completed_us IS NOT NULL) = (status IN ('completed', 'failed', 'killed', 'skipped')))
) STRICT;
CREATE INDEX ready_tasks ON tasks (label_set_key, priority DESC, key) WHERE ready = 1;
CREATE INDEX tasks_by_status ON tasks (status, key);
CREATE INDEX tasks_by_phase ON tasks (phase, key);
CREATE INDEX interrupted_tasks ON tasks (key) WHERE interrupted = 1;

-- What nothing but sessions and exports read, apart from what every step rewrites.
CREATE TABLE definitions (
  task_key INTEGER PRIMARY KEY REFERENCES tasks (key) ON DELETE CASCADE,
  body     TEXT NOT NULL CHECK (json_valid(body))
) STRICT;

CREATE TABLE dependencies (
  task_key       INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  dependency_key INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  position       INTEGER NOT NULL,
  PRIMARY KEY (task_key, dependency_key),
  CHECK (task_key <> dependency_key)
) STRICT, WITHOUT ROWID;
CREATE INDEX dependents ON dependencies (dependency_key, task_key);

CREATE TABLE workers (
  key         INTEGER PRIMARY KEY AUTOINCREMENT,
  name        TEXT    NOT NULL UNIQUE,
  incarnation TEXT    NOT NULL,
  instance    TEXT    NOT NULL,
  slots       INTEGER NOT NULL CHECK (slots BETWEEN 1 AND 1024),
  labels      TEXT    NOT NULL CHECK (json_valid(labels)),
  runner      TEXT    NOT NULL,
  host        TEXT    NOT NULL,
  pid         INTEGER NOT NULL,
  version     TEXT    NOT NULL,
  containment TEXT    NOT NULL,
  -- Orders its requests for streams, so that one that was overtaken is known as such.
  opening     INTEGER NOT NULL CHECK (opening >= 0),
  draining    INTEGER NOT NULL CHECK (draining IN (0, 1)),
  left_us     INTEGER
) STRICT;

CREATE TABLE attempts (
  key           INTEGER PRIMARY KEY AUTOINCREMENT,
  task_key      INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  number        INTEGER NOT NULL CHECK (number >= 1),
  epoch         INTEGER NOT NULL,
  -- SHA-256 of the lease's secret: the database alone lets nobody act for a worker.
  secret_hash   BLOB    NOT NULL CHECK (length(secret_hash) = 32),
  worker_key    INTEGER NOT NULL REFERENCES workers (key),
  claimed_us    INTEGER NOT NULL,
  started_us    INTEGER,
  ended_us      INTEGER,
  outcome       TEXT CHECK (outcome IN ('completed', 'failed', 'killed', 'lost', 'released')),
  failure_class TEXT,
  error         TEXT    NOT NULL,
  -- What the worker reported: builder result, checks, verdict, kill receipt.
  report        TEXT CHECK (report IS NULL OR json_valid(report)),
  -- SHA-256 of the outcome that ended it: the same one again gets the same answer.
  digest        BLOB CHECK (digest IS NULL OR length(digest) = 32),
  UNIQUE (task_key, number),
  CHECK ((outcome IS NULL) = (ended_us IS NULL))
) STRICT;
CREATE UNIQUE INDEX one_open_attempt_per_task ON attempts (task_key) WHERE outcome IS NULL;
CREATE INDEX open_attempts_by_worker ON attempts (worker_key) WHERE outcome IS NULL;

CREATE TABLE late_results (
  key         INTEGER PRIMARY KEY,
  attempt_key INTEGER NOT NULL REFERENCES attempts (key) ON DELETE CASCADE,
  received_us INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  failure_class TEXT,
  error       TEXT    NOT NULL,
  report      TEXT    NOT NULL CHECK (json_valid(report)),
  digest      BLOB    NOT NULL CHECK (length(digest) = 32),
  UNIQUE (attempt_key, digest)
) STRICT;

CREATE TABLE sessions (
  key           INTEGER PRIMARY KEY AUTOINCREMENT,
  session_id    TEXT    NOT NULL UNIQUE,
  task_key      INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  attempt_key   INTEGER NOT NULL REFERENCES attempts (key) ON DELETE CASCADE,
  role          TEXT    NOT NULL CHECK (role IN ('builder', 'validator')),
  runner        TEXT    NOT NULL,
  started_us    INTEGER NOT NULL,
  ended_us      INTEGER,
  exit_code     INTEGER,
  input_tokens  INTEGER NOT NULL CHECK (input_tokens >= 0),
  output_tokens INTEGER NOT NULL CHECK (output_tokens >= 0),
  -- Billionths of a US dollar; NULL if no price is known.
  cost_nano     INTEGER CHECK (cost_nano >= 0)
) STRICT;
CREATE INDEX sessions_by_attempt ON sessions (attempt_key, key);
CREATE INDEX sessions_by_task ON sessions (task_key, key);

CREATE TABLE session_log (
  session_key INTEGER NOT NULL REFERENCES sessions (key) ON DELETE CASCADE,
  number      INTEGER NOT NULL CHECK (number >= 1),
  logged_us   INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  text        TEXT    NOT NULL,
  PRIMARY KEY (session_key, number)
) STRICT, WITHOUT ROWID;

CREATE TABLE tokens (
  token_id    TEXT PRIMARY KEY,
  role        TEXT    NOT NULL CHECK (role IN ('viewer', 'worker', 'operator')),
  name        TEXT    NOT NULL,
  secret_hash BLOB    NOT NULL CHECK (length(secret_hash) = 32),
  created_us  INTEGER NOT NULL,
  revoked_us  INTEGER
) STRICT;

-- The rowid is the sequence: one more than the last, and a rolled back event leaves no gap.
CREATE TABLE events (
  seq         INTEGER PRIMARY KEY,
  happened_us INTEGER NOT NULL,
  kind        TEXT    NOT NULL,
  task_id     TEXT    NOT NULL,
  status      TEXT    NOT NULL,
  attempt     INTEGER NOT NULL,
  worker      TEXT    NOT NULL,
  session_id  TEXT    NOT NULL,
  cause       TEXT    NOT NULL
) STRICT;
CREATE INDEX events_by_task ON events (task_id, seq) WHERE task_id <> '';
