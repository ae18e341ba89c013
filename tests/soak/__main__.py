"""`python -m tests.soak [SECONDS]`: mixed commands, some killed, against one server with faults.

A line a minute: commands, the server's descriptors, threads and memory. Exit 1 if something is
left at the end (a held credit, a descriptor, a temporary file, a lock, a process) or memory grew.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import signal
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.support.serving import OCX, run, serving

WORKERS = 3
ROWS = "".join(f'{{"id": "{n}", "prompt": "row {n}"}}\n' for n in range(30))
FEW = ROWS[: len(ROWS) // 6]
GROWTH = 8 * 2**20
"""Bytes by which the server may be larger in the last third than in the middle one."""

MODELS = (
    "gpt-4", "lorem:30", "fault/429,every=3,after=0", "fault/500,every=4", "fault/cut:3",
    "fault/error:3", "fault/badjson:3", "fault/nodone", "fault/empty", "fault/split",
    "fault/slow,ttft=0.05,tps=50", "fault/stall:3", "fault/400", "fault/402", "fault/length",
)  # fmt: skip


class Look(NamedTuple):
    """Of the server's process."""

    descriptors: int
    threads: int
    memory: int


class Soak:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tmp").mkdir()
        (folder / "in.jsonl").write_text(ROWS)
        self.env = {
            "PATH": os.environ["PATH"],
            "HOME": str(folder),
            "TMPDIR": str(folder / "tmp"),
            "LANG": "C.UTF-8",
        }
        self.ended: Counter[str] = Counter()
        self.looks: list[Look] = []
        self.over = threading.Event()
        self._numbers = itertools.count()
        key = run(self.env, "serve", "keys", "add", "soak").strip()
        run(self.env, "serve", "grant", "5000")
        self.env["OCX_API_KEY"] = key
        self.server: subprocess.Popen[bytes]

    def find(self, server: subprocess.Popen[bytes], port: int) -> None:
        self.server = server
        self.env["OCX_BASE_URL"] = f"http://127.0.0.1:{port}/api/v1"
        self.looks.append(self.look())

    def look(self) -> Look:
        proc = Path(f"/proc/{self.server.pid}")
        status = dict(
            line.split(":", 1) for line in (proc / "status").read_text().splitlines() if ":" in line
        )
        descriptors = len(list((proc / "fd").iterdir()))
        return Look(descriptors, int(status["Threads"]), int(status["VmRSS"].split()[0]) * 1024)

    def work(self) -> None:
        """One worker: a command after the other."""
        while not self.over.is_set():
            words, stdin = self._command()
            ending = random.choices(
                ["whole", "KILL", "TERM", "INT", "pipe"], weights=[12, 1, 1, 1, 1]
            )[0]
            self._run(words, stdin, ending)

    def _command(self) -> tuple[list[str], str]:
        model = random.choice(MODELS)
        number = next(self._numbers)
        quick = ["--timeout", "2", "--retries", "1"]
        commands: list[tuple[list[str], str]] = [
            (["chat", "-m", model, *quick, f"a question {number}"], ""),
            (["chat", "-m", model, "--no-stream", *quick], "a question from stdin"),
            (["chat", "-m", model, "--json", *quick, "hi"], ""),
            (["models"], ""),
            (["balance", "--min", "1"], ""),
            (["history", "list"], ""),
            (["keys", "add", f"k{number}", "--no-check"], f"sk-live-{number:032}"),
            (["config", "set", "temperature", f"0.{number % 10}"], ""),
            (["batch", "-", "-m", model, "--format", "text", *quick], FEW),
            (self._batch(number), ""),
        ]
        return random.choice(commands)

    def _batch(self, number: int) -> list[str]:
        """One of four outputs; nothing in it depends on the settings that other commands change."""
        out = str(self.folder / f"out-{number % 4}.jsonl")
        given = str(self.folder / "in.jsonl")
        return ["batch", given, "-m", "gpt-4", "--temperature", "0", "-o", out, "--resume"]

    def _run(self, words: list[str], stdin: str, ending: str) -> None:
        child = subprocess.Popen(
            [*OCX, *words],
            env=self.env,
            cwd=self.folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if ending in {"KILL", "TERM", "INT"}:
            number = getattr(signal, f"SIG{ending}")
            threading.Timer(random.random(), child.send_signal, [number]).start()
        if ending == "pipe":
            assert child.stdout is not None
            child.stdout.close()
        try:
            child.communicate(stdin.encode(), timeout=60)
        except (BrokenPipeError, ValueError):
            child.wait(60)
        self.ended[f"{words[0]} {child.returncode}"] += 1

    def watch(self, seconds: float) -> None:
        """A line a minute, until the time is over."""
        began = time.monotonic()
        while (passed := time.monotonic() - began) < seconds:
            self.over.wait(min(10.0, seconds - passed))
            self.looks.append(self.look())
            if len(self.looks) % 6 == 0:
                descriptors, threads, memory = self.looks[-1]
                print(
                    f"{passed:5.0f} s  {sum(self.ended.values()):6,} commands  {descriptors} fds  "
                    f"{threads} threads  {memory / 2**20:.1f} MiB",
                    flush=True,
                )
        self.over.set()

    def left(self) -> list[str]:
        """What should not be there after all commands have ended."""
        checks: dict[str, Callable[[], object]] = {
            "held credits": self._held,
            "descriptors of the server": self._descriptors,
            "temporary files": self._temporary,
            "locks": self._locks,
            "processes": self._processes,
            "memory": self._grown,
            "history": self._history,
        }
        return [f"{name}: {found}" for name, check in checks.items() if (found := check())]

    def _held(self) -> object:
        end = time.monotonic() + 10
        path = next(self.folder.rglob("serve*.sqlite3"), None) or next(
            self.folder.rglob("serve/*.sqlite3")
        )
        while time.monotonic() < end:
            with sqlite3.connect(path) as database:
                (held,) = database.execute("SELECT sum(held) FROM account").fetchone()
            if not held:
                return None
            time.sleep(0.2)
        return held

    def _descriptors(self) -> object:
        """Half a minute lets kept connections go."""
        end = time.monotonic() + 30
        while self.look().descriptors > self.looks[0].descriptors and time.monotonic() < end:
            time.sleep(0.5)
        now, first = self.look().descriptors, self.looks[0].descriptors
        return None if now <= first + 2 else f"{now}, {first} at the start"

    def _temporary(self) -> object:
        names = [path.name for path in self.folder.rglob("*") if path.is_file()]
        odd = [name for name in names if re.search(r"\.(new|tmp|part)|^tmp", name)]
        return odd + [path.name for path in (self.folder / "tmp").iterdir()] or None

    def _locks(self) -> object:
        """Every output can be gone on with, and every file of ours written."""
        for number in range(4):
            run(self.env, *self._batch(number))
        run(self.env, "config", "set", "temperature", "0.5")
        for journal in self.folder.glob(".out-*"):
            return journal.name
        return None

    def _processes(self) -> object:
        mine = str(self.folder).encode()
        found = []
        for proc in Path("/proc").glob("[0-9]*"):
            try:
                if mine in (proc / "environ").read_bytes() and int(proc.name) != self.server.pid:
                    found.append((proc / "cmdline").read_bytes().replace(b"\0", b" ").decode())
            except OSError:
                continue
        return found or None

    def _grown(self) -> object:
        third = len(self.looks) // 3
        middle, last = (
            statistics.median(look.memory for look in part)
            for part in (self.looks[third : 2 * third] or self.looks, self.looks[2 * third :])
        )
        grown = last - middle
        return f"{grown / 2**20:+.1f} MiB" if grown > GROWTH else None

    def _history(self) -> object:
        for path in self.folder.rglob("history.sqlite3"):
            with sqlite3.connect(path) as database:
                (said,) = database.execute("PRAGMA integrity_check").fetchone()
            if said != "ok":
                return said
        return None

    def end(self, log: Path) -> str:
        """Stop the server, and have its ledger checked."""
        self.server.terminate()
        status = self.server.wait(30)
        checked = subprocess.run(
            [*OCX, "serve", "check"], env=self.env, check=False, capture_output=True, text=True
        )
        said = log.read_text("utf-8", "replace")
        if status not in {-signal.SIGTERM, 0}:
            return f"the server ended with {status}"
        if "Traceback" in said:
            return said[said.index("Traceback") :][:2000]
        return "" if checked.returncode == 0 else checked.stdout + checked.stderr


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 900.0
    with tempfile.TemporaryDirectory() as folder:
        soak, log = Soak(Path(folder)), Path(folder, "server.log")
        with log.open("wb") as file, serving(soak.env, log=file) as (server, port):
            soak.find(server, port)
            workers = [threading.Thread(target=soak.work) for _ in range(WORKERS)]
            for worker in workers:
                worker.start()
            soak.watch(seconds)
            for worker in workers:
                worker.join()
            problems = soak.left()
            if said := soak.end(log):
                problems.append(said)
    print("\nby command and exit status:")
    for name, count in sorted(soak.ended.items()):
        print(f"  {name:<16} {count:6,}")
    print("\n".join(problems) if problems else "\nnothing is left", flush=True)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
