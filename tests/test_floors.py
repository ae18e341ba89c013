"""The floors of the building: imports only go down. Read from the sources, lazy imports too."""

from __future__ import annotations

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

import ocx

ROOT = Path(ocx.__file__).parent

FLOORS = {
    "ocx": 0,
    "ocx.process": 0,
    "ocx.editor": 0,
    "ocx.errors": 0,
    "ocx.secret": 0,
    "ocx.charsets": 0,
    "ocx.decoding": 0,
    "ocx.files": 0,
    "ocx.jsontext": 0,
    "ocx.owners": 0,
    "ocx.sqlite": 0,
    "ocx.text": 0,
    "ocx.toml": 0,
    "ocx.typography": 0,
    "ocx.wrapping": 0,
    "ocx.api": 1,
    "ocx.terminal": 1,
    "ocx.config": 2,
    "ocx.snippet": 2,
    "ocx.history": 2,
    "ocx.docs": 3,
    "ocx.runtime": 3,
    "ocx.cli": 4,
    "ocx.keys": 4,
    "ocx.doctor": 6,
    "ocx.output": 6,
    "ocx.chat": 7,
    "ocx.batch": 8,
    "ocx.session": 8,
    "ocx.commands": 9,
    "ocx.entry": 11,
    "ocx.__main__": 11,
}
SERVE = "ocx.serve"
SERVE_MAY_IMPORT = (
    "ocx.process",
    "ocx.errors",
    "ocx.secret",
    "ocx.files",
    "ocx.jsontext",
    "ocx.files",
    "ocx.owners",
    "ocx.sqlite",
    "ocx.text",
    "ocx.toml",
    "ocx.typography",
    "ocx.api.completion",
    "ocx.api.answer",
    "ocx.api.http",
    "ocx.api.pool",
    "ocx.api.proxy",
    "ocx.api.types",
    "ocx.api.sse",
    "ocx.api.urls",
    "ocx.api.usage",
)
"""The words and rules that both ends of the wire share, all of them pure, and the ground floor."""
MAY_IMPORT_SERVE = ("ocx.commands.serve", "ocx.output.request_log", "ocx.keys.client")

FOREIGN = {
    "pyarrow": ("ocx.batch.parquet",),
    "httpx": ("ocx.api",),
    "httpcore": ("ocx.api",),
    "aiohttp": ("ocx.api",),
    "h11": ("ocx.api", "ocx.serve.connection"),
    "typer": ("ocx.cli", "ocx.entry"),
    "rich": ("ocx.output",),
    "uvicorn": ("ocx.serve.server", "ocx.serve.connection"),
    "sqlite3": (SERVE, "ocx.history", "ocx.sqlite", "ocx.doctor.machine"),
    "jsonschema": ("ocx.chat.schema",),
    "markdown_it": ("ocx.chat.extract", "ocx.output.markdown"),
    "pygments": ("ocx.output.markdown.highlight",),
    "referencing": ("ocx.chat.schema",),
    "readline": ("ocx.session.line_editor", "ocx.doctor.machine"),
    "tomli_w": ("ocx.toml",),
    "tomlkit": ("ocx.toml",),
    "click": (),
    "pydantic": (),
    "requests": (),
}
"""Which packages may know a foreign one, so that replacing it stays a small change."""


class Import(NamedTuple):
    importer: str
    imported: str
    line: int

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


def module_name(path: Path) -> str:
    parts = path.relative_to(ROOT.parent).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


MODULES = {module_name(path): path for path in sorted(ROOT.rglob("*.py"))}


