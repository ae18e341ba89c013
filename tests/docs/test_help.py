"""`ocx help`: by man on a terminal, as plain text elsewhere."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.program import Ocx


def a_man(folder: Path, script: str) -> str:
    """A PATH with a `man` of ours."""
    folder.mkdir()
    (folder / "man").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "man").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("keys", "rotate"), "ocx-keys-rotate - replace a key"),
        (("config",), "    ocx config [OPTION]... COMMAND [ARGUMENT]..."),
        (("exec",), "    ocx exec [OPTION]... -- CMD [ARGUMENT]..."),
        (("completion",), "    ocx completion [OPTION]... {bash|zsh|fish}"),
        (("config-file",), "ocx-config - the settings"),
        (("exit-codes",), "Exit codes of ocx"),
        (("environment",), "OPENCODEX_API_KEY"),
        ((), "ocx - the command line of OpenCodex"),
    ],
)
def test_plain_text_in_a_pipe(ocx: Ocx, words: tuple[str, ...], expected: str) -> None:
    done = ocx("help", *words).has(0)
    assert expected in done.text
    assert done.stderr == ""


def test_plain_text_keeps_to_the_width(ocx: Ocx) -> None:
    text = ocx("help", "balance", env={"COLUMNS": "60"}).has(0).text
    prose = [line for line in text.splitlines() if not line.startswith(" " * 8)]
    assert max(len(line) for line in prose if " " in line.strip()) <= 60


@pytest.mark.parametrize(
    "words", [("nope",), ("keys", "nope"), ("chat", "more"), ("exit-codes", "x")]
)
def test_nothing_of_that_name(ocx: Ocx, words: tuple[str, ...]) -> None:
    assert "topics: exit-codes" in ocx("help", *words).has(2).stderr


def test_man_shows_it_on_a_terminal(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", 'echo "shown: ${1##*/}"; head -n 2 "$1"')
    shown = ocx.in_terminal("help", "keys", "add", env={"PATH": path}).finish().has(0).stdout
    assert b"shown: ocx-keys-add.1" in shown
    assert b".TH OCX-KEYS-ADD 1" in shown
    topic = ocx.in_terminal("help", "exit-codes", env={"PATH": path}).finish().has(0).stdout
    assert b"shown: ocx-exit-codes.7" in topic


def test_text_where_man_fails_or_is_missing(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", "exit 3")
    for env in ({"PATH": path}, {"PATH": str(tmp_path)}):
        shown = ocx.in_terminal("help", "chat", env=env).finish().has(0).stdout
        assert b"ocx-chat - ask a model" in shown


def test_ctrl_c_is_for_the_pager(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", "trap 'echo interrupted' INT; echo ready; read line; read line")
    process = ocx.in_terminal("help", "chat", env={"PATH": path})
    assert process.stdout is not None
    process.stdout.until(b"ready")
    process.send(b"\x03")
    process.stdout.until(b"interrupted")
    process.send(b"\n\n")
    process.finish().has(0)
