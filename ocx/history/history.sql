-- A message is stored once, however many calls of a conversation send it again: images and long
-- files would otherwise grow with the square of the turns.
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    profile TEXT NOT NULL,
    created REAL NOT NULL
) STRICT;
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    json TEXT NOT NULL
) STRICT;
CREATE TABLE call (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    conversation INTEGER NOT NULL REFERENCES conversation(id),
    started REAL NOT NULL,
    profile TEXT NOT NULL,
    base_url TEXT NOT NULL,
    model TEXT NOT NULL,
    model_returned TEXT,
    options TEXT NOT NULL,
    prompt TEXT NOT NULL,
    answer TEXT NOT NULL,
    reasoning TEXT NOT NULL,
    tool_calls TEXT,
    finish_reason TEXT,
    usage TEXT,
    prompt_tokens INTEGER,
    completion_tokens INTEGER,
    credits TEXT,
    credits_source TEXT NOT NULL CHECK (credits_source IN ('response', 'balance', 'unknown')),
    first_token_seconds REAL,
    seconds REAL NOT NULL,
    retries INTEGER NOT NULL,
    request_id TEXT,
    outcome TEXT NOT NULL CHECK (outcome IN ('finished', 'cancelled', 'failed')),
    exit_code INTEGER NOT NULL,
    error TEXT
) STRICT;
CREATE INDEX call_by_conversation ON call(conversation, id);
CREATE INDEX call_by_start ON call(started);
CREATE TABLE call_message (
    call INTEGER NOT NULL REFERENCES call(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    message INTEGER NOT NULL REFERENCES message(id),
    PRIMARY KEY (call, position)
) STRICT, WITHOUT ROWID;
CREATE INDEX call_message_by_message ON call_message(message);
CREATE VIRTUAL TABLE call_text USING fts5(
    prompt, answer, content = 'call', content_rowid = 'id', tokenize = 'unicode61'
);
CREATE TRIGGER call_text_insert AFTER INSERT ON call BEGIN
    INSERT INTO call_text(rowid, prompt, answer) VALUES (new.id, new.prompt, new.answer);
END;
CREATE TRIGGER call_text_delete AFTER DELETE ON call BEGIN
    INSERT INTO call_text(call_text, rowid, prompt, answer)
    VALUES ('delete', old.id, old.prompt, old.answer);
END;
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
