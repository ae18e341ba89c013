"""Nothing that is written for the runner of GitHub Actions can say more than it should."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.errors import OcxError
from ocx.output.environment import append, assignment, command, table
from tests.support import actions

HOSTILE = st.text(st.characters(codec="utf-8", exclude_characters="\r"))


@given(HOSTILE)
def test_a_value_cannot_name_another_variable(value: str) -> None:
    text = assignment("before", "1") + assignment("balance", value) + assignment("after", "2")
    assert actions.variables(text) == {"before": "1", "balance": value, "after": "2"}


def test_a_delimiter_is_never_the_same() -> None:
    assert assignment("a", "b") != assignment("a", "b")


@given(st.text(), st.text())
def test_a_message_cannot_begin_a_command(message: str, title: str) -> None:
    line = command("warning", message, title=title)
    assert "\n" not in line
    assert "\r" not in line
    assert actions.commands(line) == [("warning", {"title": title}, message)]


def test_no_properties() -> None:
    assert command("add-mask", "x") == "::add-mask::x"


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
