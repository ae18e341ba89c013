"""The checks of this machine: what is installed, and the files of the user."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from pathlib import Path
from sqlite3 import sqlite_version

from ocx import __version__
from ocx.config.paths import Env, config_file, credentials_file, if_known
from ocx.config.settings import Settings
from ocx.doctor.check import Check, failed, ok, warning
from ocx.errors import ConfigError
from ocx.keys.credentials import load_keys
from ocx.owners import is_out_of_reach


def version() -> Check:
    python = f"Python {platform.python_version()}, SQLite {sqlite_version}"
    return ok("version", f"ocx {__version__}, {python}, {platform.system()} {platform.machine()}")


def programs(env: Env) -> Check:
    """Every `ocx` on PATH: an unrelated npm program has that name, too."""
    found = list(_programs(env))
    if len(found) > 1:
        return warning(
            "programs",
            f"{len(found)} different ocx on PATH: {', '.join(found)}",
            f"the shell runs {found[0]}; remove the other, or call this one opencodex-cli",
        )
    if not found:
        return warning("programs", "no ocx on PATH", "add the folder it was installed to")
    return ok("programs", found[0])


def _programs(env: Env) -> Iterator[str]:
    seen = set()
    for folder in env.get("PATH", "").split(os.pathsep):
        path = Path(folder or ".") / "ocx"
        real = os.path.realpath(path)
        if real not in seen and os.access(path, os.X_OK) and path.is_file():
            seen.add(real)
            yield str(path)


def config(settings: Settings, env: Env) -> Check:
    """The file, the profile, the endpoint and where each comes from."""
    path = if_known(config_file, env)
    sources = settings.sources
    detail = (
        f"{path or 'no home folder'}{'' if _is_there(path) else ' (not there: defaults)'}, "
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
        return warning(
            "credentials", f"{path} cannot be reached", "XDG_CONFIG_HOME names another place"
        )
    try:
        keys = load_keys(env)
    except ConfigError as error:
        return failed("credentials", error)
    if not path.exists():
        return ok("credentials", f"{path} (not there: no stored keys)")
    mode = path.stat().st_mode & 0o777
    count = "1 key" if len(keys) == 1 else f"{len(keys)} keys"
    return ok("credentials", f"{path}, mode {mode:04o}, {count}")


def _is_there(path: Path | None) -> bool:
    return path is not None and not is_out_of_reach(path) and path.exists()
