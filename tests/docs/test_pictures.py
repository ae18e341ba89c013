"""The pictures of the README are what the program shows: `make docs`."""

from __future__ import annotations

from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest

from docs.picture import QUESTION, pictures

ROOT = Path(__file__).parents[2]


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


def test_every_picture_stands_in_the_readme(drawn: dict[str, str]) -> None:
    readme = (ROOT / "README.md").read_text()
    assert all(f"]({path})" in readme for path in drawn)


@pytest.mark.parametrize(
    ("name", "words"),
    [
        (
            "session",
            [QUESTION, "The ten largest files", "sort -rn", "On macOS", "cost: "],
        ),
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
