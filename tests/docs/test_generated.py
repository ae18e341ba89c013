"""man/ and completions/ are what the command tree and the written texts say now: `make docs`."""

from __future__ import annotations

import inspect
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from docs.generate import documents, main
from docs.generator.page import Example, Page, Paragraph, section
from docs.generator.prose import prose
from docs.generator.roff import roff
from docs.generator.tree import check, tree, walk
from docs.generator.values import of_option
from ocx.cli import table as cli
from ocx.commands.help import SCRIPTS
from ocx.docs import page_text, samples, texts
from tests.support.program import Ocx
from tests.support.sizes import some

ROOT = Path(__file__).parents[2]
TREE = tree()
COMMANDS = {command.title: command for command in walk(TREE)}
PAGES = sorted((ROOT / "man").iterdir())
WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._/-]*")


def test_make_docs_changes_nothing() -> None:
    """Run `make docs` and commit what it writes where this fails."""
    there = {
        f"{path.parent.name}/{path.name}": path.read_text("utf-8")
        for folder in ("completions", "man")
        for path in (ROOT / folder).iterdir()
    }
    assert there == documents()


def test_make_docs_removes_the_page_of_a_command_that_is_gone(tmp_path: Path) -> None:
    (tmp_path / "man").mkdir()
    (tmp_path / "man" / "ocx-gone.1").touch()
    main(tmp_path)
    assert not (tmp_path / "man" / "ocx-gone.1").exists()
    assert (tmp_path / "man" / "ocx-chat.1").read_text() == (ROOT / "man/ocx-chat.1").read_text()
    assert "[default: 32; 1 to 10000]" in (tmp_path / "man/ocx-batch.1").read_text()


@pytest.mark.parametrize("part", ["summary", "options", "arguments"])
def test_nothing_may_lack_help(part: str) -> None:
    chat = COMMANDS["ocx chat"]
    empty = {
        "summary": "",
        "options": tuple(o._replace(help="") for o in chat.options),
        "arguments": tuple(a._replace(help="") for a in chat.arguments),
    }
    broken = replace(chat, **{part: empty[part]})  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="has no help"):
        check(replace(TREE, commands=(broken,)))


def test_the_table_says_what_the_docstring_says() -> None:
    """So that a reader of a command's file and a reader of `ocx --help` learn the same."""

    def summaries(table: Mapping[str, str | cli.Group], path: tuple[str, ...]) -> Iterator[None]:
        for name, entry in table.items():
            here = (*path, name)
            if isinstance(entry, cli.Group):
                yield from summaries(entry.commands, here)
            if isinstance(entry, str) or entry.bare:
                command = cli.load(here)
                first = inspect.cleandoc(command.__doc__ or "").partition("\n\n")[0]
                text = entry if isinstance(entry, str) else entry.summary
                assert " ".join(first.split()) == text, here
                yield None

    assert len(list(summaries(cli.COMMANDS, ()))) > 30


def test_every_command_has_an_example() -> None:
    bare = [title for title in COMMANDS if not prose(title.replace(" ", "-")).examples]
    assert not bare


def _invocations() -> Iterator[tuple[str, list[str]]]:
    """Every `ocx …` in the examples of the manual, up to where the shell begins something else."""
    for page in texts():
        for example in samples(page):
            for line in example.code.replace("\\\n", " ").splitlines():
                for found in re.finditer(r"\$\((ocx [^)]*)\)|(?:^|\| |[A-Z]=\S+ )(ocx .*)", line):
                    code = found[1] or found[2]
                    lexer = shlex.shlex(code, posix=True, punctuation_chars=True)
                    lexer.whitespace_split = True
                    words = []
                    for word in lexer:
                        if word[0] in "|;>&" or word == "--":
                            break
                        words.append(word)
                    yield f"{page}: {code}", words


def test_examples_are_commands_that_exist() -> None:
    """Every command and option in the manual's examples is in the tree."""
    invocations = list(_invocations())
    assert len(invocations) > 40
    for example, words in invocations:
        exists(example, words)


def exists(example: str, words: list[str]) -> None:
    command, expecting = TREE, False
    for word in words[1:]:
        flags = {flag: option for option in command.options for flag in option.flags}
        below = {child.name: child for child in command.commands}
        if expecting:
            expecting = False
        elif word.startswith("-") and word != "-":
            assert word in flags, f"{command.title} has no {word}"
            expecting = flags[word].metavar is not None
        elif word in below:
            command = below[word]
        else:
            assert command.arguments, f"{command.title} takes no {word}"
    assert command is not TREE, example


def test_words_need_no_quotes_in_any_shell() -> None:
    """Commands, and the values that scripts list, are split at spaces and never evaluated."""
    for command in walk(TREE):
        assert WORD.fullmatch(command.name)
        for option in command.options:
            for value in of_option(option).words:  # which are to be typed: `NAME` is none
                assert re.fullmatch(r"[a-z-]+", value), f"{command.title}: {option.metavar}"


@pytest.mark.parametrize("shell", SCRIPTS)
def test_the_program_prints_its_own_scripts(ocx: Ocx, shell: str) -> None:
    assert ocx("completion", shell).has(0).text == (
        ROOT / "completions" / SCRIPTS[shell]
    ).read_text("utf-8")


def test_zsh_finds_its_script() -> None:
    """compinit reads the first line only."""
    assert (ROOT / "completions/_ocx").read_text().startswith("#compdef ocx opencodex-cli\n")


@pytest.mark.shells
@pytest.mark.skipif(shutil.which("mandoc") is None, reason="no mandoc: apt-get install mandoc")
def test_mandoc_finds_nothing() -> None:
    done = subprocess.run(
        ["mandoc", "-Tlint", *map(str, PAGES)], capture_output=True, text=True, check=False
    )
    assert done.stdout + done.stderr == ""


def _groff_man() -> bool:
    """man-db, whose --warnings asks groff; other mans have no such option."""
    man = shutil.which("man")
    if man is None or shutil.which("groff") is None:
        return False
    done = subprocess.run([man, "--version"], capture_output=True, text=True, check=False)
    return "man 2" in done.stdout


@pytest.mark.shells
@pytest.mark.skipif(not _groff_man(), reason="no man-db with groff: apt-get install man-db groff")
def test_man_warns_of_nothing() -> None:
    env = {"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8", "MANWIDTH": "80"}
    for page in some(PAGES, 8):
        done = subprocess.run(
            ["man", "--warnings", "-E", "UTF-8", "-l", "-Tutf8", "-Z", str(page)],
            capture_output=True,
            env=env,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, b""), page.name


def test_roff_escapes_what_has_a_meaning_and_is_read_back() -> None:
    words = Paragraph(".a 'b' \\c … ^~ \"`-d`\", `ocx`(1)")
    page = Page("x", 1, "y", (section("Z", words, Example(".e\n\n'f")),))
    text = roff(page)
    assert "\\&.a \\(aqb\\(aq \\ec \\[u2026] \\(ha\\(ti \\(dq\\fB\\-d\\fR\\(dq" in text
    assert "\\&.e\n\n\\(aqf\n" in text
    read = page_text(text, 80).splitlines()
    assert read[:3] == ["x - y", "", "Z"]
    assert read[3:] == [
        "    .a 'b' \\c … ^~ \"`-d`\", ocx(1)", "", "        .e", "", "        'f"
    ]  # fmt: skip
