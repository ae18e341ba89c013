"""A raw request reaches nothing but what lies below the base URL."""

from __future__ import annotations

from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.http import below_base_url, with_query
from ocx.api.urls import join
from ocx.errors import UsageError

BASE = "https://api.example/v1"
PIECES = st.lists(
    st.sampled_from(["..", ".", "/", "//", "%2e", "%2E%2e", "%252e", "%2f", "\\", "a", ":", "?"])
)


@pytest.mark.parametrize(
    "path",
    [
        "models",
        "/models",
        "chat/completions",
        "models/deepseek:free",
        "files/a..b",
        "models?after=../x&url=https://elsewhere//",
        "",
        "a%20b",
    ],
)
def test_below(path: str) -> None:
    assert below_base_url(path) == path


@pytest.mark.parametrize(
    "path",
    [
        "https://evil.example/",
        "HTTPS://evil.example/",
        "http:evil",
        "javascript:x",
        "//evil.example/",
        "a//b",
        "..",
        "../keys",
        "a/../../b",
        "a/%2e%2e/b",
        "a/.%2E/b",
        "%252e%252e/b",
        "a%2f..%2fb",
        "a%2f%2fb",
        "./a",
        "a\\..\\b",
        "\\\\evil",
        "a#b",
    ],
)
def test_elsewhere_is_refused(path: str) -> None:
    with pytest.raises(UsageError):
        below_base_url(path)


@given(PIECES.map("".join))
def test_whatever_passes_stays_below(path: str) -> None:
    try:
        url = join(BASE, below_base_url(path))
    except UsageError:
        return
    parts = urlsplit(url)
    assert (parts.scheme, parts.netloc) == ("https", "api.example")
    assert parts.path.startswith("/v1/")
    assert not {".", ".."} & set(unquote(unquote(parts.path)).split("/"))


@given(st.dictionaries(st.text(min_size=1), st.text(min_size=1), min_size=1))
def test_a_query_reads_back(fields: dict[str, str]) -> None:
    path = with_query("models?a=b", fields)
    query = parse_qs(path.partition("?")[2])
    assert {name: query[name][-1] for name in fields} == fields


def test_numbers_in_a_query_are_json() -> None:
    assert with_query("models", {"limit": 5, "deep": True}) == "models?limit=5&deep=true"
