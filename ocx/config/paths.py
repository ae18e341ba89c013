"""Where files live: the XDG folders, on macOS too, and the two files of the config folder."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from ocx.config.schema import env_name, value_in
from ocx.errors import UsageError

Env = Mapping[str, str]


def config_dir(env: Env) -> Path:
    return _folder(env, "XDG_CONFIG_HOME", ".config")


def templates_dir(env: Env) -> Path:
    return config_dir(env) / "templates"


def state_dir(env: Env) -> Path:
    return _folder(env, "XDG_STATE_HOME", ".local/state")


def cache_dir(env: Env) -> Path:
    return _folder(env, "XDG_CACHE_HOME", ".cache")


def config_file(env: Env) -> Path:
    """`$OCX_CONFIG`, else `config.toml` in the config folder."""
    named = value_in(env, env_name("config"))
    return Path(expand(named)) if named else config_dir(env) / "config.toml"


def credentials_file(env: Env) -> Path:
    """Always in the config folder: a config file named by `OCX_CONFIG` may lie in a repository."""
    return config_dir(env) / "credentials.toml"


def expand(path: str) -> str:
    """`path` with the home folder for its `~`; unchanged if there is no such user."""
    return os.path.expanduser(path)  # noqa: PTH111 - Path's own raises RuntimeError there


def _folder(env: Env, variable: str, default: str) -> Path:
    # XDG Base Directory Specification: a relative path there is invalid and ignored.
    named = env.get(variable, "")
    base = Path(named) if named.startswith("/") else _home(env) / default
    return base / "ocx"


def _home(env: Env) -> Path:
    named = env.get("HOME", "")
    return Path(named) if named.startswith("/") else Path.home()


def serve_database(
    env: Env, given: Path | None, *, sandbox: bool, configured: Path | None = None
) -> Path:
    """The ledger of `ocx serve`: as given, the sandbox's, `database` of serve.toml, the default.

    Raises:
        UsageError: a file and the sandbox are both named.
    """
    if given is not None and sandbox:
        raise UsageError("--db and --sandbox name two different ledgers")
    folder = state_dir(env)
    return given or (
        folder / "sandbox.sqlite3" if sandbox else configured or folder / "serve.sqlite3"
    )
