"""A streamed answer over a body of the test's own."""

from __future__ import annotations

import gzip
import json
import tracemalloc
from collections.abc import Iterable, Iterator
from typing import Any

import httpx
import pytest

from ocx.api import Client, Delta, Endpoint, Stream
from ocx.errors import (
    AuthError,
    DeadlineError,
    IncompleteError,
    NetworkError,
    OcxError,
    RateLimitError,
    ServerError,
)
from tests.support.answers import chunk, completion
from tests.support.sizes import size

BODY = {"model": "m", "messages": []}
Piece = bytes | Exception


class Body(httpx.SyncByteStream):
    """Pieces as the network would give them; an exception is raised where it stands."""

    def __init__(self, pieces: Iterable[Piece]) -> None:
        self.pieces = pieces
        self.given = 0
        self.closed = 0

    def __iter__(self) -> Iterator[bytes]:
        for piece in self.pieces:
            if isinstance(piece, Exception):
                raise piece
            self.given += 1
            yield piece

    def close(self) -> None:
        self.closed += 1


def opened(*pieces: Piece, headers: dict[str, str] | None = None) -> tuple[Stream, Body]:
    body = Body(pieces)
    transport = httpx.MockTransport(lambda _: httpx.Response(200, headers=headers, stream=body))
    return Client(Endpoint("https://api.test/v1"), transport).stream(BODY), body


def read(*pieces: Piece) -> tuple[list[list[Delta]], OcxError | None]:
    """What iterating gives, and what it raises."""
    stream, body = opened(*pieces, headers={"x-request-id": "r"})
    got: list[list[Delta]] = []
    try:
        for deltas in stream:
            assert deltas, "a list of deltas is never empty"
            got.append(deltas)
    except OcxError as error:
        assert error.request_id == "r"
        return got, error
    finally:
        assert body.closed
    return got, None


def texts(deltas: list[list[Delta]]) -> list[str]:
    return ["".join(delta.text for delta in each) for each in deltas]


def event(document: Any) -> bytes:
    data = document if isinstance(document, str) else json.dumps(document)
    return f"data: {data}\n\n".encode()


A, B = event(chunk("a")), event(chunk("b"))
STOP, DONE = event(chunk(finish="stop")), event("[DONE]")
RESET, IDLE = httpx.ReadError("reset"), httpx.ReadTimeout("idle")
FAILED = event({"error": {"message": "slow down", "code": 429}})


def test_one_list_a_piece() -> None:
    deltas, error = read(A + B, B[:9], B[9:], STOP + DONE)
    assert (texts(deltas), error) == (["ab", "b", ""], None)


def test_what_is_known_at_the_end() -> None:
    usage = event({"choices": [], "usage": {"total_tokens": 3}})
    call = event(chunk(tool_calls=[{"index": 0, "id": "t", "function": {"name": "f"}}]))
    stream, _ = opened(A, call, STOP, usage, DONE, headers={"cf-ray": "ray"})
    assert (stream.first_token_seconds, stream.content_seen) == (None, False)
    with stream:
        got = [delta.data for deltas in stream for delta in deltas]
    assert [json.loads(data)["choices"] for data in got][3] == []
    assert (stream.finish_reason, stream.usage, stream.request_id, stream.attempts) == (
        "stop", {"total_tokens": 3}, "ray", 1,
    )  # fmt: skip
    assert stream.model == "deepseek-chat"
    assert stream.tool_calls[0]["function"]["name"] == "f"
    assert stream.content_seen
    assert stream.first_token_seconds is not None
    assert 0 < stream.first_token_seconds <= stream.seconds
    assert stream.seconds == stream.seconds, "the clock stops at the end"


def test_the_first_token_may_be_reasoning() -> None:
    stream, _ = opened(event(chunk(reasoning_content="hm")), STOP)
    next(iter(stream))
    assert stream.first_token_seconds is not None
    assert not stream.content_seen


