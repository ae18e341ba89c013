"""`--snippet`: the request of a call as a program to keep, in four languages.

Every program reads the key from OPENCODEX_API_KEY, follows no redirect (the key goes to one
host), keeps the prompt out of argv (Linux takes 128 KiB in one argument, and anybody can read it)
and needs nothing that a plain machine lacks: the provider's own examples use the `openai` SDKs,
which would have to be installed first, and which add fields and retries of their own.
"""

from __future__ import annotations

from collections.abc import Callable

from ocx.errors import UsageError
from ocx.snippet import curl, powershell, programs, python
from ocx.snippet.call import Call

__all__ = ["LANGUAGES", "Call", "snippet"]

_PROGRAMS: dict[str, Callable[[Call], str]] = {
    "curl": curl.program,
    "powershell": powershell.program,
    "python": python.program,
    "node": programs.program,
}
LANGUAGES = tuple(_PROGRAMS)


def snippet(language: str, call: Call) -> str:
    """The program, with a final newline. Raises UsageError for an unknown language."""
    if language not in _PROGRAMS:
        raise UsageError(f"--snippet takes {', '.join(LANGUAGES)}, not {language!r}")
    return _PROGRAMS[language](call)
