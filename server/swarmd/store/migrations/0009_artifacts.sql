-- Files that attempts left for people. Their contents lie beside the database, in files named by their SHA-256.

CREATE TABLE artifacts (
  key         INTEGER PRIMARY KEY,
  attempt_key INTEGER NOT NULL REFERENCES attempts (key) ON DELETE CASCADE,
  -- The path inside the workspace.
  name        TEXT    NOT NULL CHECK (length(name) BETWEEN 1 AND 1000),
  sha256      TEXT    NOT NULL CHECK (length(sha256) = 64),
  size        INTEGER NOT NULL CHECK (size >= 0),
  -- The retention counts from here.
  stored_us   INTEGER NOT NULL,
  UNIQUE (attempt_key, name)
) STRICT;
CREATE INDEX artifacts_by_content ON artifacts (sha256);
CREATE INDEX artifacts_by_age ON artifacts (stored_us);

CREATE TABLE artifact_totals (
  key   INTEGER PRIMARY KEY CHECK (key = 1),
  bytes INTEGER NOT NULL CHECK (bytes >= 0)
) STRICT;
INSERT INTO artifact_totals VALUES (1, 0);

CREATE TRIGGER artifact_totals_add AFTER INSERT ON artifacts BEGIN
  UPDATE artifact_totals SET bytes = bytes + NEW.size;
END;
CREATE TRIGGER artifact_totals_remove AFTER DELETE ON artifacts BEGIN
  UPDATE artifact_totals SET bytes = bytes - OLD.size;
END;
