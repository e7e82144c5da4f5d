-- Credentials. Only SHA-256 digests are kept: the keys have 128 bits of entropy and need no salt.

CREATE TABLE api_keys (
    key_id       INTEGER PRIMARY KEY,
    account_id   TEXT    NOT NULL REFERENCES accounts (account_id),
    digest       BLOB    NOT NULL UNIQUE,
    -- The first characters, to tell keys apart in a list.
    hint         TEXT    NOT NULL,
    created_at   INTEGER NOT NULL,
    revoked_at   INTEGER
) STRICT;

CREATE INDEX api_keys_by_account ON api_keys (account_id);

CREATE TABLE worker_tokens (
    token_id   INTEGER PRIMARY KEY,
    worker_id  TEXT    NOT NULL,
    digest     BLOB    NOT NULL UNIQUE,
    -- The account that issued it.
    issued_by  TEXT    NOT NULL,
    created_at INTEGER NOT NULL,
    revoked_at INTEGER
) STRICT;

CREATE INDEX worker_tokens_by_worker ON worker_tokens (worker_id);
