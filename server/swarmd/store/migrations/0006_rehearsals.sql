-- 1 once a session of a runner other than `embedded`, which only rehearses, has run in this database.
ALTER TABLE swarm ADD COLUMN real_work INTEGER NOT NULL DEFAULT 0 CHECK (real_work IN (0, 1));
UPDATE swarm SET real_work = EXISTS (SELECT 1 FROM sessions WHERE runner <> 'embedded');

-- The sessions of rehearsals: none in a swarm that does real work.
CREATE INDEX rehearsed_sessions ON sessions (attempt_key) WHERE runner = 'embedded';
