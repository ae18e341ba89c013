"""The check of what machines differ in: line editing, descriptors, files."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from ocx.config.paths import Env, config_dir, if_known, state_dir
from ocx.descriptors import limits
from ocx.doctor.check import Check, ok, warning
from ocx.locks import has_locks
from ocx.owners import NO_MODES, is_out_of_reach, keeps_modes, keeps_owners

_FEW = 1024
"""Descriptors. A batch needs one for each request on its way, and the sandbox two."""


def system(env: Env) -> Check:
    """Each condition that a command would stumble over, or go on with less."""
    soft, hard = limits()
    more = f" (up to {hard})" if soft < hard < sys.maxsize else ""
    facts = [_line_editing(), f"{soft} descriptors{more}"]
    problems: list[tuple[str, str]] = []
    if hard < _FEW:
        problems.append((f"only {hard} descriptors", "`ulimit -n 4096` allows more at once"))
    try:
        facts.append(f"temporary files in {tempfile.gettempdir()}")
    except OSError:
        problems.append(("no folder for temporary files", "TMPDIR names one"))
    for folder in _folders(env):
        problems += _problems(folder)
    if not problems:
        return ok("system", ", ".join(facts))
    found, hints = zip(*problems, strict=True)
    return warning("system", ", ".join((*found, *facts)), "; ".join(dict.fromkeys(hints)))


def _line_editing() -> str:
    try:
        import readline  # noqa: PLC0415 - a Python may have none
    except ImportError:
        return "no readline"
    libedit = "libedit" in (readline.__doc__ or "")
    return "libedit (pasted lines are told by their pace)" if libedit else "GNU readline"


def _folders(env: Env) -> Iterator[Path]:
    for find in (config_dir, state_dir):
        folder = if_known(find, env)
        if folder is not None and not is_out_of_reach(folder) and folder.is_dir():
            yield folder


def _problems(folder: Path) -> Iterator[tuple[str, str]]:
    probe = folder / ".doctor.lock"
    try:
        locks = has_locks(probe)
        probe.unlink(missing_ok=True)
    except OSError:
        yield f"{folder} cannot be written", "XDG_CONFIG_HOME and XDG_STATE_HOME name others"
        return
    if not locks:
        yield f"no locks in {folder}", "let one ocx at a time write there"
    if not keeps_modes(folder):
        yield f"no modes in {folder}: others can read what is kept there", NO_MODES
    elif not keeps_owners(folder):
        yield f"every file in {folder} belongs to another", "see how it is mounted"
