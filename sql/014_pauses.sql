-- The state that a leased worker reported instead of mining: while it stands the lease is interrupted.

ALTER TABLE leases ADD COLUMN paused TEXT CHECK (paused IS NULL OR interrupted_since IS NOT NULL);
