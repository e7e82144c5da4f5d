-- The simulated chain. Counters and balances are kept beside the blocks, in the same transaction,
-- so that no answer scans them.

CREATE TABLE chain_blocks (
    block_id INTEGER PRIMARY KEY CHECK (block_id > 0),
    key TEXT NOT NULL UNIQUE CHECK (length(key) BETWEEN 64 AND 128 AND key NOT GLOB '*[^0-9a-f]*'),
    account TEXT NOT NULL COLLATE NOCASE CHECK (length(account) <= 128),
    hash_to_verify TEXT NOT NULL CHECK (length(hash_to_verify) <= 256),
    block_type TEXT NOT NULL CHECK (block_type = 'normal' OR block_type = 'super' OR block_type = 'xuni'),
    attempts INTEGER NOT NULL CHECK (attempts >= 0),
    hashes_per_second TEXT NOT NULL,
    worker TEXT NOT NULL,
    pow_verified INTEGER NOT NULL CHECK (pow_verified IN (0, 1)),
    created_at INTEGER NOT NULL -- microseconds
) STRICT;

CREATE INDEX chain_blocks_account ON chain_blocks (account, block_id);

CREATE TABLE chain_miners (
    account TEXT NOT NULL PRIMARY KEY COLLATE NOCASE,
    blocks INTEGER NOT NULL CHECK (blocks > 0),
    balance INTEGER NOT NULL CHECK (balance >= 0) -- millionths
) STRICT, WITHOUT ROWID;

CREATE TABLE chain_state (
    id INTEGER PRIMARY KEY CHECK (id = 1),
    difficulty INTEGER NOT NULL CHECK (difficulty > 0),
    difficulty_start INTEGER NOT NULL CHECK (difficulty_start > 0),
    next_block_id INTEGER NOT NULL CHECK (next_block_id > 0),
    normal_blocks INTEGER NOT NULL CHECK (normal_blocks >= 0),
    super_blocks INTEGER NOT NULL CHECK (super_blocks >= 0),
    xuni_blocks INTEGER NOT NULL CHECK (xuni_blocks >= 0),
    miners INTEGER NOT NULL CHECK (miners >= 0)
) STRICT;
