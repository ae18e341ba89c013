"""Variables come back as they went out, from whatever reads them.

Nothing that is written for the runner of GitHub Actions can say more than it should.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.errors import OcxError
from ocx.output.environment import append, assignments, command, github_file, table
from tests.support import actions

VALUES = [
    "plain",
    "https://opencodex.hk/api/v1",
    "it's",
    'say "hi"',
    "a b\tc",
    "$HOME `id` $(id) ${x}",
    "back\\slash \\' \\n",
    "line\nbreak\n",
    "# no comment",
    "\u2019typographic\u2018",
    "-e",
    "",
    "*?[a]{b,c}~!%",
]
MARK = "\x01"
VARIABLES = {f"V{n}": value for n, value in enumerate(VALUES)}
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0\r"))


def read_back(program: list[str], text: str) -> str:
    done = subprocess.run(
        [*program, text], capture_output=True, check=True, env={"GONE": "still here", "HOME": "/"}
    )
    assert done.stderr == b""
    return done.stdout.decode()


def shell(name: str) -> str:
    path = shutil.which(name)
    if path is None:
        pytest.skip(f"{name} is not installed")
    return path


@pytest.mark.parametrize("name", ["sh", "bash", "zsh"])
def test_shells_read_it_back(name: str) -> None:
    tell = "".join(f'printf "%s\\001" "${key}";' for key in VARIABLES)
    flags = ["-f"] if name == "zsh" else []
    text = assignments("sh", VARIABLES, ["GONE"]) + tell + 'printf "%s" "${GONE-gone}"'
    assert read_back([shell(name), *flags, "-c"], text).split(MARK) == [*VALUES, "gone"]


@settings(max_examples=15)
@given(TEXT)
def test_sh_reads_anything_back(value: str) -> None:
    text = assignments("sh", {"V": value}, []) + 'printf "%s." "$V"'
    assert read_back(["sh", "-c"], text) == f"{value}."


@pytest.mark.shells
def test_fish_reads_it_back() -> None:
    tell = "".join(f'printf "%s\\001" "${key}";' for key in VARIABLES)
    text = assignments("fish", VARIABLES, ["GONE", "NEVER"]) + tell + "set -q GONE; or echo -n gone"
    assert read_back([shell("fish"), "-N", "-c"], text).split(MARK) == [*VALUES, "gone"]


def test_pwsh_doubles_every_quote_that_powershell_knows() -> None:
    """about_Quoting_Rules; PowerShell itself is seldom there to ask."""
    text = assignments("pwsh", {"A": "it's \u2019x\u2018"}, ["B"])
    assert text.splitlines() == [
        "$env:A = 'it''s \u2019\u2019x\u2018\u2018'",
        "Remove-Item Env:B -ErrorAction SilentlyContinue",
    ]


def test_dotenv_quotes_only_where_it_must() -> None:
    """`docker run --env-file` takes quotes for a part of the value."""
    plain = {"A": "https://opencodex.hk/api/v1", "B": "sk-live-abc_DEF-123", "C": "gpt-4o:free"}
    assert assignments("dotenv", plain, ["X"]) == "".join(f"{k}={v}\n" for k, v in plain.items())
    assert assignments("dotenv", {"A": "a b#c$d"}, []) == "A='a b#c$d'\n"
    assert assignments("dotenv", {"A": "it's\n\"\\"}, []) == 'A="it\'s\\n\\"\\\\"\n'


def test_json_has_null_for_what_is_removed() -> None:
    assert json.loads(assignments("json", VARIABLES, ["GONE"])) == {**VARIABLES, "GONE": None}


@given(st.dictionaries(st.from_regex(r"[A-Z]{1,8}", fullmatch=True), TEXT))
def test_the_file_of_github_reads_back(variables: dict[str, str]) -> None:
    assert actions.variables(github_file(variables)) == variables


HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\r"))


@given(HOSTILE)
def test_a_value_cannot_name_another_variable(value: str) -> None:
    given = {"before": "1", "balance": value, "after": "2"}
    assert actions.variables(github_file(given)) == given


def test_a_delimiter_is_never_the_same() -> None:
    assert github_file({"a": "b"}) != github_file({"a": "b"})


@given(st.text(), st.text())
def test_a_message_cannot_begin_a_command(message: str, title: str) -> None:
    line = command("warning", message, title=title)
    assert "\n" not in line
    assert "\r" not in line
    assert actions.commands(line) == [("warning", {"title": title}, message)]


@given(st.text())
def test_a_cell_is_one_line_and_no_markup(text: str) -> None:
    lines = table(("A",), [(text,)]).splitlines()
    assert len(lines) == 3
    row = lines[-1].removeprefix("| ").removesuffix(" |")
    plain = row.replace("\\\\", "")
    for mark in "|<>`*[]":
        assert plain.count(mark) == plain.count(f"\\{mark}")


def test_append_keeps_what_is_there(tmp_path: Path) -> None:
    file = tmp_path / "out"
    file.write_text("a=1\n")
    assert append({"F": str(file)}, "F", "b=2\n")
    assert file.read_text() == "a=1\nb=2\n"
    assert not append({}, "F", "c=3\n")
    with pytest.raises(OcxError, match="GITHUB_OUTPUT"):
        append({"GITHUB_OUTPUT": str(tmp_path)}, "GITHUB_OUTPUT", "x")
