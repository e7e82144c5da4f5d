-- Sessions of wallets, more about keys, what a lease was promised.

-- A token is believed by its signature; a row here is how its owner sees and ends it.
CREATE TABLE sessions (
    session_id   INTEGER PRIMARY KEY,
    -- The token's `jti`.
    token_id     TEXT    NOT NULL UNIQUE,
    account_id   TEXT    NOT NULL REFERENCES accounts (account_id),
    -- What signed in, as it calls itself, and from where.
    agent        TEXT    NOT NULL,
    address      TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER NOT NULL,
    -- To the minute.
    last_used_at INTEGER NOT NULL,
    ended_at     INTEGER
) STRICT;

CREATE INDEX sessions_by_account ON sessions (account_id, session_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

ALTER TABLE api_keys ADD COLUMN label TEXT NOT NULL DEFAULT '';
ALTER TABLE api_keys ADD COLUMN expires_at INTEGER;
ALTER TABLE api_keys ADD COLUMN last_used_at INTEGER;

CREATE INDEX settlements_by_time ON settlements (settled_at);

-- What the worker's hashrate was when it was rented, H/s; 0 when it had not said.
ALTER TABLE leases ADD COLUMN advertised_hashrate REAL NOT NULL DEFAULT 0;
