"""The lists that completion scripts read, without a Python process, on TAB."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Literal

from ocx.config.paths import Env, cache_dir, if_known
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

    Names that a shell could take for more than a name are left out.
    """
    _write(env, f"names/{kind}.txt", sorted(filter(is_name, names)))


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
    try:
        make_folder((cache / name).parent)
        atomic_write(cache / name, "".join(f"{line}\n" for line in lines).encode(), 0o600)
    except OSError as error:
        logging.getLogger("ocx.models").debug("no completion cache: %s", error)
