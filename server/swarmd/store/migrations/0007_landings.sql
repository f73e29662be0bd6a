-- Attempts in clones, and the branches on which their work lands.

-- A branch of a repository, on which one attempt at a time may land.
CREATE TABLE targets (
  key        INTEGER PRIMARY KEY,
  repository TEXT    NOT NULL,
  target     TEXT    NOT NULL,
  -- The commit of the last landing that was reported, and the place of its attempt in the queue. Empty if none was.
  tip        TEXT    NOT NULL,
  tip_place  INTEGER NOT NULL CHECK (tip_place >= 0),
  -- How many places of the queue were ever given out.
  places     INTEGER NOT NULL CHECK (places >= tip_place),
  -- How many landings were reported, and how many that an earlier attempt had made. Only grow.
  landed     INTEGER NOT NULL CHECK (landed >= 0),
  found      INTEGER NOT NULL CHECK (found >= 0),
  UNIQUE (repository, target)
) STRICT;

-- Where the worker's clones come from and go to. Empty if it makes none.
ALTER TABLE workers ADD COLUMN repository TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN target TEXT NOT NULL DEFAULT '';
ALTER TABLE workers ADD COLUMN workspace TEXT NOT NULL DEFAULT 'shared' CHECK (workspace IN ('shared', 'clone'));

-- NULL for an attempt without a clone.
ALTER TABLE attempts ADD COLUMN target_key INTEGER REFERENCES targets (key);
-- A commit of the target from before any landing of the task. Empty: look at its whole history.
ALTER TABLE attempts ADD COLUMN first_base TEXT;
-- The attempt's place in the queue of those that want to land. The first that has not ended has the right.
ALTER TABLE attempts ADD COLUMN landing_place INTEGER CHECK (landing_place IS NULL OR target_key IS NOT NULL);
-- When it got the right. For people only, like all times.
ALTER TABLE attempts ADD COLUMN landing_since_us INTEGER CHECK (landing_since_us IS NULL OR landing_place IS NOT NULL);
CREATE UNIQUE INDEX landing_places ON attempts (target_key, landing_place) WHERE landing_place IS NOT NULL;
CREATE INDEX landing_queue ON attempts (target_key, landing_place) WHERE landing_place IS NOT NULL AND outcome IS NULL;

ALTER TABLE tasks ADD COLUMN landing_failures INTEGER NOT NULL DEFAULT 0 CHECK (landing_failures >= 0);

-- What attempts in clones did to the files, apart from what every step reads.
CREATE TABLE changes (
  attempt_key INTEGER PRIMARY KEY REFERENCES attempts (key) ON DELETE CASCADE,
  base        TEXT NOT NULL,
  head        TEXT NOT NULL,
  summary     TEXT NOT NULL CHECK (json_valid(summary))
) STRICT;

-- Compressed by zlib.
CREATE TABLE patches (
  attempt_key INTEGER PRIMARY KEY REFERENCES changes (attempt_key) ON DELETE CASCADE,
  patch       BLOB NOT NULL
) STRICT;
