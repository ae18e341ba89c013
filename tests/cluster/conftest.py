"""A server with a ledger, rows that it can tell apart, and `ocx` as a program on the PATH."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import rows
from tests.support.program import Ocx
from tests.support.waiting import Collected

__all__ = ["rows"]

EXAMPLES = Path(__file__).parents[2] / "examples" / "batch"
SHARDS = 8
ROWS = 160
LEDGER = "ledger.sqlite3"


@dataclass
class Site:
    """A folder with `in.jsonl`, and what a task needs to send its rows to our server.

    Attributes:
        work: where tasks run and write.
        env: the environment of every task, PATH and key included.
    """

    ocx: Ocx
    work: Path
    env: dict[str, str]
    started: Path

    def output(self, shard: int) -> Path:
        return self.work / f"out-{shard}.jsonl"

    def finished(self, shard: int) -> set[str]:
        """The ids of the whole rows that this shard has written."""
        whole = self.output(shard).read_bytes().rpartition(b"\n")[0]
        return {json.loads(line)["custom_id"] for line in whole.splitlines()}

    def pid_of(self, word: str) -> int:
        """The process whose command line holds `word`."""
        lines = [line for line in self.started.read_text().splitlines() if word in line]
        assert len(lines) == 1, lines
        return int(lines[0].split()[0])

    def payments(self) -> Counter[str]:
        """How often each row was paid, by its id. Every row has a model of its own."""
        export = self.ocx("serve", "ledger", "--db", LEDGER, "--jsonl").has(0).text
        charges = [entry for line in export.splitlines() if (entry := json.loads(line))["charge"]]
        return Counter(_row_id(entry["model"]) for entry in charges)

    def prove_complete(self) -> None:
        """All rows are there once, by `verify` and by their ids, and the ledger is sound."""
        outputs = [self.output(shard) for shard in range(SHARDS)]
        self.ocx("batch", "verify", "in.jsonl", *map(str, outputs)).has(0)
        counted = sum((Counter(_ids(path)) for path in outputs), Counter())
        assert counted == Counter(_row_id(_model(number)) for number in range(ROWS))
        self.ocx("serve", "check", "--db", LEDGER).has(0)


@pytest.fixture
def site(ocx: Ocx, tmp_path: Path) -> Site:
    """`in.jsonl` with 160 rows of half a second each, and a server that keeps a ledger."""
    rows = (json.dumps(_row(number)) for number in range(ROWS))
    (ocx.work / "in.jsonl").write_text("".join(f"{row}\n" for row in rows))
    key = ocx("serve", "keys", "add", "cluster", "--db", LEDGER).has(0).text.strip()
    server = ocx.spawn("serve", "--port", "0", "--db", LEDGER)
    assert server.stdout is not None
    listening = json.loads(server.stdout.until(b"\n").splitlines()[0])["listening"]
    started = tmp_path / "started"
    programs = _program(tmp_path / "bin", ocx.program, started)
    env = {**ocx.env, "OCX_BASE_URL": listening, "OCX_API_KEY": key}
    env["PATH"] = f"{programs}:{env['PATH']}"
    return Site(ocx, ocx.work, env, started)


@pytest.fixture
def rows_written(site: Site) -> Iterator[Callable[[int, int], None]]:
    """`rows_written(3, 5)` waits until shard 3 has written five rows."""
    with ExitStack() as tails:

        def wait(shard: int, count: int) -> None:
            # Unlike a loop over the file, it also waits for a file that does not exist yet.
            command = ["tail", "-n", "+1", "-s", "0.1", "-F", str(site.output(shard))]
            tail = tails.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
            )
            tails.callback(tail.kill)
            assert tail.stdout is not None
            Collected(tail.stdout.fileno()).until_count(b"\n", count)

        yield wait


def _program(folder: Path, program: tuple[str, ...], started: Path) -> Path:
    """A folder for the PATH whose `ocx` notes its process id and its command line."""
    folder.mkdir()
    script = folder / "ocx"
    note = f'echo "$$ $*" >> {shlex.quote(str(started))}'
    script.write_text(f'#!/bin/sh\n{note}\nexec {shlex.join(program)} "$@"\n')
    script.chmod(0o755)
    return folder


def _model(number: int) -> str:
    return f"lorem:{number + 1},ttft=0.5"


def _row(number: int) -> dict[str, object]:
    model = _model(number)
    body = {
        "model": model,
        "max_tokens": 200,
        "messages": [{"role": "user", "content": f"row {number}"}],
    }
    line = {"method": "POST", "url": "/v1/chat/completions", "body": body}
    return {"custom_id": _row_id(model), **line}


def _row_id(model: str) -> str:
    return f"row-{model.removeprefix('lorem:').partition(',')[0]}"


def _ids(path: Path) -> list[str]:
    return [json.loads(line)["custom_id"] for line in path.read_text().splitlines()]
