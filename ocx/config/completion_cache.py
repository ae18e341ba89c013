"""The lists that completion scripts read, without a Python process, on TAB."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from ocx.config.paths import Env, cache_dir, if_known
from ocx.config.schema import SANDBOX
from ocx.config.values import is_name
from ocx.files import atomic_write, make_folder
from ocx.secret import Secret, mask_all

if TYPE_CHECKING:
    from ocx.config.settings import Settings

# What a shell may be offered on TAB: an id comes from a server and must hold nothing special.
_COMPLETABLE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:/@+-]{0,127}")

Names = Literal["profiles", "keys", "templates"]


def write_names(env: Env, kind: Names, names: Iterable[str]) -> None:
    """Rewrite `names/KIND.txt` in the cache folder: one name a line, sorted.

    Names that a shell could take for more than a name are left out. A cache that cannot be
    written costs a completion, not the command.
    """
    lines = sorted(f"{name}\n" for name in names if is_name(name))
    cache = if_known(cache_dir, env)
    if cache is None:
        return
    path = cache / "names" / f"{kind}.txt"
    try:
        make_folder(path.parent)
        atomic_write(path, "".join(lines).encode(), 0o600)
    except OSError:
        return


def write_models(
    env: Env, settings: Settings, ids: Iterable[str], secrets: Sequence[Secret]
) -> None:
    """Rewrite the ids of the profile's models, in the server's order, one a line.

    Ids that a shell could take for more than a word are left out, and those that hold a key.
    """
    words = filter(_COMPLETABLE.fullmatch, ids)
    lines = [f"{name}\n" for name in words if mask_all(name, secrets) == name]
    path = _models_file(env, settings)
    if path is None:
        return
    try:
        make_folder(path.parent)
        atomic_write(path, "".join(lines).encode(), 0o600)
    except OSError as error:  # a command does not fail for want of it
        logging.getLogger("ocx.models").debug("no completion cache: %s", error)


def read_models(env: Env, settings: Settings) -> list[str]:
    """The ids that were written last; empty if there are none yet."""
    path = _models_file(env, settings)
    try:
        lines = path.read_text(encoding="utf-8").split("\n") if path is not None else []
    except (OSError, UnicodeDecodeError):
        return []
    return [line for line in lines if _COMPLETABLE.fullmatch(line)]


def _models_file(env: Env, settings: Settings) -> Path | None:
    name = SANDBOX if settings.sandbox else settings.profile
    cache = if_known(cache_dir, env)
    return None if cache is None else cache / "models" / f"{name}.txt"
