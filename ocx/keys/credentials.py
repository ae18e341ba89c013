"""Where keys are kept: in `credentials.toml`, readable by its owner only, or by a program.

[keys.work]
key = "sk-live-…"
created = 2025-01-31T12:00:00Z
base_url = "https://opencodex.hk/api/v1"     # where it was checked when it was added
"""

from __future__ import annotations

import os
import stat
import subprocess
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from ocx.config.paths import Env, credentials_file, default_credentials_file, write_names
from ocx.config.values import check_name
from ocx.errors import AuthError, ConfigError, os_errors_as, out_of_reach
from ocx.owners import NO_MODES, check_folder, is_ours, is_out_of_reach, keeps_modes
from ocx.secret import Secret
from ocx.text import did_you_mean
from ocx.toml import TomlFile, dump

SECONDS = 60  # a fingerprint prompt takes a person that long


def run_key_command(command: Sequence[str], source: str, env: Env) -> bytes:
    """What the program writes to stdout; its stderr goes to ours. No shell, stdin is empty.

    The output is never part of a message: it may be half a key.

    Raises:
        ConfigError: it cannot start, fails, or takes more than a minute.
    """
    try:
        with os_errors_as(ConfigError, f"{source} cannot run {command[0]}"):
            done = subprocess.run(
                list(command),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                env=dict(env),
                timeout=SECONDS,
                check=False,
            )
    except subprocess.TimeoutExpired:
        raise ConfigError(f"{source} did not end within {SECONDS} s") from None
    if done.returncode != 0:
        ended = f"ended with status {done.returncode}"
        if done.returncode < 0:
            ended = f"was killed by signal {-done.returncode}"
        raise ConfigError(f"{source} {ended}", hint=f"try it by itself: {command[0]} …")
    return done.stdout


def key_document(key: StoredKey, users: Sequence[str]) -> dict[str, Any]:
    """A stored key as `ocx keys` prints it: masked, with its age in days and its users."""
    age = key.age_days(now())
    return {
        "name": key.name,
        "key": key.secret.masked(),
        "created": key.created and key.created.isoformat(),
        "age_days": age,
        "old": age is not None and age > OLD_AFTER_DAYS,
        "profiles": list(users),
        "base_url": key.base_url,
    }


OLD_AFTER_DAYS = 90
OWN_KEYS = (
    "a configuration named by OCX_CONFIG has keys of its own, and never gets those of the default"
    " one: `ocx keys add NAME` stores one"
)


class StoredKey(NamedTuple):
    """One stored key; `created` is None if the file does not say."""

    name: str
    secret: Secret
    created: datetime | None = None
    base_url: str | None = None

    def age_days(self, now: datetime) -> int | None:
        return None if self.created is None else max(0, (now - self.created).days)


Keys = dict[str, StoredKey]


def load_keys(env: Env) -> Keys:
    """Every stored key by name.

    Raises:
        ConfigError: others can read the file, it is not ours, or it is broken.
    """
    path = credentials_file(env)
    data = _private_bytes(path)
    if data is None:
        return {}
    file = TomlFile(path, data, hint=f"mend or remove {path}")
    return {name: _stored_key(name, file) for name in file.table(("keys",))}


def stored_key(keys: Keys, name: str) -> StoredKey:
    """The key of that name.

    Raises:
        AuthError: none is stored.
    """
    if name in keys:
        return keys[name]
    near = did_you_mean(check_name(name, "key"), keys, "")
    raise AuthError(f"no key {name} is stored", hint=near or f"`ocx keys add {name}` stores it")


def is_default_key(name: str, env: Env) -> bool:
    """Whether only the default configuration has a key of that name."""
    path = default_credentials_file(env)
    if path == credentials_file(env):
        return False
    try:
        data = path.read_bytes() if path.is_file() else b""
        return name in (TomlFile(path, data).data.get("keys") or {})
    except (OSError, ConfigError, TypeError):
        return False


def change_keys(env: Env, change: Callable[[Keys], object]) -> None:
    """Let `change` alter the stored keys, and save them; what it raises saves nothing.

    No copy is kept of the old file: it would keep keys that were removed.

    Raises:
        ConfigError: the stored keys cannot be read.
        OcxError: the file cannot be written.
    """
    # Every call reads keys, few write them.
    from ocx.config.saving import locked_for_change
    from ocx.files import OpenToOthers, atomic_write

    path = credentials_file(env)
    with locked_for_change(path, private=True):
        keys = load_keys(env)
        change(keys)
        tables = {name: _entry(key) for name, key in sorted(keys.items())}
        try:
            atomic_write(path, dump({"keys": tables}), 0o600, private=True)
        except OpenToOthers:
            raise ConfigError(
                f"nothing was stored: others could read {path} (its file system keeps no modes)",
                hint=NO_MODES,
            ) from None
        write_names(env, "keys", tables)


def now() -> datetime:
    """The time to the second, as it is stored."""
    return datetime.now(UTC).replace(microsecond=0)


def _private_bytes(path: Path) -> bytes | None:
    """The content, if nobody else can read it; checked on the open file, not on the name."""
    try:
        # Opening a FIFO would wait for a writer.
        with open(path, "rb", opener=_open_at_once) as file:
            status = os.fstat(file.fileno())
            if not stat.S_ISREG(status.st_mode):
                raise ConfigError(f"{path} is no regular file", hint=f"remove {path}")
            if status.st_mode & 0o077:
                chmod = f"chmod 600 {path}, and rotate the keys if others use this machine"
                raise ConfigError(
                    f"{path} can be read by others (mode {status.st_mode & 0o777:04o})",
                    hint=chmod if keeps_modes(path.parent) else NO_MODES,
                )
            if not is_ours(status, path.parent):
                hint = f"chown it, or remove {path}"
                raise ConfigError(f"{path} belongs to another user", hint=hint)
            check_folder(path.parent)
            return file.read()
    except FileNotFoundError:
        return None
    except OSError as error:
        if is_out_of_reach(path):
            raise out_of_reach(path, "XDG_CONFIG_HOME names another place") from error
        raise ConfigError(f"cannot read {path}: {error.strerror or error}") from error


def _open_at_once(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)


def _entry(key: StoredKey) -> dict[str, Any]:
    fields = {"key": key.secret.reveal(), "created": key.created, "base_url": key.base_url}
    return {name: value for name, value in fields.items() if value is not None}


def _stored_key(name: str, file: TomlFile) -> StoredKey:
    table = file.table(("keys", name))
    text, created, base_url = (table.get(field) for field in ("key", "created", "base_url"))
    if not isinstance(text, str) or not Secret(text).is_valid():
        file.fail(("keys", name), "holds no valid key")
    if not isinstance(created, datetime):
        created = None
    elif created.tzinfo is None:  # written by hand
        created = created.replace(tzinfo=UTC)
    return StoredKey(name, Secret(text), created, base_url if isinstance(base_url, str) else None)
