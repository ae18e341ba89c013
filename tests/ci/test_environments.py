"""The same under another user, on a read-only root, by cron, by systemd, and in pipelines."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.ci.conftest import EXAMPLES, Site
from tests.support import answers
from tests.support.program import KEY
from tests.support.row_server import good, read_rows, write_rows

INSTALL = "make test-examples installs it"


def unshare(*words: str) -> tuple[str, ...]:
    """A command in namespaces of its own; the test is skipped where there can be none."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare: util-linux has it")
    if subprocess.run(["unshare", *words, "true"], capture_output=True, check=False).returncode:
        pytest.skip(f"unshare {' '.join(words)} is not allowed here")
    return ("unshare", *words)


def rows(site: Site) -> None:
    write_rows(site.folder / "in.jsonl", 3)
    site.server.behave = lambda prompt, _: good(prompt, cost=0.5)


def done(site: Site, run: subprocess.CompletedProcess[str]) -> None:
    assert run.returncode == 0, run.stderr + (site.folder / "errors.txt").read_text()
    assert len(read_rows(site.folder / "out.jsonl")) == 3


def test_a_nightly_batch_on_a_read_only_root(site: Site) -> None:
    """Nothing but its folder can be written: no HOME, no /tmp."""
    rows(site)
    inside = unshare("-rm")
    script = (
        f"mount --bind {site.folder} {site.folder} && mount -o remount,ro,bind / || exit 91; cd /;"
        " if touch /no 2> /dev/null; then exit 90; fi;"
        f" exec sh {site.folder}/nightly.sh {site.folder}"
    )
    run = site.run(*inside, "sh", "-c", script, env={"HOME": "/nonexistent"})
    if run.returncode == 91:
        pytest.skip(f"no mounts here: {run.stderr}")
    assert run.returncode != 90, "the root can be written"
    done(site, run)


def test_a_nightly_batch_whose_home_is_anothers(site: Site, tmp_path: Path) -> None:
    """As under `sudo -E -u`: HOME cannot be searched, and the key is in the environment."""
    if os.geteuid():
        pytest.skip("only root can give a folder to another user")
    inside = unshare("-U", "--map-user=1000")
    rows(site)
    home = tmp_path / "home"
    home.mkdir(0o700)
    os.chown(home, 4242, 4242)
    seen = site.run(*inside, "ls", str(home))
    assert "Permission denied" in seen.stderr
    script = str(site.folder / "nightly.sh")
    done(site, site.run(*inside, "sh", script, str(site.folder), env={"HOME": str(home)}))


def test_the_lines_of_the_crontab(site: Site) -> None:
    text = (EXAMPLES / "crontab").read_text()
    lines = [line for line in text.splitlines() if re.match(r"[0-9*]", line)]
    commands = [line.split(None, 5)[5] for line in lines]
    assert len(commands) == 2
    status = site.folder / "ocx.status"
    rows(site)
    bin_folder = site.folder / "bin"
    bin_folder.mkdir()
    shutil.copy(site.folder / "nightly.sh", bin_folder)
    env = {"PATH": f"{bin_folder}:{site.env['PATH']}", "HOME": str(site.folder), "SHELL": "/bin/sh"}
    commands = [
        line.replace("/srv/batch", str(site.folder)).replace("/var/tmp/ocx.status", str(status))
        for line in commands
    ]
    for command in commands:
        run = site.run("/bin/sh", "-c", command, env=env)
        assert (run.returncode, run.stdout, run.stderr) == (0, "", "")
    assert "OK" in status.read_text()
    assert len(read_rows(site.folder / "out.jsonl")) == 3
    site.server.answer(answers.error(500), path="/balance")
    site.run("/bin/sh", "-c", commands[1], env=env)
    assert "UNKNOWN" in status.read_text(), "yesterday's OK would be a lie"


