-- Tokens that expire, and tokens that workers exchange for credentials of their own.

-- ordinary: as it was made. join: good for JoinSwarm alone. credential: made by a worker that joined.
ALTER TABLE tokens ADD COLUMN kind TEXT NOT NULL DEFAULT 'ordinary'
  CHECK (kind IN ('ordinary', 'join', 'credential'));
-- By the server's wall clock; NULL if it does not expire.
ALTER TABLE tokens ADD COLUMN expires_us INTEGER;
-- Of a join token and of its credentials: the labels that their workers have.
ALTER TABLE tokens ADD COLUMN labels TEXT NOT NULL DEFAULT '{}' CHECK (json_valid(labels));
-- Of a join token: how often it may be exchanged, 0 without limit, and how often it was.
ALTER TABLE tokens ADD COLUMN max_uses INTEGER NOT NULL DEFAULT 0 CHECK (max_uses >= 0);
ALTER TABLE tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0 CHECK (uses >= 0 AND (max_uses = 0 OR uses <= max_uses));
-- Of a join token the last exchange, of a credential about the last stream that was opened with it.
ALTER TABLE tokens ADD COLUMN used_us INTEGER;
-- Of a credential: the join token it came from, and the worker that has it.
ALTER TABLE tokens ADD COLUMN joined_by TEXT REFERENCES tokens (token_id);
ALTER TABLE tokens ADD COLUMN worker TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN instance TEXT NOT NULL DEFAULT ''
  CHECK ((kind = 'credential') = (joined_by IS NOT NULL AND worker <> '' AND instance <> ''));
CREATE INDEX idle_credentials ON tokens (used_us) WHERE kind = 'credential';
