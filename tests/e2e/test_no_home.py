"""Where there is no home, or one that cannot be searched: OpenShift, cron, `sudo -E`.

What needs no file works; what does is exit 3 with the variable of the folder that it needs.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import answers
from tests.support.chat_server import CHAT, ChatServer
from tests.support.program import KEY, Ocx, Run
from tests.support.sizes import some
from tests.support.stranger import BECOME, copy_program, interpreter

PYTHON = interpreter()
as_stranger = pytest.mark.skipif(
    PYTHON is None, reason="not root, no setpriv, or no Python for all"
)


class Stranger:
    """Runs the program as a user whom nobody knows."""

    def __init__(self, library: Path, server: ChatServer) -> None:
        self.env = {
            "PATH": "/root/bin:/usr/bin:/bin",
            "LANG": "C.UTF-8",
            "PYTHONPATH": str(library),
            "OCX_BASE_URL": server.base_url,
            "OCX_API_KEY": KEY,
        }

    def __call__(self, *args: str, input: str = "", **env: str) -> Run:
        given = {name: text for name, text in {**self.env, **env}.items() if text}
        command = [*BECOME, "env", "-u", "HOME" if not given.get("HOME") else "X", str(PYTHON)]
        done = subprocess.run(
            [*command, "-m", "ocx", *args],
            env=given,
            cwd="/",
            input=input.encode(),
            capture_output=True,
            timeout=60,
            check=False,
        )
        run = Run(args, done.stdout, done.stderr.decode(), done.returncode)
        assert "Traceback" not in run.stderr, run
        assert "unexpected" not in run.stderr, run
        return run


@pytest.fixture(scope="module")
def library() -> Iterator[Path]:
    # Not pytest's own folder: only its owner may search it.
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    copy_program(folder / "lib")
    yield folder / "lib"
    shutil.rmtree(folder)


@pytest.fixture
def stranger(library: Path, chat_server: ChatServer) -> Stranger:
    return Stranger(library, chat_server)


@as_stranger
class TestNoHome:
    def test_what_needs_no_file_works(self, stranger: Stranger, chat_server: ChatServer) -> None:
        assert stranger("chat", "hi").has(0).text == "Hello!\n"
        assert stranger("models").has(0).text == "deepseek-chat\ngpt-4o\n"
        assert stranger("balance").has(0).text == "499.5 credits\n"
        assert stranger("--help").has(0).text.startswith("Usage: ocx")
        found = stranger("doctor").has(0).text
        assert "no home folder" in found
        assert "balance: 499.5 credits" in found
        stranger("config", "show").has(0)
        for words in some([("serve",), ("exec",), ("serve", "--ephemeral")], 1):
            stranger(*words, "--", "true").has(0)
        chat_server.answer(answers.answer(answers.completion("Hi")), path=CHAT)
        assert len(stranger("batch", "--text", "-", input="a\nb\n").has(0).stdout.splitlines()) == 2

    def test_the_sandbox_is_in_memory(self, stranger: Stranger) -> None:
        done = stranger("--sandbox", "chat", "hi").has(0)
        assert done.text
        assert "in memory" in done.stderr
        assert stranger("--sandbox", "balance").has(0).text == "500 credits\n"
        stranger("serve", "--sandbox", "--", "true").has(0)

    def test_what_needs_a_file_names_the_folder(self, stranger: Stranger) -> None:
        for variable, commands in {
            "XDG_CONFIG_HOME": [
                ("keys", "list"), ("config", "path"), ("config", "set", "model", "m"),
                ("chat", "-t", "x", "hi"),
            ],
            "XDG_STATE_HOME": [
                ("history", "list"), ("chat", "-c", "hi"), ("serve", "--port", "0"),
            ],
        }.items():  # fmt: skip
            for command in some(commands, 2):
                assert variable in stranger(*command).has(3).stderr

    def test_a_call_that_is_to_be_kept_is_answered(self, stranger: Stranger) -> None:
        done = stranger("chat", "--log", "hi").has(0)
        assert done.text == "Hello!\n"
        assert done.stderr.count("warning") == 1
        assert "XDG_STATE_HOME" in done.stderr

    def test_a_home_that_is_empty_or_relative_is_none(self, stranger: Stranger) -> None:
        for home in ("HOME=", "HOME=work"):
            command = [*BECOME, "env", home, str(PYTHON), "-m", "ocx", "chat", "--log", "hi"]
            done = subprocess.run(
                command, env=stranger.env, cwd="/", capture_output=True, timeout=60, check=False
            )
            assert (done.returncode, done.stdout) == (0, b"Hello!\n")
            assert done.stderr.count(b"warning") == 1
            assert b"there is no home folder" in done.stderr

    def test_without_a_key_it_is_the_usual_error(self, stranger: Stranger) -> None:
        stranger("chat", "hi", OCX_API_KEY="").has(4)


@as_stranger
class TestHomeOfAnother:
    @pytest.fixture
    def stranger(self, stranger: Stranger, library: Path) -> Stranger:
        home = library.parent / "home"
        home.mkdir(mode=0o700, exist_ok=True)
        stranger.env["HOME"] = str(home)
        return stranger

    def test_a_configuration_out_of_reach_is_none_with_one_warning(
        self, stranger: Stranger
    ) -> None:
        for command in (("chat", "hi"), ("models",), ("balance",), ("config", "get", "model")):
            done = stranger(*command).has(0)
            assert done.stderr.count("\n") == 1
            assert "config.toml cannot be reached, and is taken as not there" in done.stderr
        done = stranger("--sandbox", "chat", "hi").has(0)
        assert "in memory" in done.stderr
        assert "cannot be reached" in stranger("doctor").has(0).text
        assert "warning: this call is not in" in stranger("chat", "--log", "hi").has(0).stderr

    def test_a_key_that_is_needed_from_it_is_exit_3(self, stranger: Stranger) -> None:
        for args in (("chat", "hi"), ("-P", "work", "models"), ("keys", "check")):
            done = stranger(*args, OCX_API_KEY="").has(3)
            assert "OCX_CONFIG" in done.stderr
            assert "XDG_CONFIG_HOME" in done.stderr

    def test_what_needs_a_file_names_the_folder(self, stranger: Stranger) -> None:
        assert "XDG_CONFIG_HOME" in stranger("keys", "list").has(3).stderr
        assert "XDG_STATE_HOME" in stranger("history", "list").has(3).stderr
        assert "XDG_STATE_HOME" in stranger("chat", "-c", "hi").has(3).stderr


def test_a_home_that_is_no_folder(online: Ocx) -> None:
    env = {"HOME": "/dev/null", "XDG_CONFIG_HOME": "", "XDG_STATE_HOME": "", "XDG_CACHE_HOME": ""}
    assert online("chat", "hi", env=env).has(0).text == "Hello!\n"
    online("models", env=env).has(0)
    done = online("--sandbox", "chat", "hi", env={**env, "OCX_BASE_URL": ""}).has(0)
    assert "in memory" in done.stderr
    online("doctor", env=env).has(0)


def test_a_history_that_is_locked_costs_an_answer_a_warning(online: Ocx) -> None:
    """Two seconds, not sixty."""
    online("chat", "--log", "first").has(0)
    path = online.state / "history.sqlite3"
    with sqlite3.connect(path, isolation_level=None) as holder:
        holder.execute("BEGIN EXCLUSIVE")
        balance = online.spawn("balance")
        done = online("chat", "--log", "second").has(0)
        assert balance.finish().has(0).text == "499.5 credits\n"
        holder.execute("ROLLBACK")
    holder.close()
    assert done.text == "Hello!\n"
    assert done.stderr.count("this call is not in the history") == 1
    assert "locked" in done.stderr
    online("chat", "--log", "third").has(0)
    assert len(online("history", "list", "--json").json) == 2
