-- The state that a leased worker reported instead of mining: while it stands the lease is interrupted.

ALTER TABLE leases ADD COLUMN paused TEXT CHECK (paused IS NULL OR interrupted_since IS NOT NULL);

-- The worker's last sign of life when an absence last ended, and the microseconds after it that are in
-- `interrupted`: should that sign turn out to be the last for long, they are within its silence.

ALTER TABLE leases ADD COLUMN heard_at INTEGER;
ALTER TABLE leases ADD COLUMN unpaid_since_heard INTEGER NOT NULL DEFAULT 0 CHECK (unpaid_since_heard >= 0);
