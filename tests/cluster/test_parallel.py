"""`examples/batch/parallel.sh` with a real GNU parallel."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator

import pytest

from tests.cluster.conftest import EXAMPLES, ROWS, SHARDS, Site

pytestmark = [pytest.mark.cluster, pytest.mark.unmeasured]

DEADLINE = 60
"""Seconds. Eight shards share this machine's CPUs."""
Started = Callable[[], "subprocess.Popen[str]"]


@pytest.fixture
def start(site: Site) -> Iterator[Started]:
    if not _has_gnu_parallel():
        pytest.skip("no GNU parallel: apt-get install parallel, or brew install parallel")
    running: list[subprocess.Popen[str]] = []

    def begin() -> subprocess.Popen[str]:
        command = [str(EXAMPLES / "parallel.sh"), "in.jsonl"]
        pipe = subprocess.PIPE
        running.append(
            subprocess.Popen(
                command, cwd=site.work, env=site.env, stdout=pipe, stderr=pipe, text=True
            )
        )
        return running[-1]

    yield begin
    for process in running:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_killed_shard_is_resumed(
    start: Started, site: Site, rows_written: Callable[[int, int], None], sent: signal.Signals
) -> None:
    process = start()
    rows_written(3, 2)
    os.kill(site.pid_of(f"--shard 3/{SHARDS}"), sent)
    finished = site.finished(3)
    said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 0, said
    site.prove_complete()
    paid = site.payments()
    assert len(paid) == ROWS
    # Only what a SIGKILL interrupts can be paid twice, and never what has been written.
    twice = {row for row, times in paid.items() if times > 1}
    assert not twice & (finished if sent == signal.SIGKILL else set(paid)), twice


def test_a_second_run_sends_nothing(start: Started, site: Site) -> None:
    for _ in range(2):
        process = start()
        said = process.communicate(timeout=DEADLINE)
        assert process.returncode == 0, said
        assert site.payments().total() == ROWS


def test_it_exits_as_a_failed_shard_does(start: Started, site: Site) -> None:
    site.env["OCX_API_KEY"] = "sk-live-local-wrong"
    process = start()
    said = process.communicate(timeout=DEADLINE)
    assert process.returncode == 4, said
    assert not site.payments()


def _has_gnu_parallel() -> bool:
    """Whether `parallel` is GNU's: moreutils has another program of this name."""
    if not shutil.which("parallel"):
        return False
    version = subprocess.run(["parallel", "--version"], capture_output=True, check=False)
    return b"GNU parallel" in version.stdout