def imports_of(name: str) -> Iterator[Import]:
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(name, alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{name}:{node.lineno}: relative imports hide the floor"
            for alias in node.names:
                # `from ocx import signals` names a module, `from ocx.errors import X` a name in one
                submodule = f"{node.module}.{alias.name}"
                yield Import(
                    name, submodule if submodule in MODULES else str(node.module), node.lineno
                )


IMPORTS = [found for name in MODULES for found in imports_of(name)]
OURS = [found for found in IMPORTS if found.imported.split(".")[0] == "ocx"]


def within(name: str, packages: tuple[str, ...]) -> bool:
    return any(name == package or name.startswith(f"{package}.") for package in packages)


def package_of(name: str) -> str:
    return ".".join(name.split(".")[:2])


def shown(found: list[Import]) -> str:
    return "\n" + "\n".join(map(str, found))


def test_every_module_stands_on_a_floor() -> None:
    """A new package decides where it belongs; the table above is the decision."""
    assert {package_of(name) for name in MODULES} <= {*FLOORS, SERVE}


def test_imports_only_go_down() -> None:
    def goes_up(found: Import) -> bool:
        here, there = package_of(found.importer), package_of(found.imported)
        return SERVE not in {here, there} and FLOORS[there] > FLOORS[here]

    up = [found for found in OURS if goes_up(found)]
    assert not up, shown(up)


def test_packages_of_one_floor_do_not_need_each_other() -> None:
    """Else the floor would be one package in two folders. `entry` is the second half of main."""

    def goes_sideways(found: Import) -> bool:
        here, there = package_of(found.importer), package_of(found.imported)
        pair = {here, there}
        return (
            here != there
            and SERVE not in pair
            and FLOORS[here] == FLOORS[there]
            and FLOORS[here] not in {0, 11}
        )

    sideways = [found for found in OURS if goes_sideways(found)]
    assert not sideways, shown(sideways)


def test_no_two_modules_need_each_other_to_be_imported() -> None:
    """Cycles at import time, lazy imports aside: they break as soon as somebody reorders a line."""
    needs: dict[str, set[str]] = {name: set() for name in MODULES}
    for name, path in MODULES.items():
        top = ast.parse(path.read_text()).body
        lines = {node.lineno for node in top if isinstance(node, ast.Import | ast.ImportFrom)}
        needs[name] |= {found.imported for found in imports_of(name) if found.line in lines}
    while leaves := {name for name, below in needs.items() if not below & needs.keys() - {name}}:
        needs = {name: below for name, below in needs.items() if name not in leaves}
    assert not needs, f"import each other: {sorted(needs)}"


def test_the_server_knows_nothing_of_the_program_around_it() -> None:
    found = [
        found
        for found in OURS
        if within(found.importer, (SERVE,))
        and not within(found.imported, (SERVE, *SERVE_MAY_IMPORT))
        and found.imported != "ocx"
    ]
    assert not found, shown(found)


def test_only_serve_and_the_sandbox_start_the_server() -> None:
    found = [
        found
        for found in OURS
        if within(found.imported, (SERVE,))
        and not within(found.importer, (SERVE,))
        and not found.importer.startswith(MAY_IMPORT_SERVE)
    ]
    assert not found, shown(found)


@pytest.mark.parametrize("foreign", FOREIGN)
def test_foreign_packages_stay_where_they_are_known(foreign: str) -> None:
    found = [
        found
        for found in IMPORTS
        if within(found.imported, (foreign,)) and not within(found.importer, FOREIGN[foreign])
    ]
    assert not found, shown(found)


def test_what_is_imported_is_declared() -> None:
    """Not only what a dependency happens to bring along; by an extra, if few need it."""
    project = tomllib.loads((ROOT.parent / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[^A-Za-z0-9-]", each)[0].removesuffix("-py").replace("-", "_")
        for each in (*project["dependencies"], *project["optional-dependencies"]["parquet"])
    }
    imported = {found.imported.split(".")[0] for found in IMPORTS}
    undeclared = imported - declared - sys.stdlib_module_names - {"ocx"}
    assert not undeclared


HTTP_LIBRARIES = {"httpx", "httpcore"}


def names_of_http_libraries(name: str) -> set[str]:
    """The HTTP libraries that a module gets, from themselves or from one of our modules."""
    found = set()
    for node in ast.walk(ast.parse(MODULES[name].read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name.split(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {str(node.module).split(".")[0], *(alias.name for alias in node.names)}
    return found & HTTP_LIBRARIES


def test_these_files_know_the_http_libraries_and_no_other() -> None:
    """Replacing them is a change of these files; the server needs the asynchronous half.

    `connection` imports httpx for the client, without httpx's command line, and hands it on.
    """
    knowing = {name: found for name in MODULES if (found := names_of_http_libraries(name))}
    assert knowing == {
        "ocx.api.connection": {"httpx", "httpcore"},
        "ocx.api.deadlines": {"httpcore"},
        "ocx.api.client": {"httpx"},
    }


def test_nobody_reaches_into_the_private_parts_of_typer() -> None:
    found = [found for found in IMPORTS if found.imported.startswith("typer._")]
    assert not found, shown(found)
