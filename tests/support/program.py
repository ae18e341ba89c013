"""The real program as a subprocess: in an empty home, with nothing of the caller's environment."""

from __future__ import annotations

import functools
import json
import os
import pty
import signal
import subprocess
import sys
import termios
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.fork_server import FORKED, ForkServer
from tests.support.waiting import DEADLINE, Collected

CHILD = Path(__file__).with_name("child")
KEY = "sk-live-Te5tKey0000000000000000000000a1b2"
PROGRAM = (sys.executable, "-m", "ocx")

# What a child needs to be measured, and what some Python builds need to start at all.
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "COVERAGE_PROCESS_CONFIG", "COVERAGE_FILE")


# What decides how an interpreter starts, and the values that the fork server started with; with
# this checkout, which is not always the one that is installed (mutants).
_PLAIN = {"LANG": "C.UTF-8", "PYTHONPATH": f"{CHILD}:{Path(__file__).parents[2]}"}
_INTERPRETER = tuple(_PLAIN)


@functools.cache
def fork_server() -> ForkServer:
    return ForkServer()


def end_fork_server() -> None:
    """Wait until it has written what its children covered."""
    if fork_server.cache_info().currsize:
        fork_server().close()
        fork_server.cache_clear()


@dataclass(frozen=True)
class Run:
    """What a finished program left: minus the signal's number as status where one killed it."""

    args: tuple[str, ...]
    stdout: bytes
    stderr: str
    status: int

    @property
    def text(self) -> str:
        return self.stdout.decode()

    @property
    def json(self) -> Any:
        """The one document on stdout."""
        return json.loads(self.stdout)

    @property
    def error(self) -> dict[str, Any]:
        """The error of `--json`: exactly one document on stderr."""
        error: dict[str, Any] = json.loads(self.stderr)["error"]
        return error

    def has(self, status: int) -> Run:
        """Itself, where it ended so; else the test fails with everything it said."""
        assert self.status == status, f"{self.status} instead of {status}: {self}"
        return self


class Process:
    """A running program whose output can be waited for."""

    def __init__(self, args: tuple[str, ...], popen: Any, terminal: int | None = None) -> None:
        self.args = args
        self.popen = popen
        self.terminal = terminal
        """Our side of the pty, where it runs in one; its output is what the terminal shows."""
        out = terminal if terminal is not None else _fileno(popen.stdout)
        self.stdout = Collected(out) if out is not None else None
        self.stderr = Collected(popen.stderr.fileno()) if popen.stderr else None

    def send(self, data: bytes | str) -> None:
        """Type into the terminal, or write to the pipe."""
        data = data.encode() if isinstance(data, str) else data
        if self.terminal is not None:
            os.write(self.terminal, data)
        else:
            assert self.popen.stdin is not None
            self.popen.stdin.write(data)
            self.popen.stdin.flush()

    def end_input(self) -> None:
        assert self.popen.stdin is not None
        self.popen.stdin.close()

    def signal(self, number: signal.Signals) -> None:
        self.popen.send_signal(number)

    def wait(self) -> int:
        try:
            return self.popen.wait(DEADLINE)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"still runs after {DEADLINE:.0f} s: {self.finished()}") from None

    def finish(self) -> Run:
        """Wait for the end."""
        self.wait()
        return self.finished()

    def finished(self) -> Run:
        stdout = self.stdout.all() if self.stdout else b""
        stderr = self.stderr.all().decode("utf-8", "backslashreplace") if self.stderr else ""
        return Run(self.args, stdout, stderr, self.popen.wait(DEADLINE))

    def kill(self) -> None:
        if self.popen.poll() is None:
            self.popen.kill()
            self.popen.wait()

    def release(self) -> None:
        """Kill it where it still runs, and give back every descriptor."""
        self.kill()
        for collected in (self.stdout, self.stderr):
            if collected:
                collected.all()
        for stream in (self.popen.stdin, self.popen.stdout, self.popen.stderr):
            if stream:
                stream.close()
        if self.terminal is not None:
            os.close(self.terminal)
            self.terminal = None


