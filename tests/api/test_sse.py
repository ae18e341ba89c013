"""The decoder of server-sent events: any cut of a stream gives the same events."""

from __future__ import annotations

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.sse import Decoder, EventTooLarge, is_done

DOCUMENTED = """\
data: {"id":"chatcmpl-xxx","object":"chat.completion.chunk","created":1700000000,"model":"deepseek-chat","choices":[{"index":0,"delta":{"content":"Hello"},"finish_reason":null}]}
data: {"id":"chatcmpl-xxx","object":"chat.completion.chunk","created":1700000000,"model":"deepseek-chat","choices":[{"index":0,"delta":{"content":"!"},"finish_reason":null}]}
data: {"id":"chatcmpl-xxx","object":"chat.completion.chunk","created":1700000000,"model":"deepseek-chat","choices":[{"index":0,"delta":{},"finish_reason":"stop"}]}
data: [DONE]
"""  # noqa: E501 - verbatim from the provider's documentation

NOT_LINE_ENDS = "\u2028\u2029\u0085\v\f\x1c\x1d\x1e"


def decode(stream: bytes, *cuts: int) -> list[str]:
    """All events of `stream`, fed in pieces that end at `cuts`."""
    decoder = Decoder()
    events: list[str] = []
    edges = [0, *sorted(cut % (len(stream) + 1) for cut in cuts), len(stream)]
    for start, end in pairwise(edges):
        events += decoder.feed(stream[start:end])
    return events + decoder.end()


def one_by_one(stream: bytes) -> list[str]:
    return decode(stream, *range(len(stream)))


PARTS = [
    b"data:", b"data: ", b"data", b"event: x", b"id: 1", b"retry: 9", b":", b": note", b" ",
    b"\n", b"\n\n", b"\r", b"\r\n", b"\r\n\r\n", b"{}", b'{"a":1}', b"[DONE]", b"{", b"}", b"1",
    "é€😀\u2028\u0085".encode(), b"\xf0\x9f", b"\xff", b"\xef\xbb\xbf", b"x", b"data: {}\n\n",
]  # fmt: skip
anything = st.lists(st.sampled_from(PARTS), max_size=30).map(b"".join)
cuts = st.lists(st.integers(0, 500), max_size=8)


@given(anything, cuts)
def test_any_cut_of_anything_gives_the_same_events(stream: bytes, cuts: list[int]) -> None:
    assert decode(stream, *cuts) == decode(stream) == one_by_one(stream)


# An x before it keeps a line from being JSON by itself.
line = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\r\n")).map("x".__add__)
noise = st.lists(st.sampled_from([":", ": ping", "event: delta", "id: 7", "retry: 1", "unknown"]))


@st.composite
def streams(draw: st.DrawFn) -> tuple[bytes, list[str]]:
    """A stream by the standard's grammar, and the data of its events."""
    end = draw(st.sampled_from(["\n", "\r\n", "\r"]))
    events = draw(st.lists(st.lists(line, min_size=1, max_size=3), max_size=6))
    lines: list[str] = []
    for event in events:
        for data in event:
            lines += [*draw(noise), f"data:{draw(st.sampled_from(['', ' ']))}{data}"]
        lines += [*draw(noise), ""]
    text = draw(st.sampled_from(["", "\ufeff"])) + "".join(one + end for one in lines)
    if events and draw(st.booleans()):
        text = text.removesuffix(end).removesuffix(end)  # the last event is not finished
    return text.encode(), ["\n".join(event) for event in events]


@given(streams(), cuts)
def test_a_valid_stream_gives_its_events_wherever_it_is_cut(
    stream: tuple[bytes, list[str]], cuts: list[int]
) -> None:
    data, events = stream
    assert decode(data, *cuts) == events


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b"", []),
        (b"\n\n\n", []),
        (b"data: a\n\n", ["a"]),
        (b"data:a\n\n", ["a"]),
        (b"data: data: a\n\n", ["a"]),
        (b"data:data:a\n\n", ["a"]),
        (b'data: data: {"a":1}\ndata: data: [DONE]\n', ['{"a":1}', "[DONE]"]),
        (b'data: {"a":1}\ndata: "[DONE]"\n\n', ['{"a":1}', '"[DONE]"']),
        (b'data: {"a":1}\ndata: [done]\n\n', ['{"a":1}', "[done]"]),
        (b"data:  a\n\n", [" a"]),
        (b"data: YHOO\ndata: +2\ndata: 10\n\n", ["YHOO\n+2\n10"]),
        (b": test stream\n\ndata: one event\nid: 1\n\ndata:two\nid\n\n", ["one event", "two"]),
        (b"data\n\ndata\ndata\n\ndata:", ["", "\n", ""]),
        (b"data:test\n\ndata: test\n\n", ["test", "test"]),
        (b"\xef\xbb\xbfdata: a\n\n\xef\xbb\xbfdata: b\n\n", ["a"]),
        (b"data: a\r\n\r\ndata: b\r\rdata: c\n\n", ["a", "b", "c"]),
        (b"data: a\r\ndata: b\r\n\r\n", ["a\nb"]),
        (b"Data: a\n\ndatax: b\n\n data: c\n\n", []),
        (b"event: error\n\n", []),
        (b"data: a", ["a"]),
        (b"data: caf\xc3\xa9 \xff\n\n", ["café \ufffd"]),
        (f"data: {NOT_LINE_ENDS}\n\n".encode(), [NOT_LINE_ENDS]),
    ],
)  # fmt: skip
def test_examples(stream: bytes, events: list[str]) -> None:
    """The standard's own, and one for each rule."""
    assert decode(stream) == one_by_one(stream) == events


