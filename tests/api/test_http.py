"""The request as it goes over the backend, and as --dry-run shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from ocx import __version__
from ocx.api.http import HttpRequest, build, chat_message, encode, request_preview
from ocx.api.types import Endpoint
from ocx.errors import ConfigError, UsageError
from ocx.secret import Secret

KEY = Secret("sk-live-0123456789abcdefghij")
HOME = Endpoint("https://opencodex.hk/api/v1", KEY)
BODY = {"model": "m", "messages": [{"role": "user", "content": "héllo 😀"}]}


def headers(message: HttpRequest) -> dict[str, str]:
    assert len({name.lower() for name, _ in message.headers}) == len(message.headers)
    return {name.lower(): value for name, value in message.headers}


def test_a_streamed_chat() -> None:
    message = chat_message(HOME, BODY, stream=True)
    assert (message.method, message.url) == ("POST", "https://opencodex.hk/api/v1/chat/completions")
    assert message.content == (
        '{"model":"m","messages":[{"role":"user","content":"héllo 😀"}],"stream":true}'.encode()
    )
    assert headers(message) == {
        "host": "opencodex.hk",
        "user-agent": f"opencodex-cli/{__version__}",
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
        "content-length": str(len(message.content)),
        "content-type": "application/json",
        "authorization": f"Bearer {KEY.reveal()}",
    }


def test_a_whole_chat_asks_for_no_stream_whatever_the_body_says() -> None:
    message = chat_message(HOME, {**BODY, "stream": True}, stream=False)
    assert json.loads(message.content) == BODY
    assert headers(message)["accept-encoding"] == "gzip, deflate"


def test_a_get_has_no_body() -> None:
    sent = headers(build(HOME, "GET", "/models"))
    assert not {"content-length", "content-type"} & set(sent)


def test_an_empty_post_says_so() -> None:
    assert headers(build(HOME, "POST", "/x"))["content-length"] == "0"


def test_half_a_character_cannot_be_sent() -> None:
    with pytest.raises(UsageError, match=r"surrogate U\+D83D"):
        encode({"a": "\ud83d"})


def test_the_body_keeps_the_order_given() -> None:
    assert encode({"b": 1, "a": [None, 0.5]}) == b'{"b":1,"a":[null,0.5]}'


@pytest.mark.parametrize(
    ("base", "host"),
    [
        ("https://opencodex.hk:443/v1", "opencodex.hk"),
        ("https://opencodex.hk:8443", "opencodex.hk:8443"),
        ("http://localhost:80/", "localhost"),
        ("http://127.0.0.1:9", "127.0.0.1:9"),
        ("http://[::1]:9", "[::1]:9"),
    ],
)
def test_the_host_header(base: str, host: str) -> None:
    assert headers(build(Endpoint(base), "GET", "/models"))["host"] == host


@pytest.mark.parametrize("path", ["https://elsewhere.test/api/v1/models", "//elsewhere.test/x"])
def test_every_path_is_below_the_base_url(path: str) -> None:
    """The key goes to the origin of the base URL, whatever the path looks like."""
    message = build(HOME, "GET", path)
    assert message.url.startswith("https://opencodex.hk/api/v1/")
    assert headers(message)["host"] == "opencodex.hk"


@pytest.mark.parametrize("path", ["/models", "models", "/models#x"])
def test_the_endpoints_own_origin_gets_the_key(path: str) -> None:
    assert headers(build(HOME, "GET", path))["authorization"] == f"Bearer {KEY.reveal()}"


@pytest.mark.parametrize(
    "path",
    [
        "/mo dels", "/models\r\nX: y", "/möbel",
    ],
)  # fmt: skip
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(UsageError):
        build(HOME, "GET", path)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GËT"])
def test_no_method(method: str) -> None:
    with pytest.raises(UsageError, match="not an HTTP method"):
        build(HOME, method, "/x")


def test_configured_headers_come_before_ours() -> None:
    given = {"x-team": "b", "user-agent": "mine", "Accept": "text/html"}
    endpoint = Endpoint(HOME.base_url, None, headers=given)
    sent = headers(build(endpoint, "GET", "/x"))
    assert sent["x-team"] == "b"
    assert sent["user-agent"] == "mine"
    assert sent["accept"] == "text/html"
    assert "authorization" not in sent


@pytest.mark.parametrize(
    "bad",
    [
        {"Authorization": "Bearer sk-live-secret"}, {"AUTHORIZATION": "x"}, {"Host": "x"},
        {"content-length": "1"}, {"Transfer-Encoding": "chunked"}, {"Connection": "close"},
        {"": "x"}, {"a b": "x"}, {"a:": "x"}, {"x\n": "y"},
        {"x": "sk-live-secret\r\nX-Evil: 1"}, {"x": "sk-live-secret\0"}, {"x": "\n"},
    ],
)  # fmt: skip
def test_refused_headers(bad: Mapping[str, str]) -> None:
    """The value is not repeated."""
    with pytest.raises(ConfigError) as caught:
        build(Endpoint(HOME.base_url, headers=bad), "GET", "/x")
    assert "sk-live-secret" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize("text", ["", "sk-live-a\n", "sk-live a", "sk-live-é", "x" * 513, "\0"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_unechoed(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build(Endpoint(HOME.base_url, Secret(text)), "GET", "/x")
    assert not text or text not in f"{caught.value.message}{caught.value.hint}"


def test_the_base_url_is_checked_before_anything() -> None:
    with pytest.raises(ConfigError, match="user name or password"):
        build(Endpoint("https://u:p@opencodex.hk"), "GET", "/x")


def test_the_preview_is_the_request_with_the_key_masked() -> None:
    message = chat_message(HOME, BODY, stream=True)
    method, url, shown, body = request_preview(HOME, BODY)
    assert (method, url, body) == (message.method, message.url, message.content)
    assert shown == {**dict(message.headers), "Authorization": f"Bearer {KEY.masked()}"}
    assert KEY.reveal() not in str(shown)
    assert request_preview(HOME, BODY, stream=False)[3] == encode(BODY)


def test_a_preview_needs_no_key() -> None:
    assert "Authorization" not in request_preview(Endpoint(HOME.base_url), BODY)[2]
