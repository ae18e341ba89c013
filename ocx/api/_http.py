"""httpx, imported without its own command line.

httpx imports its CLI (click, pygments, rich) where those happen to be installed: 90 ms for
nothing. None in sys.modules makes that one import fail, which httpx allows for.
"""

from __future__ import annotations

import sys

_MAIN = "httpx._main"
_hidden = _MAIN not in sys.modules
if _hidden:
    # typeshed knows no None there; the import system does (docs.python.org, sys.modules).
    sys.modules[_MAIN] = None  # type: ignore[assignment]
try:
    import httpcore
    import httpx
finally:
    if _hidden:
        del sys.modules[_MAIN]

__all__ = ["httpcore", "httpx"]
