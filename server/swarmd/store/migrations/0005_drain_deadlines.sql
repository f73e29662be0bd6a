-- How long a drained worker may finish what it runs, so that a restart of the server does not forget it.
ALTER TABLE workers ADD COLUMN drain_s REAL CHECK (drain_s >= 0);
