"""The lists that completion scripts read, without a Python process, on TAB."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from ocx.config.paths import Env, cache_dir
from ocx.config.values import NAME
from ocx.files import atomic_write

Names = Literal["profiles", "keys", "templates"]


def write_names(env: Env, kind: Names, names: Iterable[str]) -> None:
    """Rewrite `names/KIND.txt` in the cache folder: one name a line, sorted.

    Names that a shell could take for more than a name are left out. A cache that cannot be
    written costs a completion, not the command.
    """
    lines = sorted(f"{name}\n" for name in names if NAME.fullmatch(name))
    path = cache_dir(env) / "names" / f"{kind}.txt"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        atomic_write(path, "".join(lines).encode())
    except OSError:
        return
