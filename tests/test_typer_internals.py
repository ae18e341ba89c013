"""What ocx needs of Typer beyond its documentation; each test names what a release changed."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest
import typer

from ocx.cli.table import LazyGroup
from ocx.cli.typer_internals import TyperGroup, command_of, parameters


def _group(name: Annotated[str, typer.Option("--name")] = "") -> None:
    """The options of the group itself."""


def _everything(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="Words.", metavar="WORD")] = None,
    switch: Annotated[bool, typer.Option("--switch/--no-switch", " /-n", help="On.")] = False,
    many: Annotated[list[str] | None, typer.Option("--many", "-m", metavar="X")] = None,
    size: Annotated[int, typer.Option("--size", metavar="N", help="Size.")] = 1,
    share: Annotated[float, typer.Option("--share", metavar="X", min=0, max=2)] = 1,
) -> None:
    """A parameter of each kind."""


def program() -> Any:
    app = typer.Typer(rich_markup_mode=None, add_completion=False)
    app.command("everything")(_everything)
    app.command("other")(lambda: None)
    app.callback()(_group)
    return command_of(app)


def test_parameters_are_described_by_the_attributes_that_we_read() -> None:
    found = {p.name: p for p in parameters(program().get_command(None, "everything"))}
    words, switch, many, size = (found[name] for name in ("words", "switch", "many", "size"))
    assert words[1:] == ((), (), "Words.", "WORD", True, False, "Options", ())
    assert switch[1:5] == (("--switch",), ("--no-switch", "-n"), "On.", None)
    assert (many.flags, many.metavar, many.repeatable) == (("--many", "-m"), "X", True)
    assert (size.metavar, size.repeatable, size.limits) == ("N", False, ("default: 1",))


@pytest.mark.parametrize(
    "method", ["list_commands", "get_command", "format_commands", "resolve_command"]
)
def test_a_group_has_the_method_that_the_lazy_one_overrides(method: str) -> None:
    overridden = list(inspect.signature(getattr(LazyGroup, method)).parameters)
    assert list(inspect.signature(getattr(TyperGroup, method)).parameters) == overridden
