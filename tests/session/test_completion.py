"""What TAB offers in a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from ocx.session.typed import Completer, files, no_argument, one_of

COMPLETER = Completer(
    {
        "/model": one_of(lambda: ["gpt-4o", "gpt-4o-mini", "deepseek-chat"]),
        "/system": no_argument,
        "/file": files,
        "/save": files,
        "/exit": None,
    }
)


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
    assert COMPLETER.complete(line) == found


def test_files_also_with_spaces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "my notes").mkdir()
    for name in ("a b.txt", "a\nb", ".hidden", "my notes/one.txt"):
        (tmp_path / name).touch()
    assert COMPLETER.complete("/file ") == ["/file a b.txt", "/file my notes/"]
    assert COMPLETER.complete("/file a b") == ["/file a b.txt"]
    assert COMPLETER.complete("/file .") == ["/file .hidden"]
    assert COMPLETER.complete("/save my notes/o") == ["/save my notes/one.txt"]
    assert COMPLETER.complete("/file ~/a") == ["/file ~/a b.txt"]
    assert COMPLETER.complete("/file nowhere/x") == []
