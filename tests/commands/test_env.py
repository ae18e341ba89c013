"""`ocx env` and `ocx exec`: other tools get the endpoint and the key, and nobody else does."""

from __future__ import annotations

import json
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from ocx.secret import Secret
from tests.support import actions
from tests.support.chat_server import ChatServer
from tests.support.program import KEY, Ocx

pytestmark = pytest.mark.unmeasured

MASKED = Secret(KEY).masked()
NAMES = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_API_BASE", "OPENAI_ORG_ID", "OCX_SANDBOX")
TELL = f"import os, json; print(json.dumps([os.environ.get(n) for n in {NAMES!r}]))"
STATUS = Path("/proc/self/status")
IGNORED = f"grep SigIgn {STATUS} | cut -f2"
PYTHON = (sys.executable, "-c")


@pytest.fixture
def keyed(ocx: Ocx) -> Ocx:
    ocx.env |= {"OPENCODEX_API_KEY": KEY, "OPENAI_ORG_ID": "org-1"}
    return ocx


def test_a_pipe_gets_the_key(keyed: Ocx) -> None:
    script = keyed("env").has(0).text + shlex.join(["exec", *PYTHON, TELL])
    done = subprocess.run(["sh", "-c", script], env=keyed.env, capture_output=True, check=True)
    url = "https://opencodex.hk/api/v1"
    assert json.loads(done.stdout) == [KEY, url, url, None, None]


def test_a_terminal_gets_a_mask(keyed: Ocx) -> None:
    shown = keyed.in_terminal("env").finish().stdout.decode()
    assert KEY not in shown
    assert f"OPENAI_API_KEY='{MASKED}'" in shown
    assert "--reveal" in shown
    assert KEY in keyed.in_terminal("env", "--reveal").finish().stdout.decode()


@pytest.mark.parametrize("form", ["sh", "fish", "pwsh", "dotenv", "json"])
def test_ci_prints_nothing_without_being_told(keyed: Ocx, form: str) -> None:
    refused = keyed("env", "--format", form, env={"CI": "true"}).has(2)
    assert refused.stdout == b""
    assert "--reveal" in refused.stderr
    assert KEY in keyed("env", "--format", form, "--reveal", env={"CI": "true"}).has(0).text


def test_json(keyed: Ocx) -> None:
    for words in (("--json",), ("--format", "json")):
        found = keyed("env", *words).has(0).json
        assert found["OPENAI_API_KEY"] == KEY
        assert found["OPENAI_ORG_ID"] is None
    keyed("env", "--json", "--format", "sh").has(2)
    keyed("env", "--format", "csh").has(2)


def test_github_masks_first(keyed: Ocx, tmp_path: Path) -> None:
    file = tmp_path / "env"
    file.write_text("BEFORE=1\n")
    done = keyed("env", "--format", "github", env={"CI": "true", "GITHUB_ENV": str(file)}).has(0)
    assert actions.commands(done.text) == [("add-mask", {}, KEY)]
    found = actions.variables(file.read_text())
    assert (found["BEFORE"], found["OPENAI_API_KEY"], found["OPENAI_ORG_ID"]) == ("1", KEY, "")
    assert "OPENAI_PROJECT_ID" not in found


def test_github_outside_of_a_job(keyed: Ocx) -> None:
    assert "GITHUB_ENV" in keyed("env", "--format", "github").has(2).stderr


@pytest.mark.parametrize("words", [("env",), ("exec", "--", "true")])
def test_the_sandbox_is_refused(ocx: Ocx, words: tuple[str, ...]) -> None:
    assert "ocx serve -- CMD" in ocx("--sandbox", *words).has(2).stderr
    assert "ocx serve -- CMD" in ocx(*words, env={"OCX_SANDBOX": "1"}).has(2).stderr


def test_no_key_is_exit_4(ocx: Ocx) -> None:
    ocx("env").has(4)
    ocx("exec", "--", "true").has(4)


def test_a_key_goes_only_to_its_endpoint(keyed: Ocx) -> None:
    """The same pair rule as for a request: the provider's key is not for another profile's URL."""
    keyed.profile("other", base_url="https://elsewhere.example/v1")
    assert KEY not in keyed("env", "-P", "other").has(4).text


