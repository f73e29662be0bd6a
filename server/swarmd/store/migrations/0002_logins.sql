-- Browsers that are logged in to the dashboard, over restarts of the server.

CREATE TABLE logins (
  -- SHA-256 of the cookie: the database alone lets nobody in.
  secret_hash BLOB    PRIMARY KEY CHECK (length(secret_hash) = 32),
  -- Who logged in: what the token may do and its revocation hold for the login too.
  token_id    TEXT    NOT NULL REFERENCES tokens (token_id),
  expires_us  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
