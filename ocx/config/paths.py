"""Where files live: the XDG folders, on macOS too, and the files in them that `ocx` knows.

A user may have no home (containers, cron), or one that cannot be searched (`sudo -E`). Each place
raises NoHomeError then, so that only what needs a file there fails.

In the cache folder are the lists that completion scripts read on TAB, without a Python process.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ocx.config.values import expand, is_name
from ocx.errors import ConfigError, UsageError
from ocx.secret import Secret, mask_all

if TYPE_CHECKING:
    from ocx.config.settings import Settings

Env = Mapping[str, str]

ELSEWHERE = "OCX_CONFIG or XDG_CONFIG_HOME names another place"

SANDBOX_FILE = "sandbox.sqlite3"
"""The ledger of the sandbox, in the state folder."""


class NoHomeError(ConfigError):
    """There is no home folder, and no variable names the one that is needed."""


def env_name(name: str) -> str:
    """The variable of a setting or option: the one place that derives it."""
    return f"OCX_{name.upper()}"


def value_in(env: Mapping[str, str], variable: str) -> str:
    """What a variable holds, empty if it is not set.

    White space around it is dropped: files of variables written on Windows leave a CR there.
    """
    return env.get(variable, "").strip()


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
    """Always in the config folder: a config file named by `OCX_CONFIG` may lie in a repository.

    Such a file may name a proxy and a certificate, so it has credentials of its own there: the
    keys of the default configuration never meet it.
    """
    if value_in(env, env_name("config")):
        named, usual = os.path.realpath(config_file(env)), config_dir(env) / "config.toml"
        if named != os.path.realpath(usual):
            from hashlib import sha256  # only for such a file

            name = sha256(os.fsencode(named)).hexdigest()
            return config_dir(env) / "credentials" / f"{name}.toml"
    return default_credentials_file(env)


def default_credentials_file(env: Env) -> Path:
    """The keys of the default configuration."""
    return config_dir(env) / "credentials.toml"


def if_known(place: Callable[[Env], Path], env: Env) -> Path | None:
    """One of the places above; None where there is no home for it: what needs no file goes on."""
    try:
        return place(env)
    except NoHomeError:
        return None


def _folder(env: Env, variable: str, default: str) -> Path:
    # XDG Base Directory Specification: a relative path there is invalid and ignored.
    named = env.get(variable, "")
    if named.startswith("/"):
        return Path(named) / "ocx"
    home = _home(env)
    if home is None:
        raise NoHomeError(
            f"there is no home folder, and {variable} is not set",
            hint=f"set {variable} to a folder that may be used",
        )
    return home / default / "ocx"


def _home(env: Env) -> Path | None:
    named = env.get("HOME", "")
    if named.startswith("/"):
        return Path(named)
    import pwd  # Path.home() would take an empty HOME for /

    try:
        return Path(pwd.getpwuid(os.getuid()).pw_dir)
    except KeyError:  # a user whom the user database does not know
        return None


def serve_database(
    env: Env, given: Path | None, *, sandbox: bool, configured: Path | None = None
) -> Path:
    """The ledger of `ocx serve`: as given, the sandbox's, `database` of serve.toml, the default.

    Raises:
        UsageError: a file and the sandbox are both named.
        NoHomeError: there is no folder for it.
    """
    if given is not None and sandbox:
        raise UsageError("--db and --sandbox name two different ledgers")
    if given is not None:
        return given
    if configured is not None and not sandbox:
        return configured
    return state_dir(env) / (SANDBOX_FILE if sandbox else "serve.sqlite3")


# What a shell may be offered on TAB: an id comes from a server and must hold nothing special.
_COMPLETABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")

Names = Literal["profiles", "keys", "templates", "conversations"]


def write_names(env: Env, kind: Names, names: Iterable[str]) -> None:
    """Rewrite `names/KIND.txt` in the cache folder: one name a line, in the order given.

    Names that a shell could take for more than a name are left out, and those that hold a key.
    """
    lines = [name for name in names if is_name(name) and mask_all(name) == name]
    _write(env, f"names/{kind}.txt", lines)


def write_models(
    env: Env, settings: Settings, ids: Iterable[str], secrets: Sequence[Secret]
) -> None:
    """Rewrite the ids of the profile's models, in the server's order, one a line.

    Ids that a shell could take for more than a word are left out, and those that hold a key.
    """
    words = filter(_COMPLETABLE.fullmatch, ids)
    _write(env, _models(settings), [word for word in words if mask_all(word, secrets) == word])


def read_models(env: Env, settings: Settings) -> list[str]:
    """The ids that were written last; empty if there are none yet."""
    cache = if_known(cache_dir, env)
    try:
        text = (cache / _models(settings)).read_text(encoding="utf-8") if cache else ""
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in text.split("\n") if _COMPLETABLE.fullmatch(line)]


def _models(settings: Settings) -> str:
    return f"models/{settings.profile_in_use}.txt"


def _write(env: Env, name: str, lines: Sequence[str]) -> None:
    """A cache that cannot be written costs a completion, not the command."""
    cache = if_known(cache_dir, env)
    if cache is None:
        return
    import logging  # every command looks for files, few write these

    from ocx.files import atomic_write, make_folder

    path, data = cache / name, "".join(f"{line}\n" for line in lines).encode()
    try:
        make_folder(path.parent)
        if not (path.is_file() and path.read_bytes() == data):
            atomic_write(path, data, 0o600)
    except OSError as error:
        logging.getLogger("ocx.models").debug("no completion cache: %s", error)
