"""`python pyz.py SOURCE TARGET`: ocx and what it needs as one file, which any Python 3.11+ runs.

Everything but ocx itself is taken from the environment of the Python that runs this: install ocx
there first. Two calls in one environment give the same bytes. SOURCE_DATE_EPOCH dates the members.
"""

from __future__ import annotations

import os
import sys
import time
import tomllib
import zipfile
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path, PurePosixPath

from packaging.requirements import Requirement

# Needs rpds-py, which has no pure form. ocx says so where it is asked for a schema.
LEFT_OUT = {"jsonschema", "referencing"}
# They take Python in the place of their compiled modules where these are not there.
HAVE_PURE_FORMS = {"aiohttp", "frozenlist", "multidict", "propcache", "yarl"}
COMPILED = {".so", ".pyd", ".dylib"}
# Of use for a build or for types alone.
UNUSED = {".c", ".h", ".pxd", ".pyc", ".pyi", ".pyx", ".hash", ".typed"}

MAIN = b"""\
import sys

if sys.version_info < (3, 11):
    this = "%d.%d" % sys.version_info[:2]
    sys.stderr.write("ocx: error: ocx needs Python 3.11 or newer; this is %s\\n" % this)
    sys.stderr.write("hint: name one, such as: python3.11 %s\\n" % sys.argv[0])
    sys.exit(3)
from ocx.__main__ import main

main()
"""


def main(source: Path, target: Path) -> None:
    """Write `target`.

    Raises:
        ValueError: a package cannot do without its compiled modules.
        PackageNotFoundError: ocx is not installed for this Python.
    """
    members = {"__main__.py": MAIN, **dict(_program(source))}
    for needed in _closure(source):
        members.update(_pure_files(needed))
    date = time.gmtime(int(os.environ.get("SOURCE_DATE_EPOCH", "315532800")))[:6]
    with target.open("wb") as file:
        file.write(b"#!/usr/bin/env python3\n")
        with zipfile.ZipFile(file, "w") as archive:
            for name, data in sorted(members.items()):
                member = zipfile.ZipInfo(name, date)
                member.external_attr = 0o100644 << 16
                archive.writestr(member, data, zipfile.ZIP_DEFLATED, 9)
    target.chmod(0o755)


def _program(source: Path) -> Iterator[tuple[str, bytes]]:
    """The package, and in its folder `share` what else it shows, as in a wheel."""
    for path in (source / "ocx").rglob("*"):
        if path.is_file() and path.suffix not in UNUSED:
            yield path.relative_to(source).as_posix(), path.read_bytes()
    for pattern in ("completions/*", "man/*", "docs/ms.md", "docs/zh.md"):
        for path in source.glob(pattern):
            yield f"ocx/share/{path.relative_to(source).as_posix()}", path.read_bytes()


def _closure(source: Path) -> list[Distribution]:
    """What the dependencies of pyproject.toml lead to, each once."""
    project = tomllib.loads((source / "pyproject.toml").read_text("utf-8"))["project"]
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    queue = [Requirement(text) for text in project["dependencies"]]
    while queue:
        wanted = queue.pop()
        key = (wanted.name.lower(), frozenset(wanted.extras))
        if wanted.name.lower() in LEFT_OUT or key in seen:
            continue
        seen.add(key)
        found[wanted.name.lower()] = needed = distribution(wanted.name)
        for text in needed.requires or []:
            further = Requirement(text)
            extras = wanted.extras or {""}
            if further.marker is None or any(
                further.marker.evaluate({"extra": extra}) for extra in extras
            ):
                queue.append(further)
    return list(found.values())


def _pure_files(needed: Distribution) -> Iterator[tuple[str, bytes]]:
    """The modules, their data, and what tells the version and the licence."""
    name = needed.metadata["Name"]
    for path in needed.files or []:
        if path.suffix in COMPILED and name.lower() not in HAVE_PURE_FORMS:
            raise ValueError(f"{name} is compiled: {path}")
        if _is_kept(path):
            yield path.as_posix(), Path(str(path.locate())).read_bytes()


def _is_kept(path: PurePosixPath) -> bool:
    if (
        ".." in path.parts or path.suffix in UNUSED | COMPILED
    ):  # what lies in bin or share; the rest
        return False
    if path.parts[0].endswith(".dist-info"):
        return path.name == "METADATA" or "licenses" in path.parts or "LICENSE" in path.name
    return True


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
