"""The way of a prompt through the rooms goes on and never back: read from the imports."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ocx.call

CALL = Path(ocx.call.__file__).parent
ABOVE = ("ocx.commands", "ocx.session", "ocx.cli", "ocx.entry", "typer")
SEAM = (
    "ocx.runtime", "ocx.terminal", "ocx.keyring.client", "ocx.config", "ocx.history", "ocx.output",
)  # fmt: skip

NEVER = {
    "options": ("ocx.call", *SEAM),
    "request": ("ocx.call.exchange", "ocx.call.delivery", "ocx.api", "ocx.output"),
    "attempts": ("ocx.call.exchange", "ocx.call.request", "ocx.call.delivery", *SEAM),
    "exchange": ("ocx.call.request", "ocx.call.delivery", "ocx.call.recorder", *SEAM),
    "delivery": ("ocx.call.request", "ocx.call.recorder", "ocx.api.client", "ocx.keyring.client"),
    "waiting": (
        "ocx.call.request",
        "ocx.call.delivery",
        "ocx.call.recorder",
        "ocx.api.client",
        "ocx.keyring.client",
    ),
    "recorder": ("ocx.call.delivery", "ocx.output", "ocx.keyring.client"),
    "credits": ("ocx.call.exchange", "ocx.call.delivery", "ocx.runtime", "ocx.terminal"),
    "think": ("ocx.api", "ocx.call", *SEAM),
    "think_deltas": ("ocx.call.request", "ocx.call.exchange", "ocx.call.delivery", *SEAM),
    "outcome": ("ocx.api", "ocx.call", *SEAM),
    "report": ("ocx.call.request", "ocx.call.delivery", "ocx.call.recorder", *SEAM),
    "prices": ("ocx.call.request", "ocx.call.delivery", "ocx.call.recorder"),
    "estimate": ("ocx.call.request", "ocx.call.delivery", "ocx.call.recorder"),
    "preview": ("ocx.call.exchange", "ocx.call.delivery", "ocx.keyring.client"),
}


def imported(name: str) -> set[str]:
    """What a module of the call imports, types aside, which bind nothing at run time."""
    tree = ast.parse((CALL / f"{name}.py").read_text())
    typing = [node for node in tree.body if isinstance(node, ast.If)]
    skipped = {inner for node in typing for inner in ast.walk(node)}
    nodes = [node for node in ast.walk(tree) if node not in skipped]
    found = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    return found | {str(node.module) for node in nodes if isinstance(node, ast.ImportFrom)}


@pytest.mark.parametrize("name", NEVER)
def test_a_room_knows_none_that_it_came_from(name: str) -> None:
    found = imported(name)
    back = {
        module
        for module in found
        for package in (*NEVER[name], *ABOVE)
        if module == package or module.startswith(f"{package}.")
    }
    assert not back, sorted(back)


def test_every_module_of_the_call_is_in_the_table() -> None:
    assert set(NEVER) == {path.stem for path in CALL.glob("[a-z]*.py")}
