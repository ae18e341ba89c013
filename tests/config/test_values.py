"""One value against its row of the table: types, ranges, and no key in the wrong place."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.config import values
from ocx.config.paths import env_name
from ocx.config.schema import BY_NAME, SETTINGS
from ocx.config.values import BadValue, KeyInside
from ocx.docs import environment
from ocx.errors import UsageError

KEY = "sk-live-abcdefgh12345678"


@pytest.mark.parametrize(
    ("name", "value", "checked"),
    [
        ("temperature", 0, 0.0),
        ("temperature", 2, 2.0),
        ("top_p", 0.25, 0.25),
        ("max_tokens", 1, 1),
        ("retries", 0, 0),
        ("timeout", 0.001, 0.001),
        ("stop", "END", ("END",)),
        ("stop", ["a", "b"], ("a", "b")),
        ("api_key_command", ["pass", "show"], ("pass", "show")),
        ("headers", {"X-Team": " docs "}, {"X-Team": "docs"}),
        ("auth", "none", "none"),
        ("model", "x/y:z", "x/y:z"),
        ("key_name", "work-2.b_c", "work-2.b_c"),
        ("proxy", "socks5h://user:pass@host:1080", "socks5h://user:pass@host:1080"),
        ("proxy", "", ""),
        ("system", "", ""),
        ("system", "Explain sk-learn.\nBriefly.", "Explain sk-learn.\nBriefly."),
    ],
)
def test_good(name: str, value: Any, checked: Any) -> None:
    got = BY_NAME[name].type.check(value)
    assert got == checked
    assert type(got) is type(checked)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("temperature", 2.01, "must be a number from 0 to 2, not 2.01"),
        ("temperature", -1, "must be a number from 0 to 2, not -1"),
        ("temperature", True, "must be a number from 0 to 2"),
        ("temperature", "1", "must be a number from 0 to 2"),
        ("temperature", float("nan"), "must be a number from 0 to 2, not nan"),
        ("temperature", float("inf"), "must be a number from 0 to 2, not inf"),
        ("max_tokens", 0, "must be a whole number from 1 to 2147483647, not 0"),
        ("max_tokens", 1.0, "must be a whole number from 1 to 2147483647"),
        ("max_tokens", False, "must be a whole number from 1 to 2147483647"),
        ("timeout", 0, "must be a number from 0.001 to 86400, not 0"),
        ("retries", -1, "must be a whole number from 0 to 100, not -1"),
        ("model", "  ", "cannot be empty"),
        ("model", 4, "must be a text"),
        ("model", "a\0b", "cannot hold a NUL character"),
        ("auth", "maybe", "must be key or none"),
        ("key_name", "two words", "is not the name of a key"),
        ("key_name", "", "is not the name of a key"),
        ("proxy", "ftp://host", "must be an http, https, socks5 or socks5h URL of a host"),
        ("proxy", "http://host/path", "must be an http, https, socks5 or socks5h URL of a host"),
        ("stop", [1], "must be a list of texts"),
        ("stop", {"a": 1}, "must be a list of texts"),
        ("api_key_command", "pass show", "must be a list of texts"),
        ("api_key_command", ["a\0"], "cannot hold a NUL character"),
        ("headers", "X: y", "must be a table of names and texts"),
        ("headers", {"X Y": "z"}, "has a name that is not one of a header"),
        ("headers", {"X": 1}, "must be printable ASCII text for X"),
        ("headers", {"X": "a\r\nB: c"}, "must be printable ASCII text for X"),
        ("headers", {"X": "ü"}, "must be printable ASCII text for X"),
        ("headers", {"authorization": "Bearer x"}, "cannot set Authorization"),
    ],
)
def test_bad(name: str, value: Any, problem: str) -> None:
    with pytest.raises(BadValue) as caught:
        (kind := BY_NAME[name].type).check(value)
    assert str(caught.value) == problem
    assert kind.allowed.removeprefix("From ").rstrip(".") in problem or "from" not in problem


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("key_name", "sk-x"),
        ("key_name", KEY),
        ("model", KEY),
        ("system", f"use {KEY} please"),
        ("stop", ["END", KEY]),
        ("headers", {"X-Api-Key": KEY}),
        ("headers", {"X-Api-Key": "Bearer sk-other-abcdefgh"}),
    ],
)
def test_a_key_is_refused_and_not_repeated(name: str, value: Any) -> None:
    with pytest.raises(KeyInside) as caught:
        BY_NAME[name].type.check(value)
    assert "sk-" not in str(caught.value)
    assert caught.value.hint is not None
    assert "ocx keys add" in caught.value.hint


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("temperature", "0.5", 0.5),
        ("retries", "3", 3),
        ("model", "gpt-4o", "gpt-4o"),
        ("stop", "END", "END"),
        ("stop", '["a", "b"]', ["a", "b"]),
        ("stop", "['a', \"b\"]", ["a", "b"]),
        ("stop", '["\\ud83d\\ude00"]', ["\U0001f600"]),
        ("stop", ' ["a",]', ["a"]),
        ("headers", '{"X-Foo": "bar"}', {"X-Foo": "bar"}),
        ("headers", '{X-Foo = "bar"}', {"X-Foo": "bar"}),
        ("api_key_command", '["pass"]', ["pass"]),
    ],
)
def test_parse(name: str, text: str, value: Any) -> None:
    assert BY_NAME[name].type.parse(text) == value


@pytest.mark.parametrize(
    ("name", "text", "problem"),
    [
        ("temperature", "warm", "must be a number from 0 to 2"),
        ("retries", "1.5", "must be a whole number from 0 to 100"),
        ("retries", "9" * 5000, "must be a whole number from 0 to 100"),
        ("stop", '["a"', "is neither JSON nor TOML"),
        ("stop", "[" * 5000, "is neither JSON nor TOML"),
        ("headers", "X-Foo: bar", "must be written"),
        ("api_key_command", "pass show x", "must be written as a list"),
    ],
)
def test_parse_refuses(name: str, text: str, problem: str) -> None:
    with pytest.raises(BadValue, match=problem.replace("(", r"\(")):
        BY_NAME[name].type.parse(text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=4,
)


@given(st.sampled_from(SETTINGS), JSON)
def test_any_value_is_checked_or_refused(setting: Any, value: Any) -> None:
    try:
        checked = setting.type.check(value)
    except BadValue as problem:
        assert "\n" not in str(problem)
    else:
        assert setting.type.check(checked) == checked


@given(st.sampled_from(SETTINGS), st.text(max_size=20))
def test_any_word_is_parsed_or_refused(setting: Any, text: str) -> None:
    try:
        setting.type.check(setting.type.parse(text))
    except BadValue as problem:
        assert str(problem)


NAMES = "a A1 work.key_2-x 0 工作 kerja ä 회사-2 ที่ทำงาน 仕事.本番 ٣".split()


@pytest.mark.parametrize("name", [*NAMES, "a" * 64, "好" * 64])
def test_names(name: str) -> None:
    assert values.check_name(name, "key") == name


NO_NAMES = "-a .a _a a/b $(x) -工 .工 工/作 工；作 🙂 工$(x)".split()
NO_NAMES += ["", "a b", "a\n", "工 作", "工\u3000作", "工\u200b作", "\u202e工", "工\x85", "工\n"]
NO_NAMES += ["a" * 65, "好" * 65, "𠀀" * 64, "\u3099か", "a\udc80"]


@pytest.mark.parametrize("name", NO_NAMES)
def test_not_names(name: str) -> None:
    with pytest.raises(UsageError, match="not a name for a key"):
        values.check_name(name, "key")


@pytest.mark.parametrize(
    ("typed", "name"),
    [("e\u0301te\u0301", "été"), ("か\u3099", "が"), ("\u1112\u1161\u11ab", "한")],
)
def test_a_name_is_stored_composed(typed: str, name: str) -> None:
    """What a Mac's file names give is the same name."""
    assert values.check_name(typed, "key") == name
    assert not values.is_name(typed)


def test_a_key_as_a_name_is_not_repeated() -> None:
    with pytest.raises(UsageError) as caught:
        values.check_name(KEY, "key")
    assert KEY not in caught.value.message + (caught.value.hint or "")


def test_every_default_is_valid() -> None:
    for setting in SETTINGS:
        if setting.default is not None:
            assert setting.type.check(setting.default) == setting.default


def test_variables_are_derived_in_one_place() -> None:
    """The documented ones, and no key of somebody else's."""
    listed = " ".join(name for name, _ in environment()).replace(",", "").split()
    for name in ("api_key", "base_url", "profile", "model", "timeout", "retries", "sandbox"):
        assert env_name(name) in listed
    assert "OPENCODEX_API_KEY" in listed
    assert not {"OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENCODEX_HOME"}.intersection(listed)
