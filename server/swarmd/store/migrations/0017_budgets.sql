-- What tasks may spend: the caps of their definitions, and what people have added to them.
ALTER TABLE tasks ADD COLUMN max_cost_nano INTEGER CHECK (max_cost_nano >= 0);
ALTER TABLE tasks ADD COLUMN max_tokens INTEGER CHECK (max_tokens >= 0);
ALTER TABLE tasks ADD COLUMN added_cost_nano INTEGER NOT NULL DEFAULT 0 CHECK (added_cost_nano >= 0);
ALTER TABLE tasks ADD COLUMN added_tokens INTEGER NOT NULL DEFAULT 0 CHECK (added_tokens >= 0);

-- 1 once the sessions of the attempt were ordered to end because a cap was passed.
ALTER TABLE attempts ADD COLUMN over_budget INTEGER NOT NULL DEFAULT 0 CHECK (over_budget IN (0, 1));

-- The new kind of hold, whatever other kinds there are. SQLite can't change a CHECK by ALTER TABLE.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, '''question''', '''question'', ''budget''')
 WHERE type = 'table' AND name = 'holds';
PRAGMA writable_schema = RESET;
