"""Prompt, then each file, then stdin: joined by one documented rule, nothing trimmed."""

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocx.chat.parameters import join
from ocx.decoding import check_claims, decode, read_file
from ocx.errors import UsageError


@pytest.mark.parametrize(
    ("parts", "joined"),
    [
        ([], ""),
        (["hi"], "hi"),
        (["hi\n"], "hi\n"),
        (["fix", "code\n"], "fix\n\ncode\n"),
        (["fix", "a\n", "b\n"], "fix\n\na\n\nb\n"),
        (["", "a\n"], "a\n"),
        (["fix", ""], "fix"),
        ([" a ", "\n b"], " a \n\n\n b"),
    ],
)
def test_each_part_follows_exactly_one_empty_line(parts: list[str], joined: str) -> None:
    assert join(parts) == joined


@given(st.lists(st.text(min_size=1)))
@settings(deadline=None)
def test_every_part_is_in_the_prompt_unchanged(parts: list[str]) -> None:
    joined = join(parts)
    place = 0
    for part in parts:
        place = joined.index(part, place) + len(part)


def test_invalid_utf8_names_the_offset() -> None:
    with pytest.raises(UsageError, match="offset 3") as caught:
        decode(b"abc\xff", "stdin")
    assert caught.value.hint is not None


def test_a_file_that_is_not_there_is_a_usage_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_file(str(tmp_path / "none"), bytes)
    with pytest.raises(UsageError, match="cannot read"):
        read_file("a\0b", bytes)


def test_a_dash_is_stdin() -> None:
    assert read_file("-", lambda: b"piped") == "piped"


def test_stdin_is_read_by_one_only() -> None:
    check_claims(["-f -"])
    with pytest.raises(UsageError, match="-f - and --key-file -"):
        check_claims(["-f -", "--key-file -"])
