"""`--snippet`: the request of a call as a program to keep, in four languages.

Every program reads the key from OPENCODEX_API_KEY, follows no redirect (the key goes to one
host), keeps the prompt out of argv (Linux takes 128 KiB in one argument, and anybody can read it)
and needs nothing that a plain machine lacks: the provider's own examples use the `openai` SDKs,
which must be installed first, and which add fields and retries of their own; the programs in that
form are `openai-python` and `openai-node`.
"""

from __future__ import annotations

from collections.abc import Callable

from ocx.errors import UsageError
from ocx.snippet import openai_sdk, programs
from ocx.snippet.programs import SnippetRequest

__all__ = ["LANGUAGES", "SnippetRequest", "snippet"]

_PROGRAMS: dict[str, Callable[[SnippetRequest], str]] = {
    "curl": programs.curl,
    "powershell": programs.powershell,
    "python": programs.python,
    "node": programs.node,
    "openai-python": openai_sdk.python_program,
    "openai-node": openai_sdk.node_program,
}
LANGUAGES = tuple(_PROGRAMS)


def snippet(language: str, request: SnippetRequest) -> str:
    """The program, with a final newline.

    Raises:
        UsageError: the language is unknown.
    """
    if language not in _PROGRAMS:
        raise UsageError(f"--snippet takes {', '.join(LANGUAGES)}, not {language!r}")
    return _PROGRAMS[language](request)
