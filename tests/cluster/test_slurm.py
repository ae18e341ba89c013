"""`examples/batch/slurm.sbatch` on a real Slurm: tasks are killed, requeued, and lose no row."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.cluster.conftest import EXAMPLES, ROWS, SHARDS, Site
from tests.support.slurm import INSTALL, Slurm, missing

pytestmark = [pytest.mark.cluster, pytest.mark.unmeasured]

QUEUE_DEADLINE = 100
"""Seconds. A requeued task waits for the credential, and eight tasks for this machine's CPUs."""


@pytest.fixture(scope="module")
def slurm(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Slurm]:
    if absent := missing():
        pytest.skip(f"no {', '.join(absent)}: {INSTALL}")
    with Slurm(tmp_path_factory.mktemp("slurm")) as cluster:
        yield cluster


class Array:
    """The example, submitted; its tasks run in the site's folder."""

    def __init__(self, slurm: Slurm, site: Site, *options: str) -> None:
        self.slurm = slurm
        self.site = site
        self._env = {**site.env, **slurm.env()}
        self._env["PATH"] = f"{site.env['PATH']}:{slurm.env()['PATH']}"
        script = str(EXAMPLES / "slurm.sbatch")
        self.id = self._client("sbatch", "--parsable", *options, script, "in.jsonl").strip()

    def task(self, shard: int) -> str:
        return f"{self.id}_{shard}"

    def state(self, shard: int) -> dict[str, str]:
        shown = self.slurm.run("scontrol", "show", "job", self.task(shard))
        return dict(word.split("=", 1) for word in shown.split() if "=" in word)

    def log(self, shard: int) -> str:
        return (self.site.work / f"ocx-batch-{self.task(shard)}.log").read_text()

    def wait(self) -> None:
        """Until every task has ended for good, as a later step of a pipeline does."""
        self._client("srun", f"--dependency=afterany:{self.id}", "true")

    def _client(self, *args: str) -> str:
        done = subprocess.run(
            args,
            cwd=self.site.work,
            env=self._env,
            capture_output=True,
            text=True,
            timeout=QUEUE_DEADLINE,
            check=False,
        )
        assert done.returncode == 0, f"{args}: {done.stderr}{self.slurm.log()}"
        return done.stdout


@pytest.fixture
def submit(slurm: Slurm, site: Site) -> Callable[..., Array]:
    return lambda *options: Array(slurm, site, *options)


def test_a_requeued_task_resumes_and_no_row_is_paid_twice(
    submit: Callable[..., Array], site: Site, rows_written: Callable[[int, int], None]
) -> None:
    array = submit()
    rows_written(3, 2)
    array.slurm.run("scontrol", "requeue", array.task(3))
    array.wait()
    restarts = {shard: array.state(shard)["Restarts"] for shard in range(SHARDS)}
    assert restarts == {shard: "1" if shard == 3 else "0" for shard in range(SHARDS)}
    assert {array.state(shard)["JobState"] for shard in range(SHARDS)} == {"COMPLETED"}
    site.prove_complete()
    assert set(site.payments().values()) == {1}
    assert len(site.payments()) == ROWS


def test_a_task_that_ocx_ends_early_requeues_itself(
    submit: Callable[..., Array], site: Site, rows_written: Callable[[int, int], None]
) -> None:
    """SIGTERM to the step is what `--signal` sends before the time limit."""
    array = submit()
    rows_written(5, 2)
    array.slurm.run("scancel", "--signal=TERM", array.task(5))
    array.wait()
    assert array.state(5)["Restarts"] == "1"
    site.prove_complete()
    assert set(site.payments().values()) == {1}


def test_a_cancelled_task_stays_cancelled(
    submit: Callable[..., Array], site: Site, rows_written: Callable[[int, int], None]
) -> None:
    array = submit("--array=0-1")
    rows_written(1, 2)
    array.slurm.run("scancel", array.task(1))
    array.wait()
    assert array.state(1)["JobState"] == "CANCELLED"
    assert array.state(1)["Restarts"] == "0"
    assert array.state(0)["JobState"] == "COMPLETED"


def test_a_refused_key_ends_the_tasks_and_requeues_none(
    submit: Callable[..., Array], site: Site
) -> None:
    site.env["OCX_API_KEY"] = "sk-live-local-wrong"
    array = submit("--array=0-1")
    array.wait()
    for shard in (0, 1):
        state = array.state(shard)
        assert (state["JobState"], state["ExitCode"]) == ("FAILED", "4:0"), array.log(shard)
        assert state["Restarts"] == "0"
    assert not site.payments()


def test_the_script_names_no_key() -> None:
    """It is copied to the controller and shown by `scontrol`; the key is no part of it."""
    assert "KEY" not in Path(EXAMPLES / "slurm.sbatch").read_text()
