"""The workflows and the action: what checkers say of them, and the action's steps in a shell."""

from __future__ import annotations

import json
import os
import re
import runpy
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

import pytest

from tests.support import answers
from tests.support.actions import commands, variables
from tests.support.chat_server import ChatServer
from tests.support.program import KEY
from tests.support.row_server import RowServer
from tests.support.waiting import DEADLINE

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTION = ROOT / "action.yml"
INSTALL = "make test-workflows installs it"


def checker(name: str) -> str:
    program = Path(sys.executable).with_name(name)
    if not program.exists():
        pytest.skip(f"no {name}: {INSTALL}")
    return str(program)


def load(path: Path) -> Any:
    return pytest.importorskip("yaml", reason=f"no PyYAML: {INSTALL}").safe_load(path.read_text())


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_zizmor_finds_nothing(path: Path) -> None:
    command = [checker("zizmor"), "--offline", "--no-progress", "--strict-collection"]
    policy = ("--config", str(ROOT / "packaging" / "zizmor.yml"))
    done = subprocess.run(
        [*command, "--pedantic", *policy, str(path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("path", [*WORKFLOWS, ACTION], ids=lambda path: path.name)
def test_they_are_what_github_reads(path: Path) -> None:
    """By the schemas that check-jsonschema brings: nothing is fetched."""
    schema = "vendor.github-actions" if path == ACTION else "vendor.github-workflows"
    command = [checker("check-jsonschema"), "--builtin-schema", schema, str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_actions_are_named_by_tag() -> None:
    """No hash can have been looked up, so there is none; a branch would move."""
    used = [name for path in WORKFLOWS for name in re.findall(r"uses: (\S+)", path.read_text())]
    assert used
    assert [name for name in used if not re.fullmatch(r"[\w-]+/[\w-]+@v\d+(\.\d+)*", name)] == []


@pytest.mark.parametrize("tag", ["v{}", "{}", "v{}0", "v9.9.9"])
def test_a_tag_that_is_not_the_version_stops_a_release(tag: str) -> None:
    jobs = load(ROOT / ".github/workflows/release.yml")["jobs"]
    (script,) = [step["run"] for step in jobs["build"]["steps"] if step.get("env", {}).get("TAG")]
    version = runpy.run_path(str(ROOT / "ocx/__init__.py"))["__version__"]
    path = f"{Path(sys.executable).parent}:/usr/bin:/bin"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", script],
        env={**os.environ, "PATH": path, "TAG": tag.format(version)},
        cwd=ROOT,
        check=False,
        capture_output=True,
    )
    assert done.returncode == (0 if tag == "v{}" else 1), done


def test_what_is_uploaded_needs_the_gate() -> None:
    jobs = load(ROOT / ".github/workflows/release.yml")["jobs"]
    runs = [step.get("run") for step in jobs["build"]["steps"]]
    assert runs.index("bash .ci/run") < runs.index("make dist PYTHON=python")
    assert jobs["pypi"]["needs"] == "build"
    assert jobs["pypi"]["permissions"] == {"id-token": "write"}
    assert jobs["release"]["needs"] == ["build", "pypi"]


class Step(NamedTuple):
    status: int
    outputs: dict[str, str]
    said: str


class Runner:
    """Runs a step of the action as a runner does, with the program of this environment."""

    def __init__(self, folder: Path) -> None:
        self.steps = {step["name"]: step for step in load(ACTION)["runs"]["steps"]}
        self.inputs = {
            name: str(described["default"]) for name, described in load(ACTION)["inputs"].items()
        }
        self.folder = folder
        (folder / "temp/ocx/bin").mkdir(parents=True)
        (folder / "home").mkdir()
        (folder / "temp/ocx/bin/ocx").symlink_to(Path(sys.executable).with_name("ocx"))

    def __call__(self, name: str, **inputs: str) -> Step:
        given = self.inputs | {key.replace("_", "-"): value for key, value in inputs.items()}
        step = self.steps[name]
        env = {
            key: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: given[found[1]], value)
            for key, value in step["env"].items()
        }
        output = self.folder / "output"
        output.write_text("")
        done = subprocess.run(
            ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", step["run"]],
            env={
                "PATH": "/usr/bin:/bin",
                "HOME": str(self.folder / "home"),
                "RUNNER_TEMP": str(self.folder / "temp"),
                "GITHUB_OUTPUT": str(output),
                "GITHUB_STEP_SUMMARY": str(self.folder / "summary"),
                **{k: v for k, v in os.environ.items() if k == "LD_LIBRARY_PATH"},
                **env,
            },
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            timeout=6 * DEADLINE,
        )
        assert KEY not in done.stdout + done.stderr
        return Step(done.returncode, variables(output.read_text()), done.stdout + done.stderr)


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


@pytest.mark.parametrize(
    ("limits", "status"),
    [
        ({"min_balance": "5"}, 0),
        ({"min_balance": "50"}, 12),
        ({"warn_balance": "50"}, 0),
        ({"min_balance": "5", "warn_balance": "50"}, 0),
    ],
)
def test_the_gate_of_credits(
    runner: Runner, chat_server: ChatServer, limits: dict[str, str], status: int
) -> None:
    chat_server.answer_all(answers.answer({"balance": 20, "unit": "credits"}))
    step = runner("Credits", api_key=KEY, base_url=chat_server.base_url, **limits)
    assert step.status == status, step
    assert step.outputs["balance"] == "20"
    assert step.outputs["status"] == str(status)
    kinds = [kind for kind, _, _ in commands(step.said)]
    assert kinds == (["warning"] if status == 0 and "warn_balance" in limits else kinds)


def test_a_balance_that_cannot_be_read_stops(runner: Runner, chat_server: ChatServer) -> None:
    chat_server.answer_all(answers.answer({"nothing": "of use"}))
    step = runner("Credits", api_key=KEY, base_url=chat_server.base_url, min_balance="5")
    assert step.status != 0
    assert step.outputs["status"] == str(step.status)
    assert "balance" not in step.outputs


@pytest.mark.examples
def test_the_action_puts_ocx_alone_on_the_path(runner: Runner, tmp_path: Path) -> None:
    """From its own checkout, with what PyPI has; the job's python stays its own."""
    path = tmp_path / "path"
    done = subprocess.run(
        ["bash", "-e", "-o", "pipefail", "-c", runner.steps["Install ocx"]["run"]],
        env={
            **os.environ,
            "SOURCE": str(ROOT),
            "RUNNER_TEMP": str(tmp_path / "fresh"),
            "GITHUB_PATH": str(path),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done
    (folder,) = map(Path, path.read_text().splitlines())
    assert [program.name for program in folder.iterdir()] == ["ocx"]
    command = [str(folder / "ocx"), "--sandbox", "chat", "Hello!"]
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path / "home")}
    assert subprocess.check_output(command, env=env, text=True) == "Hello!\n"


def rows(folder: Path, *expected: str) -> str:
    asked = [
        {"id": str(number), "prompt": text.lower(), "expect": {"contains": text}}
        for number, text in enumerate(expected)
    ]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in asked))
    return "prompts.jsonl"


