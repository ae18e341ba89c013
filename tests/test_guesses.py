"""A wrong guess gets one hint, the likeliest, and it leads to what there is."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from docs.generator.tree import tree, walk
from ocx.cli import argv
from ocx.cli.table import COMMANDS, root
from tests.support.program import Ocx
from tests.support.sizes import some

TITLES = {command.title for command in walk(tree(root()))}


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
        ("serve --port 99999", "--port takes a number: 0 to 65535, not 99999"),
        ("history list --limit 0", "--limit takes a number: at least 1, not 0"),
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
            assert command is not None
            assert command.group() in TITLES
            known = {f"{path} {word}" for word in words.split()} & TITLES
            assert not known, "what is a command needs no guess"
    every = {
        flag
        for command in walk(tree(root()))
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
