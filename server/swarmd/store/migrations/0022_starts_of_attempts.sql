-- Where each attempt started: with a builder, or with the work of the attempt `work_of`.
ALTER TABLE attempts ADD COLUMN starts_at TEXT NOT NULL DEFAULT 'builder'
  CHECK (starts_at IN ('builder', 'landing', 'validator', 'checks'));
UPDATE attempts SET starts_at = 'landing' WHERE work_of > 0;
