"""Which proxy a host is reached through, as a table."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api import proxy
from ocx.errors import ConfigError

API = "https://api.test/v1"
ALL = {"http": "http://h:1", "https": "http://s:2", "all": "socks5://a:3"}


@pytest.mark.parametrize(
    ("url", "configured", "environment", "way"),
    [
        (API, None, {}, None),
        (API, None, ALL, "http://s:2"),
        ("http://api.test", None, ALL, "http://h:1"),
        (API, None, {"all": "socks5://a:3"}, "socks5://a:3"),
        (API, None, {"http": "http://h:1"}, None),
        (API, None, {"https": "s:2"}, "http://s:2"),
        (API, None, {"https": ""}, None),
        (API, "socks5h://c:4", ALL, "socks5h://c:4"),
        (API, "https://u:p@c:4", {}, "https://u:p@c:4"),
        (API, "c:4", {}, "http://c:4"),
        (API, "", ALL, None),
        (API, "http://c:4", {"no": "*"}, "http://c:4"),
        ("http://127.0.0.1:8790", None, ALL, None),
        ("http://localhost:8790", "http://c:4", ALL, None),
        ("https://[::1]/", "http://c:4", ALL, None),
    ],
)
def test_the_way(
    url: str, configured: str | None, environment: dict[str, str], way: str | None
) -> None:
    """--proxy before the environment; loopback never through a proxy."""
    assert proxy.choose(url, configured, environment) == way


@pytest.mark.parametrize(
    ("no", "host", "exempt"),
    [
        ("", "api.test", False),
        ("*", "api.test", True),
        ("other.test, *", "api.test", True),
        ("api.test", "api.test", True),
        ("API.Test", "api.test", True),
        ("test", "api.test", True),
        (".test", "api.test", True),
        (".api.test", "api.test", True),
        ("*.test", "api.test", True),
        ("i.test", "api.test", False),
        ("pi.test,,", "api.test", False),
        ("other.test", "api.test", False),
        ("api.test:443", "api.test", True),
        ("api.test:8443", "api.test", False),
        ("https://api.test", "api.test", True),
        ("all://api.test", "api.test", True),
        ("https://", "api.test", True),
        ("http://api.test", "api.test", False),
        ("https://api.test:8443", "api.test", False),
        ("10.0.0.1", "10.0.0.1", True),
        ("10.0.0.0/8", "10.9.8.7", True),
        ("10.0.0.0/8", "11.9.8.7", False),
        ("2001:db8::1", "[2001:db8::1]", True),
        ("[2001:db8::1]", "[2001:db8::1]", True),
        ("2001:db8::/32", "[2001:db8::9]", True),
        ("://", "api.test", False),
        ("https://api.test:99999", "api.test", False),
        ("http://[::1", "api.test", False),
    ],
)
def test_no_proxy(no: str, host: str, exempt: bool) -> None:
    way = proxy.choose(f"https://{host}/v1", None, {**ALL, "no": no})
    assert way == (None if exempt else "http://s:2")


@pytest.mark.parametrize(
    "url",
    ["socks4://h:1", "ftp://h:1", "http://", "http://h:0", "http://h:x", "http://[", "://h", "h h"],
)
def test_a_proxy_that_is_none(url: str) -> None:
    for configured, environment in ((url, {}), (None, {"https": url})):
        with pytest.raises(ConfigError, match="no usable URL"):
            proxy.choose(API, configured, environment)


@pytest.mark.parametrize(
    ("url", "address", "found"),
    [
        ("http://h:1", "h:1", None),
        ("socks5://u:p@h:1", "h:1", ("u", "p")),
        ("http://u%40x:p%3A@h", "h", ("u@x", "p:")),
        ("http://u@[::1]:1", "[::1]:1", ("u", "")),
    ],
)
def test_the_parts_of_a_proxy(url: str, address: str, found: tuple[str, str] | None) -> None:
    assert proxy.address(url) == address
    assert proxy.credentials(url) == found
    assert proxy.without_credentials(url) == f"{url.partition('://')[0]}://{address}"


@given(st.text(max_size=20))
def test_no_environment_breaks_it(text: str) -> None:
    for environment in ({"all": text}, {**ALL, "no": text}):
        try:
            proxy.choose(API, None, environment)
        except ConfigError:
            assert "no" not in environment


@pytest.mark.parametrize(
    ("url", "place"),
    [
        ("http://u:p@proxy.test:3128", ("proxy.test", 3128)),
        ("http://proxy.test", ("proxy.test", 80)),
        ("https://[::1]", ("::1", 443)),
        ("socks5h://proxy.test", ("proxy.test", 1080)),
    ],
)
def test_where_a_proxy_listens(url: str, place: tuple[str, int]) -> None:
    assert proxy.host_and_port(url) == place
