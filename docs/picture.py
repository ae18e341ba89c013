"""Makes docs/*.svg: what the program itself writes into a terminal, drawn by rich.

`make docs`, or `python docs/picture.py [FOLDER]`. It needs no network and no key: `ocx serve`
answers with docs/picture_answers.toml, the history holds invented calls, the clock stands still.
"""

from __future__ import annotations

import io
import os
import pty
import re
import subprocess
import sys
import tempfile
import termios
from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

from rich.console import Console
from rich.text import Text

from ocx.batch.progress import Snapshot, bar_line
from ocx.batch.summary import Example, Summary, summary_lines
from ocx.history.call import Call
from ocx.history.store import History

HERE = Path(__file__).parent
COLUMNS = 80
NOW = datetime(2026, 11, 22, 14, 30, tzinfo=UTC)
# What `python -m ocx` does, at a time of our own.
_PROGRAM = f"""
import sys, time
time.time = lambda: {NOW.timestamp()}
from ocx.__main__ import main
main()
"""
# GitHub loads nothing from elsewhere into a picture, and nothing should.
_FONTS = re.compile(r"@font-face \{.*?\}\s*", re.DOTALL)


class Command(NamedTuple):
    typed: str
    args: tuple[str, ...]


QUESTION = "How do I find the ten largest files below here?"
# --no-stream: a picture shows the last state of the screen, and a stream is drawn more than once.
SESSION = Command(f'ocx chat --cost "{QUESTION}"', ("chat", "--cost", "--no-stream", QUESTION))
_SERVE_TOML = """
[models.deepseek-chat]
route = "script:{script}"
prompt_price = 2
completion_price = 8
"""
SCREENS = tuple(
    Command(f"ocx {words}", tuple(words.split()))
    for words in (
        "keys list",
        "history list --limit 3",
        "history stats",
        "--sandbox models",
        "config show",
    )
)


class Stage(NamedTuple):
    """A home in which commands run."""

    home: Path

    @property
    def env(self) -> dict[str, str]:
        path = os.environ["PATH"]
        env = {"PATH": path, "HOME": str(self.home), "TERM": "xterm-256color", "CI": "1"}
        return {**env, "LANG": "C.UTF-8", "TZ": "UTC"}

    def run(self, *args: str, stdin: bytes = b"") -> None:
        """One command whose output nobody wants; subprocess.CalledProcessError if it fails."""
        command = [sys.executable, "-c", _PROGRAM, *args]
        env, folder = self.env, HERE.parent
        subprocess.run(command, input=stdin, env=env, cwd=folder, check=True, capture_output=True)

    def shown(self, command: Command) -> str:
        """What a command writes to a terminal of COLUMNS columns."""
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (40, COLUMNS))
        process = subprocess.Popen(
            [sys.executable, "-c", _PROGRAM, *command.args],
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
            env=self.env,
            cwd=HERE.parent,
        )
        os.close(theirs)
        written = b""
        while piece := _read(ours):
            written += piece
        os.close(ours)
        process.wait()
        # The program ends a line of an answer with \r\n, and the terminal makes \r\r\n of it.
        return re.sub(r"\r+\n", "\n", written.decode())

    def served(self, command: Command) -> Command:
        """The same against a local server that answers by our script."""
        config = self.home / "serve.toml"
        config.write_text(_SERVE_TOML.format(script=HERE / "picture_answers.toml"))
        serve = ("serve", "-q", "--ephemeral", "--config", str(config), "--")
        return Command(command.typed, (*serve, sys.executable, "-c", _PROGRAM, *command.args))


def furnish(stage: Stage) -> None:
    """Two keys, a setting and some calls."""
    for name, end in (("main", "a1b2"), ("work", "c3d4")):
        key = f"sk-live-{'0' * 28}{end}".encode()
        stage.run("keys", "add", name, "--no-check", stdin=key)
    stage.run("config", "set", "temperature", "0.2")
    folder = stage.home / ".local/state/ocx"
    folder.mkdir(mode=0o700, parents=True)
    with History(folder) as history:
        for call, prompt in _calls():
            history.record(call, [{"role": "user", "content": prompt}])


