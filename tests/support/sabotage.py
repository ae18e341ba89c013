"""The program on a machine that lacks something: what the machine has is taken away first."""

from __future__ import annotations

import sys

from tests.support.program import Ocx

_RUN = "\nimport runpy\nrunpy.run_module('ocx', run_name='__main__')\n"


def without(ocx: Ocx, code: str) -> Ocx:
    """From now on `ocx` runs after `code`, in an interpreter of its own."""
    ocx.program = (sys.executable, "-c", code + _RUN)
    return ocx


def changed(ocx: Ocx, code: str) -> Ocx:
    """The same where `code` replaces functions that are called through their module."""
    ocx.env["TEST_BEFORE"] = code
    return ocx
