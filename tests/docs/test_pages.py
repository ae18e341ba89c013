"""SECURITY.md names a test for each threat, CONTRIBUTING.md files and functions: they must exist.

docs/compatibility.md tells of every suite of `make test-compat`, in its pinned version.

The pictures of the README are what the program shows: `make docs`.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from docs.picture import QUESTION, pictures
from tests.compat.__main__ import PLATFORMS, suites

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "SECURITY.md").read_text("utf-8")
NAMED = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", TEXT)


def test_each_named_test_exists() -> None:
    assert len(NAMED) > 30
    missing = [
        f"{file}::{name}"
        for file, name in NAMED
        if not re.search(rf"def {name}\(", (ROOT / file).read_text("utf-8"))
    ]
    assert not missing


def test_each_threat_names_one() -> None:
    rows = [line for line in TEXT.splitlines() if line.startswith("| ") and "threat" not in line]
    assert all(re.search(r"`tests/[^`]+::\w+` \|$", row) for row in rows), rows


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


def test_what_contributing_names_is_there() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    ways = text.partition("## The way of a prompt")[2]
    for path in re.findall(r"^ *(\w+(?:/\w+)?) {2,}\S", ways, re.M):
        assert any((ROOT / "ocx" / each / f"{path}.py").exists() for each in ("", "batch")), path
    for path, names in re.findall(r"`([\w/.-]+\.(?:py|toml|md))`(?: \(([^)]*)\))?", text):
        if "NOUN" in path:
            continue
        (file,) = [each for each in (ROOT / "ocx" / path, ROOT / path) if each.is_file()]
        there = set(re.findall(r"\w+", file.read_text("utf-8")))
        assert {*re.findall(r"`(?:\w+\.)?(\w+)`", names)} <= there, path


def test_a_target_of_its_own_runs_all_of_its_tests() -> None:
    """The gate runs a part of what is dear; who asks for the shells wants all of them."""
    makefile = (ROOT / "Makefile").read_text("utf-8").replace("\\\n", "")
    parts = re.findall(r"^(\w\S*):.*\n(?:\t.*\n)*?\t.*-m pytest (?!.*--full)", makefile, re.M)
    assert parts == ["test", "coverage"]


@pytest.fixture(scope="module")
def drawn() -> dict[str, str]:
    return pictures()


def test_make_docs_changes_no_picture(drawn: dict[str, str]) -> None:
    """Run `make docs` and commit what it writes if this fails."""
    there = {f"docs/{path.name}": path.read_text("utf-8") for path in (ROOT / "docs").glob("*.svg")}
    there.pop("docs/bench.svg", None)  # measured, and so another each time: `make bench`
    assert there.keys() == drawn.keys()
    for path, svg in drawn.items():
        assert there[path].splitlines() == svg.splitlines(), path
        assert f"]({path})" in (ROOT / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("session", [QUESTION, "The ten largest files", "sort -rn", "On macOS", "cost: "]),
        ("batch", ["10,000", "review-4711", "credits"]),
        ("screens", ["sk-live-…a1b2", "Name three rivers", "claude-3-sonnet", "temperature"]),
    ],
)
def test_a_picture_shows_what_it_is_about(
    drawn: dict[str, str], name: str, words: list[str]
) -> None:
    lines = [line.text for line in fromstring(drawn[f"docs/{name}.svg"]).iter() if line.text]
    text = "".join(lines).replace("\N{NO-BREAK SPACE}", " ")
    assert [word for word in words if word not in text] == []


def test_a_picture_shows_no_path_and_no_secret(drawn: dict[str, str]) -> None:
    for svg in drawn.values():
        assert "/tmp" not in svg
        assert "0000000" not in svg
