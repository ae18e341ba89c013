"""The Kubernetes Job and the GitHub workflow: valid by their schemas, and their commands run."""

from __future__ import annotations

import importlib.resources
import json
import os
import re
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jsonschema
import pytest

from ocx.errors import exit_code_table
from tests.cluster.conftest import EXAMPLES, ROWS, SHARDS, Site

pytestmark = [pytest.mark.cluster, pytest.mark.unmeasured]

DEADLINE = 60
"""Seconds. Eight shards share this machine's CPUs."""
OLDEST, NEWEST = "1.29", "1.37"
"""Of Kubernetes: FailIndex is on by default since the first; the last is no newer than the schemas
that the package ships."""
INSTALL = "make test-cluster installs it"
Kill = Callable[[int, "subprocess.Popen[bytes]"], None]


@pytest.fixture
def load() -> Callable[[str], Any]:
    yaml = pytest.importorskip("yaml", reason=f"no PyYAML: {INSTALL}")
    return lambda name: yaml.safe_load((EXAMPLES / name).read_text())


@pytest.fixture
def job(load: Callable[[str], Any]) -> Any:
    return load("job.yaml")


@pytest.fixture
def workflow(load: Callable[[str], Any]) -> Any:
    return load("github-matrix.yml")


@pytest.mark.parametrize("version", [OLDEST, NEWEST])
def test_the_job_is_valid(job: Any, version: str) -> None:
    validate = pytest.importorskip(
        "kubernetes_validate", reason=f"no kubernetes-validate: {INSTALL}"
    )
    assert validate.validate(job, version, strict=True) == version
    job["spec"]["backoffLimitPerIndex"] = "ten"
    with pytest.raises(validate.ValidationError):
        validate.validate(job, version, strict=True)


def test_the_job_keeps_the_rules_that_no_schema_holds(job: Any) -> None:
    """What the API server refuses besides: from the documentation of podFailurePolicy."""
    spec = job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert spec["completionMode"] == "Indexed"
    assert pod["restartPolicy"] == "Never"
    assert spec["backoffLimitPerIndex"] > 0, "FailIndex needs it"
    for rule in spec["podFailurePolicy"]["rules"]:
        assert rule["action"] in {"FailJob", "FailIndex", "Ignore", "Count"}
        assert ("onExitCodes" in rule) != ("onPodConditions" in rule)
        if codes := rule.get("onExitCodes"):
            assert codes["containerName"] == container["name"]
            assert codes["operator"] == "In"
            assert codes["values"] == sorted(set(codes["values"]) - {0})
    env = {variable["name"]: variable.get("value") for variable in container["env"]}
    assert env["OCX_SHARDS"] == str(spec["completions"])
    assert env["OCX_API_KEY"] is None, "from the Secret"


def test_the_job_starts_again_only_if_that_helps(job: Any) -> None:
    """Every exit code has one rule, and the rule is what the program's own table says."""
    rules = job["spec"]["podFailurePolicy"]["rules"]
    actions = {
        code: rule["action"]
        for rule in rules
        if "onExitCodes" in rule
        for code in rule["onExitCodes"]["values"]
    }
    helps = {int(code): retry for code, _, _, retry in exit_code_table() if retry}
    # A batch ends so if all that is left has failed for good: then another run is no help.
    helps |= {11: "no", 14: "no"}
    assert set(actions) == set(helps)
    for code, retry in helps.items():
        assert (actions[code] in {"FailJob", "FailIndex"}) == (retry == "no"), code
    assert {code for code, action in actions.items() if action == "FailIndex"} == {1, 7, 11, 14}


class Controller:
    """What the Job controller does with exit codes, as far as our manifest uses it."""

    def __init__(self, job: Any, site: Site, kill: Kill | None = None) -> None:
        self._spec = job["spec"]
        (self._container,) = self._spec["template"]["spec"]["containers"]
        self._site = site
        self._kill = kill
        self.failed = threading.Event()
        self.statuses: set[int] = set()
        self.starts: dict[int, int] = dict.fromkeys(range(self._spec["completions"]), 0)
        self.failures: dict[int, int] = dict.fromkeys(self.starts, 0)

    def run(self) -> None:
        with ThreadPoolExecutor(self._spec["parallelism"]) as pods:
            list(pods.map(self._index, self.starts))

    def _index(self, index: int) -> None:
        while not self.failed.is_set() and (status := self._pod(index)):
            self.statuses.add(status)
            action = self._action(status)
            self.failures[index] += action != "Ignore"
            if action == "FailJob":
                self.failed.set()
            if action == "FailIndex" or self.failures[index] > self._spec["backoffLimitPerIndex"]:
                return

    def _pod(self, index: int) -> int:
        """Run the container's command with its environment, in the volume, to its end."""
        given = {each["name"]: each["value"] for each in self._container["env"] if "value" in each}
        env = {**self._site.env, **given, "HOME": self._site.env["HOME"]}
        env["JOB_COMPLETION_INDEX"] = str(index)
        self.starts[index] += 1
        pod = subprocess.Popen(
            self._container["command"], cwd=self._site.work, env=env, stderr=subprocess.DEVNULL
        )
        try:
            if self._kill and self.starts[index] == 1:
                self._kill(index, pod)
            return pod.wait(DEADLINE)
        finally:
            pod.kill()

    def _action(self, status: int) -> str:
        if status < 0:
            return "Ignore"  # only the test itself kills a pod: the DisruptionTarget of the policy
        for rule in self._spec["podFailurePolicy"]["rules"]:
            if status in rule.get("onExitCodes", {}).get("values", ()):
                return str(rule["action"])
        return "Count"