def test_adjacent_json_lines_are_given_as_they_come() -> None:
    """Not at the end of the stream: an answer must not wait for a blank line that never comes."""
    decoder = Decoder()
    assert decoder.feed(b'data: {"a":1}\n') == []
    assert decoder.feed(b'data: {"a":2}\n') == ['{"a":1}']
    assert decoder.feed(b"data: [DONE]\n") == ['{"a":2}']
    assert decoder.end() == ["[DONE]"]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b'data: {\ndata: "a": 1}\n\n', ['{\n"a": 1}']),
        (b'data: {"a":1}\ndata:\n\n', ['{"a":1}\n']),
        (b"data: {}\ndata: words\n\n", ["{}\nwords"]),
        (b"data:\ndata: {}\n\n", ["\n{}"]),
        (b"data: 1\ndata: 2\n\n", ["1", "2"]),
    ],
)
def test_lines_are_joined_unless_each_is_json(stream: bytes, events: list[str]) -> None:
    assert decode(stream) == one_by_one(stream) == events


@pytest.mark.parametrize(
    ("data", "done"),
    [
        ("[DONE]", True),
        (" [DONE]\n", True),
        ('"[DONE]"', True),
        ("'[done]'", True),
        ("[Done]", True),
        ("DONE", False),
        ("[DONE] x", False),
        ('["[DONE]"]', False),
        ("", False),
        ('"' * 1000, False),
    ],
)
def test_the_end_however_it_is_spelt(data: str, done: bool) -> None:
    assert is_done(data) == done


def test_a_deeply_nested_line_is_no_json() -> None:
    """Two such lines are compared with JSON; neither crashes the parser."""
    deep = b"[" * 100_000
    assert decode(b"data: " + deep + b"\ndata: 1\n\n") == [deep.decode() + "\n1"]


@pytest.fixture
def small_limit(monkeypatch: pytest.MonkeyPatch) -> int:
    """A limit of 256 KiB: what is tested does not depend on its size."""
    limit = 256 * 1024
    monkeypatch.setattr("ocx.api.sse.MAX_EVENT", limit)
    monkeypatch.setattr("ocx.api.sse._MAX_LINE", limit + 64)
    return limit


@pytest.mark.parametrize("piece", [2**30, 65_536, 4093])
def test_an_event_of_the_limit_passes_and_one_byte_more_does_not(
    piece: int, small_limit: int
) -> None:
    text = b"x" * small_limit
    stream = b"data: x\n\ndata: " + text + b"\n\n"
    assert decode(stream, *range(0, len(stream), piece)) == ["x", text.decode()]
    with pytest.raises(EventTooLarge):
        decode(b"data: x" + text + b"\n\n", *range(0, len(stream), piece))


@pytest.mark.parametrize("line", [b"data: " + b"x" * 1000 + b"\n", b"x" * 65_536])
def test_what_never_ends_is_given_up(line: bytes, small_limit: int) -> None:
    """An event of endless lines, a line of endless length: memory stays bounded."""
    decoder = Decoder()
    with pytest.raises(EventTooLarge):
        for _ in range(2 * small_limit // len(line)):
            decoder.feed(line)


def test_what_stands_before_a_large_event_is_given(small_limit: int) -> None:
    """And then the error, on every call that follows."""
    decoder = Decoder()
    assert decoder.feed(b"data: a\n\ndata: " + b"x" * (small_limit + 1) + b"\n\n") == ["a"]
    for call in (lambda: decoder.feed(b"data: b\n\n"), decoder.end):
        with pytest.raises(EventTooLarge):
            call()


def test_a_piece_a_byte_is_linear() -> None:
    """A long line in tiny pieces is not copied for each of them."""
    decoder = Decoder()
    for byte in re.findall(b".", b"data: " + b"x" * 200_000):
        assert decoder.feed(byte) == []
    assert decoder.feed(b"\n\n") == ["x" * 200_000]
