"""Every broken document is one line with file, line and column, and none of its content."""

import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.errors import ConfigError
from ocx.toml import TomlFile, changed, read_bytes

PATH = Path("/x/config.toml")


@pytest.mark.parametrize(
    ("data", "where"),
    [
        (b"a = \n", "(at line 1, column 5)"),
        (b"a = 1\nb = oops\n", "(at line 2, column 5)"),
        (b'a = 1\nb = "open', "(at line 2, column 10)"),
        (b"a = 1\n\n[t", "(at line 3, column 3)"),
        (b"a = 1\na = 2\n", "(at line 2, column 6)"),
        (b"a = 1\nb = '\xff'\n", ": not UTF-8 (at line 2, column 6)"),
        ("ä = 1".encode(), "(at line 1, column 1)"),
        ("[profiles.工作]\n".encode(), "Invalid initial character"),
        (b"a = {b = " * 3000, "(at line 1, column 10)"),
    ],
)
def test_position(data: bytes, where: str) -> None:
    with pytest.raises(ConfigError) as caught:
        TomlFile(PATH, data, hint="mend it")
    assert caught.value.message.startswith(f"{PATH}: ")
    assert where in caught.value.message
    assert caught.value.hint == "mend it"


@pytest.mark.parametrize("text", ["[p.工作]", "[p.work工]", "회사 = 1", 'a.b = 1\r\né = "x"'])
def test_a_name_beyond_ascii_needs_quotes(text: str) -> None:
    with pytest.raises(ConfigError, match="only in quotes"):
        TomlFile(PATH, text.encode())


@pytest.mark.parametrize("data", [b"a = " + b"[" * 5000 + b"]" * 5000, b"a = " + b"1" * 5000])
def test_what_the_parser_gives_up_on_is_a_config_error(data: bytes) -> None:
    with pytest.raises(ConfigError, match="cannot be read as TOML"):
        TomlFile(PATH, data)


def test_a_byte_order_mark_is_no_error() -> None:
    assert TomlFile(PATH, b"\xef\xbb\xbfa = 1").data == {"a": 1}


@given(st.binary(max_size=40))
def test_any_bytes_are_a_document_or_a_config_error(data: bytes) -> None:
    try:
        TomlFile(PATH, data)
    except ConfigError as error:
        assert "\n" not in error.message


def test_a_broken_document_is_not_in_the_traceback() -> None:
    """--debug prints the chain of causes, and the document may hold keys."""
    with pytest.raises(ConfigError) as caught:
        TomlFile(PATH, b'key = "sk-live-secret0001\n')
    assert caught.value.__cause__ is None
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("old", "data", "new"),
    [
        (b"", {"t": {"u": {"a": 1}}}, "[t.u]\na = 1\n"),
        (b"# c\na = 1 # d\nb = 2\n", {"a": 3}, "# c\na = 3 # d\n"),
        (b"[t.u]\r\na = 1 # d\r\n", {"t": {"u": {"a": 2}}}, "[t.u]\r\na = 2 # d\r\n"),
        (b"t = {a = 1, b = 2}\n", {"t": {"a": 1}, "u": 1}, None),
        (b"a.b.c = 1\n", {"a": {"b": {"d": 1}}}, None),
        (b"[t.a]\nx = 1\n[u]\n[t.b]\ny = 1\n", {"t": {"b": {"y": 2}}}, None),
        (b"t = {a = {b = 1}} # c\n", {"t": {"a": {"b": 2}, "d": {"e": 1}}}, None),
        (b"t.a.b = 1 # c\n", {"t": {"a": {"b": 1}, "d": {"e": 1}, "f": {}}}, None),
        (b"not toml", {"a": 1}, "a = 1\n"),
    ],
)
def test_a_changed_document_holds_the_data_and_keeps_what_stands_around(
    old: bytes, data: dict[str, object], new: str | None
) -> None:
    text = changed(old, data).decode()
    assert tomllib.loads(text) == data
    assert new is None or text == new
    assert ("#" in text) == (b"#" in old)


def test_missing_and_unreadable(tmp_path: Path) -> None:
    assert read_bytes(tmp_path / "none") is None
    with pytest.raises(ConfigError, match="cannot read"):
        read_bytes(tmp_path)


@pytest.mark.parametrize(
    ("keys", "line"),
    [
        (("a",), 1),
        (("t", "b"), 4),
        (("t", "x.y", "c"), 6),
        (("l", 1, "d"), 10),
        (("l", 1, "none"), 9),
        (("t", "in", "e"), 11),
        (("nowhere",), None),
    ],
)
def test_lines_are_found(keys: tuple[str | int, ...], line: int | None) -> None:
    text = (
        "a = 1\n# a = 2\n[t]\n b = 1\n[t.'x.y'] # c\nc = 2\n[[l]]\nd = 1\n[[ l ]]\nd = 2\n[t.in]\n"
    )
    assert TomlFile(PATH, text).line(keys) == line
