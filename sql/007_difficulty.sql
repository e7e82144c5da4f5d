-- The simulated chain's difficulty over time.

-- A row for each change: from floor to ceiling there are a hundred and fifty.
CREATE TABLE difficulty_history (
    since      INTEGER NOT NULL PRIMARY KEY,
    difficulty INTEGER NOT NULL CHECK (difficulty > 0)
) STRICT;
