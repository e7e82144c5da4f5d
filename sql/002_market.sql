-- Workers, leases, blocks and settlements.

CREATE TABLE workers (
    worker_seq       INTEGER PRIMARY KEY,
    worker_id        TEXT    NOT NULL UNIQUE,
    -- Names the owner: the wallet that signs for it owns the worker and its earnings.
    eth_address      TEXT    NOT NULL DEFAULT '' COLLATE NOCASE,
    gpu_count        INTEGER NOT NULL CHECK (gpu_count >= 0),
    total_memory_gb  REAL    NOT NULL,
    gpus             TEXT    NOT NULL,
    -- The GPUs' names in upper case, to search in.
    gpu_names        TEXT    NOT NULL,
    version          TEXT    NOT NULL,
    state            TEXT    NOT NULL CHECK (state = 'IDLE' OR state = 'AVAILABLE' OR state = 'LEASED' OR state = 'MINING'
                                             OR state = 'COMPLETED' OR state = 'ERROR' OR state = 'SELF_MINING'
                                             OR state = 'offline'),
    -- For rent by its owner's will; an unlisted worker's state reads SELF_MINING.
    listed           INTEGER NOT NULL DEFAULT 1 CHECK (listed IN (0, 1)),
    price_per_min    INTEGER NOT NULL CHECK (price_per_min >= 0),
    -- NULL: the provider has set no limit, and the defaults only advise.
    min_duration_sec INTEGER CHECK (min_duration_sec >= 1),
    max_duration_sec INTEGER CHECK (max_duration_sec >= min_duration_sec),
    registered_at    INTEGER NOT NULL,
    -- What heartbeats said, written in batches.
    hashrate         REAL    NOT NULL DEFAULT 0,
    active_gpus      INTEGER NOT NULL DEFAULT 0,
    last_heartbeat   INTEGER NOT NULL,
    total_online     INTEGER NOT NULL DEFAULT 0,
    -- Counts behind the reputation, kept beside the rows they count.
    self_blocks_found INTEGER NOT NULL DEFAULT 0,
    verified_blocks   INTEGER NOT NULL DEFAULT 0,
    leases_total      INTEGER NOT NULL DEFAULT 0,
    leases_completed  INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX workers_for_rent ON workers (worker_seq) WHERE state = 'AVAILABLE' AND listed = 1;
CREATE INDEX workers_by_price ON workers (price_per_min, worker_seq);
CREATE INDEX workers_by_hashrate ON workers (hashrate, worker_seq);
CREATE INDEX workers_by_address ON workers (eth_address);
CREATE INDEX workers_by_heartbeat ON workers (last_heartbeat);

CREATE TABLE leases (
    lease_seq         INTEGER PRIMARY KEY,
    lease_id          TEXT    NOT NULL UNIQUE,
    worker_id         TEXT    NOT NULL REFERENCES workers (worker_id),
    consumer_id       TEXT    NOT NULL REFERENCES accounts (account_id),
    consumer_address  TEXT    NOT NULL,
    prefix            TEXT    NOT NULL UNIQUE,
    price_per_min     INTEGER NOT NULL CHECK (price_per_min >= 0),
    duration_sec      INTEGER NOT NULL CHECK (duration_sec >= 1),
    -- What the renter's account holds for it while it is active.
    hold              INTEGER NOT NULL CHECK (hold >= 0),
    state             TEXT    NOT NULL CHECK (state = 'active' OR state = 'completed' OR state = 'cancelled'),
    created_at        INTEGER NOT NULL,
    -- created_at + duration: when the watchdog ends it.
    ends_at           INTEGER NOT NULL,
    ended_at          INTEGER,
    -- Microseconds without the worker, closed stretches; the open one began at interrupted_since.
    interrupted       INTEGER NOT NULL DEFAULT 0 CHECK (interrupted >= 0),
    interrupted_since INTEGER,
    -- When the worker last came back: time up to here is in `interrupted`, once.
    back_since        INTEGER NOT NULL DEFAULT 0,
    blocks_found      INTEGER NOT NULL DEFAULT 0,
    hashrate_sum      REAL    NOT NULL DEFAULT 0,
    hashrate_samples  INTEGER NOT NULL DEFAULT 0,
    settled           INTEGER NOT NULL DEFAULT 0 CHECK (settled IN (0, 1)),
    CHECK ((state = 'active') = (ended_at IS NULL)),
    CHECK (state = 'active' OR (hold = 0 AND interrupted_since IS NULL))
) STRICT;

CREATE UNIQUE INDEX leases_one_active_per_worker ON leases (worker_id) WHERE state = 'active';
CREATE INDEX leases_by_end ON leases (ends_at) WHERE state = 'active';
CREATE INDEX leases_unsettled ON leases (lease_seq) WHERE settled = 0 AND state <> 'active';
CREATE INDEX leases_by_worker ON leases (worker_id, lease_seq);
CREATE INDEX leases_by_consumer ON leases (consumer_id, state, lease_seq);
CREATE INDEX leases_by_state ON leases (state, lease_seq);

CREATE TABLE settlements (
    settlement_id    INTEGER PRIMARY KEY,
    -- A lease is settled exactly once.
    lease_id         TEXT    NOT NULL UNIQUE REFERENCES leases (lease_id),
    consumer_id      TEXT    NOT NULL,
    worker_id        TEXT    NOT NULL,
    -- The account that was paid: the owner's wallet, or the worker's own.
    provider_id      TEXT    NOT NULL,
    -- Microseconds that were billed: elapsed less interrupted.
    billed           INTEGER NOT NULL CHECK (billed >= 0),
    blocks_found     INTEGER NOT NULL,
    total_cost       INTEGER NOT NULL,
    provider_payment INTEGER NOT NULL,
    platform_fee     INTEGER NOT NULL,
    settled_at       INTEGER NOT NULL,
    CHECK (total_cost = provider_payment + platform_fee)
) STRICT;

-- With the sums that pages show, so that those are taken from the index alone.
CREATE INDEX settlements_by_worker ON settlements (worker_id, settlement_id, provider_payment);
CREATE INDEX settlements_by_consumer ON settlements (consumer_id, settlement_id, total_cost);

CREATE TABLE blocks (
    block_seq      INTEGER PRIMARY KEY,
    -- NULL: self-mined.
    lease_id       TEXT,
    worker_id      TEXT    NOT NULL,
    hash           TEXT    NOT NULL,
    -- Lower case: a block is recorded once per key, whoever repeats it.
    key            TEXT    NOT NULL UNIQUE,
    account        TEXT    NOT NULL,
    attempts       INTEGER NOT NULL,
    hashrate       TEXT    NOT NULL,
    prefix_valid   INTEGER NOT NULL CHECK (prefix_valid IN (0, 1)),
    chain_verified INTEGER NOT NULL DEFAULT 0 CHECK (chain_verified IN (0, 1)),
    -- 1 until it was looked for on the chain and recomputed.
    pending        INTEGER NOT NULL DEFAULT 0 CHECK (pending IN (0, 1)),
    chain_block_id INTEGER,
    created_at     INTEGER NOT NULL
) STRICT;

CREATE INDEX blocks_by_lease ON blocks (lease_id, block_seq);
CREATE INDEX blocks_by_worker ON blocks (worker_id, block_seq);
CREATE INDEX blocks_self_mined ON blocks (worker_id, lease_id) WHERE lease_id IS NULL;
CREATE INDEX blocks_by_time ON blocks (created_at);
CREATE INDEX blocks_pending ON blocks (block_seq) WHERE pending = 1;

-- Counts that would cost a table to take: each is kept by the transaction that changes what it counts.
CREATE TABLE counters (
    name  TEXT    NOT NULL PRIMARY KEY,
    value INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO counters (name, value) VALUES
    ('blocks', 0), ('blocks_self_mined', 0), ('leases', 0), ('settlements', 0), ('settled', 0), ('fees', 0);
