"""The topics of `ocx help`, and the one-table texts of those that a script may want."""

from __future__ import annotations

import textwrap
from collections.abc import Callable

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
    rows = [f"  {name}\n{_indented(text)}" for name, text in ENVIRONMENT]
    return "Environment of ocx\n\n" + "\n".join(rows)


def _indented(text: str) -> str:
    return textwrap.fill(text, 80, initial_indent=" " * 6, subsequent_indent=" " * 6)


GUIDES = ("zh", "ms")
"""Short guides in other languages."""

TOPICS: dict[str, Callable[[], str] | None] = {
    "exit-codes": exit_codes,
    "environment": environment,
    "config-file": None,
    **dict.fromkeys(GUIDES),
}
"""Each with its table as text, if that says as much as the page of the manual."""
