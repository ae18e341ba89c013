"""`--help`: options under headings, examples at the end, and nothing wider than 80 columns."""

from __future__ import annotations

import re

import pytest

from docs.generator.tree import tree, walk
from ocx.cli import help, table
from ocx.cli.help import EXAMPLES, Command, help_text
from ocx.docs import Sample, samples
from tests.support.program import Ocx

COMMANDS = {command.title: command for command in walk(tree(table.root()))}
THREE_EXAMPLES = (
    "ocx",
    "ocx chat",
    "ocx models",
    "ocx balance",
    "ocx keys add",
    "ocx config set",
    "ocx history list",
    "ocx serve",
    "ocx exec",
)


def shown(command: Command, width: int = 78) -> str:
    return help_text(command, width)


@pytest.mark.parametrize("title", COMMANDS)
def test_the_program_prints_what_the_tree_says(ocx: Ocx, title: str) -> None:
    """In 80 columns, of which two stay free."""
    printed = ocx.unmeasured()(*title.split()[1:], "--help", env={"COLUMNS": "80"}).has(0)
    assert printed.text == shown(COMMANDS[title])
    assert printed.stderr == ""


@pytest.mark.parametrize("title", COMMANDS)
@pytest.mark.parametrize("width", [50, 78, 98])
def test_no_line_is_too_wide_and_no_word_is_broken(title: str, width: int) -> None:
    command = COMMANDS[title]
    text = shown(command, width)
    before, _, rest = text.partition("\nExamples:\n")
    examples, _, after = rest.partition("\n\nCommands:\n")  # the root has its examples first
    written = f"{before}\n{after}"
    assert width < 78 or max(map(len, text.splitlines())) <= max(width, 80)
    assert max(len(line) for line in written.splitlines() if " " in line.strip()) <= width
    words = set(text.split())
    explained = [command.summary, command.text]
    explained += [each.help for each in (*command.own, *command.arguments)]
    assert not set(" ".join(explained).split()) - words
    assert examples.strip()


@pytest.mark.parametrize("title", COMMANDS)
def test_every_command_shows_its_first_examples(title: str) -> None:
    text = shown(COMMANDS[title])
    written = samples("-".join(COMMANDS[title].path))
    assert written
    for n, sample in enumerate(written):
        assert (sample.code.splitlines()[0] in text) == (n < EXAMPLES), sample.text
    if title in THREE_EXAMPLES:
        assert len(written) >= EXAMPLES


@pytest.mark.parametrize("title", COMMANDS)
def test_the_shared_options_stand_in_one_place(title: str) -> None:
    text = shown(COMMANDS[title])
    assert ("--ca-bundle" in text) == (title == "ocx")
    assert ("see `ocx --help`" in text) == (title != "ocx")


def test_the_root_shows_examples_and_commands_before_its_options() -> None:
    lines = shown(COMMANDS["ocx"]).splitlines()
    assert [line for line in lines if line.endswith(":") and line[0] != " "] == [
        "Examples:",
        "Commands:",
        "Help and version:",
        "Endpoint and key:",
        "Output:",
        "Network:",
    ]


GROUPS = [title for title, command in COMMANDS.items() if not command.bare]


@pytest.mark.parametrize("title", GROUPS)
def test_a_group_alone_shows_its_short_help(ocx: Ocx, title: str) -> None:
    """On stderr, exit 2, and on one screen of 24 lines; as an error with --json."""
    said = ocx(*title.split()[1:], env={"COLUMNS": "80"}).has(2)
    assert said.text == ""
    assert said.stderr.startswith(f"Usage: {title} ")
    assert all(f"\n  {below.name} " in said.stderr for below in COMMANDS[title].commands)
    assert samples("-".join(title.split()))[0].code.splitlines()[0] in said.stderr
    assert "--ca-bundle" not in said.stderr
    assert len(said.stderr.splitlines()) <= 24
    assert '"no command"' in ocx(*title.split()[1:], "--json").has(2).stderr


@pytest.mark.parametrize(("color", "bold"), [("always", True), ("never", False)])
def test_headings_are_bold_where_colour_is_wanted(ocx: Ocx, color: str, bold: bool) -> None:
    texts = ocx("--color", color, "--help").has(0).text, ocx("keys", "--color", color).has(2).stderr
    for text in texts:
        assert ("\x1b[1mUsage:\x1b[0m" in text) is bold
        assert ("\x1b[1mCommands:\x1b[0m" in text) is bold


def test_a_value_is_shown_with_its_default_and_its_range() -> None:
    text = shown(COMMANDS["ocx history list"])
    assert "  --limit N            How many at most. [default: 20; at least 1]\n" in text
    assert "[0 to 65535]" in shown(COMMANDS["ocx serve"])
    assert re.search(r"^  --log / -n, --no-log +Keep", shown(COMMANDS["ocx chat"]), re.MULTILINE)


def test_an_example_of_several_lines_can_be_pasted(monkeypatch: pytest.MonkeyPatch) -> None:
    two = [Sample("Two of them:", "ocx keys list\nocx balance")]
    monkeypatch.setattr(help, "samples", lambda _name: two)
    text = shown(COMMANDS["ocx keys list"])
    assert text.endswith("\nExamples:\n  # Two of them\n  ocx keys list\n  ocx balance\n")