@pytest.mark.parametrize(
    ("pieces", "seen", "kind"),
    [
        # what the state says of the end, as test_stream_state tells
        ((A, STOP[:-2]), ["a", ""], None),
        ((A,), ["a"], IncompleteError),
        ((b"\n\n",), [], ServerError),
        # an error of the server
        ((FAILED,), [], RateLimitError),
        ((A + FAILED + B,), ["a"], IncompleteError),
        ((A, STOP, FAILED), ["a", ""], IncompleteError),
        # garbage
        ((A, event("{")), ["a"], IncompleteError),
        ((A, STOP, event("{")), ["a", ""], None),
        ((A, STOP, b'data: {"usa'), ["a", ""], None),
        ((b"Internal Server Error",), [], ServerError),
        ((b"<html>",), [], ServerError),
        # a cut
        ((RESET,), [], NetworkError),
        ((b": ping\n\n", RESET), [], NetworkError),
        ((event(chunk(role="assistant")), RESET), [""], NetworkError),
        ((A, B[:20], RESET), ["a"], IncompleteError),
        ((A, STOP[:-1], RESET), ["a", ""], None),
        # silence
        ((IDLE,), [], DeadlineError),
        ((A, IDLE), ["a"], DeadlineError),
        ((A, STOP, IDLE), ["a", ""], None),
        # nothing after [DONE] counts
        ((A, STOP, DONE, FAILED), ["a", ""], None),
        ((A + STOP + DONE + FAILED,), ["a"], None),
        ((A + DONE + STOP,), ["a"], IncompleteError),
        ((A, STOP, DONE, RESET), ["a", ""], None),
    ],
)  # fmt: skip
def test_how_a_stream_ends(
    pieces: tuple[Piece, ...], seen: list[str], kind: type[OcxError] | None
) -> None:
    """What arrived is given first; then the reason is raised."""
    deltas, error = read(*pieces)
    assert texts(deltas) == seen
    assert kind is None if error is None else issubclass(type(error), kind or type(None))
    if kind is ServerError:
        assert type(error).exit_code == 8


def test_the_reason_of_a_break_is_told() -> None:
    assert "slow down" in str(read(A, FAILED)[1])
    assert "lost" in str(read(A, B[:20], RESET)[1])
    assert "Internal Server Error" in str(read(b"Internal Server Error")[1])
    assert "HTML" in str(read(b"<html>")[1])


@pytest.mark.parametrize(
    ("document", "text", "kind"),
    [
        (completion("Hello!"), "Hello!", None),
        ({"error": {"message": "m", "code": 401}}, None, AuthError),
        ({"hello": 1}, None, ServerError),
        (completion("He", "content_filter"), "He", IncompleteError),
    ],
)
def test_a_json_body_is_a_whole_answer(
    document: Any, text: str | None, kind: type[OcxError] | None
) -> None:
    data = json.dumps(document).encode()
    deltas, error = read(b"\n \n", b"\n" + data[:9], data[9:])
    assert texts(deltas) == ([] if text is None else [text])
    assert type(error) is (kind or type(None))


@pytest.mark.parametrize(
    ("pieces", "kind"),
    [
        ((b'{"choices": ',), ServerError),
        ((b"{", RESET), NetworkError),
        ((b"{", IDLE), DeadlineError),
    ],
)
def test_a_json_body_that_breaks_off(pieces: tuple[Piece, ...], kind: type[OcxError]) -> None:
    deltas, error = read(*pieces)
    assert (deltas, type(error)) == ([], kind)


def test_a_json_body_beyond_the_cap() -> None:
    _, error = read(b"{", *[b" " * 1_000_000] * 34)
    assert isinstance(error, ServerError)
    assert "32768 KiB" in error.message
    assert error.rerun_helps is False


def test_a_stream_that_is_compressed_all_the_same() -> None:
    packed = gzip.compress(A + B + STOP + DONE)
    stream, _ = opened(packed[:15], packed[15:], headers={"content-encoding": "gzip"})
    with stream:
        assert "".join(texts(list(stream))) == "ab"


def test_nothing_is_read_before_it_is_asked_for() -> None:
    """Pull, never push: a slow reader slows the server down."""
    stream, body = opened(A, B, STOP)
    assert body.given == 0
    pieces = iter(stream)
    next(pieces)
    assert body.given == 1


def test_leaving_the_with_closes_at_once() -> None:
    stream, body = opened(A, B, STOP)
    pieces = iter(stream)
    with stream:
        next(pieces)
        assert not body.closed
    assert body.closed, "while the generator is still alive"
    assert pieces is not None


def test_memory_does_not_grow_with_the_answer() -> None:
    def peak(count: int) -> int:
        # As varied as real ones: equal texts would share their memory.
        pieces = (event(chunk(f"{n} {'x' * 200}")) for n in range(count))
        body = Body(pieces)
        transport = httpx.MockTransport(lambda _: httpx.Response(200, stream=body))
        with Client(Endpoint("https://api.test"), transport).stream(BODY) as stream:
            tracemalloc.start()
            try:
                for _ in stream:
                    pass
            except IncompleteError:
                pass
            size = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return size

    peak(20)
    assert peak(size(5000, 1000)) < peak(20) + 100_000
