-- What a miner must not forget.

-- Found blocks that are not settled yet with the chain, the platform or both, and the last refused ones.
CREATE TABLE IF NOT EXISTS blocks (
    number INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    lease_id TEXT,
    hash TEXT NOT NULL,
    account TEXT,
    attempts INTEGER NOT NULL,
    hashrate TEXT NOT NULL,
    -- Why the chain will never take it.
    refused TEXT,
    chain_waits INTEGER NOT NULL CHECK (chain_waits IN (0, 1)),
    platform_waits INTEGER NOT NULL CHECK (platform_waits IN (0, 1))
) STRICT;

CREATE INDEX IF NOT EXISTS blocks_waiting ON blocks (number) WHERE chain_waits OR platform_waits;

-- The lease in force: one row, or none.
CREATE TABLE IF NOT EXISTS lease (
    only INTEGER PRIMARY KEY CHECK (only = 1),
    lease_id TEXT NOT NULL,
    consumer_id TEXT NOT NULL,
    renter TEXT NOT NULL,
    prefix TEXT,
    -- Microseconds; the wall's time when it was told, and how long it was to last. Never ends without.
    told INTEGER NOT NULL,
    lasts INTEGER
) STRICT;
