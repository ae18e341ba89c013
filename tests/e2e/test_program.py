"""The program before any request: version, help, topics, habits, bugs and early signals."""

from __future__ import annotations

import signal
import sys
from pathlib import Path

import pytest

from ocx import __version__
from ocx.errors import exit_code_table
from tests.support.chat_server import ChatServer
from tests.support.program import KEY, Ocx

pytestmark = pytest.mark.unmeasured

COMMANDS = ("chat", "models", "balance", "keys", "config", "serve", "help")

BROKEN = """
import builtins, runpy, sys
real = builtins.__import__
def breaking(name, *rest, **named):
    if name == {module!r}:
        raise {error}
    return real(name, *rest, **named)
builtins.__import__ = breaking
runpy.run_module("ocx", run_name="__main__")
"""


def breaks(ocx: Ocx, module: str, error: str) -> None:
    """From now on the program meets `error` where it imports `module`."""
    ocx.program = (sys.executable, "-c", BROKEN.format(module=module, error=error))


@pytest.mark.parametrize(
    "args", [("--version",), ("-V",), ("--version", "chat"), ("-q", "-V")], ids=" ".join
)
def test_version(ocx: Ocx, args: tuple[str, ...]) -> None:
    run = ocx(*args).has(0)
    assert (run.text, run.stderr) == (f"ocx {__version__}\n", "")


def test_version_where_it_cannot_be_written(ocx: Ocx) -> None:
    if Path("/dev/full").exists():
        with Path("/dev/full").open("wb") as full:
            run = ocx("--version", stdout=full.fileno()).has(1)
        assert run.stderr == "ocx: error: cannot write to stdout: No space left on device\n"
    ocx.program = ("sh", "-c", '"$@" >&-', "sh", *ocx.program)
    assert ocx("--version").has(1).stderr == "ocx: error: cannot write to stdout: it is closed\n"


@pytest.mark.parametrize("args", [("--help",), ("-h",), ("help",)], ids=" ".join)
def test_help_names_every_command_and_every_shared_option(ocx: Ocx, args: tuple[str, ...]) -> None:
    shown = ocx(*args).has(0).text
    for name in (*COMMANDS, "--profile", "--sandbox", "--base-url", "--timeout", "--debug"):
        assert name in shown, name


@pytest.mark.parametrize(
    "words", [("chat",), ("keys", "add"), ("config", "profiles", "use")], ids=" ".join
)
def test_help_of_a_command_is_its_page_and_the_flag_is_short(
    ocx: Ocx, words: tuple[str, ...]
) -> None:
    page = ocx("help", *words).has(0).text
    assert page.startswith(f"ocx-{'-'.join(words)} - ")
    summary = ocx(*words, "--help").has(0).text.splitlines()[2].strip()
    assert summary in page


def test_the_topic_exit_codes_is_the_table(ocx: Ocx) -> None:
    shown = [line.split() for line in ocx("help", "exit-codes").has(0).text.splitlines()]
    for code, name, *_ in exit_code_table():
        assert any(line[: 1 + len(name.split())] == [code, *name.split()] for line in shown), code


def test_the_topic_environment_names_every_variable(ocx: Ocx) -> None:
    shown = ocx("help", "environment").has(0).text
    for name in (
        "OCX_API_KEY", "OCX_BASE_URL", "OCX_PROFILE", "OCX_MODEL", "OCX_TIMEOUT", "OCX_RETRIES",
        "OCX_SANDBOX", "OCX_CONFIG", "OPENCODEX_API_KEY", "NO_COLOR",
    ):  # fmt: skip
        assert name in shown, name


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (("blance",), "ocx balance"),
        (("what is a fifo",), 'ocx chat "what is a fifo"'),
        (("keys", "frobnicate"), "ocx keys --help"),
        (("help", "nonsense"), "exit-codes"),
        (("help", "chat", "deeper"), "exit-codes"),
        (("chat", "--reasoning", "loud", "hi"), "hide, show or raw"),
        (("chat", "-s", "a", "--system-file", "b", "hi"), "--system-file"),
        (("chat", "--max-tokens", "many", "hi"), "max-tokens"),
        (("--profile",), "--profile"),
        (("chat", "-m"), "ocx chat --help"),
        (("history", "list", "--conversation"), "ocx history list --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else None,
)
def test_what_is_not_understood_is_exit_2_with_the_next_step(
    ocx: Ocx, args: tuple[str, ...], says: str
) -> None:
    run = ocx(*args).has(2)
    assert run.stdout == b""
    assert run.stderr.startswith("ocx: error: ")
    assert says in run.stderr, run


