"""In a session: TAB, the clipboard, the editor, a pipe, and Ctrl-Z, in a real pty."""

from __future__ import annotations

import base64
import contextlib
import os
import pty
import shlex
import shutil
import signal
import subprocess
from collections.abc import Iterator

import pytest

from tests.e2e.test_live import END, Tokens
from tests.e2e.test_session import begin, contents
from tests.support.chat_server import CHAT, ChatServer
from tests.support.emulator import Emulator
from tests.support.program import Ocx, Process
from tests.support.shell import IN_CONTROL


def test_tab_completes_commands_models_and_files(online: Ocx, chat_server: ChatServer) -> None:
    online("models").has(0)
    (online.work / "my notes.txt").write_text("from a file")
    talk = begin(online, "-n")
    talk.say("/mo\tg\t", "model: gpt-4o")
    talk.say("/fi\tmy\t", "my notes.txt goes with")
    talk.say("read", "Hello!")
    assert contents(chat_server) == ["read\n\nfrom a file"]
    talk.leave()


def test_the_models_are_a_numbered_list(online: Ocx) -> None:
    talk = begin(online, "-n")
    talk.say("/model", "model: deepseek-chat")
    talk.say("/model 2", "model: gpt-4o")
    text = talk.leave()
    assert "*  1  deepseek-chat\r\n   2  gpt-4o\r\n" in text
    assert "gpt-4o> " in text


def test_the_answer_goes_to_the_clipboard_and_to_a_command(online: Ocx) -> None:
    talk = begin(online, "-n")
    talk.say("one", "Hello!")
    talk.say("/copy", "sent 6 characters")
    # No blank behind the `>`: it would be counted as the next prompt.
    talk.say("/pipe tr a-z A-Z | cat >out.txt; echo pi''ped", "piped\r\n")
    talk.say("/pipe exit 3", "the command failed (status 3)")
    copied = base64.b64encode(b"Hello!").decode()
    assert f"\x1b]52;c;{copied}\x07" in talk.leave()
    assert (online.work / "out.txt").read_text() == "HELLO!\n"


def test_the_next_message_is_written_in_the_editor(online: Ocx, chat_server: ChatServer) -> None:
    editor = online.work / "editor"
    editor.write_text("#!/bin/sh\necho more >> $1\n")
    editor.chmod(0o700)
    online.env["EDITOR"] = str(editor)
    talk = begin(online, "-n")
    talk.say("one", "Hello!")
    talk.say("/edit", "Hello!")
    assert contents(chat_server)[-1] == "onemore"
    talk.say("/edit two ", "Hello!")
    assert contents(chat_server)[-1] == "twomore"
    editor.write_text("#!/bin/sh\n")
    talk.say("/edit", "nothing was sent")
    talk.leave()


class Shell:
    """bash with job control in a pty, and what a person sees of it."""

    def __init__(self, ocx: Ocx) -> None:
        ours, theirs = pty.openpty()
        env = {**ocx.env, "PS1": "shell$ ", "TERM": "xterm-256color"}
        command = [str(shutil.which("bash")), "--norc", "--noprofile", "--noediting", "-i"]
        streams = {"stdin": theirs, "stdout": theirs, "stderr": theirs}
        popen = subprocess.Popen(
            [*IN_CONTROL, *command], env=env, cwd=ocx.work, start_new_session=True, **streams
        )
        os.close(theirs)
        self.process = Process(tuple(command), popen, ours)
        self.shown = self.process.stdout
        assert self.shown is not None
        self.shown.until(b"shell$ ")
        self._program = shlex.join(ocx.program)

    def start(self, *args: str) -> None:
        self.process.send(f"{self._program} {shlex.join(args)}\r")

    def suspend(self) -> None:
        """Ctrl-Z, until the shell is back."""
        assert self.shown is not None
        before = self.shown.so_far().count(b"Stopped")
        prompts = self.shown.so_far().count(b"shell$ ")
        # Pressed before Python's readline waits, it is lost, as Ctrl-C is: a person presses again.
        for _ in range(10):
            self.process.send(b"\x1a")
            if self.shown.comes_again(b"Stopped", before + 1, 1.0):
                # What is typed before the prompt goes when the shell takes the terminal back.
                self.shown.until_count(b"shell$ ", prompts + 1)
                return
        raise AssertionError(f"not stopped: {self.shown.so_far()!r}")

    def screen(self) -> Emulator:
        assert self.shown is not None
        emulator = Emulator(80, 24)
        emulator.write(self.shown.so_far())
        return emulator


@pytest.fixture
def shell(online: Ocx) -> Iterator[Shell]:
    shell = Shell(online)
    yield shell
    # What is in front first: now and then nothing hangs up on it where its shell is killed.
    assert shell.process.terminal is not None
    with contextlib.suppress(ProcessLookupError):
        os.killpg(os.tcgetpgrp(shell.process.terminal), signal.SIGKILL)
    shell.process.release()


def test_ctrl_z_at_the_prompt_keeps_the_line(shell: Shell, chat_server: ChatServer) -> None:
    shown = shell.shown
    assert shown is not None
    shell.start("chat", "-n")
    shown.until(b"deepseek-chat> ")
    shell.process.send("half a ")
    shown.until(b"half a ")
    shell.suspend()
    shell.process.send("stty -a | grep -o ' icanon'; fg\r")
    shown.until(b"\r\n icanon")
    shown.until_count(b"deepseek-chat> half a ", 2)
    shell.process.send("line\r")
    shown.until(b"Hello!")
    assert contents(chat_server) == ["half a line"]


def test_ctrl_z_while_an_answer_is_drawn(shell: Shell, chat_server: ChatServer) -> None:
    """The cursor is back and the terminal echoes; `fg` draws the rest."""
    tokens = Tokens(["one\n\ntwo", " three"])
    chat_server.answer(tokens.script(END), path=CHAT)
    shown = shell.shown
    assert shown is not None
    shell.start("chat", "-n", "hi", "--color", "never")
    tokens.send(0)
    shown.until(b"two")
    shell.suspend()
    assert not shell.screen().screen.cursor.hidden
    shell.process.send("echo echoed; fg\r")
    shown.until(b"\r\nechoed")
    shown.until_count(b"two", 2)
    tokens.send(1)
    shown.until(b"two three")
    shown.until_count(b"shell$ ", 3)
    screen = shell.screen()
    assert screen.screen.cursor.hidden is False
    lines = screen.shown()
    assert lines.count("one") == 1
    assert lines[lines.index("two three") - 1] != "two"


def test_ctrl_z_while_an_answer_is_waited_for(shell: Shell, chat_server: ChatServer) -> None:
    tokens = Tokens(["done"])
    head, event, *rest = tokens.script(END)
    chat_server.answer([event, head, *rest], path=CHAT)
    shown = shell.shown
    assert shown is not None
    shell.start("chat", "-n", "hi")
    shown.until(b"waiting for deepseek-chat")
    shell.suspend()
    assert not [line for line in shell.screen().shown() if "waiting" in line]
    shell.process.send("fg\r")
    tokens.send(0)
    shown.until(b"done")
    shown.until_count(b"shell$ ", 3)
    assert not [line for line in shell.screen().shown() if "waiting" in line]
