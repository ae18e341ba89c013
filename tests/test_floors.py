"""The floors of the building: imports only go down. Read from the sources, lazy imports too."""

from __future__ import annotations

import ast
import functools
import re
import sys
import tomllib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[1]

FLOORS = """
    decoding errors files locks record owners process secret sqlite text toml \
    typography wrapping
    api terminal
    config snippet history
    docs context
    cli keys
    doctor output
    chat
    batch session
    commands
    entry __main__
"""
"""From the ground up. The modules of one floor do not need each other, but for the ground and the
top, which is main in two parts. `serve` stands beside the building."""
FLOOR_OF = {
    package: floor
    for floor, packages in enumerate(FLOORS.strip().split("\n"))
    for package in packages.split()
}
TOP = max(FLOOR_OF.values())

SERVE_MAY_IMPORT = """
    errors files locks owners process record secret sqlite text toml typography
    api.answer api.async_client api.completion api.error_response api.http api.message api.prices
    api.proxy api.sse api.types api.urls
"""
"""The words and rules that both ends of the wire share, all of them pure, and the ground floor."""

MAY_IMPORT_SERVE = "commands.serve_ledger commands.serve_run keys.client"

FOREIGN = {
    "httpx": "api.httpx_transport api.client",
    "httpcore": "api.httpx_transport api.httpcore_backend",
    "aiohttp": "api.aiohttp_session",
    "h11": "serve.connection",
    "uvicorn": "serve.server serve.connection",
    "typer": "cli entry",
    "rich": "output.markdown",
    "markdown_it": "chat.think_and_fences output.markdown",
    "pygments": "output.markdown.highlight",
    "jsonschema referencing": "chat.schema",
    "pyarrow": "batch.parquet",
    "sqlite3": "serve history sqlite doctor",
    "readline": "session.line_editor doctor",
    "tomli_w tomlkit": "toml",
    "click pydantic requests": "",
}
"""Who may know a foreign package, so that replacing it stays a small change.
`httpx_transport` imports httpx without its command line, and hands it on to `client`."""


class Import(NamedTuple):
    importer: str
    imported: str
    name: str
    line: int
    at_top: bool

    def __str__(self) -> str:
        return f"{self.importer}:{self.line} imports {self.imported}"


@functools.cache
def modules() -> dict[str, ast.Module]:
    """By name, without the `ocx.` before it."""
    found = {}
    for path in sorted((ROOT / "ocx").rglob("*.py")):
        parts = path.relative_to(ROOT).with_suffix("").parts
        name = ".".join(part for part in parts if part != "__init__")
        found[_own(name)] = ast.parse(path.read_text())
    return found


@functools.cache
def imports() -> list[Import]:
    return [found for module in modules() for found in _imports_of(module)]


def _imports_of(module: str) -> Iterator[Import]:
    tree = modules()[module]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names, source = [alias.name for alias in node.names], ""
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative imports hide the floor"
            names, source = [alias.name for alias in node.names], str(node.module)
        else:
            continue
        for name in names:
            # `from ocx import signals` names a module, `from ocx.errors import X` a name in one
            inner = _own(f"{source}.{name}" if source else name)
            imported = inner if inner in modules() or not source else _own(source)
            yield Import(module, imported, name, node.lineno, node in tree.body)


def _own(name: str) -> str:
    return name.removeprefix("ocx.")


def within(name: str, packages: str) -> bool:
    return any(name == each or name.startswith(f"{each}.") for each in packages.split())


def package_of(module: str) -> str:
    return module.partition(".")[0]


def ours() -> list[Import]:
    return [found for found in imports() if found.imported in modules() and found.imported != "ocx"]


def none(wrong: Iterable[Import]) -> None:
    found = list(map(str, wrong))
    assert not found, "\n" + "\n".join(found)


def test_every_module_stands_on_a_floor() -> None:
    """A new package decides where it belongs; the table above is the decision."""
    assert {*map(package_of, modules())} <= {*FLOOR_OF, "ocx", "serve"}


def test_imports_only_go_down() -> None:
    """Nor to another package of the same floor, which would be one package in two folders."""

    def goes_down(here: str, there: str) -> bool:
        below = FLOOR_OF[here] - FLOOR_OF[there]
        return here == there or below > 0 or (below == 0 and FLOOR_OF[here] in {0, TOP})

    pairs = ((found, package_of(found.importer), package_of(found.imported)) for found in ours())
    none(f for f, *pair in pairs if not {"serve", "ocx"} & {*pair} and not goes_down(*pair))


def test_no_two_modules_need_each_other_to_be_imported() -> None:
    """Cycles at import time, lazy imports aside: they break as soon as somebody reorders a line."""
    needs: dict[str, set[str]] = {name: set() for name in modules()}
    for found in imports():
        if found.at_top:
            needs[found.importer].add(found.imported)
    while leaves := {name for name, below in needs.items() if not below & needs.keys() - {name}}:
        needs = {name: below for name, below in needs.items() if name not in leaves}
    assert not needs, f"import each other: {sorted(needs)}"


def test_the_server_knows_nothing_of_the_program_around_it() -> None:
    allowed = f"serve {SERVE_MAY_IMPORT}"
    inside = (found for found in ours() if within(found.importer, "serve"))
    none(found for found in inside if not within(found.imported, allowed))


def test_only_serve_and_the_sandbox_start_the_server() -> None:
    allowed = f"serve {MAY_IMPORT_SERVE}"
    starting = (found for found in ours() if within(found.imported, "serve"))
    none(found for found in starting if not within(found.importer, allowed))


def test_foreign_packages_stay_where_they_are_known() -> None:
    """Whether a module gets one from itself or from one of our modules."""
    none(
        found
        for found in imports()
        for foreign, knowing in FOREIGN.items()
        if (within(found.imported, foreign) or found.name in foreign.split())
        and not within(found.importer, knowing)
    )


def test_nobody_reaches_into_the_private_parts_of_typer() -> None:
    none(found for found in imports() if found.imported.startswith("typer._"))


def test_what_is_imported_is_declared() -> None:
    """Not only what a dependency happens to bring along; by an extra, if few need it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[^A-Za-z0-9-]", each)[0].removesuffix("-py").replace("-", "_")
        for each in (*project["dependencies"], *project["optional-dependencies"]["parquet"])
    }
    foreign = {found.imported.partition(".")[0] for found in imports()} - {
        *map(package_of, modules())
    }
    assert not foreign - declared - sys.stdlib_module_names


def test_no_file_is_longer_than_350_lines() -> None:
    long = [path for path in (ROOT / "ocx").rglob("*.py") if path.read_text().count("\n") > 350]
    assert not long
