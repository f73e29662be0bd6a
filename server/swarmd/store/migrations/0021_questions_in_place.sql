-- Questions of running sessions, which wait in their places for the answers.

-- 1 while the session waits, and after it if the attempt went on or ended without the answer.
ALTER TABLE holds ADD COLUMN in_place INTEGER NOT NULL DEFAULT 0 CHECK (in_place IN (0, 1));
-- The end of an attempt ends its question, whatever ends it. One that holds the task from then on is not in place any more.
CREATE TRIGGER question_of_attempt_ended AFTER UPDATE OF outcome ON attempts
WHEN OLD.outcome IS NULL AND NEW.outcome IS NOT NULL BEGIN
  UPDATE holds SET ended_us = NEW.ended_us WHERE task_key = NEW.task_key AND ended_us IS NULL AND in_place = 1;
END;
