-- Accounts and the ledger. Money is in millionths; times are microseconds since the Unix epoch.
-- Checks say OR: for an IN of three or more words SQLite builds a temporary tree with each statement.

-- The migrations that were applied; `PRAGMA user_version` is the last of them.
CREATE TABLE schema_version (
    version INTEGER NOT NULL PRIMARY KEY
) STRICT;

CREATE TABLE accounts (
    account_id  TEXT    NOT NULL PRIMARY KEY,
    -- What an account may do. Wallet accounts read 'provider' and may rent as well.
    role        TEXT    NOT NULL CHECK (role = 'consumer' OR role = 'provider' OR role = 'system'),
    -- Where it came from: POST /api/auth/register, a worker's first registration, a wallet's first
    -- sign-in, the platform itself, or the outside world (the other side of deposits and withdrawals).
    origin      TEXT    NOT NULL CHECK (origin = 'registered' OR origin = 'worker' OR origin = 'wallet'
                                               OR origin = 'platform' OR origin = 'outside'),
    -- Proven by signature for a wallet, merely claimed for the others.
    eth_address TEXT    NOT NULL DEFAULT '' COLLATE NOCASE,
    -- A cache of the ledger's entries; `xenblocks audit` rebuilds and checks it.
    balance     INTEGER NOT NULL DEFAULT 0,
    -- The part of the balance that active leases hold.
    held        INTEGER NOT NULL DEFAULT 0 CHECK (held >= 0),
    created_at  INTEGER NOT NULL,
    CHECK (origin = 'outside' OR balance >= held)
) STRICT;

CREATE UNIQUE INDEX accounts_one_per_wallet ON accounts (eth_address) WHERE origin = 'wallet';
CREATE INDEX accounts_by_address ON accounts (eth_address) WHERE eth_address <> '';

-- The ledger: entries are only ever added. Those of one movement sum to zero.
CREATE TABLE transactions (
    transaction_id INTEGER PRIMARY KEY,
    movement       INTEGER NOT NULL,
    account_id     TEXT    NOT NULL REFERENCES accounts (account_id),
    type           TEXT    NOT NULL CHECK (type = 'deposit' OR type = 'withdraw' OR type = 'lease_charge' OR type = 'provider_payout'
                                           OR type = 'platform_fee' OR type = 'transfer_out' OR type = 'transfer_in'
                                           OR type = 'opening'),
    amount         INTEGER NOT NULL,
    balance_after  INTEGER NOT NULL,
    lease_id       TEXT,
    note           TEXT,
    created_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX transactions_by_account ON transactions (account_id, transaction_id);
CREATE INDEX transactions_by_lease ON transactions (lease_id) WHERE lease_id IS NOT NULL;

-- The answer to a request that moved money, for the same request coming again.
CREATE TABLE idempotency (
    caller         TEXT    NOT NULL,
    key            TEXT    NOT NULL,
    request_digest BLOB    NOT NULL,
    status         INTEGER NOT NULL,
    answer         TEXT    NOT NULL,
    created_at     INTEGER NOT NULL,
    PRIMARY KEY (caller, key)
) STRICT, WITHOUT ROWID;

CREATE INDEX idempotency_by_age ON idempotency (created_at);
