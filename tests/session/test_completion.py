"""What TAB offers in a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocx.session.commands import completions, files, no_argument, one_of

COMMANDS = {
    "/model": one_of(lambda: ["gpt-4o", "gpt-4o-mini", "deepseek-chat"]),
    "/system": no_argument,
    "/file": files,
    "/save": files,
    "/exit": None,
}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("", []),
        ("mod", []),
        ("/m", ["/model "]),
        ("/s", ["/system ", "/save "]),
        ("/e", ["/exit"]),
        ("//m", []),
        ("/model g", ["/model gpt-4o", "/model gpt-4o-mini"]),
        ("/model x", []),
        ("/system m", []),
        ("/exit ", []),
        ("/unknown g", []),
    ],
)
def test_commands_and_names(line: str, found: list[str]) -> None:
    assert completions(line, COMMANDS) == found


def test_files_also_with_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my notes").mkdir()
    for name in ("a b.txt", "a\nb", ".hidden", "my notes/one.txt"):
        (tmp_path / name).touch()
    assert completions("/file ", COMMANDS) == ["/file a b.txt", "/file my notes/"]
    assert completions("/file a b", COMMANDS) == ["/file a b.txt"]
    assert completions("/file .", COMMANDS) == ["/file .hidden"]
    assert completions("/save my notes/o", COMMANDS) == ["/save my notes/one.txt"]
    assert completions("/file ~/a", COMMANDS) == ["/file ~/a b.txt"]
    assert completions("/file nowhere/x", COMMANDS) == []
