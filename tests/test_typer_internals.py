"""What ocx needs of Typer beyond its documentation; each test names what a release changed."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

import pytest
import typer

from ocx.cli.typer_internals import (
    Complaint,
    Group,
    command_of,
    complaint,
    parameters,
    value_flags,
)


def _group(name: Annotated[str, typer.Option("--name")] = "") -> None:
    """The options of the group itself."""


def _everything(
    ctx: typer.Context,
    words: Annotated[list[str] | None, typer.Argument(help="Words.", metavar="WORD")] = None,
    switch: Annotated[bool, typer.Option("--switch/--no-switch", " /-n", help="On.")] = False,
    many: Annotated[list[str] | None, typer.Option("--many", "-m", help="Many.")] = None,
    loud: Annotated[int, typer.Option("--loud", "-l", count=True, help="Louder.")] = 0,
    size: Annotated[int, typer.Option("--size", metavar="N", help="Size.")] = 1,
    share: Annotated[float, typer.Option("--share", min=0, max=2)] = 1,
) -> None:
    seen.append(ctx)


def _third(
    name: Annotated[str, typer.Argument(metavar="NAME")], x: Annotated[str, typer.Argument()]
) -> None:
    """Two arguments that must be there."""


KNOWN = ("--switch", "--no-switch", "-n", "--many", "-m", "--loud", "-l", "--size", "--share")
RANGE = "--share takes a number: 0 to 2, not 7.0"


seen: list[typer.Context] = []


def program(*, bare: bool = False) -> Any:
    app = typer.Typer(rich_markup_mode=None, add_completion=False, invoke_without_command=bare)
    app.command("everything")(_everything)
    app.command("other")(lambda: None)
    app.command("third")(_third)
    app.callback()(_group)
    return command_of(app)


def failure(*words: str) -> Complaint:
    with pytest.raises(typer.TyperException) as caught:
        command = program()
        with command.make_context("ocx", list(words)) as context:
            command.invoke(context)
    return complaint(caught.value)


def everything() -> Any:
    return program().get_command(None, "everything")


def test_parameters_are_described_by_the_attributes_that_we_read() -> None:
    found = {p.name: p for p in parameters(everything())}
    words, switch, many, loud, size = (
        found[name] for name in ("words", "switch", "many", "loud", "size")
    )
    assert words[1:] == ((), (), "Words.", "WORD", True, False, "Options", ())
    assert switch[1:5] == (("--switch",), ("--no-switch", "-n"), "On.", None)
    assert (many.flags, many.metavar, many.repeatable) == (("--many", "-m"), "MANY", True)
    assert (loud.metavar, loud.repeatable) == (None, True)
    assert (size.metavar, size.repeatable, size.limits) == ("N", False, ("default: 1",))


def test_value_flags_are_those_with_a_value() -> None:
    assert value_flags(everything()) == {"--many", "-m", "--size", "--share"}


@pytest.mark.parametrize("bare", [True, False])
def test_a_group_says_whether_it_runs_alone(bare: bool) -> None:
    assert isinstance(program(), Group)
    assert program(bare=bare).invoke_without_command is bare


@pytest.mark.parametrize(
    "method", ["list_commands", "get_command", "format_commands", "resolve_command"]
)
def test_a_group_has_the_method_that_the_lazy_one_overrides(method: str) -> None:
    from ocx.cli.table import LazyGroup

    overridden = list(inspect.signature(getattr(LazyGroup, method)).parameters)
    assert list(inspect.signature(getattr(Group, method)).parameters) == overridden


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), Complaint(None, "", "ocx")),
        (
            ("everything", "--nope"),
            Complaint("no such option: --nope", "--nope", "ocx everything", KNOWN),
        ),
        (("everything", "-5"), Complaint("no such option: -5", "-5", "ocx everything", KNOWN)),
        (("other", "x"), Complaint("unexpected argument: x", "", "ocx other")),
        (
            ("everything", "--size", "x"),
            Complaint("--size takes a whole number, not 'x'", "", "ocx everything"),
        ),
        # The error of an option without its value knows no command: argv is read for it.
        (
            ("everything", "--size"),
            Complaint("--size needs a value", "--size", None),
        ),
        (("everything", "--share", "7"), Complaint(RANGE, "", "ocx everything")),
        (("everything", "--switch=1"), Complaint("--switch takes no value", "--switch", None)),
        (("third",), Complaint("missing NAME", "", "ocx third", missing="NAME")),
        (("third", "a"), Complaint("missing X", "", "ocx third", missing="X", given=("a",))),
    ],
    ids=[
        "nothing",
        "option",
        "number",
        "argument",
        "value",
        "no value",
        "range",
        "switch",
        "missing",
        "second",
    ],
)
def test_an_error_of_the_parser_says(words: tuple[str, ...], said: Complaint) -> None:
    assert failure(*words) == said


def test_no_command_is_an_error_of_its_own_if_help_is_asked_for_by_no_arguments() -> None:
    app = typer.Typer(rich_markup_mode=None, add_completion=False, no_args_is_help=True)
    app.command("a")(lambda: None)
    app.command("b")(lambda: None)
    with pytest.raises(typer.TyperException) as caught:
        command_of(app).make_context("ocx", [])
    assert complaint(caught.value).message is None


def test_a_context_has_what_the_shared_options_are_read_from() -> None:
    """`ocx.cli.parameters` climbs from a command's context to the root's."""
    command = program()
    seen.clear()
    with command.make_context("ocx", ["--name", "x", "everything", "--size", "3"]) as context:
        command.invoke(context)
    (inner,) = seen
    assert inner.params["size"] == 3
    assert inner.parent is not None
    assert inner.parent.params == {"name": "x"}
    assert inner.find_root().command is command
    assert (inner.invoked_subcommand, inner.parent.invoked_subcommand) == (None, "everything")
    assert inner.command_path == "ocx everything"