def _calls() -> Iterable[tuple[Call, str]]:
    for age, model, tokens, credits, prompt in (
        (timedelta(days=5), "gpt-4o", (410, 1280), "0.01382", "Review this change."),
        (timedelta(days=1), "claude-3-sonnet", (96, 540), "0.00839", "Explain a bloom filter."),
        (timedelta(days=1), "deepseek-chat", (1210, 890), "0.00131", "Summarise notes.md."),
        (timedelta(hours=3), "deepseek-chat", (35, 420), "0.00048", "Name three rivers in Sabah."),
        (timedelta(minutes=12), "gpt-4o", (18, 0), None, "Write a commit message for this diff."),
    ):
        yield (
            Call(
                started=(NOW - age).timestamp(),
                profile="default",
                base_url="https://opencodex.hk/api/v1",
                model=model,
                usage={"prompt_tokens": tokens[0], "completion_tokens": tokens[1]},
                credits=credits and Decimal(credits),
                seconds=2.5,
                outcome="finished" if credits else "failed",
                exit_code=0 if credits else 9,
            ),
            prompt,
        )


def _read(fd: int) -> bytes:
    try:
        return os.read(fd, 65536)
    except OSError:  # EIO: nobody holds the other end any more
        return b""


def picture(stage: Stage, commands: Iterable[Command], name: str) -> str:
    """The commands and what they show, as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    for n, command in enumerate(commands):
        if n:
            console.print()
        console.print(Text(f"$ {command.typed}", "bold"))
        console.print(Text.from_ansi(stage.shown(command)))
    return _svg(console, name)


def _svg(console: Console, name: str) -> str:
    svg = console.export_svg(title="ocx", unique_id=name)
    # librsvg takes the spaces off the beginning of a text, fixed ones too.
    svg = svg.replace("<svg ", '<svg xml:space="preserve" ', 1)
    return "\n".join(line.rstrip() for line in _FONTS.sub("", svg).splitlines()) + "\n"


# Three moments of one run: what a person sees in the same line, one after the other.
_MOMENTS = (
    (1_204, 3, 0, 96.5, 602_300, "0.421", 32, "finding the speed"),
    (5_890, 9, 0, 118.2, 2_946_000, "2.06", 25, "the server's request limit"),
    (9_988, 12, 0, 117.9, 4_995_000, "3.5", 7, ""),
)
_TOTAL = 10_000


def progress() -> str:
    """The bar of a batch, and what is told at its end, as SVG."""
    console = Console(record=True, width=COLUMNS, file=io.StringIO())
    console.print(Text("$ ocx batch requests.jsonl -o answers.jsonl --resume", "bold"))
    for done, failed, skipped, rate, tokens, credits, at_once, limited_by in _MOMENTS:
        left = _TOTAL - done - failed
        forecast = float(credits) * _TOTAL / done
        moment = Snapshot(
            _TOTAL, done, failed, skipped, rate, tokens, float(credits), forecast, left / rate,
            at_once, limited_by,
        )  # fmt: skip
        console.print(Text(bar_line(moment, COLUMNS)))
    example = Example("review-4711", 4711, "the answer was cut off at the token limit")
    done, failed, _, _, tokens, credits, _, _ = _MOMENTS[-1]
    summary = Summary(
        _TOTAL,
        classes=Counter(ok=done, incomplete=failed),
        examples={"incomplete": example},
        requests=_TOTAL,
        prompt_tokens=tokens // 5,
        completion_tokens=tokens - tokens // 5,
        credits=Decimal(credits),
        seconds=85.4,
    )
    for line in summary_lines(summary):
        console.print(Text(f"ocx: {line}"))
    return _svg(console, "batch")


def pictures() -> dict[str, str]:
    """Every picture, by its path in the repository."""
    with tempfile.TemporaryDirectory() as first, tempfile.TemporaryDirectory() as second:
        stage = Stage(Path(first))
        session = picture(stage, [stage.served(SESSION)], "session")
        furnished = Stage(Path(second))
        furnish(furnished)
        screens = picture(furnished, SCREENS, "screens")
    named = {"session": session, "screens": screens, "batch": progress()}
    return {f"docs/{name}.svg": svg for name, svg in named.items()}


def main(folder: Path) -> None:
    """Write every picture below `folder`."""
    for path, svg in pictures().items():
        (folder / path).write_text(svg, "utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path.cwd())
