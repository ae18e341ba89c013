-- Amounts are decimals as text: a REAL would round them.
CREATE TABLE reading (
    id INTEGER PRIMARY KEY,
    profile TEXT NOT NULL,
    base_url TEXT NOT NULL,
    unit TEXT NOT NULL,
    at REAL NOT NULL,
    amount TEXT NOT NULL
) STRICT;
CREATE INDEX reading_by_account ON reading(profile, base_url, unit, at);
CREATE INDEX reading_by_time ON reading(at);
