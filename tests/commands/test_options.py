"""Groups of options in a command's signature: what Typer sees of them, and what comes back."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from ocx.chat.options import AnswerChecks, ModelOptions, PromptOptions
from ocx.cli import Option, OptionGroup, Switch, Texts
from ocx.cli.parameters import SHARED, with_options
from ocx.cli.table import COMMANDS, build
from ocx.context import Context
from ocx.errors import UsageError
from ocx.record import record
from ocx.terminal import Terminal

HEADINGS = {
    "Prompt": "file attach attach-type messages editor encoding ignore-stdin system system-file"
    " template param",
    "Model and sampling": "model fallback-model temperature top-p max-tokens stop option tools"
    " tool-choice",
    "Conversation": "continue conversation log",
    "Output": "stream output usage reasoning report render",
    "Checked answers": "extract extract-last schema schema-retries fail-on-length",
    "Credits": "cost min-balance",
    "Look, send nothing": "dry-run snippet save-template estimate",
}


@record
class Colours(OptionGroup):
    heading = "Colours"

    words: Annotated[Texts, Option("[WORD]...", "What is painted.")] = ()
    paint: Annotated[Texts, Option("--paint -p NAME", "A colour.")] = ()
    coats: Annotated[int, Option("--coats N", "How many.", 1, 3)] = 1
    gloss: Annotated[Switch, Option("--gloss/--no-gloss /-m", "Whether it shines.")] = None

    def check(self, *, json: bool) -> None:
        if json and self.gloss:
            raise UsageError("--json does not shine")


def called(*words: str) -> Any:
    """What a command with the group, and an option of its own, is handed for these words."""
    got: list[Any] = []

    def command(
        ctx: Context,
        colours: Colours,
        own: Annotated[str, typer.Option("--own", help="Of the command alone.")] = "x",
    ) -> None:
        got.extend([ctx.json, colours, own])

    app = typer.Typer(rich_markup_mode=None)
    app.command()(with_options(command))
    result = CliRunner().invoke(app, words, obj=Context(Terminal.from_process()))
    if result.exception is not None:
        raise result.exception
    return got


def test_a_group_is_filled_with_what_was_typed() -> None:
    json, colours, own = called()
    assert (json, vars(colours), own) == (False, vars(Colours()), "x")
    words = ("-p", "red", "a", "b", "--paint", "blue", "-m", "--coats", "2", "--own", "y")
    _, colours, own = called(*words)
    assert (vars(colours), own) == (vars(Colours(("a", "b"), ("red", "blue"), 2, False)), "y")


def test_a_group_checks_what_excludes_each_other() -> None:
    assert called("--json", "--no-gloss")[0] is True
    with pytest.raises(UsageError, match="does not shine"):
        called("--gloss", "--json")


def test_limits_are_the_parsers() -> None:
    with pytest.raises(SystemExit):
        called("--coats", "4")


def test_two_options_of_one_name_are_refused() -> None:
    def command(ctx: Context, one: Colours, two: Colours) -> None: ...

    with pytest.raises(ValueError, match="duplicate parameter name"):
        with_options(command)


def test_another_command_takes_some_of_the_groups() -> None:
    """Each group stands alone: a batch has no prompt of its own."""

    def command(ctx: Context, sampling: ModelOptions, checks: AnswerChecks) -> None: ...

    app = typer.Typer(rich_markup_mode=None)
    app.command()(with_options(command))
    parsed = typer.main.get_command(app)
    flags = {flag for parameter in parsed.params for flag in parameter.opts}
    assert {"--model", "--schema"} <= flags
    assert not flags & {"--file", "--output"}


def test_every_option_of_chat_stands_under_its_heading() -> None:
    """The heading is on the parser's own parameter, for help and manual pages to read."""
    entry = COMMANDS["chat"]
    found: dict[str, list[str]] = {}
    for parameter in build(("chat",), entry).params:
        if parameter.name not in SHARED and parameter.param_type_name == "option":
            name = parameter.opts[0].removeprefix("--")
            found.setdefault(parameter.rich_help_panel, []).append(name)
    assert found == {heading: names.split() for heading, names in HEADINGS.items()}
    (argument,) = (p for p in build(("chat",), entry).params if p.param_type_name == "argument")
    assert argument.rich_help_panel == PromptOptions.heading
