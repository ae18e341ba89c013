"""Fragments of tool calls, joined whatever a server makes of ids and indexes; media."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.api.message import (
    add_calls,
    broken_call,
    calls_of,
    media_of,
    media_words,
    readable_calls,
    with_ids,
)

OSLO, BERGEN = '{"city":"Oslo"}', '{"city":"Bergen"}'


def part(
    arguments: Any = None, *, id: str | None = None, index: int | None = None, name: str = ""
) -> dict[str, Any]:
    """A fragment with only the fields that are given."""
    function = {"name": name, "arguments": arguments}
    found = {"id": id, "index": index, "function": {k: v for k, v in function.items() if v}}
    return {key: value for key, value in found.items() if value is not None}


def joined(*chunks: list[Any]) -> list[tuple[str, str, str]]:
    """(id, name, arguments) of what the chunks add up to."""
    calls: list[dict[str, Any]] = []
    for chunk in chunks:
        add_calls(calls, chunk)
    return [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in readable_calls(calls)
    ]


def empty(name: str) -> dict[str, Any]:
    """A whole call as Ollama sends it."""
    return {"function": {"name": name, "arguments": {}}}


TWO = [("a", "f", OSLO), ("b", "f", BERGEN)]
UNNAMED = [("call_0", "f", OSLO), ("call_1", "f", BERGEN)]
HALVES = [part('{"city":', id="a", index=0, name="f"), part('"Oslo"}', index=0)]


@pytest.mark.parametrize(
    ("chunks", "calls"),
    [
        # As OpenAI sends them.
        ([[part(OSLO, id="a", index=0, name="f")], [part(BERGEN, id="b", index=1, name="f")]], TWO),
        # Each with index 0; without any; both in one chunk.
        ([[part(OSLO, id="a", index=0, name="f")], [part(BERGEN, id="b", index=0, name="f")]], TWO),
        ([[part(OSLO, id="a", name="f")], [part(BERGEN, id="b", name="f")]], TWO),
        ([[part(OSLO, id="a", name="f"), part(BERGEN, id="b", name="f")]], TWO),
        ([[part(OSLO, id="a", index=7, name="f"), part(BERGEN, id="b", index=7, name="f")]], TWO),
        # In pieces, with index 0 for all: what has no id goes on with the last.
        ([[x] for x in HALVES] + [[part('{"city":', id="b", index=0, name="f")],
          [part('"Bergen"}', index=0)]], TWO),
        # In pieces, without an index.
        ([[part('{"city":', id="a", name="f")], [part('"Oslo"}')],
          [part('{"city":', id="b", name="f")], [part('"Bergen"}')]], TWO),
        # The id and the name again in each piece.
        ([[part('{"city":', id="a", index=0, name="f")], [part('"Oslo"}', id="a", index=0)],
          [part(BERGEN[:9], id="b", index=0, name="f")],
          [part(BERGEN[9:], id="b", index=0, name="f")]], TWO),
        # The id again with another index.
        ([[part('{"city":', id="a", index=0, name="f")], [part('"Oslo"}', id="a", index=1)]],
         TWO[:1]),
        # Two at a time, interleaved.
        ([[part("{", id="a", index=0, name="f"), part("{", id="b", index=1, name="f")],
          [part(OSLO[1:], index=0), part(BERGEN[1:], index=1)]], TWO),
        ([[part("{", id="a", name="f"), part("{", id="b", name="f")],
          [part(OSLO[1:]), part(BERGEN[1:])]], TWO),
        ([[part("{", id=id, name="f") for id in "abc"],
          [part(OSLO[1:]), part(BERGEN[1:]), part("}")]], [*TWO, ("c", "f", "{}")]),
        # An index that drifts without an id or a name.
        ([[part('{"city":', id="a", index=0, name="f")], [part('"Oslo"}', index=1)]], TWO[:1]),
        # An empty id is none; one that comes late is the call's.
        ([[part(OSLO, id="", index=0, name="f")]], UNNAMED[:1]),
        ([[part('{"city":', index=0, name="f")], [part('"Oslo"}', id="a", index=0)]], TWO[:1]),
        # No ids: by index, by list, or by the name that comes after a whole call.
        ([[part(OSLO, index=0, name="f")], [part(BERGEN, index=1, name="f")]], UNNAMED),
        ([[part(OSLO, name="f"), part(BERGEN, name="f")]], UNNAMED),
        ([[part(OSLO, index=0, name="f")], [part(BERGEN, index=0, name="f")]], UNNAMED),
        ([[part(OSLO, name="f")], [part(BERGEN, name="f")]], UNNAMED),
        ([[part({"city": "Oslo"}, name="f")], [part({"city": "Bergen"}, name="f")]],
         [("call_0", "f", '{"city": "Oslo"}'), ("call_1", "f", '{"city": "Bergen"}')]),
        # No ids, the name in each piece: the first is not whole yet.
        ([[part('{"city":', index=0, name="f")], [part('"Oslo"}', index=0, name="f")]],
         UNNAMED[:1]),
        # The name in pieces, growing, or again in each fragment.
        ([[part(id="a", index=0, name="f_")], [part(index=0, name="go")], [part(OSLO, index=0)]],
         [("a", "f_go", OSLO)]),
        ([[part(index=0, name="f_")], [part("{", index=0, name="f_go")], [part("}", index=0)]],
         [("call_0", "f_go", "{}")]),
        ([[part(id="a", index=0, name="f")], [part(OSLO, id="a", index=0, name="f")]], TWO[:1]),
        # Two calls without arguments, an index, or an id; and {} before the pieces.
        ([[part("", name="f")], [part("", name="g")]],
         [("call_0", "f", "{}"), ("call_1", "g", "{}")]),
        ([[empty("f")], [empty("g")], [empty("g")]],
         [("call_0", "f", "{}"), ("call_1", "g", "{}"), ("call_2", "g", "{}")]),
        ([[part("{}", id="a", index=0, name="f")], [part(OSLO[:5], index=0)],
          [part(OSLO[5:], index=0)]], TWO[:1]),
        # No arguments at all.
        ([[part(id="a", index=0, name="f")]], [("a", "f", "{}")]),
        # What is no fragment.
        ([["nonsense", None, 7], [part(OSLO, id="a", name="f")]], TWO[:1]),
    ],
)  # fmt: skip
def test_calls_are_told_apart(chunks: list[list[Any]], calls: list[Any]) -> None:
    assert joined(*chunks) == calls


@pytest.mark.parametrize("fragments", [None, {}, "x", 7, {"index": 0}])
def test_what_is_no_list_adds_nothing(fragments: Any) -> None:
    calls: list[dict[str, Any]] = []
    add_calls(calls, fragments)
    assert calls == []


@given(
    st.lists(st.tuples(st.sampled_from("fgh"), st.text(max_size=8)), min_size=1, max_size=4),
    st.sampled_from(["own", "zero", "none"]),
    st.integers(1, 5),
)
def test_calls_with_ids_come_through_any_index_and_any_cut(
    given_calls: list[tuple[str, str]], indexes: str, size: int
) -> None:
    fragments: list[dict[str, Any]] = []
    wanted = []
    for place, (name, value) in enumerate(given_calls):
        arguments = json.dumps({"x": value})
        index = {"own": place, "zero": 0, "none": None}[indexes]
        wanted.append((f"id{place}", name, arguments))
        fragments.append(part(arguments[:size], id=f"id{place}", index=index, name=name))
        rest = range(size, len(arguments), size)
        fragments += [part(arguments[at : at + size], index=index) for at in rest]
    assert joined(*([fragment] for fragment in fragments)) == wanted


def test_ids_that_are_made_up_are_no_others() -> None:
    calls = [{"id": "call_1"}, {}, {"id": None}, {"id": ""}, {"id": "call_0"}]
    ids = [call["id"] for call in with_ids(calls)]
    assert (ids[0], ids[4], len(set(ids))) == ("call_1", "call_0", 5)
    assert with_ids([{}, {}]) == [{"id": "call_0"}, {"id": "call_1"}]


@pytest.mark.parametrize(
    ("arguments", "cut", "broken"),
    [
        (OSLO, False, False),
        (OSLO, True, False),
        ('{"city":"Os', False, True),
        ('{"city":"Os', True, True),
        (OSLO + BERGEN, False, True),
        ("", False, False),
        ("", True, True),
        (None, False, False),
        (None, True, True),
        (" \n", False, False),
        ("{'city': 1}", False, True),
        ("NaN", False, True),
        ("[" * 100_000, False, True),
        ("7", False, False),
        ({"city": "Oslo"}, True, False),
    ],
)
def test_arguments_that_are_json(arguments: Any, cut: bool, broken: bool) -> None:
    calls = [{"function": {"name": "ok", "arguments": "{}"}}, {"type": "custom"}, "x"]
    calls.append({"function": {"name": "f", "arguments": arguments}})
    assert (broken_call(calls, cut=cut) == "f") == broken


def test_the_old_function_call_is_a_call() -> None:
    assert calls_of({"function_call": {}}) == calls_of({"function_call": "f"}) == []
    message = {"content": None, "function_call": {"name": "f", "arguments": OSLO}}
    assert readable_calls(calls_of(message)) == [
        {"id": "call_0", "type": "function", "function": {"name": "f", "arguments": OSLO}}
    ]


@pytest.mark.parametrize(
    ("message", "words"),
    [
        ({"content": "x"}, ""),
        ({"images": [{"type": "image_url"}]}, "1 image"),
        ({"images": [{}, {}], "audio": {"data": "x"}}, "2 images and audio"),
        ({"images": [], "audio": None}, ""),
        ({"content": [{"type": "text", "text": "a"}, {"type": "image_url"}]}, "1 image"),
        ({"content": [{"type": "output_audio"}, {"type": "video_url"}]}, "audio and 1 video"),
        ({"content": ["x", {"type": None}, 7]}, ""),
    ],
)
def test_media(message: dict[str, Any], words: str) -> None:
    assert media_words(media_of(message)) == words
