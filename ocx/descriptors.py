"""How many files and connections this process may have open at once: 256 at first on a Mac."""

from __future__ import annotations

import contextlib
import sys

_MOST_ON_A_MAC = 10_240
"""OPEN_MAX: macOS refuses more, although it calls its hard limit infinite."""


def limits() -> tuple[int, int]:
    """The soft and the hard limit; `sys.maxsize` if there is none."""
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return sys.maxsize, sys.maxsize
    soft, hard = (
        sys.maxsize if limit == resource.RLIM_INFINITY else limit
        for limit in resource.getrlimit(resource.RLIMIT_NOFILE)
    )
    return soft, hard


def raise_limit(wanted: int) -> int:
    """Raise the soft limit to `wanted`, or as far as it goes; the limit from now on.

    A higher one stays, and the hard limit is left alone.
    """
    try:
        import resource  # noqa: PLC0415 - Windows has none
    except ImportError:
        return sys.maxsize
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY:
        return sys.maxsize
    for most in (wanted, _MOST_ON_A_MAC):
        target = most if hard == resource.RLIM_INFINITY else min(most, hard)
        if target <= soft:
            break
        with contextlib.suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (target, hard))
            return target
    return soft
