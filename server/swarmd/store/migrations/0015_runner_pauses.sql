-- The breaker: faults that tasks have met in a row, and the roles of runners that are paused for one.

-- A role of a runner that starts nothing, or one attempt at a time.
CREATE TABLE runner_pauses (
  key           INTEGER PRIMARY KEY AUTOINCREMENT,
  runner        TEXT    NOT NULL,
  -- Empty: everywhere.
  worker        TEXT    NOT NULL,
  role          TEXT    NOT NULL CHECK (role IN ('builder', 'validator')),
  failure_class TEXT    NOT NULL,
  fingerprint   TEXT    NOT NULL,
  cause         TEXT    NOT NULL,
  paused_us     INTEGER NOT NULL,
  -- The ids of the tasks that met the fault, as JSON.
  task_ids      TEXT    NOT NULL CHECK (json_valid(task_ids)),
  -- The wait before it is half open by itself; 0 if only an operator opens it.
  cooldown_s    REAL    NOT NULL CHECK (cooldown_s >= 0),
  failed_probes INTEGER NOT NULL CHECK (failed_probes >= 0),
  -- 1: one attempt at a time may start. The probe is the last one that did.
  half_open     INTEGER NOT NULL CHECK (half_open IN (0, 1)),
  probe_key     INTEGER,
  UNIQUE (runner, worker, role)
) STRICT;
INSERT INTO runner_pauses (runner, worker, role, failure_class, fingerprint, cause, paused_us, task_ids, cooldown_s,
                           failed_probes, half_open)
SELECT iif(instr(runner, '@'), substr(runner, 1, instr(runner, '@') - 1), runner),
       iif(instr(runner, '@'), substr(runner, instr(runner, '@') + 1), ''),
       'builder', 'bad_config', '', cause, paused_us, '[]', 0, 0, 0
  FROM paused_runners;
DROP TABLE paused_runners;

-- The latest failures of each role of a runner at a worker, all with the same fingerprint. A success removes them.
CREATE TABLE runner_faults (
  attempt_key INTEGER PRIMARY KEY,
  task_key    INTEGER NOT NULL REFERENCES tasks (key) ON DELETE CASCADE,
  number      INTEGER NOT NULL,
  runner      TEXT    NOT NULL,
  worker      TEXT    NOT NULL,
  role        TEXT    NOT NULL,
  fingerprint TEXT    NOT NULL,
  -- 1: it used up a retry of its task.
  charged     INTEGER NOT NULL CHECK (charged IN (0, 1)),
  -- 1: the role has worked at another worker since, so that the fault is this worker's.
  alone       INTEGER NOT NULL CHECK (alone IN (0, 1))
) STRICT;
CREATE INDEX runner_faults_by_role ON runner_faults (runner, role, fingerprint);
CREATE INDEX runner_faults_by_task ON runner_faults (task_key);
