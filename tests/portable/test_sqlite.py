"""SQLite before 3.37 has no strict tables; RHEL, Rocky and Alma 9 have 3.34."""

from __future__ import annotations

import os
import re
import sqlite3
from pathlib import Path

import pytest

from ocx.sqlite import read_script, schema
from tests.support.program import Ocx
from tests.support.sabotage import without

# Refuses the word as such a version does, and says that it is one.
OLD = """
import sqlite3
sqlite3.sqlite_version_info, sqlite3.sqlite_version = (3, 34, 1), "3.34.1"
class Old(sqlite3.Connection):
    def execute(self, sql, *rest):
        _check(sql)
        return super().execute(sql, *rest)
    def executescript(self, sql):
        _check(sql)
        return super().executescript(sql)
def _check(sql):
    for word in ("STRICT", "RETURNING", "sqlite_schema", "->>", "unixepoch"):
        if word in sql:
            raise sqlite3.OperationalError(f'near "{word}": syntax error')
real = sqlite3.connect
sqlite3.connect = lambda *given, **named: real(*given, **{**named, "factory": Old})
"""
LIBRARY = os.environ.get("OCX_OLD_SQLITE", "")


@pytest.fixture(params=["emulated", pytest.param("real", marks=pytest.mark.portable)])
def old(ocx: Ocx, request: pytest.FixtureRequest) -> Ocx:
    if request.param == "emulated":
        return without(ocx, OLD)
    if not LIBRARY:
        pytest.skip("no SQLite 3.34: make test-portable builds it")
    ocx.env["LD_LIBRARY_PATH"] = str(Path(LIBRARY).parent)
    return ocx.fresh()


@pytest.mark.parametrize(
    ("package", "name"), [("ocx.serve", "ledger.sql"), ("ocx.history", "history.sql")]
)
def test_only_the_word_is_left_out(package: str, name: str) -> None:
    script = read_script(package, name)
    reduced = schema(script, (3, 34, 1))
    assert "STRICT" not in reduced
    assert schema(script, (3, 37, 0)) == script
    words = [re.findall(r"\w+", text) for text in (script.replace("STRICT", ""), reduced)]
    assert words[0] == words[1]
    assert reduced.count("WITHOUT ROWID") == script.count("WITHOUT ROWID")


def test_the_first_command_of_the_readme(old: Ocx) -> None:
    assert old("--sandbox", "chat", "Hello!", env={"OCX_HISTORY": "on"}).has(0).text == "Hello!\n"
    assert old("--sandbox", "balance").has(0).text.startswith("499.99")
    assert "Hello!" in old("history", "search", "hello").has(0).text
    assert "Hello!" in old("history", "show", "1").has(0).text
    old("serve", "check", "--sandbox").has(0)
    assert "removed 1" in old("history", "rm", "1", "-y").has(0).stderr


def test_a_file_of_a_newer_one_is_not_called_damaged(ocx: Ocx) -> None:
    """A home folder that machines share."""
    if sqlite3.sqlite_version_info < (3, 37):
        pytest.skip("this SQLite makes no strict tables")
    if not LIBRARY:
        error = """'malformed database schema (call) - near "STRICT": syntax error'"""
        broken = f"raise sqlite3.DatabaseError({error})"
        code = f"import sqlite3\ndef connect(*_, **__):\n {broken}\nsqlite3.connect = connect\n"
        without(ocx, code)
    else:
        ocx("--sandbox", "chat", "hi", env={"OCX_HISTORY": "on"}).has(0)
        ocx.env["LD_LIBRARY_PATH"] = str(Path(LIBRARY).parent)
        ocx.fresh()
    (ocx.state).mkdir(parents=True, exist_ok=True)
    (ocx.state / "history.sqlite3").touch()
    for words in (("history", "list"), ("--sandbox", "balance")):
        run = ocx(*words)
        assert run.status in {1, 3}
        assert "SQLite 3.37 or newer" in run.stderr
        assert "damaged" not in run.stderr
