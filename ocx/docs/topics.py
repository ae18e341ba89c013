"""The topics of `ocx help`, and the one-table texts of those that a script may want."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

from ocx.config.schema import ENVIRONMENT
from ocx.errors import exit_code_table


def exit_codes() -> str:
    """The exit codes as text: code, name, whether a retry helps, meaning."""
    rows = [
        f"{code:>4}  {name:<15}{meaning}" + (f" (retry helps: {retry})" if retry else "")
        for code, name, meaning, retry in exit_code_table()
    ]
    return "Exit codes of ocx\n\n" + "\n".join(rows)


def environment() -> str:
    """The environment variables that ocx reads."""
    width = max(len(name) for name, _ in ENVIRONMENT)
    rows = [f"  {name:<{width}}  {text}" for name, text in ENVIRONMENT]
    return "Environment of ocx\n\n" + "\n".join(rows)


GUIDES = ("zh", "ms")
"""Short guides in other languages, each a Markdown file that is text as it stands."""


def guide_file(language: str) -> Path:
    return Path(__file__).with_name(f"{language}.md")


def guide(language: str) -> str:
    """The guide for a terminal: code indented, the marks of Markdown gone."""
    return "\n".join(_unmarked(guide_file(language).read_text("utf-8")))


def _unmarked(text: str) -> Iterator[str]:
    indent = ""
    for line in text.splitlines():
        if line.startswith("```"):
            indent = "" if indent else "    "
        elif indent:
            yield indent + line
        else:
            code = re.match(r"- `(\d+)` (.*)", line)
            yield f"{code[1]:>5}  {code[2]}" if code else line.lstrip("# ")


TOPICS: dict[str, Callable[[], str] | None] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "config-file": None,
    "zh": lambda: guide("zh"),
    "ms": lambda: guide("ms"),
}
"""Each with its table as text, if that says as much as the page of the manual."""
