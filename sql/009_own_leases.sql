-- A lease of one's own worker proves nothing to others: it does not count for the worker's reputation.

ALTER TABLE leases ADD COLUMN own INTEGER NOT NULL DEFAULT 0 CHECK (own IN (0, 1));
