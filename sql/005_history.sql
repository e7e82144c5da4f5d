-- Series for charts, with their retention in jobs/.

CREATE TABLE hashrate_snapshots (
    worker_id   TEXT    NOT NULL,
    taken_at    INTEGER NOT NULL,
    hashrate    REAL    NOT NULL,
    active_gpus INTEGER NOT NULL,
    PRIMARY KEY (worker_id, taken_at)
) STRICT, WITHOUT ROWID;

-- Charts over the whole fleet read this index alone.
CREATE INDEX hashrate_snapshots_by_time ON hashrate_snapshots (taken_at, hashrate, active_gpus);

CREATE TABLE wallet_snapshots (
    address           TEXT    NOT NULL COLLATE NOCASE,
    -- 'hour' rows are kept 7 days, 'day' rows 90.
    resolution        TEXT    NOT NULL CHECK (resolution IN ('hour', 'day')),
    -- The beginning of the hour or day.
    period_start      INTEGER NOT NULL,
    -- The mean of the period, and its highest moment.
    hashrate          REAL    NOT NULL,
    peak_hashrate     REAL    NOT NULL,
    online_workers    INTEGER NOT NULL,
    total_workers     INTEGER NOT NULL,
    -- Blocks and earnings of the period itself.
    blocks            INTEGER NOT NULL,
    cumulative_blocks INTEGER NOT NULL,
    earnings          INTEGER NOT NULL,
    PRIMARY KEY (address, resolution, period_start)
) STRICT, WITHOUT ROWID;

CREATE INDEX wallet_snapshots_by_time ON wallet_snapshots (resolution, period_start);
