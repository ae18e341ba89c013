"""`python -m tests.compat [NAME...]`: run the suites of versions.toml, write docs/compatibility.md.

Each gets an environment of its own below build/compat, where its outcome is kept: a call that names
some suites takes the rows of the others from there. What cannot be installed is a row, too.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from xml.etree import ElementTree

from ocx import __version__

ROOT = Path(__file__).parents[2]
PLATFORMS = Path(__file__).with_name("platforms.md")
PAGE = ROOT / "docs" / "compatibility.md"
BUILD = ROOT / "build" / "compat"
OCX = (sys.executable, "-m", "ocx")
TITLES = {
    "client": "Clients against `ocx serve`",
    "tool": "Tools through `ocx exec`, or a few lines of their own configuration",
    "other": "What cannot work: it speaks another API, and is told so",
    "server": "`ocx` against other servers",
    "python": "All tests of the gate on other Pythons",
}


class Outcome(NamedTuple):
    versions: str
    passed: int
    failed: int
    skipped: int
    why: str


def suites() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = tomllib.loads(
        (Path(__file__).parent / "versions.toml").read_text("utf-8")
    )["suite"]
    return found


def folder_of(suite: Mapping[str, Any]) -> Path:
    return BUILD / re.sub(r"\W+", "-", suite["name"].lower())


def kept_outcomes() -> dict[str, Outcome]:
    """By the name of the suite."""
    files = {suite["name"]: folder_of(suite) / "outcome.json" for suite in suites()}
    return {name: Outcome(*json.loads(f.read_text())) for name, f in files.items() if f.exists()}


def run(suite: Mapping[str, Any]) -> Outcome:
    """Install and run one."""
    folder = folder_of(suite)
    if shutil.which(suite.get("python", sys.executable)) is None:
        return Outcome("", 0, 0, 0, f"not run: no {suite['python']} here")
    try:
        versions = _install(suite, folder)
    except subprocess.CalledProcessError as error:
        said = (error.stderr or b"").decode("utf-8", "replace").strip().splitlines()
        return Outcome("", 0, 0, 0, f"not run: cannot be installed: {said[-1:] or error}")
    names = {
        "python": str(folder / "bin/python"), "folder": str(folder), "ocx_python": sys.executable
    }  # fmt: skip
    command = [word.format(**names) for word in suite["command"]]
    env = {name: value.format(**names) for name, value in suite.get("env", {}).items()}
    if "serve" in suite:
        through = [*OCX, "exec", "--"] if suite["about"] == "tool" else []
        command = [*OCX, "serve", *suite["serve"], "--", *through, *command]
    done = subprocess.run(
        command, cwd=ROOT, env={**os.environ, **env}, capture_output=True, text=True, check=False
    )
    (folder / "output.txt").write_text(done.stdout + done.stderr)
    return _READERS[suite["reads"]](versions, folder, done.stdout)


def _install(suite: Mapping[str, Any], folder: Path) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    if "npm" in suite:
        command = ["npm", "install", "--no-save", "--silent", "--prefix", str(folder)]
        subprocess.run([*command, *suite["npm"]], check=True, capture_output=True)
        for script in (Path(__file__).parent / "clients").glob("*.mjs"):
            shutil.copy(script, folder)
        named = [re.sub(r"(?<=.)@[\d.]+$", "", package) for package in suite["npm"]]
        manifests = [folder / "node_modules" / name / "package.json" for name in named]
        return ", ".join(
            f"{name} {json.loads(manifest.read_text())['version']}"
            for name, manifest in zip(named, manifests, strict=True)
        )
    if not (folder / "bin/python").exists():
        python = suite.get("python", sys.executable)
        subprocess.run([python, "-m", "venv", str(folder)], check=True, capture_output=True)
    pip = [str(folder / "bin/python"), "-m", "pip", "--disable-pip-version-check"]
    install = [*pip, "install", "--quiet", *suite["packages"]]
    subprocess.run(install, check=True, capture_output=True)
    if "python" in suite:
        told = subprocess.run([pip[0], "--version"], check=True, capture_output=True, text=True)
        return told.stdout.strip()
    first = re.split(r"[\[=]", suite["packages"][0])[0]
    listed = subprocess.run([*pip, "list", "--format=json"], check=True, capture_output=True)
    versions = {one["name"].lower(): one["version"] for one in json.loads(listed.stdout)}
    return f"{first} {versions.get(first.lower(), '?')}"


def _junit(versions: str, folder: Path, _: str) -> Outcome:
    report = folder / "report.xml"
    if not report.exists():
        return Outcome(versions, 0, 1, 0, "it wrote no report; see output.txt")
    cases = list(ElementTree.parse(report).iter("testcase"))
    kinds = [{child.tag for child in case} for case in cases]
    failed = [
        case.get("name", "")
        for case, kind in zip(cases, kinds, strict=True)
        if kind & {"failure", "error"}
    ]
    skipped = sum("skipped" in kind for kind in kinds)
    why = "skipped by the suite's own rules, or for what is not installed" if skipped else ""
    why = "; ".join([*failed[:5], why]).strip("; ")
    return Outcome(versions, len(cases) - len(failed) - skipped, len(failed), skipped, why)


def _lines(versions: str, _: Path, said: str) -> Outcome:
    checks = [json.loads(line) for line in said.splitlines() if line.startswith('{"check"')]
    failed = [one for one in checks if not one["passed"]]
    why = "; ".join(f"{one['check']}: {one['why'] or 'another answer'}" for one in failed)
    if not checks:
        return Outcome(versions, 0, 1, 0, "it told nothing; see output.txt")
    return Outcome(versions, len(checks) - len(failed), len(failed), 0, why)


def _openai(versions: str, _: Path, said: str) -> Outcome:
    found = re.search(r"(\d+) of (\d+) tests passed,\s+(\d+) failed for .* (\d+) for other", said)
    if found is None:
        return Outcome(versions, 0, 1, 0, "it told nothing; see output.txt")
    passed, _all, lacking, other = map(int, found.groups())
    why = f"{lacking} for what the documented API lacks: stored completions, deleting a model"
    why += ", max_tokens 0" + (f"; {other} for other reasons" if other else "")
    return Outcome(versions, passed, lacking + other, 0, why)


_READERS = {"junit": _junit, "lines": _lines, "openai": _openai}


def page(outcomes: Mapping[str, Outcome]) -> str:
    """The document."""
    lines = [
        "# Compatibility",
        "",
        f"ocx {__version__}, {datetime.now(UTC):%Y-%m-%d}, Python {sys.version.split()[0]}. "
        "Made by `make test-compat`, which installs the versions of `tests/compat/versions.toml` "
        "and runs them here; its tables are not written by hand, but for the last.",
    ]
    for about, title in TITLES.items():
        last = "how" if about == "tool" else "why"
        head = f"| suite | versions | passed | failed | skipped | {last} |"
        lines += ["", f"## {title}", "", head]
        lines.append("|---|---|---|---|---|---|")
        for suite in suites():
            if suite["about"] == about and suite["name"] in outcomes:
                one = outcomes[suite["name"]]
                why = "; ".join(filter(None, (suite.get("how"), one.why)))
                cells = [suite["name"], one.versions, one.passed, one.failed, one.skipped, why]
                lines.append(
                    "| " + " | ".join(str(cell).replace("|", "\\|") for cell in cells) + " |"
                )
    return "\n".join(lines) + "\n"


def main(names: list[str]) -> None:
    for suite in suites():
        if not names or any(name in suite["name"] for name in names):
            one = run(suite)
            print(suite["name"], *one, sep="  ", flush=True)
            folder_of(suite).mkdir(parents=True, exist_ok=True)
            (folder_of(suite) / "outcome.json").write_text(json.dumps(one))
    outcomes = kept_outcomes()
    if len(outcomes) == len(suites()):
        PAGE.write_text(f"{page(outcomes)}\n{PLATFORMS.read_text('utf-8')}", "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
