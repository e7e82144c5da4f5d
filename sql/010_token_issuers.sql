-- How many names an account has taken for workers that nobody has seen yet is asked with each token.

CREATE INDEX worker_tokens_by_issuer ON worker_tokens (issued_by, worker_id);
