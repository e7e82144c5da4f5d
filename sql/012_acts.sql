-- What administrators did through the API, and what they were refused: who, when, what, to whom. A row is written in
-- the transaction of its act, is never changed, and goes when it is old.

CREATE TABLE acts (
    act_id    INTEGER PRIMARY KEY,
    done_at   INTEGER NOT NULL,
    -- Digits of the key's digest, enough to tell one key from the next and too few to find it by.
    key_hint  TEXT    NOT NULL,
    -- Where the request came from.
    address   TEXT    NOT NULL,
    -- The route: method and path as the table of routes has them.
    operation TEXT    NOT NULL,
    -- Whose account, worker, lease, key: what stood for the names in the path, or in the body.
    subject   TEXT    NOT NULL,
    -- What else was asked for, a JSON object of fields that hold no secrets.
    details   TEXT    NOT NULL,
    -- The answer: 200, or why not.
    status    INTEGER NOT NULL
) STRICT;

CREATE INDEX acts_by_time ON acts (done_at);

CREATE TRIGGER acts_are_never_changed BEFORE UPDATE ON acts
BEGIN
    SELECT RAISE(ABORT, 'acts are never changed');
END;