def test_shared_options_stand_before_or_after_the_command_and_the_last_wins(
    ocx: Ocx, chat_server: ChatServer
) -> None:
    env = {"OCX_API_KEY": KEY}
    before = ("--base-url", "http://127.0.0.1:1/v1", "-H", "X-One: 1")
    after = ("--base-url", chat_server.base_url, "-H", "X-Two: 2")
    ocx(*before, "models", *after, env=env).has(0)
    request = chat_server.requests[0]
    assert (request.header("x-one"), request.header("x-two")) == ("1", "2")


def test_a_bug_is_exit_1_in_one_line_and_a_traceback_on_request(ocx: Ocx) -> None:
    breaks(ocx, "ocx.cli.table", f"RuntimeError('lost {KEY}\\x1b[2J')")
    run = ocx("chat", "hi").has(1)
    says = "ocx: error: unexpected RuntimeError: lost sk-live-…a1b2\\x1b[2J\nhint: "
    assert run.stderr.startswith(says)
    assert run.stderr.count("\n") == 2
    shown = ocx("chat", "hi", "--debug").has(1).stderr
    assert "Traceback" in shown
    assert KEY not in shown
    assert "\x1b" not in shown
    assert ocx("chat", "hi", "--json").has(1).error["type"] == "failure"


def test_json_and_debug_hold_before_the_command_too(ocx: Ocx) -> None:
    """The parser takes the words that it has read out of its list; errors look at all of them."""
    assert ocx("--json", "chat", "hi").has(4).error["type"] == "auth"
    assert ocx("--json", "chat", "--no-such-flag").has(2).error["type"] == "usage"
    assert ocx("--json", "nonsense").has(2).error["type"] == "usage"
    assert "Traceback" in ocx("--debug", "chat", "hi").has(4).stderr


@pytest.mark.parametrize(
    "args",
    [
        ("chat", "a\udcff"),
        ("chat", "--dry-run", "-s", "a\udcff", "hi"),
        ("chat", "--stop", "\udcff", "hi"),
        ("chat", "-O", "user=\udcff", "hi"),
        ("chat", "-O", 'user="\\ud800"', "hi"),
        ("chat", "--snippet", "curl", "\udcff"),
        ("chat", "--save-template", "t", "-s", "\udcff"),
        ("config", "set", "model", "\udcff"),
    ],
    ids=ascii,
)
def test_bytes_that_are_no_text_are_a_usage_error(online: Ocx, args: tuple[str, ...]) -> None:
    """An argument that is not UTF-8 (PEP 383), or an escape of half a character."""
    held = "surrogate U+D800" if "ud800" in args[-2] else "byte 0xff"
    assert f"ocx: error: the text holds the {held}, which is not" in online(*args).has(2).stderr


def test_a_system_error_names_its_file(ocx: Ocx) -> None:
    breaks(ocx, "ocx.cli.table", "PermissionError(13, 'Permission denied', '/some/file')")
    assert "Permission denied" in ocx("models").has(1).stderr


def test_ctrl_c_before_the_program_is_ready(ocx: Ocx) -> None:
    """During the first imports Python's own handler stands; no traceback either."""
    breaks(ocx, "ocx.entry", "KeyboardInterrupt")
    run = ocx("models")
    assert (run.status, run.stderr) == (-signal.SIGINT, "")


def test_everything_closed_at_the_start(ocx: Ocx, chat_server: ChatServer) -> None:
    """`ocx … <&- >&- 2>&-`, as a daemon may start it: the exit status still tells."""
    ocx.program = ("sh", "-c", '"$@" <&- >&- 2>&-', "sh", *ocx.program)
    env = {"OCX_API_KEY": KEY, "OCX_BASE_URL": chat_server.base_url}
    run = ocx("chat", "hi", env=env)
    assert (run.status, run.stdout, run.stderr) == (1, b"", "")
