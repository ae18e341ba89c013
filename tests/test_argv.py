"""One reading of argv: which command, its options with their values, and what follows `--`.

A wrong guess gets one hint, the likeliest, and it leads to what there is.
"""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generator.tree import tree, walk
from ocx.cli import argv
from ocx.cli.argv import read_argv, split_trailing
from ocx.cli.table import COMMANDS
from tests.support.program import Ocx
from tests.support.sizes import some


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
    ("argv", "form"),
    [
        ("balance --format nagios", "nagios"),
        ("-P x balance --format=nagios --nope", "nagios"),
        ("balance --format text --json", None),
        ("balance --json", "json"),
        ("-P balance models --format nagios", None),
        ("balance -- --format nagios", None),
    ],
)
def test_the_form_of_a_monitor(argv: str, form: str | None) -> None:
    assert read_argv(argv.split()).monitor == form


@given(st.lists(st.sampled_from(["chat", "keys", "-s", "--", "-", "", "--json", "-P", "--x=1"])))
def test_any_words_are_read(words: list[str]) -> None:
    argv = read_argv(words)
    assert argv.dashes is None or words[argv.dashes] == "--"


TITLES = {command.title for command in walk(tree())}


HINTS = [
    ("login", "did you mean `ocx keys add`?"),
    ("auth login", "did you mean `ocx keys add`?"),
    ("logs -n 3", "did you mean `ocx history list`?"),
    ("usage", "did you mean `ocx balance`?"),
    ("credits", "did you mean `ocx balance`?"),
    ("version", "did you mean `ocx --version`?"),
    ("config use local", "did you mean `ocx config profiles use`?"),
    ("config list", "did you mean `ocx config show`?"),
    ("config profiles delete x", "did you mean `ocx config profiles rm`?"),
    ("keys set main", "did you mean `ocx keys add`?"),
    ("keys delete main", "did you mean `ocx keys rm`?"),
    ("keys remove main", "did you mean `ocx keys rm`?"),
    ("history ls", "did you mean `ocx history list`?"),
    ("chatt hi", "did you mean `ocx chat`?"),
    ("kyes", "did you mean `ocx keys`?"),
    ("hlep chat", "did you mean `ocx help`?"),
    ("config ste x y", "did you mean `ocx config set`?"),
    ("comfig show", "did you mean `ocx config`?"),
    ("config profile list", "did you mean `ocx config profiles`?"),
    ("keys frobnicate", "see `ocx keys --help`"),
    ("hello", 'to ask a model: ocx chat "hello"'),
    ("hi there", 'to ask a model: ocx chat "hi there"'),
    ("usage of awk in a script", 'to ask a model: ocx chat "usage of awk in a script"'),
    ("what is $HOME", "to ask a model: ocx chat 'what is $HOME'"),
    ("hi -m gpt-4o", "to ask a model: ocx chat hi -m gpt-4o"),
    ("-m gpt-4o hi", "the command comes first: ocx chat -m …"),
    ("--format json models", "did you mean --json?"),
    ("models --format json", "did you mean --json?"),
    ("models --output-format json", "did you mean --json?"),
    ("chat --modle x hi", "did you mean --model?"),
    ("chat --verbose hi", "did you mean --debug?"),
    ("chat --system-prompt x hi", "see `ocx chat --help`"),
    ("batch --workers 8 x.jsonl", "did you mean --jobs?"),
    ("keys rm main --force", "did you mean --yes?"),
    ("chat --contin hi", "did you mean --continue?"),
    ("api models", "did you mean `ocx api GET models`?"),
    ("api chat/completions", "did you mean `ocx api GET chat/completions`?"),
    ("api GET", "see `ocx api --help`"),
]


@pytest.mark.parametrize(("typed", "hint"), some(HINTS, 12))
def test_one_hint(ocx: Ocx, typed: str, hint: str) -> None:
    said = ocx(*typed.split()).has(2)
    assert said.text == ""
    assert said.stderr.splitlines()[1:] == [f"hint: {hint}"]


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("chat --timeout abc hi", "--timeout takes a number, not 'abc'"),
        ("chat --retries abc hi", "--retries takes a whole number, not 'abc'"),
        ("serve --port x", "--port takes a whole number, not 'x'"),
        ("history rm x", "ID takes a whole number, not 'x'"),
        ("serve --port 99999", "--port takes a number: 0 to 65535, not 99999"),
        ("history list --limit 0", "--limit takes a number: at least 1, not 0"),
        ("chat --reasoning loud hi", "--reasoning takes hide, show or raw"),
        ("chat hi -m", "-m needs a value"),
        ("models --sandbox=1", "--sandbox takes no value"),
        ("models a b c", "unexpected argument: b c"),
        ("completion", "missing bash|zsh|fish"),
        ("api models", "missing PATH"),
    ],
)
def test_the_parser_speaks_to_a_person(ocx: Ocx, typed: str, message: str) -> None:
    assert ocx(*typed.split()).has(2).stderr.splitlines()[0] == f"ocx: error: {message}"


def test_every_guess_of_the_tables_leads_to_a_command_or_an_option() -> None:
    for path, table in argv._COMMANDS.items():
        assert path in TITLES
        for meant, words in table.items():
            command = re.match(r"ocx(?: [a-z]+)*", meant)
            assert command.group() in TITLES
            known = {f"{path} {word}" for word in words.split()} & TITLES
            assert not known, "what is a command needs no guess"
    every = {
        flag
        for command in walk(tree())
        for option in command.options
        for flag in (*option.flags, *option.off)
    }
    assert set(argv._OPTIONS) <= every


@given(st.lists(st.text(min_size=1), min_size=1, max_size=4))
def test_any_words_get_one_line(words: list[str]) -> None:
    hint = argv.command_hint("ocx", words, COMMANDS)
    assert hint
    assert hint.startswith(("did you mean", "to ask a model: ocx chat "))


def test_a_key_is_not_repeated(ocx: Ocx) -> None:
    key = "sk-live-Abcdef0123456789Abcdef012345"
    for words in ((key,), ("hi", key), ("api", key), ("hi", "-m", key)):
        assert key not in ocx(*words).has(2).stderr
