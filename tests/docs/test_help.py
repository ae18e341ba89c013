"""`--help`, in 80 columns; and `ocx help`, by man on a terminal, as plain text elsewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from docs.generator.tree import tree, walk
from ocx.cli import help
from ocx.cli.help import EXAMPLES, Command, help_text
from ocx.docs import Sample, samples
from tests.support.program import Ocx

COMMANDS = {command.title: command for command in walk(tree())}
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


@pytest.mark.parametrize("width", [50, 78, 98])
def test_no_line_is_too_wide_and_no_word_is_broken(width: int) -> None:
    for title, command in COMMANDS.items():
        text = shown(command, width)
        before, _, rest = text.partition("\nExamples:\n")
        examples, _, after = rest.partition("\n\nCommands:\n")  # the root has its examples first
        written = f"{before}\n{after}"
        assert width < 78 or max(map(len, text.splitlines())) <= max(width, 80), title
        assert max(len(line) for line in written.splitlines() if " " in line.strip()) <= width
        words = set(text.split())
        explained = [command.summary, command.text]
        explained += [each.help for each in (*command.own, *command.arguments)]
        assert not set(" ".join(explained).split()) - words, title
        assert examples.strip(), title


def test_every_command_shows_its_first_examples() -> None:
    for title, command in COMMANDS.items():
        text = shown(command)
        written = samples("-".join(command.path))
        assert len(written) >= (EXAMPLES if title in THREE_EXAMPLES else 1), title
        for n, sample in enumerate(written):
            assert (sample.code.splitlines()[0] in text) == (n < EXAMPLES), sample.text


def test_the_shared_options_stand_in_one_place() -> None:
    for title, command in COMMANDS.items():
        text = shown(command)
        assert ("--ca-bundle" in text) == (title == "ocx"), title
        assert ("see `ocx --help`" in text) == (title != "ocx"), title


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
    """On stderr, exit 2, and with the next prompt on a screen of 24 lines; as an error, --json."""
    said = ocx(*title.split()[1:], env={"COLUMNS": "80"}).has(2)
    assert said.text == ""
    assert said.stderr.startswith(f"Usage: {title} ")
    assert all(f"\n  {below.name} " in said.stderr for below in COMMANDS[title].commands)
    assert samples("-".join(title.split()))[0].code.splitlines()[0] in said.stderr
    assert "--ca-bundle" not in said.stderr
    assert len(said.stderr.splitlines()) < 24
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


def a_man(folder: Path, script: str) -> str:
    """A PATH with a `man` of ours."""
    folder.mkdir()
    (folder / "man").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "man").chmod(0o755)
    return f"{folder}:/usr/bin:/bin"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("keys", "rotate"), "ocx-keys-rotate - replace a key"),
        (("config",), "    ocx config [OPTION]... COMMAND [ARGUMENT]..."),
        (("exec",), "    ocx exec [OPTION]... -- CMD [ARGUMENT]..."),
        (("completion",), "    ocx completion [OPTION]... {bash|zsh|fish}"),
        (("config-file",), "ocx-config - the settings"),
    ],
)
def test_plain_text_in_a_pipe(ocx: Ocx, words: tuple[str, ...], expected: str) -> None:
    done = ocx("help", *words).has(0)
    assert expected in done.text
    assert done.stderr == ""


def test_plain_text_keeps_to_the_width(ocx: Ocx) -> None:
    text = ocx("help", "balance", env={"COLUMNS": "60"}).has(0).text
    prose = [line for line in text.splitlines() if not line.startswith(" " * 8)]
    assert max(len(line) for line in prose if " " in line.strip()) <= 60


@pytest.mark.parametrize(
    "words", [("nope",), ("keys", "nope"), ("chat", "more"), ("exit-codes", "x")]
)
def test_nothing_of_that_name(ocx: Ocx, words: tuple[str, ...]) -> None:
    assert "topics: exit-codes" in ocx("help", *words).has(2).stderr


def test_man_shows_it_on_a_terminal(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", 'echo "shown: ${1##*/}"; head -n 2 "$1"')
    shown = ocx.in_terminal("help", "keys", "add", env={"PATH": path}).finish().has(0).stdout
    assert b"shown: ocx-keys-add.1" in shown
    assert b".TH OCX-KEYS-ADD 1" in shown
    topic = ocx.in_terminal("help", "exit-codes", env={"PATH": path}).finish().has(0).stdout
    assert b"shown: ocx-exit-codes.7" in topic


def test_text_where_man_fails_or_is_missing(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", "exit 3")
    for env in ({"PATH": path}, {"PATH": str(tmp_path)}):
        shown = ocx.in_terminal("help", "chat", env=env).finish().has(0).stdout
        assert b"ocx-chat - ask a model" in shown


def test_ctrl_c_is_for_the_pager(ocx: Ocx, tmp_path: Path) -> None:
    path = a_man(tmp_path / "bin", "trap 'echo interrupted' INT; echo ready; read line; read line")
    process = ocx.in_terminal("help", "chat", env={"PATH": path})
    process.stdout.until(b"ready")
    process.send(b"\x03")
    process.stdout.until(b"interrupted")
    process.send(b"\n\n")
    process.finish().has(0)
