-- What an API key is good for, as names between spaces; those made before are good for all that their account may do.

ALTER TABLE api_keys ADD COLUMN scopes TEXT NOT NULL DEFAULT 'read rent provider withdraw admin';
