"""The checks of `ocx doctor`: what a check is, and those of this machine: files, limits, SQLite."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from sqlite3 import sqlite_version
from typing import Any, Literal

from ocx import __version__
from ocx.config.paths import Env, config_dir, config_file, credentials_file, if_known, state_dir
from ocx.config.settings import Settings
from ocx.errors import ConfigError, OcxError
from ocx.keys.credentials import load_keys
from ocx.locks import has_locks
from ocx.owners import NO_MODES, is_out_of_reach, keeps_modes, keeps_owners
from ocx.process import file_limits
from ocx.text import counted

State = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True)
class Check:
    """The result of one check.

    Attributes:
        hint: the next step.
        error: what a command would fail with; None unless the check failed.
    """

    name: str
    state: State
    detail: str
    hint: str | None = None
    error: OcxError | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "state": self.state,
            "detail": self.detail,
            "hint": self.hint,
            "type": self.error.name if self.error else None,
            "exit_code": self.error.exit_code if self.error else 0,
        }


def ok(name: str, detail: str) -> Check:
    return Check(name, "ok", detail)


def warning(name: str, detail: str, hint: str | None = None) -> Check:
    return Check(name, "warning", detail, hint)


def failed(name: str, error: OcxError) -> Check:
    return Check(name, "failed", error.message, error.hint, error)


def skipped(name: str, why: str) -> Check:
    return Check(name, "skipped", why)


def version() -> Check:
    python = f"Python {platform.python_version()}, SQLite {sqlite_version}"
    return ok("version", f"ocx {__version__}, {python}, {platform.system()} {platform.machine()}")


def programs(env: Env) -> Check:
    """Every `ocx` on PATH: an unrelated npm program has that name, too."""
    found: dict[str, str] = {}
    for folder in env.get("PATH", "").split(os.pathsep):
        path = Path(folder or ".") / "ocx"
        if os.access(path, os.X_OK) and path.is_file():
            found.setdefault(os.path.realpath(path), str(path))
    if not found:
        return warning("programs", "no ocx on PATH", "add the folder it was installed to")
    first, *others = found.values()
    if not others:
        return ok("programs", first)
    detail = f"{len(found)} different ocx on PATH: {', '.join(found.values())}"
    hint = f"the shell runs {first}; remove the other, or call this one opencodex-cli"
    return warning("programs", detail, hint)


def config(settings: Settings, env: Env) -> Check:
    """The file, the profile, the endpoint and where each comes from."""
    path = if_known(config_file, env)
    is_there = path is not None and not is_out_of_reach(path) and path.exists()
    sources = settings.sources
    detail = (
        f"{path or 'no home folder'}{'' if is_there else ' (not there: defaults)'}, "
        f"profile {settings.profile} ({sources['profile']}), "
        f"base_url {settings.base_url} ({sources['base_url']}), "
        f"model {settings.model} ({sources['model']})"
    )
    if settings.warnings:
        return warning("config", f"{detail}; {'; '.join(settings.warnings)}", "`ocx config edit`")
    return ok("config", detail)


def credentials(env: Env) -> Check:
    """Whether the stored keys can be read by us, and by nobody else."""
    path = if_known(credentials_file, env)
    if path is None:
        return ok("credentials", "no home folder, so no stored keys (XDG_CONFIG_HOME)")
    if is_out_of_reach(path):
        hint = "XDG_CONFIG_HOME names another place"
        return warning("credentials", f"{path} cannot be reached", hint)
    try:
        keys = load_keys(env)
    except ConfigError as error:
        return failed("credentials", error)
    if not path.exists():
        return ok("credentials", f"{path} (not there: no stored keys)")
    mode = path.stat().st_mode & 0o777
    return ok("credentials", f"{path}, mode {mode:04o}, {counted(len(keys), 'key')}")


_FEW = 1024
"""Descriptors. A batch needs one for each request on its way, and the sandbox two."""


def system(env: Env) -> Check:
    """Each condition that a command would stumble over, or go on with less."""
    soft, hard = file_limits()
    more = f" (up to {hard})" if soft < hard < sys.maxsize else ""
    facts = [_line_editing(), f"{soft} descriptors{more}"]
    problems: list[tuple[str, str]] = []
    if hard < _FEW:
        problems.append((f"only {hard} descriptors", "`ulimit -n 4096` allows more at once"))
    try:
        facts.append(f"temporary files in {tempfile.gettempdir()}")
    except OSError:
        problems.append(("no folder for temporary files", "TMPDIR names one"))
    for find in (config_dir, state_dir):
        folder = if_known(find, env)
        if folder is not None and not is_out_of_reach(folder) and folder.is_dir():
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
