"""One reading of argv: which command, its options with their values, and what follows `--`."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.cli.argv import read_argv, split_trailing
from tests.support.program import Ocx


@pytest.mark.parametrize(
    ("argv", "words", "trailing"),
    [
        ("chat hi", "chat hi", None),
        ("chat -- -1", "chat -- -1", None),
        ("serve -- sh -c x", "serve", ("sh", "-c", "x")),
        ("-P work exec -- env", "-P work exec", ("env",)),
        ("-P serve chat -- hi", "-P serve chat -- hi", None),
        ("--json serve --port 1 -- keys -- x", "--json serve --port 1", ("keys", "--", "x")),
        ("serve --", "serve", ()),
        ("serve --log -- -- x", "serve --log --", ("x",)),
        ("-- serve", "-- serve", None),
    ],
)
def test_only_commands_that_run_programs_are_split(
    argv: str, words: str, trailing: tuple[str, ...] | None
) -> None:
    assert split_trailing(argv.split()) == (words.split(), trailing)


@pytest.mark.parametrize(
    ("argv", "title"),
    [
        ("-P keys chat --snippet", "ocx chat"),
        ("keys add keys", "ocx keys add"),
        ("config profiles use keys", "ocx config profiles use"),
        ("chat keys list", "ocx chat"),
        ("--header=keys:1 models", "ocx models"),
        ("serve --db keys grant 5", "ocx serve grant"),
        ("-qPkeys balance", "ocx balance"),
        ("no-such keys", "ocx"),
        ("-P", "ocx"),
    ],
)
def test_the_command_is_not_an_option_s_value(argv: str, title: str) -> None:
    assert read_argv(argv.split()).title == title


@pytest.mark.parametrize(
    ("argv", "asked"),
    [
        ("chat --json hi", True),
        ("--json chat hi", True),
        ("chat -s --json hi", False),
        ("chat -us --json hi", False),
        ("chat -s=--json --json", True),
        ("chat -- --json", False),
        ("chat hi --model --json", False),
    ],
)
def test_json_that_is_a_value_asks_for_nothing(argv: str, asked: bool) -> None:
    assert read_argv(argv.split()).has("--json") is asked


@pytest.mark.parametrize(
    ("argv", "nagios"),
    [
        ("balance --format nagios", True),
        ("-P x balance --format=nagios --nope", True),
        ("balance --format json", False),
        ("-P balance models --format nagios", False),
        ("balance -- --format nagios", False),
    ],
)
def test_nagios(argv: str, nagios: bool) -> None:
    assert (read_argv(argv.split()).monitor == "nagios") is nagios


@given(st.lists(st.sampled_from(["chat", "keys", "-s", "--", "-", "", "--json", "-P", "--x=1"])))
def test_any_words_are_read(words: list[str]) -> None:
    argv = read_argv(words)
    assert argv.dashes is None or words[argv.dashes] == "--"


def test_the_hint_names_the_command_that_was_meant(ocx: Ocx) -> None:
    assert "see `ocx chat --help`" in ocx("-P", "keys", "chat", "--snippet").has(2).stderr


def test_a_system_prompt_called_json_leaves_errors_as_text(ocx: Ocx) -> None:
    done = ocx("chat", "-s", "--json", "hi", "--schema").has(2)
    assert done.stderr.startswith("ocx: error: ")
    assert json.loads(ocx("--json", "chat", "--schema").has(2).stderr)
