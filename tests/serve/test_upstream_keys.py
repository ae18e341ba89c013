"""No key of an upstream reaches a client of the gateway, whatever the upstream sends."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocx.secret import Secret
from ocx.serve.upstream_reader import Reader, refusal
from tests.serve.conftest import Serve, Tell, events, forwarded
from tests.serve.test_forward import chunk, sse, text_of, whole
from tests.support import answers

KEYS = ["gsk_Ab1Cd2Ef3Gh4Ij5Kl6Mn7Op8", "AIzaSyD0123456789abcdefghi", "0123456789abcdef0123456789"]


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("streamed", [True, False])
@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503, 200])
def test_an_error_that_repeats_the_key(
    front: Serve, told: Tell, key: str, streamed: bool, status: int
) -> None:
    up = told(whole({"error": {"message": f"bad key {key}"}}, status))
    gateway = front(up.url, key=Secret(key))
    reply = forwarded(gateway, stream=streamed)
    assert key not in reply.text
    assert key.encode() in up.received()


@pytest.mark.parametrize("key", KEYS)
def test_an_answer_that_repeats_the_key(front: Serve, key: str) -> None:
    spelled = "".join(f"\\u{ord(char):04x}" for char in key)
    body = json.dumps(answers.completion("KEY")).replace("KEY", spelled).encode()
    assert key not in forwarded(front(whole(body), key=Secret(key))).text


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("size", [1, 3, 7, 100])
def test_a_stream_that_repeats_the_key_in_pieces(front: Serve, key: str, size: int) -> None:
    said = f"your key is {key}, is it not? {key[:5]}"
    pieces = [said[at : at + size] for at in range(0, len(said), size)]
    up = sse(*(chunk(piece) for piece in pieces), chunk(finish="stop"))
    gateway = front(up, key=Secret(key))
    reply = forwarded(gateway, stream=True)
    text = text_of(events(reply.text))
    assert text == f"your key is {Secret(key).masked()}, is it not? {key[:5]}"
    assert 0 < gateway.charges()[0][3] <= -(-len(said) // 4)


def test_an_error_event_that_repeats_the_key(front: Serve) -> None:
    up = sse(chunk("hm"), {"error": {"message": f"expired: {KEYS[0]}"}}, end=b"")
    gateway = front(up, key=Secret(KEYS[0]))
    text = forwarded(gateway, stream=True).text
    assert "expired" in text
    assert KEYS[0] not in text


ODD = ["12345678\\", f'{"1" * 19}"', "n" + 8 * "0", 20 * '"']


@pytest.mark.parametrize("number", ["12345678", "123456780.5", "-12345678e3"])
def test_a_key_of_digits_that_comes_as_a_number(number: str) -> None:
    reader = Reader([Secret("12345678")])
    sent = json.dumps({"choices": [{"delta": {}, "message": {}}], "x": [1]})
    sent = sent.replace("[1]", f"[2, 0.5, {number}]")
    for read in (reader.event(sent, usage_wanted=True).data, reader.document(sent.encode()).body):
        assert "12345678" not in str(read)
        assert json.loads(read)["x"][:2] == [2, 0.5]


@given(st.data(), st.from_regex(r"[!-~]{8,40}", fullmatch=True) | st.sampled_from(ODD))
def test_any_key_in_any_texts_of_a_stream(data: st.DataObject, key: str) -> None:
    reader = Reader([Secret(key)])
    cuts = sorted(data.draw(st.lists(st.integers(0, len(key)), max_size=4)))
    pieces = [key[a:b] for a, b in zip([0, *cuts], [*cuts, len(key)], strict=True)]
    places = ("content", "reasoning_content", "reasoning", "arguments")
    place = data.draw(st.sampled_from(places))
    found = ""
    for piece in [*pieces, " and on\n"]:
        fields: dict[str, Any] = {place: piece}
        if place == "arguments":
            fields = {"tool_calls": [{"index": 0, "function": {"arguments": piece}}]}
        event = json.loads(
            reader.event(json.dumps({"choices": [{"delta": fields}]}), usage_wanted=True).data
        )
        got = event["choices"][0]["delta"]
        found += (
            got["tool_calls"][0]["function"]["arguments"] if place == "arguments" else got[place]
        )
    assert key not in found
    assert found == f"{Secret(key).masked()} and on\n"


PLACES: dict[str, Callable[[str], dict[str, Any]]] = {
    "content": lambda text: {"delta": {"content": text}},
    "a function": lambda text: {"delta": {"function_call": {"arguments": text}}},
    "a call": lambda text: {"delta": {"tool_calls": [{"function": {"arguments": text}}]}},
    "a part": lambda text: {"delta": {"content": [{"text": text, "type": "text"}]}},
    "details": lambda text: {"delta": {"reasoning_details": [{"index": 2, "text": text}]}},
    "audio": lambda text: {"delta": {"audio": {"transcript": text}}},
    "a completion": lambda text: {"text": text},
    "probabilities": lambda text: {"delta": {}, "logprobs": {"content": [{"token": text}]}},
}


def texts(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[tuple[Any, ...], str]]:
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for name, item in value.items() if isinstance(value, dict) else enumerate(value):
            yield from texts(item, (*path, name))


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("ends", [(), (0,), (1,), (0, 1), (2,)], ids=str)
def test_a_key_in_pieces_anywhere_in_a_stream(place: str, ends: tuple[int, ...]) -> None:
    """Also if the answer goes on after its finish_reason."""
    key = KEYS[0]
    reader = Reader([Secret(key)])
    joined: dict[Any, str] = {}
    for number, piece in enumerate((f"it is {key[:9]}", key[9:15], f"{key[15:]} or {key[:4]}")):
        choice = {**PLACES[place](piece), "finish_reason": "stop" if number in ends else None}
        event = reader.event(json.dumps({"choices": [choice]}), usage_wanted=True)
        for path, text in texts(json.loads(event.data)["choices"][0]):
            joined[path] = joined.get(path, "") + text
    found = joined[next(texts(PLACES[place]("x")))[0]]
    assert key not in found
    assert found.startswith("it is ")
    assert Secret(key).masked() in found
    if 2 in ends and place != "a call":
        assert "".join(joined.values()).count(f" or {key[:4]}") == 1


def test_a_text_whose_place_is_gone_is_dropped() -> None:
    reader = Reader([Secret(KEYS[0])])
    for content, reason in ((KEYS[0][:5], None), ({"a": 1}, "stop")):
        sent = {"choices": [{"delta": {"content": content}, "finish_reason": reason}]}
        event = reader.event(json.dumps(sent), usage_wanted=True)
    assert json.loads(event.data) == sent


@pytest.mark.parametrize(
    ("name", "value", "wait"),
    [
        ("retry-after", "5", "5000"),
        ("retry-after", "0.25", "250"),
        ("retry-after", "Wed, 21 Oct 2015 07:28:00 GMT", "0"),
        ("retry-after", "123456789", "86400000"),
        ("retry-after-ms", "1500.5", "1501"),
        ("retry-after", KEYS[0], None),
        ("retry-after-ms", KEYS[2], None),
        ("retry-after", f"Wed, {KEYS[2]}", None),
        ("retry-after", "\u0665", "5000"),
        ("retry-after", "", None),
    ],
)
def test_of_the_headers_of_a_refusal_a_wait_alone_is_passed_on(
    name: str, value: str, wait: str | None
) -> None:
    assert refusal(429, {name: value}, b"").headers.get("retry-after-ms") == wait


@pytest.mark.parametrize("index", [[], {}, "0", None, 0.5, True])
def test_an_index_that_is_no_number(index: Any) -> None:
    reader = Reader([Secret(KEYS[0])])
    event = json.dumps({"choices": [{"index": index, "delta": {"content": "well"}}]})
    assert "well" in reader.event(event, usage_wanted=True).data


@pytest.mark.parametrize(
    "field", ["tool_calls", "content", "reasoning", "function_call", "refusal"]
)
@pytest.mark.parametrize("value", [5, {}, [5], [[]], [{"function": 5}], True, 1.5])
@pytest.mark.parametrize("keys", [(), (Secret(KEYS[0]),)])
def test_a_field_of_a_strange_type_is_no_bug(field: str, value: Any, keys: Any) -> None:
    choice = {"index": 0, "delta": {field: value}, "message": {field: value}}
    data = json.dumps({"choices": [choice]})
    assert json.loads(Reader(keys).event(data, usage_wanted=True).data)["choices"] == [choice]
    assert json.loads(Reader(keys).document(data.encode()).body)["choices"] == [choice]
