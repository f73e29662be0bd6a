-- The new kind of hold. SQLite can't change a CHECK by ALTER TABLE. This text of the schema changes no row's meaning.
PRAGMA writable_schema = ON;
UPDATE sqlite_schema SET sql = replace(sql, 'kind IN (', 'kind IN (''no_progress'', ')
 WHERE type = 'table' AND name = 'holds';
PRAGMA writable_schema = RESET;
