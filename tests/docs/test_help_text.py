"""`--help`: options under headings, examples at the end, and nothing wider than 80 columns."""

from __future__ import annotations

import re

import pytest

from ocx import cli
from ocx.docs.help import EXAMPLES, help_text
from ocx.docs.prose import Sample, samples
from ocx.docs.tree import Command, tree
from tests.support.program import Ocx

COMMANDS = {command.title: command for command in tree(cli.root()).walk()}
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
    return help_text(command, samples("-".join(command.path)), width)


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
    written, _, examples = text.partition("\nExamples:\n")
    assert width < 78 or max(map(len, text.splitlines())) <= max(width, 80)
    assert max(len(line) for line in written.splitlines() if " " in line.strip()) <= width
    words = set(text.split())
    explained = [command.summary, command.text]
    explained += [each.help for each in (*command.own(), *command.arguments)]
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


def test_the_headings_of_chat() -> None:
    lines = shown(COMMANDS["ocx chat"]).splitlines()
    assert [line for line in lines if line.endswith(":") and line[0] != " "] == [
        "Arguments:",
        "Prompt:",
        "Model and sampling:",
        "Conversation:",
        "Output:",
        "Checked answers:",
        "Credits:",
        "Look, send nothing:",
        "Examples:",
    ]


def test_a_value_is_shown_with_its_default_and_its_range() -> None:
    text = shown(COMMANDS["ocx history list"])
    assert "  --limit N            How many at most. [default: 20; at least 1]\n" in text
    assert "[0 to 65535]" in shown(COMMANDS["ocx serve"])
    assert re.search(r"^  --log / -n, --no-log +Keep", shown(COMMANDS["ocx chat"]), re.MULTILINE)


def test_an_example_of_several_lines_can_be_pasted() -> None:
    command = COMMANDS["ocx keys list"]
    text = help_text(command, [Sample("Two of them:", "ocx keys list\nocx balance")], 78)
    assert text.endswith("\nExamples:\n  # Two of them\n  ocx keys list\n  ocx balance\n")