class Ocx:
    """`ocx` in a home of its own. Calling it runs one command to its end."""

    def __init__(self, root: Path) -> None:
        self.home = root / "home"
        self.work = root / "work"
        self.home.mkdir()
        self.work.mkdir()
        self.program: tuple[str, ...] = PROGRAM
        self.env: dict[str, str] = {
            **{name: os.environ[name] for name in _INHERITED if name in os.environ},
            "HOME": str(self.home),
            "XDG_CONFIG_HOME": str(self.home / "config"),
            "XDG_STATE_HOME": str(self.home / "state"),
            "XDG_CACHE_HOME": str(self.home / "cache"),
            "TERM": "xterm-256color",
            **_PLAIN,
        }
        self._running: list[Process] = []
        # On a Mac what is forked may not ask the system for its proxies: it crashes in _scproxy.
        self._forks = sys.platform != "darwin"

    def unmeasured(self) -> Ocx:
        """From now on without coverage, which costs a short child as much as all it does.

        For tables of many cases that take the same lines.
        """
        self.env.pop("COVERAGE_PROCESS_CONFIG", None)
        return self

    @property
    def config(self) -> Path:
        return self.home / "config" / "ocx"

    @property
    def state(self) -> Path:
        return self.home / "state" / "ocx"

    @property
    def cache(self) -> Path:
        return self.home / "cache" / "ocx"

    def write_config(self, text: str) -> None:
        self.config.mkdir(parents=True, exist_ok=True)
        (self.config / "config.toml").write_text(text)

    def profile(self, name: str = "default", **settings: Any) -> None:
        """A config file with this one profile, which is also the default."""
        lines = [f'default_profile = "{name}"', f"[profiles.{name}]"]
        # JSON's strings, numbers, booleans and arrays are TOML's too.
        lines += [f"{key} = {json.dumps(value)}" for key, value in settings.items()]
        self.write_config("\n".join(lines) + "\n")

    def write_credentials(self, mode: int = 0o600, **keys: str) -> None:
        """The credentials file with these keys, through the program itself: its form is its own."""
        for name, key in keys.items():
            self("keys", "add", name, "--no-check", input=key).has(0)
        (self.config / "credentials.toml").chmod(mode)

    def __call__(
        self,
        *args: str,
        input: bytes | str | None = None,
        env: Mapping[str, str] | None = None,
        stdout: int | None = None,
    ) -> Run:
        """Run to the end. stdin is empty and no pipe where `input` is None."""
        process = self.spawn(
            *args,
            env=env,
            stdin=subprocess.DEVNULL if input is None else subprocess.PIPE,
            stdout=subprocess.PIPE if stdout is None else stdout,
        )
        if input is not None:
            try:
                process.send(input)
                process.end_input()
            except BrokenPipeError:  # it ended without reading
                pass
        return process.finish()

    def spawn(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        stdin: int = subprocess.DEVNULL,
        stdout: int = subprocess.PIPE,
        prefix: tuple[str, ...] = (),
        **popen: Any,
    ) -> Process:
        """Start it; what it prints can be waited for. Killed at the end of the test."""
        given = {**self.env, **(env or {})}
        streams = {"stdin": stdin, "stdout": stdout, "stderr": subprocess.PIPE}
        return self._keep(Process(args, self._start(args, given, prefix, **streams, **popen)))

    def in_terminal(
        self,
        *args: str,
        env: Mapping[str, str] | None = None,
        stdin: int | None = None,
        stdout: int | None = None,
        size: tuple[int, int] = (24, 80),
    ) -> Process:
        """Start it on a pty of `size` rows and columns; pass `stdin` or `stdout` to redirect one.

        Typing Ctrl-C there (`send(b"\\x03")`) sends it SIGINT, as a person's terminal does.
        """
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, size)
        given = {**self.env, "TEST_TERMINAL": "2", **(env or {})}
        streams = {
            "stdin": theirs if stdin is None else stdin,
            "stdout": theirs if stdout is None else stdout,
            "stderr": theirs,
        }
        command = self._start(args, given, start_new_session=True, **streams)
        os.close(theirs)
        return self._keep(Process(args, command, ours))

    def _start(
        self, args: tuple[str, ...], env: dict[str, str], prefix: tuple[str, ...] = (), **popen: Any
    ) -> Any:
        """A child of the fork server where that can start it."""
        of_both = {"stdin", "stdout", "stderr", "start_new_session"}
        if prefix or popen.keys() - of_both or not self._can_fork(env):
            words = [*prefix, *self.program, *args]
            return subprocess.Popen(words, env=env, cwd=self.work, **popen)
        return fork_server().start(args, env=env, cwd=str(self.work), **popen)

    def fresh(self) -> Ocx:
        """From now on each run starts an interpreter of its own: for what happens before `main`."""
        self._forks = False
        return self

    def forked(self) -> Ocx:
        """From now on what calls `program` gets a child of the fork server as well.

        For scripts that call it often. It inherits no limit, no umask and no ignored signal.
        """
        self.program = fork_server().program
        return self

    def _can_fork(self, env: Mapping[str, str]) -> bool:
        """Whether nothing is asked for that only the start of an interpreter can give."""
        plain = {name: env.get(name) for name in _INTERPRETER} == _PLAIN
        extra = any(name.startswith(("PYTHON", "LC_")) for name in env if name not in _INTERPRETER)
        ours = self.program == PROGRAM or self.program[:-1] == FORKED
        return self._forks and ours and plain and not extra

    def release(self) -> None:
        for process in self._running:
            process.release()

    def _keep(self, process: Process) -> Process:
        self._running.append(process)
        return process


def _fileno(stream: Any) -> int | None:
    return stream.fileno() if stream is not None else None
