-- The history as version 1 of its schema left it, with two calls; never changed again.
BEGIN TRANSACTION;
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
INSERT INTO "call" VALUES(1,1,1700000000.5,'default','https://opencodex.hk/api/v1','deepseek-chat','deepseek-chat','{"seed":7}','Describe it.','A harbour in the morning.','',NULL,'stop','{"prompt_tokens":9,"completion_tokens":6,"total_tokens":15}',9,6,'0.5','response',0.2,1.1,0,'req-1','finished',0,NULL);
INSERT INTO "call" VALUES(2,2,1700000100.0,'work','http://127.0.0.1:8790/api/v1','gpt-4o',NULL,'{}','你好','','',NULL,NULL,NULL,NULL,NULL,NULL,'unknown',NULL,0.4,2,NULL,'failed',8,'HTTP 503');
CREATE TABLE call_message (
    call INTEGER NOT NULL REFERENCES call(id) ON DELETE CASCADE,
    position INTEGER NOT NULL,
    message INTEGER NOT NULL REFERENCES message(id),
    PRIMARY KEY (call, position)
) STRICT, WITHOUT ROWID;
INSERT INTO "call_message" VALUES(1,0,1);
INSERT INTO "call_message" VALUES(1,1,2);
INSERT INTO "call_message" VALUES(2,0,3);
CREATE TABLE conversation (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    name TEXT UNIQUE,
    profile TEXT NOT NULL,
    created REAL NOT NULL
) STRICT;
INSERT INTO "conversation" VALUES(1,'trip','default',1700000000.0);
INSERT INTO "conversation" VALUES(2,NULL,'work',1700000100.0);
CREATE TABLE message (
    id INTEGER PRIMARY KEY,
    digest BLOB NOT NULL UNIQUE,
    json TEXT NOT NULL
) STRICT;
INSERT INTO "message" VALUES(1,X'E57D1EF21A87AF392778B05A6FD54E4A3A1D173B56C411C9B997CF1A45FA7DC1','{"role":"system","content":"Be brief."}');
INSERT INTO "message" VALUES(2,X'34A17DA49496A781C81A62D25269D79879FBF6C8E95ACC89C2548DD2B344AB05','{"role":"user","content":"Describe it."}');
INSERT INTO "message" VALUES(3,X'6CF9ADB31B6A550355BD0451506F6116F101C3CDFD17D0417EF80E973DFB774E','{"role":"user","content":"你好"}');
CREATE INDEX call_by_conversation ON call(conversation, id);
CREATE INDEX call_by_start ON call(started);
CREATE INDEX call_message_by_message ON call_message(message);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('conversation',2);
INSERT INTO "sqlite_sequence" VALUES('call',2);
COMMIT;