def test_the_units_of_systemd(site: Site) -> None:
    if not shutil.which("systemd-analyze"):
        pytest.skip("no systemd-analyze: the units are not checked")
    units = [str(site.folder / f"ocx-nightly.{kind}") for kind in ("service", "timer")]
    checked = subprocess.run(
        ["systemd-analyze", "verify", *units], capture_output=True, text=True, check=False
    )
    assert checked.returncode == 0, checked.stderr
    assert "ocx-nightly" not in checked.stderr


def test_what_the_service_starts(site: Site) -> None:
    """The key comes as a credential: a file, and nothing of it in the unit."""
    (line,) = re.findall(r"^ExecStart=(.*)$", (EXAMPLES / "ocx-nightly.service").read_text(), re.M)
    rows(site)
    folder = site.folder / "credentials"
    folder.mkdir()
    (folder / "key").write_text(KEY + "\n")
    env = {"STATE_DIRECTORY": str(site.folder), "CREDENTIALS_DIRECTORY": str(folder)}
    del site.env["OCX_API_KEY"]
    done(site, site.run(*shlex.split(line.replace("/usr/local/bin", str(site.folder))), env=env))


@pytest.fixture
def load() -> Any:
    return pytest.importorskip("yaml", reason=f"no PyYAML: {INSTALL}").safe_load


@pytest.mark.examples
@pytest.mark.parametrize(
    ("name", "schema"),
    [("github-actions.yml", "vendor.github-workflows"), ("gitlab-ci.yml", "vendor.gitlab-ci")],
)
def test_a_pipeline_is_valid(name: str, schema: str) -> None:
    pytest.importorskip("check_jsonschema", reason=f"no check-jsonschema: {INSTALL}")
    words = ("-m", "check_jsonschema", "--builtin-schema", schema, str(EXAMPLES / name))
    checked = subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout


def jobs(name: str, load: Any) -> dict[str, list[str]]:
    """The scripts of each job, without the installation."""
    text = (EXAMPLES / name).read_text()
    document = load(text)
    if name.startswith("gitlab"):
        return {job: document[job]["script"] for job in ("review", "prompts")}
    steps = {job: document["jobs"][job]["steps"] for job in ("review", "prompts")}
    return {
        job: [step["run"] for step in found if "run" in step and "pipx" not in step["run"]]
        for job, found in steps.items()
    }


@pytest.mark.examples
@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_the_jobs_of_a_pipeline(site: Site, load: Any, name: str) -> None:
    site.server.behave = lambda prompt, _: answers.answer(
        answers.completion("hello" if "hello" in prompt else "42")
    )
    tested = ("sh", "prompt-tests.sh")
    assert site.run("ocx", "serve", "--record", "tape.jsonl", "--", *tested).returncode == 0
    git = "git -c user.name=a -c user.email=a@b"
    setup = (
        f"git init -q && git add -A && {git} commit -qm one",
        "git update-ref refs/remotes/origin/main HEAD",
        f"echo more > new && git add new && {git} commit -qm two",
    )
    assert site.run("sh", "-c", " && ".join(setup)).returncode == 0
    env = {
        "CI": "true",
        "CI_MERGE_REQUEST_TARGET_BRANCH_NAME": "main",
        "BASE": "origin/main",
        "GITHUB_OUTPUT": str(site.folder / "outputs"),
        "GITHUB_STEP_SUMMARY": str(site.folder / "summary"),
    }
    for job, scripts in jobs(name, load).items():
        here = env if job == "review" else {**env, "OCX_API_KEY": "", "OCX_BASE_URL": ""}
        for script in scripts:
            run = site.run("bash", "-eo", "pipefail", "-c", script, env=here)
            assert run.returncode == 0, (script, run.stderr)
    assert (site.folder / "review.md").read_text()
    if name.startswith("github"):
        assert "42" in (site.folder / "summary").read_text()
    site.server.answer(answers.answer({"balance": 3}), path="/balance")
    codes = [
        site.run("bash", "-ec", script, env=env).returncode for script in jobs(name, load)["review"]
    ]
    assert codes[0] == 12
