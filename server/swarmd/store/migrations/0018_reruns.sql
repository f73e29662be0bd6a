-- Retries that say where their attempt starts.

-- What the next attempt starts from, until it has ended; empty: as the definition and the end of the attempt before say.
ALTER TABLE tasks ADD COLUMN retry_from TEXT NOT NULL DEFAULT '' CHECK (retry_from IN ('', 'base', 'work'));