def test_exec_hands_over(keyed: Ocx) -> None:
    assert "ocx exec -- PROGRAM" in keyed("exec", "curl", "-s", "https://x.example").has(2).stderr
    done = keyed("exec", "-m", "gpt-4o", "--", *PYTHON, TELL).has(0)
    assert done.json[0] == KEY
    assert done.json[3:] == [None, None]
    assert keyed("exec", "--", "sh", "-c", 'echo "$@"', "x", "--", "-q").has(0).text == "-- -q\n"


@pytest.mark.parametrize("status", [0, 1, 7, 255])
def test_exit_codes_are_the_programs_own(keyed: Ocx, status: int) -> None:
    keyed("exec", "--", "sh", "-c", f"exit {status}").has(status)


@pytest.mark.parametrize("name", ["TERM", "KILL", "INT", "PIPE"])
def test_signals_are_the_programs_own(keyed: Ocx, name: str) -> None:
    number = getattr(signal, f"SIG{name}")
    keyed("exec", "--", "sh", "-c", f"kill -{name} $$").has(-number)


def test_exec_leaves_no_process_between(keyed: Ocx) -> None:
    process = keyed.spawn("exec", "--", "sh", "-c", "echo $$; read wait", stdin=subprocess.PIPE)
    assert process.stdout is not None
    assert int(process.stdout.until(b"\n")) == process.popen.pid
    process.end_input()
    process.wait()


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc here: what is ignored cannot be seen")
def test_nothing_is_ignored(keyed: Ocx) -> None:
    """Python ignores SIGPIPE; a program that inherits that never ends in `| head`."""
    ignored = int(keyed("exec", "--", "sh", "-c", IGNORED).has(0).text, 16)
    assert not ignored & (1 << (signal.SIGPIPE - 1))
    assert not ignored & (1 << (signal.SIGINT - 1))


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc here: what is ignored cannot be seen")
def test_an_ignored_interrupt_stays_ignored(keyed: Ocx) -> None:
    trap = ("sh", "-c", 'trap "" INT; exec "$@"', "sh")
    process = keyed.spawn("exec", "--", "sh", "-c", IGNORED, prefix=trap)
    assert int(process.finish().has(0).text, 16) & (1 << (signal.SIGINT - 1))


def _script(folder: Path, name: str, mode: int, text: str = "#!/bin/sh\n") -> str:
    (folder / name).write_text(text)
    (folder / name).chmod(mode)
    return str(folder / name)


def test_what_cannot_be_run(keyed: Ocx, tmp_path: Path) -> None:
    missing = keyed("exec", "--", "no-such-program-here").has(127)
    assert missing.stderr == "ocx: error: no-such-program-here: not found\n"
    keyed("exec", "--", "").has(127)
    keyed("exec", "--", _script(tmp_path, "plain", 0o644)).has(126)
    keyed("exec", "--", str(tmp_path)).has(126)
    keyed("exec", "--", _script(tmp_path, "file", 0o755, "\x00\x01\x02")).has(126)
    keyed("exec", "--", f"{tmp_path}/file/below").has(127)


@pytest.mark.parametrize("words", [(), ("--",), ("ls",), ("ls", "--", "ls")])
def test_the_program_stands_after_dashes(keyed: Ocx, words: tuple[str, ...]) -> None:
    assert "ocx exec -- CMD" in keyed("exec", *words).has(2).stderr


@pytest.mark.skipif(not STATUS.exists(), reason="no /proc here: arguments cannot be seen")
def test_the_key_stands_in_no_argument(keyed: Ocx) -> None:
    done = keyed("exec", "--", "cat", "/proc/self/cmdline").has(0)
    assert done.stdout == b"cat\0/proc/self/cmdline\0"


def test_a_key_from_stdin_is_used_up(ocx: Ocx) -> None:
    done = ocx("exec", "--key-file", "-", "--", *PYTHON, TELL, input=f"{KEY}\n").has(0)
    assert done.json[0] == KEY


def test_an_ocx_below_sees_the_same(online: Ocx, chat_server: ChatServer) -> None:
    del online.env["OCX_BASE_URL"]
    words = ("--base-url", chat_server.base_url, "exec", "--", *online.forked().program, "balance")
    assert online(*words).has(0).text == "499.5 credits\n"
