"""Puts every generated page and script where man and the shells look, and where ocx itself does.

The first below the prefix, the second in the package, at `ocx/share`; the sources have them only
at their top. A hook and not a table in pyproject.toml, so that a new command needs no line there.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

# The names are those by which each shell loads a script when the command is completed first.
_COMPLETIONS = {
    "ocx.bash": "share/bash-completion/completions/ocx",
    "_ocx": "share/zsh/site-functions/_ocx",
    "ocx.fish": "share/fish/vendor_completions.d/ocx.fish",
}


class SharedData(BuildHookInterface):  # type: ignore[type-arg, unused-ignore]
    """Adds to the wheel's shared data, and to the package."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        root = Path(self.root)
        shared = build_data["shared_data"]
        for name, target in _COMPLETIONS.items():
            shared[str(root / "completions" / name)] = target
        for page in sorted((root / "man").iterdir()):
            shared[str(page)] = f"share/man/man{page.suffix[1:]}/{page.name}"
        if version != "editable":  # there the package is that of the checkout
            for name in ("completions", "man", "docs/ms.md", "docs/zh.md"):
                build_data["force_include"][str(root / name)] = f"ocx/share/{name}"
