"""A request as it goes over the wire, only below the base URL; the bytes of an answer."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator, Mapping
from itertools import pairwise
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx import __version__
from ocx.api.http import (
    MIB,
    HttpRequest,
    below_base_url,
    build_request,
    capped,
    chat_request,
    encode,
    request_preview,
    sniff,
    unpack,
    with_query,
)
from ocx.api.types import Endpoint
from ocx.api.urls import join
from ocx.errors import ConfigError, ServerError, UsageError
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


def test_the_preview_is_the_request_with_the_key_masked() -> None:
    request = chat_request(HOME, BODY, stream=True)
    method, url, shown, body = request_preview(HOME, BODY)
    assert (method, url, body) == (request.method, request.url, request.content)
    assert shown == {**dict(request.headers), "Authorization": f"Bearer {KEY.masked()}"}
    assert KEY.reveal() not in str(shown)
    assert request_preview(HOME, BODY, stream=False)[3] == encode(BODY)


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


ENCODINGS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes, "identity": bytes, "gzip": gzip.compress, " X-GZIP": gzip.compress,
    "deflate": zlib.compress, "Deflate ": raw_deflate,
}  # fmt: skip


@given(st.binary(max_size=2000), st.lists(st.integers(0, 2000), max_size=5))
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_any_cut_of_any_encoding(encoding: str, data: bytes, cuts: list[int]) -> None:
    packed = ENCODINGS[encoding](data)
    edges = [0, *sorted(cut % (len(packed) + 1) for cut in cuts), len(packed)]
    pieces = [packed[a:b] for a, b in pairwise(edges)]
    assert b"".join(unpack(pieces, {"content-encoding": encoding})) == data


@pytest.mark.parametrize("name", ["br", "zstd", "gzip, gzip", "compress", "x" * 500])
def test_what_was_not_offered_is_not_unpacked(name: str) -> None:
    with pytest.raises(ServerError, match="not offered") as caught:
        unpack([b"x"], {"content-encoding": name})
    assert len(caught.value.message) < 120


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_broken_data(encoding: str) -> None:
    whole = ENCODINGS[encoding](b"hello" * 100)
    with pytest.raises(ServerError, match="broken"):
        list(unpack([b"\xff\xff\xff\xff garbage"], {"content-encoding": encoding}))
    with pytest.raises(ServerError, match=r"broken|too early"):
        list(unpack([whole[:4], b"\xff" * 40], {"content-encoding": encoding}))
    with pytest.raises(ServerError, match="ends too early"):
        list(unpack([whole[:-8]], {"content-encoding": encoding}))
    pieces = iter([whole, b"more"])
    assert next(iter(unpack(pieces, {"content-encoding": encoding}))) == b"hello" * 100
    assert next(pieces) == b"more", "what has come is unpacked at once"


def test_nothing_is_left_inside() -> None:
    """A part that is full to the byte, with its input used up, may not be the last."""
    for size in range(64 * 1024 - 300, 64 * 1024 + 300, 7):
        data = bytes(size)
        assert b"".join(unpack([raw_deflate(data)], {"content-encoding": "deflate"})) == data


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_nothing_stays_nothing(encoding: str) -> None:
    """An answer without a body names an encoding all the same."""
    empty = [list(unpack(each, {"content-encoding": encoding})) for each in ([], [b""])]
    assert empty == [[], []]


def test_a_bomb_is_never_whole_in_memory() -> None:
    """100 MiB in 100 KB: unpacked in pieces, given up at the cap."""
    packed = gzip.compress(bytes(100 * MIB), 9)
    assert len(packed) < 200_000
    sizes = []

    def seen(pieces: Iterator[bytes]) -> Iterator[bytes]:
        for piece in pieces:
            sizes.append(len(piece))
            yield piece

    with pytest.raises(ServerError, match="larger than 1024 KiB"):
        capped(seen(unpack([packed], {"content-encoding": "gzip"})), MIB)
    assert max(sizes) <= 64 * 1024
    assert sum(sizes) <= MIB + 64 * 1024


def test_the_cap_is_the_size_that_still_passes() -> None:
    assert capped([b"ab", b"cd"], 4) == b"abcd"
    with pytest.raises(ServerError):
        capped([b"ab", b"cde"], 4)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"", None), (b" \r\n\t", None), (b"\xef", None), (b"\xef\xbb", None),
        (b"\xef\xbb\xbf", None), (b"\xef\xbb\xbf ", None),
        (b'{"a"', "json"), (b"\n [", "json"), (b"\xef\xbb\xbf\n{", "json"),
        (b"<html>", "html"), (b"  <!doctype", "html"),
        (b"data: x", "events"), (b"\xef\xbb\xbfdata:", "events"), (b": ping", "events"),
        (b"event: x", "events"), (b"id:1", "events"), (b"retry: 1", "events"),
        (b"data\n", "events"), (b"Internal error", "other"), (b"null", "other"), (b"d", "other"),
    ],
)  # fmt: skip
def test_what_a_body_is(head: bytes, kind: str | None) -> None:
    assert sniff(head) == kind


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
