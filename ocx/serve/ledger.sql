CREATE TABLE account (
  id INTEGER PRIMARY KEY,
  name TEXT NOT NULL UNIQUE,
  balance INTEGER NOT NULL DEFAULT 0 CHECK (balance >= 0),
  held INTEGER NOT NULL DEFAULT 0 CHECK (held BETWEEN 0 AND balance)
) STRICT;
CREATE TABLE key (
  id INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account (id),
  hash TEXT NOT NULL UNIQUE,
  hint TEXT NOT NULL,
  name TEXT NOT NULL,
  created INTEGER NOT NULL,
  expires INTEGER,
  revoked INTEGER,
  rpm INTEGER CHECK (rpm > 0),
  concurrency INTEGER CHECK (concurrency > 0)
) STRICT;
CREATE TABLE charge (
  id INTEGER PRIMARY KEY,
  account INTEGER NOT NULL REFERENCES account (id),
  key INTEGER REFERENCES key (id),
  model TEXT NOT NULL,
  state TEXT NOT NULL DEFAULT 'held' CHECK (state IN ('held', 'settled', 'released')),
  hold INTEGER NOT NULL CHECK (hold >= 0),
  cost INTEGER NOT NULL DEFAULT 0 CHECK (cost >= 0),
  shortfall INTEGER NOT NULL DEFAULT 0 CHECK (shortfall >= 0),
  prompt_tokens INTEGER NOT NULL DEFAULT 0,
  completion_tokens INTEGER NOT NULL DEFAULT 0,
  source TEXT CHECK (source IN ('upstream', 'counted')),
  outcome TEXT,
  boot TEXT NOT NULL,
  opened INTEGER NOT NULL,
  closed INTEGER,
  CHECK ((state = 'held') = (outcome IS NULL)),
  CHECK ((state = 'held') = (closed IS NULL))
) STRICT;
CREATE INDEX charge_held ON charge (boot) WHERE state = 'held';
CREATE TABLE ledger (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  account INTEGER NOT NULL REFERENCES account (id),
  kind TEXT NOT NULL CHECK (kind IN ('grant', 'charge', 'adjust')),
  amount INTEGER NOT NULL,
  charge INTEGER UNIQUE REFERENCES charge (id),
  balance_after INTEGER NOT NULL CHECK (balance_after >= 0),
  CHECK ((kind = 'charge') = (charge IS NOT NULL))
) STRICT;
-- A charge is in no index of its account: it would cost a page of the log, and a balance that adds
-- up what was granted would pass all of them.
CREATE INDEX ledger_granted ON ledger (account, amount) WHERE kind != 'charge';
CREATE TRIGGER ledger_no_update BEFORE UPDATE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
CREATE TRIGGER ledger_no_delete BEFORE DELETE ON ledger
  BEGIN SELECT RAISE(ABORT, 'the ledger is append-only'); END;