def on(server: RowServer) -> dict[str, str]:
    return {"api_key": KEY, "base_url": server.base_url, "model": "m"}


@pytest.mark.parametrize(("expected", "status"), [(("ONE", "TWO"), 0), (("ONE", "No"), 14)])
def test_prompts_as_tests(runner: Runner, expected: tuple[str, ...], status: int) -> None:
    """The server answers in capitals."""
    with RowServer() as server:
        prompts = rows(runner.folder, *expected)
        step = runner("Prompts", **on(server), prompts=prompts, junit="out/report one.xml")
    assert step.status == status, step
    assert step.outputs == {"status": str(status), "junit": "out/report one.xml"}
    cases = list(ElementTree.parse(runner.folder / "out/report one.xml").iter("testcase"))
    failed = [case.get("name") for case in cases if case.find("failure") is not None]
    assert (len(cases), len(failed)) == (2, 0 if status == 0 else 1)


def test_what_a_model_wrote_is_no_command(runner: Runner) -> None:
    with RowServer() as server:
        prompts = rows(runner.folder, "\n::error::from the model")
        step = runner("Prompts", **on(server), prompts=prompts)
    names = [name for name, _, _ in commands(step.said)]
    assert names[0] == "stop-commands"
    token = next(data for name, _, data in commands(step.said) if name == "stop-commands")
    assert step.said.splitlines().index(f"::{token}::") > 0


def test_prompts_from_a_tape(runner: Runner) -> None:
    """No key and no server: what the tape lacks fails."""
    (runner.folder / "tape.jsonl").write_text("")
    step = runner("Prompts", prompts=rows(runner.folder, "ONE"), model="m", tape="tape.jsonl")
    assert step.status != 0
    assert "tape" in step.said
