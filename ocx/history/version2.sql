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
INSERT INTO call_text(call_text) VALUES ('rebuild');
