"""The request as it goes over the wire, and as --dry-run shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping

import pytest

from ocx import __version__
from ocx.api.http import HttpRequest, build_request, chat_request, encode, request_preview
from ocx.api.types import Endpoint
from ocx.errors import ConfigError, UsageError
from ocx.secret import Secret

KEY = Secret("sk-live-0123456789abcdefghij")
HOME = Endpoint("https://opencodex.hk/api/v1", KEY)
BODY = {"model": "m", "messages": [{"role": "user", "content": "héllo 😀"}]}


def headers(request: HttpRequest) -> dict[str, str]:
    assert len({name.lower() for name, _ in request.headers}) == len(request.headers)
    return {name.lower(): value for name, value in request.headers}


def test_a_streamed_chat() -> None:
    request = chat_request(HOME, BODY, stream=True)
    assert (request.method, request.url) == ("POST", "https://opencodex.hk/api/v1/chat/completions")
    assert request.content == (
        '{"model":"m","messages":[{"role":"user","content":"héllo 😀"}],"stream":true}'.encode()
    )
    assert headers(request) == {
        "host": "opencodex.hk",
        "user-agent": f"opencodex-cli/{__version__}",
        "accept": "text/event-stream, application/json",
        "accept-encoding": "identity",
        "content-length": str(len(request.content)),
        "content-type": "application/json",
        "authorization": f"Bearer {KEY.reveal()}",
    }


def test_a_whole_chat_asks_for_no_stream_whatever_the_body_says() -> None:
    request = chat_request(HOME, {**BODY, "stream": True}, stream=False)
    assert json.loads(request.content) == BODY
    assert headers(request)["accept-encoding"] == "gzip, deflate"


def test_a_get_has_no_body() -> None:
    sent = headers(build_request(HOME, "GET", "/models"))
    assert not {"content-length", "content-type"} & set(sent)


def test_an_empty_post_says_so() -> None:
    assert headers(build_request(HOME, "POST", "/x"))["content-length"] == "0"


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
    assert headers(build_request(Endpoint(base), "GET", "/models"))["host"] == host


@pytest.mark.parametrize("path", ["/models", "models"])
def test_a_path_below_the_base_url_gets_the_key(path: str) -> None:
    request = build_request(HOME, "GET", path)
    assert request.url == "https://opencodex.hk/api/v1/models"
    assert headers(request)["authorization"] == f"Bearer {KEY.reveal()}"


@pytest.mark.parametrize(
    "path",
    [
        "https://elsewhere.test/api/v1/models",
        "https://opencodex.hk/api/v1/models",
        "HTTPS://ELSEWHERE.TEST/",
        "http://127.0.0.1:8790/api/v1/models",
        "//elsewhere.test/models",
        "../keys",
    ],
)
def test_nothing_but_what_lies_below_the_base_url_is_reached(path: str) -> None:
    with pytest.raises(UsageError):
        build_request(HOME, "GET", path)


@pytest.mark.parametrize(
    "path",
    [
        "/mo dels", "/models\r\nX: y", "/möbel", "https://user@opencodex.hk/x",
        "https://opencodex.hk@evil.test/",
    ],
)  # fmt: skip
def test_a_path_that_is_none(path: str) -> None:
    with pytest.raises(UsageError):
        build_request(HOME, "GET", path)


@pytest.mark.parametrize("method", ["", "GE T", "GET\r\n", "GËT"])
def test_no_method(method: str) -> None:
    with pytest.raises(UsageError, match="not an HTTP method"):
        build_request(HOME, method, "/x")


def test_configured_headers_replace_ours() -> None:
    endpoint = Endpoint(HOME.base_url, None, headers={"X-Team": "a", "user-agent": "mine"})
    sent = headers(build_request(endpoint, "GET", "/x"))
    assert sent["x-team"] == "a"
    assert sent["user-agent"] == "mine"
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
        build_request(Endpoint(HOME.base_url, headers=bad), "GET", "/x")
    assert "sk-live-secret" not in f"{caught.value.message}{caught.value.hint}"


@pytest.mark.parametrize("text", ["", "sk-live-a\n", "sk-live a", "sk-live-é", "x" * 513, "\0"])
def test_a_key_that_cannot_stand_in_a_header_is_refused_unechoed(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        build_request(Endpoint(HOME.base_url, Secret(text)), "GET", "/x")
    assert not text or text not in f"{caught.value.message}{caught.value.hint}"


def test_the_base_url_is_checked_before_anything() -> None:
    with pytest.raises(ConfigError, match="user name or password"):
        build_request(Endpoint("https://u:p@opencodex.hk"), "GET", "/x")


def test_the_preview_is_the_request_with_the_key_masked() -> None:
    request = chat_request(HOME, BODY, stream=True)
    method, url, shown, body = request_preview(HOME, BODY)
    assert (method, url, body) == (request.method, request.url, request.content)
    assert shown == {**dict(request.headers), "Authorization": f"Bearer {KEY.masked()}"}
    assert KEY.reveal() not in str(shown)
    assert request_preview(HOME, BODY, stream=False)[3] == encode(BODY)


def test_a_preview_needs_no_key() -> None:
    assert "Authorization" not in request_preview(Endpoint(HOME.base_url), BODY)[2]