def test_the_pods_send_every_row_once_though_one_is_evicted(
    job: Any, site: Site, rows_written: Callable[[int, int], None]
) -> None:
    def evict(index: int, pod: subprocess.Popen[bytes]) -> None:
        if index == 3:
            rows_written(3, 2)
            pod.terminate()

    controller = Controller(job, site, evict)
    controller.run()
    assert controller.starts == {index: 2 if index == 3 else 1 for index in range(SHARDS)}
    assert not any(controller.failures.values())
    site.prove_complete()
    assert set(site.payments().values()) == {1}


def test_a_refused_key_fails_the_whole_job_at_once(job: Any, site: Site) -> None:
    site.env["OCX_API_KEY"] = "sk-live-local-wrong"
    controller = Controller(job, site)
    controller.run()
    assert controller.failed.is_set()
    assert controller.statuses == {4}
    assert set(controller.starts.values()) <= {0, 1}
    assert not site.payments()


def test_the_workflow_is_valid(workflow: Any) -> None:
    package = "check_jsonschema.builtin_schemas.vendor"
    pytest.importorskip("check_jsonschema", reason=f"no check-jsonschema: {INSTALL}")
    text = importlib.resources.files(package).joinpath("github-workflows.json").read_text()
    validator = jsonschema.Draft7Validator(json.loads(text))
    # YAML 1.1, which PyYAML reads, takes the key `on` for a boolean.
    workflow["on"] = workflow.pop(True)
    validator.validate(workflow)
    del workflow["jobs"]["shard"]["runs-on"]
    assert not validator.is_valid(workflow)


def test_the_workflow_sends_every_row_once(workflow: Any, site: Site) -> None:
    jobs = workflow["jobs"]
    shards = jobs["shard"]["strategy"]["matrix"]["shard"]
    known = {"strategy.job-total": str(len(shards)), "secrets.OCX_API_KEY": site.env["OCX_API_KEY"]}
    send = _step(jobs["shard"], "ocx batch")
    with ThreadPoolExecutor(len(shards)) as runners:
        done = list(
            runners.map(lambda n: _run(send, site, {**known, "matrix.shard": str(n)}), shards)
        )
    assert [run.returncode for run in done] == [0] * len(shards), done
    for run in done:
        first, *_, last = run.stdout.splitlines()
        assert first.startswith("::stop-commands::")
        assert last == f"::{first.rpartition(':')[2]}::"
    run = _run(_step(jobs["verify"], "ocx batch verify"), site, known)
    assert run.returncode == 0, run
    assert len((site.work / "results.jsonl").read_text().splitlines()) == ROWS
    site.prove_complete()
    assert set(site.payments().values()) == {1}


def test_a_failed_shard_fails_its_job(workflow: Any, site: Site) -> None:
    send = _step(workflow["jobs"]["shard"], "ocx batch")
    known = {"strategy.job-total": "8", "matrix.shard": "0", "secrets.OCX_API_KEY": "sk-live-local"}
    assert _run(send, site, known).returncode == 4


def _step(job: Any, name: str) -> Any:
    (step,) = (step for step in job["steps"] if step.get("name") == name)
    return step


def _run(step: Any, site: Site, known: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run the step's script as the runner does, with its expressions filled in."""

    def render(text: str) -> str:
        return re.sub(r"\$\{\{ (\S+) \}\}", lambda match: known[match[1]], text)

    env = {**site.env, **{name: render(value) for name, value in step.get("env", {}).items()}}
    return subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", render(step["run"])],
        cwd=site.work,
        env={**env, "PATH": f"{env['PATH']}:{os.defpath}"},
        capture_output=True,
        text=True,
        timeout=DEADLINE,
        check=False,
    )
