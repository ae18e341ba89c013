"""Sessions where Python has libedit in place of GNU readline: on Macs, and uv's Pythons."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocx.session import line_editor
from tests.e2e.test_session import contents
from tests.e2e.test_session_tools import Shell
from tests.support.chat_server import ChatServer
from tests.support.program import CHILD, Ocx

REAL = os.environ.get("OCX_LIBEDIT", "")
STAND_IN = str(Path(__file__).with_name("libedit"))


@pytest.fixture(params=["stand-in", pytest.param("real", marks=pytest.mark.portable)])
def libedit(online: Ocx, request: pytest.FixtureRequest) -> Ocx:
    if request.param == "real" and not REAL:
        pytest.skip("no Python module of libedit: OCX_LIBEDIT names the folder of one")
    online.env["PYTHONPATH"] = f"{REAL if request.param == 'real' else STAND_IN}:{CHILD}"
    return online


@pytest.mark.parametrize("end", ["\n", ""])
def test_pasted_lines_are_one_message(libedit: Ocx, chat_server: ChatServer, end: str) -> None:
    """Also if the last one is not ended: then Enter ends it."""
    session = libedit.in_terminal("chat")
    session.stdout.until(b"> ")
    session.send(f"eins 一\nzwei 二\ndrei 三{end}")
    if not end:
        session.stdout.until_count("… ".encode(), 2)
        session.send(b"\n")
    session.stdout.until(b"Hello!")
    session.stdout.until_count(b"> ", 2)
    session.send(b"\x04")
    session.finish().has(0)
    (sent,) = chat_server.chats()  # one message, one charge
    assert sent["messages"][-1]["content"] == "eins 一\nzwei 二\ndrei 三"
    kept = (libedit.state / "prompts").read_text("utf-8")
    assert kept == "eins 一\\\nzwei 二\\\ndrei 三\n", "one entry"


@pytest.mark.skipif(not REAL, reason="no Python module of libedit: OCX_LIBEDIT names its folder")
@pytest.mark.portable
def test_ctrl_z_keeps_what_was_typed(online: Ocx, chat_server: ChatServer) -> None:
    """In a shell with job control, which continues it by `fg`."""
    online.env["PYTHONPATH"] = f"{REAL}:{CHILD}"
    shell = Shell(online)
    try:
        shell.start("chat", "-n")
        shell.shown.until(b"deepseek-chat> ")
        shell.process.send("half a ")
        shell.shown.until(b"half a ")
        shell.suspend()
        shell.process.send("fg\r")
        shell.shown.until_holds(lambda shown: shown.count(b"half a ") >= 2, "the line again")
        shell.process.send("message\r")
        shell.shown.until(b"Hello!")
    finally:
        shell.process.release()
    assert contents(chat_server) == ["half a message"]


@pytest.mark.parametrize("line", ["plain", "two words", "a\\b", "一 二", "tab\there", "\\040"])
def test_a_file_of_libedit_is_read(tmp_path: Path, line: str) -> None:
    """As strvis(3) writes it with VIS_WHITE."""
    words = line.replace("\\", "\\\\").replace(" ", "\\040").replace("\t", "\\011")
    (tmp_path / "prompts").write_text(f"_HiStOrY_V2_\n{words}\n", "utf-8")
    assert line_editor.read_entries(tmp_path / "prompts") == [line]


def test_what_both_write_is_lines_and_no_more_than_are_kept(tmp_path: Path) -> None:
    path = tmp_path / "state" / "prompts"
    line_editor.write_entries(path, [f"line {n}" for n in range(1500)] + ["two\nlines"])
    kept = line_editor.read_entries(path)
    assert (len(kept), kept[0], kept[-2:]) == (1000, "line 501", ["line 1499", "two\nlines"])
    assert path.stat().st_mode & 0o777 == 0o600
    (tmp_path / "file").touch()
    line_editor.write_entries(tmp_path / "file" / "prompts", ["x"])  # is no reason to fail
