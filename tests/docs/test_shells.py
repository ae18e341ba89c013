"""Completion in real shells: `make test-shells`; bash, which is everywhere, in the gate too."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from ocx.commands.help import SCRIPTS
from tests.support.shell import INSTALL, Shell

COMPLETIONS = Path(__file__).parents[2] / "completions"
HOSTILE = (
    "ok$(touch PWNED)",
    "ok\\$(touch PWNED)",
    "ok`touch PWNED`",
    "ok;touch PWNED",
    'ok"x"$(touch PWNED)"',
    "ok'x'$(touch PWNED)'",
    "ok{a,b}",
    "ok*",
    "ok\x1b[31m",
    "ok" + "x" * 200,
    "-rf",
    "$(touch PWNED)",
)
HOSTILE_NAMES = (
    "好$(touch PWNED)",
    "好`touch PWNED`",
    "好;touch PWNED",
    "好\x1b[31m",
    "好\u009b31m",
    "好\u202e31m",
    "好\u200b31m",
    "好\u3000xxxx",
    "好\ufeffxxxx",
    "好" + "x" * 300,
    "-好",
    ".好",
    "好{a,b}",
    "好*",
    "好/xxxx",
)

pytestmark = pytest.mark.shells

Start = Callable[..., Shell]


@cache
def _is_old_bash() -> bool:
    """macOS has 3.2."""
    asked = ["bash", "-c", "echo ${BASH_VERSINFO[0]}"]
    return int(subprocess.run(asked, capture_output=True, check=True).stdout) < 4


@pytest.fixture(params=list(SCRIPTS))
def start(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Start]:
    """Start the shell, its caches filled with `models` and `profiles`."""
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed: {INSTALL}")
    if name == "bash" and _is_old_bash():
        pytest.skip(
            "this bash cannot tell its line (READLINE_LINE is of bash 4): brew install bash"
        )
    started: list[Shell] = []

    def make(
        models: str = "claude-3-sonnet\ndeepseek/deepseek-r1:free\ndeepseek/deepseek-r1:nitro\n",
        profiles: str = "default\nwork\n",
        prefix: tuple[str, ...] = (),
    ) -> Shell:
        cache = tmp_path / "cache" / "ocx"
        for folder, content in (("models/a", models), ("names/profiles", profiles)):
            path = cache / f"{folder}.txt"
            path.parent.mkdir(parents=True)
            path.write_text(content, "utf-8")
        (cache / "names" / "keys.txt").write_text("main\nspare")  # the last line is not ended
        (cache / "names" / "conversations.txt").write_text("trip\nplan\n")
        started.append(Shell(name, tmp_path, COMPLETIONS, prefix))
        return started[-1]

    yield make
    for shell in started:
        shell.close()


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ocx ch\t", "ocx chat "),
        ("ocx config prof\t", "ocx config profiles "),
        ("ocx --sandbox config profiles u\t", "ocx --sandbox config profiles use "),
        ("ocx chat --max\t", "ocx chat --max-tokens "),
        ("ocx chat --no-st\t", "ocx chat --no-stream "),
        ("ocx models --prof\t", "ocx models --profile "),
        ("ocx -P w\t", "ocx -P work "),
        ("ocx chat --conversation t\t", "ocx chat --conversation trip "),
        ("ocx chat --profile w\t", "ocx chat --profile work "),
        ("ocx chat --profile=w\t", "ocx chat --profile=work "),
        ("ocx chat -m c\t", "ocx chat -m claude-3-sonnet "),
        ("ocx chat -um c\t", "ocx chat -um claude-3-sonnet "),
        ("ocx chat -m deepseek/deepseek-r1:f\t", "ocx chat -m deepseek/deepseek-r1:free "),
        (
            "ocx chat --model=deepseek/deepseek-r1:n\t",
            "ocx chat --model=deepseek/deepseek-r1:nitro ",
        ),
        ("ocx models deepseek/\t", "ocx models deepseek/deepseek-r1:"),
        ("ocx keys show s\t", "ocx keys show spare "),
        ("ocx --color ne\t", "ocx --color never "),
        ("ocx env --format d\t", "ocx env --format dotenv "),
        ("ocx completion z\t", "ocx completion zsh "),
        ("ocx help exit\t", "ocx help exit-codes "),
        ("ocx config get base\t", "ocx config get base_url "),
    ],
)
def test_the_first_tab_completes(start: Start, typed: str, completed: str) -> None:
    """Commands, options before and after them, values, and ids with : and / in them."""
    shell = start()
    line = shell.press(typed)
    # zsh shows that a value may be joined by =, and takes that back where a space is typed.
    assert line in {completed, completed.rstrip() + "="}
    assert shell.started() == []


def test_the_long_name_completes_too(start: Start) -> None:
    shell = start()
    shell.press("ocx ch\t")  # fish and zsh load the script by the name of the file
    assert shell.press("\x15opencodex-cli bal\t") == "opencodex-cli balance "


def test_files_where_files_belong(start: Start) -> None:
    shell = start()
    (shell.work / "prompt.txt").touch()
    assert shell.press("ocx chat -f pro\t") == "ocx chat -f prompt.txt "


def test_no_files_where_a_model_belongs(start: Start) -> None:
    shell = start()
    (shell.work / "xyz.txt").touch()
    assert shell.press("ocx chat -m xy\t") == "ocx chat -m xy"


def test_the_last_conversation_comes_first(start: Start) -> None:
    shell = start()
    shell.press("ocx chat --conversation \t")
    shell.press("\t")
    assert re.search("trip.+plan", shell.shown(), re.DOTALL)


def test_all_that_fits_is_shown(start: Start) -> None:
    shell = start()
    shell.press("ocx keys \t")
    for command in ("add", "list", "rotate"):
        assert command in shell.shown()


@pytest.mark.parametrize("typed", ["ocx chat -m ", "ocx chat -m ok", "ocx models ok", "ocx -P ok"])
def test_a_hostile_cache_is_inert(start: Start, typed: str) -> None:
    """Nothing in it runs, and only what can be an id is offered."""
    lines = "\n".join((*HOSTILE, "okay-1", "okay-2")) + "\n"
    shell = start(models=lines, profiles=lines)
    line = shell.press(f"{typed}\t")
    bare = typed.removesuffix("ok")
    assert line in {typed, f"{bare}okay-", f"{bare}okay-1 ", f"{bare}okay-1"}
    shell.press("\t")
    assert "okay-1" in shell.shown()
    for trace in ("touch", "PWNED", "xxxx", "31m"):
        assert trace not in shell.shown()
    assert list(shell.work.iterdir()) == []
    assert shell.started() == []


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("ocx -P 工\t", "ocx -P 工作 "),
        ("ocx config profiles use 회\t", "ocx config profiles use 회사-2 "),
        ("ocx chat --profile=ที่\t", "ocx chat --profile=ที่ทำงาน "),
        ("ocx -P ét\t", "ocx -P été.x "),
    ],
)
def test_a_name_of_any_script_completes(start: Start, typed: str, completed: str) -> None:
    shell = start(profiles="工作\n회사-2\nที่ทำงาน\nété.x\nplain\n")
    assert shell.press(typed) == completed
    assert shell.started() == []


def test_a_hostile_name_is_inert(start: Start) -> None:
    """Of names beyond ASCII, too, only what can be one is offered; models keep to ASCII."""
    lines = "\n".join((*HOSTILE, *HOSTILE_NAMES, "好的-1", "好的-2")) + "\n"
    shell = start(models=lines, profiles=lines)
    assert shell.press("ocx -P 好\t") in {"ocx -P 好", "ocx -P 好的-"}
    shell.press("\t")
    assert "好的-1" in shell.shown()
    shell.press("\x15")
    assert shell.press("ocx chat -m 好\t") == "ocx chat -m 好"
    for trace in ("touch", "PWNED", "xxxx", "31m"):
        assert trace not in shell.shown()
    assert list(shell.work.iterdir()) == []


def test_a_hostile_file_name_is_inert(start: Start, tmp_path: Path) -> None:
    shell = start(models="safe-1\n")
    (tmp_path / "cache" / "ocx" / "models" / "$(touch PWNED);`touch PWNED`.txt").write_text(
        "more\n"
    )
    assert shell.press("ocx chat -m mo\t") == "ocx chat -m more "
    assert list(shell.work.iterdir()) == []


def test_no_cache_is_no_trouble(start: Start, tmp_path: Path) -> None:
    shell = start()
    shutil.rmtree(tmp_path / "cache")
    before = len(shell.shown())
    assert shell.press("ocx chat -m x\t") == "ocx chat -m x"
    assert "rror" not in shell.shown()[before:]
    assert "no match" not in shell.shown()[before:]


def test_the_command_line_after_dashes_is_not_ours(start: Start) -> None:
    """`ocx exec -- oc<TAB>` completes programs, and nothing of ocx after them."""
    shell = start()
    assert shell.press("ocx exec -- pytho\t").startswith("ocx exec -- python")
    assert shell.press("3 --prof\t").endswith("--prof")


@pytest.mark.skipif(shutil.which("strace") is None, reason="no strace: apt-get install strace")
def test_a_tab_starts_no_program(start: Start, tmp_path: Path) -> None:
    """Seen by the kernel: TAB leads to no execve."""
    trace = tmp_path / "trace"
    flags = ("-f", "--seccomp-bpf", "-qq", "-e", "trace=execve", "-o", str(trace))
    shell = start(prefix=(str(shutil.which("strace")), *flags))
    before = trace.read_text()
    assert shell.name in before
    for keys in ("ocx ch\t", "-m deepseek/deepseek-r1:f\t", "-P w\t", "--\t"):
        shell.press(keys)
    assert trace.read_text() == before
