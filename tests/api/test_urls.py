"""Which URLs may be used, and which are the same place."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.urls import check_base_url, is_loopback, join, origin
from ocx.errors import ConfigError


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("https://opencodex.hk/api/v1", ("https", "opencodex.hk", 443)),
        ("HTTPS://OpenCodex.HK:443/", ("https", "opencodex.hk", 443)),
        ("http://localhost", ("http", "localhost", 80)),
        ("http://127.0.0.1:8790/api/v1", ("http", "127.0.0.1", 8790)),
        ("http://[::1]:1/", ("http", "::1", 1)),
    ],
)
def test_an_origin(url: str, place: tuple[str, str, int]) -> None:
    assert origin(url) == place


@pytest.mark.parametrize(
    "url",
    [
        "", "opencodex.hk", "//opencodex.hk", "ftp://opencodex.hk", "file:///etc/passwd",
        "https://", "https:///v1", "https://:443/", "https://host:0", "https://host:99999",
        "https://host:x", "https://ho st/", "https://host/\n", "https://host\t/", "https://höst/",
        "https://host\\@evil/", "https://%65vil/", "https://[::1", "https://[zz]/", "http://",
        "javascript:alert(1)", "https://host/\x7f",
    ],
)  # fmt: skip
def test_no_url(url: str) -> None:
    with pytest.raises(ConfigError):
        origin(url)
    with pytest.raises(ConfigError):
        check_base_url(url, allow_http=True)


@pytest.mark.parametrize(
    ("host", "yes"),
    [
        ("localhost", True), ("LOCALHOST", True), ("localhost.", True), ("x.localhost", True),
        ("127.0.0.1", True), ("127.8.9.1", True), ("::1", True), ("[::1]", True),
        ("127.0.0.1.evil.test", False), ("localhost.evil.test", False), ("evil-localhost", False),
        ("192.168.0.1", False), ("0.0.0.0", False), ("::", False), ("", False), ("127.1", False),
        ("2130706433", False), ("opencodex.hk", False), ("fe80::1%lo", False),
    ],
)  # fmt: skip
def test_loopback(host: str, yes: bool) -> None:
    assert is_loopback(host) is yes


@pytest.mark.parametrize(
    "url",
    [
        "https://opencodex.hk/api/v1", "https://opencodex.hk/api/v1/", "https://10.0.0.1:8443",
        "http://localhost:11434/v1", "http://127.0.0.1:8790/api/v1", "http://[::1]:8790",
        "https://h.test/chat", "https://h.test/chat/completions/v1",
    ],
)  # fmt: skip
def test_good_base_urls(url: str) -> None:
    check_base_url(url)


@pytest.mark.parametrize(
    ("url", "instead"),
    [
        ("https://h.test/v1/chat/completions", "https://h.test/v1"),
        ("https://h.test/v1/chat/completions/", "https://h.test/v1"),
        ("https://h.test/chat/completions//", "https://h.test"),
        ("http://localhost:1234/v1//chat/completions", "http://localhost:1234/v1"),
        ("https://h.test/V1/Chat/Completions", "https://h.test/V1"),
    ],
)
def test_the_url_of_the_chat_is_no_base_url(url: str, instead: str) -> None:
    with pytest.raises(ConfigError) as caught:
        check_base_url(url)
    assert caught.value.hint == f"use {instead}"


def test_http_off_loopback_needs_a_profile_without_a_key() -> None:
    with pytest.raises(ConfigError, match=r"http:// is refused for 192\.168\.0\.7"):
        check_base_url("http://192.168.0.7:11434/v1")
    check_base_url("http://192.168.0.7:11434/v1", allow_http=True)
    with pytest.raises(ConfigError):
        check_base_url("http://opencodex.hk/api/v1")


@pytest.mark.parametrize("part", ["user@", "user:pa55word@", "sk-live-secret@", ":@", "@"])
def test_userinfo_is_refused_without_repeating_it(part: str) -> None:
    """It would replace the Bearer header; and it may be a password."""
    with pytest.raises(ConfigError) as caught:
        check_base_url(f"https://{part}opencodex.hk/api/v1")
    assert "pa55word" not in caught.value.message
    assert "sk-live" not in caught.value.message


@pytest.mark.parametrize("tail", ["?", "?a=b", "#", "#x", "/v1?x#y"])
def test_query_and_fragment_are_refused(tail: str) -> None:
    with pytest.raises(ConfigError, match="query or a fragment"):
        check_base_url(f"https://opencodex.hk{tail}")


@pytest.mark.parametrize(
    ("base", "path", "url"),
    [
        ("https://h/v1", "/models", "https://h/v1/models"),
        ("https://h/v1/", "/models", "https://h/v1/models"),
        ("https://h", "models", "https://h/models"),
        ("https://h/a//", "//b/", "https://h/a/b/"),
    ],
)
def test_a_path_below_the_base_url(base: str, path: str, url: str) -> None:
    assert join(base, path) == url


@given(st.text(max_size=30))
def test_whatever_is_given_is_accepted_or_a_config_error(text: str) -> None:
    for url in (text, f"https://{text}", f"http://127.0.0.1{text}"):
        try:
            check_base_url(url)
        except ConfigError:
            continue
        scheme, host, port = origin(url)
        assert scheme == "https" or is_loopback(host)
        assert 0 < port < 65536
