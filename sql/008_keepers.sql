-- Who manages a worker that no signed-in wallet owns: the account whose token it came in with.

ALTER TABLE workers ADD COLUMN keeper TEXT REFERENCES accounts (account_id);

CREATE INDEX workers_by_keeper ON workers (keeper) WHERE keeper IS NOT NULL;

UPDATE workers SET keeper = (
    SELECT t.issued_by FROM worker_tokens t JOIN accounts a ON a.account_id = t.issued_by
    WHERE t.worker_id = workers.worker_id AND t.revoked_at IS NULL ORDER BY t.token_id LIMIT 1)
WHERE NOT EXISTS (
    SELECT 1 FROM accounts a WHERE a.origin = 'wallet' AND a.eth_address = workers.eth_address);
