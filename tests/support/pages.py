"""The pages for users, as text: what they say is tried by the tests."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).parents[2]
NAMES = ("cookbook", "batch", "ci", "serve", "exit-codes", "coming-from", "library")
README = (ROOT / "README.md").read_text("utf-8")
PAGES = {name: (ROOT / "docs" / f"{name}.md").read_text("utf-8") for name in NAMES}
EVERYTHING = "\n".join([README, *PAGES.values()])
