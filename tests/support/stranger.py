"""The program as a user without a home: another uid, which no user database knows."""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib import metadata
from pathlib import Path

import ocx as package

UID = "54321"
BECOME = ("setpriv", f"--reuid={UID}", f"--regid={UID}", "--clear-groups")


@functools.cache
def interpreter() -> str | None:
    """A Python of our version that every user can run; None if there is none, or without root."""
    if os.geteuid() != 0 or shutil.which("setpriv") is None:
        return None
    for python in (os.path.realpath(sys.executable), "/usr/bin/python3"):
        done = subprocess.run(
            # By env: setpriv itself still has root's rights when it starts a program.
            [*BECOME, "env", python, "-c", "import sys, sqlite3, ssl; print(sys.version_info[:2])"],
            capture_output=True,
            text=True,
            cwd="/",
            check=False,
        )
        if done.stdout.strip() == str(sys.version_info[:2]):
            return python
    return None


def copy_program(target: Path) -> None:
    """The package and all that it needs, with what is compiled, where every user can read them."""
    target.mkdir(mode=0o755)
    shutil.copytree(Path(package.__file__).parent, target / "ocx")
    installed = Path(sysconfig.get_path("purelib"))
    for name in _needed("opencodex-cli"):
        for top in _tops(name, installed):
            kept = target / top.name
            if top.is_dir() and not kept.exists():
                shutil.copytree(top, kept)
            elif top.is_file():
                shutil.copy2(top, kept)
    subprocess.run(["chmod", "-R", "a+rX", str(target)], check=True)


def _tops(name: str, installed: Path) -> set[Path]:
    files = metadata.files(name) or []
    return {installed / file.parts[0] for file in files if file.parts[0] not in {"..", "ocx"}}


def _needed(name: str, found: set[str] | None = None) -> set[str]:
    """The names of all that is installed with a distribution, extras of its own left out."""
    found = set() if found is None else found
    for line in metadata.requires(name) or []:
        need = line.partition(";")[0].strip()
        bare = "".join(c if c.isalnum() or c in "-_." else " " for c in need).split()[0]
        if "extra ==" not in line and bare not in found:
            try:
                metadata.version(bare)
            except metadata.PackageNotFoundError:  # for another system
                continue
            found.add(bare)
            _needed(bare, found)
    return found
