"""docs/compatibility.md tells of every suite of `make test-compat`, in its pinned version."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

from tests.compat.__main__ import PLATFORMS, suites

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "compatibility.md").read_text("utf-8")


def test_every_suite_is_there_in_its_version() -> None:
    """Run `make test-compat` and commit what it writes if this fails."""
    for suite in suites():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {suite['name']} |")]
        first = [*suite.get("packages", ()), *suite.get("npm", ()), ""][0]
        pinned = re.search(r"(?:==|(?<=.)@)([\d.]+)", first)
        assert pinned is None or pinned[1] in row


def test_the_platforms_are_told_and_none_is_claimed_that_was_not_run() -> None:
    assert PLATFORMS.read_text("utf-8") in PAGE
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    claimed = [name for name in project["classifiers"] if name.startswith("Operating System")]
    assert claimed == ["Operating System :: POSIX :: Linux"]


def test_every_failure_is_explained() -> None:
    for line in PAGE.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        if len(cells) == 6 and cells[3].isdigit() and int(cells[3]):
            assert cells[5], line


def test_each_tool_says_how_and_each_that_cannot_says_why() -> None:
    hows = {
        suite["name"]: suite["how"] for suite in suites() if suite["about"] in {"tool", "other"}
    }
    assert {"llm", "aider", "opencode", "Codex CLI", "Claude Code"} <= hows.keys()
    for name, how in hows.items():
        (row,) = [line for line in PAGE.splitlines() if line.startswith(f"| {name} |")]
        assert how.replace("|", "\\|") in row
