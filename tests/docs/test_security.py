"""SECURITY.md names a test for each threat: they must exist."""

from __future__ import annotations

import re
from pathlib import Path

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
