from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ocx.api.error_response import from_response
from ocx.chat.exchange import refuses_format
from ocx.chat.schema import Schema, is_strict, parse_json, read_schema
from ocx.chat.shorthand import from_shorthand
from ocx.errors import InvalidAnswerError, UsageError
from tests.support.sizes import examples

PERSON = Schema(from_shorthand("name, age int"))
GOOD = '{"name": "Ada", "age": 36}'


def no_stdin() -> bytes:
    raise AssertionError("stdin was read")


@pytest.mark.parametrize(
    "answer",
    [
        GOOD,
        f"\n  {GOOD}\r\n",
        f"\ufeff{GOOD}",
        f"```json\n{GOOD}\n```",
        f"```\n{GOOD}\n```\n\n",
        f"~~~~ json\n\n{GOOD}\n~~~~",
        f"```json\r\n{GOOD}\r\n```",
        f"```json\n{GOOD}",
    ],
)
def test_tolerated_forms(answer: str) -> None:
    """White space and one fence around everything; what is printed is the JSON alone."""
    assert PERSON.check(answer) == GOOD


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "not JSON"),
        ("Sure!", "not JSON"),
        (f"Here it is: {GOOD}", "not JSON"),
        (f"{GOOD}\nHope that helps!", "not JSON"),
        (f"Here:\n```json\n{GOOD}\n```", "not JSON"),
        (f"```json\n{GOOD}\n```\nHope that helps!", "not JSON"),
        (f"```\n{GOOD}\n```\n```\n{GOOD}\n```", "not JSON"),
        ('{"name": "Ada", "age": NaN}', "NaN is not JSON"),
        ('{"name": "Ada", "age": 1e999}', "too large"),
        ('{"name": "Ada", "age": 1, "age": 2}', "twice"),
        ("9" * 5000, "not JSON"),
        ('{"name": "Ada", "age": "36"}', "$.age"),
        ('{"name": "Ada"}', "'age' is a required property"),
        ('{"name": "Ada", "age": 1, "x": 2}', "Additional properties"),
        ("[]", "at $:"),
        ("[" * 100_000, "too deeply"),
    ],
)
def test_invalid_answers_say_where(answer: str, message: str) -> None:
    with pytest.raises(InvalidAnswerError) as caught:
        PERSON.check(answer)
    assert message in caught.value.message
    assert "\n" not in caught.value.message
    assert len(caught.value.message) < 500


def test_the_path_leads_into_lists() -> None:
    schema = Schema({"type": "object", "properties": {"rows": {"items": {"type": "integer"}}}})
    with pytest.raises(InvalidAnswerError, match=r"\$\.rows\[1\]"):
        schema.check('{"rows": [1, "two"]}')


def test_the_models_own_digits_are_kept() -> None:
    """Parsing and writing again would round the number."""
    number = "1.10000000000000000000000001"
    assert Schema({}).check(number) == number


def test_a_schema_that_refers_to_itself_for_ever_ends() -> None:
    with pytest.raises(InvalidAnswerError, match="too deeply"):
        Schema({"$ref": "#"}).check("1")


def test_references_inside_the_schema_work() -> None:
    schema = Schema(
        {
            "$defs": {"n": {"$anchor": "num", "type": "integer"}},
            "properties": {"a": {"$ref": "#/$defs/n"}, "b": {"$ref": "#num"}},
        }
    )
    schema.check('{"a": 1, "b": 2}')
    with pytest.raises(InvalidAnswerError, match=r"\$\.b"):
        schema.check('{"a": 1, "b": "2"}')


def test_a_reference_with_its_own_id_works() -> None:
    schema = Schema(
        {
            "$defs": {"n": {"$id": "https://example.com/n", "type": "integer"}},
            "properties": {"a": {"$ref": "https://example.com/n"}},
        }
    )
    schema.check('{"a": 1}')


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/person.json"},
        {"properties": {"a": {"$ref": "http://127.0.0.1:9/x"}}},
        {
            "items": [{"$ref": "file:///etc/passwd"}],
            "$schema": "http://json-schema.org/draft-07/schema#",
        },
        {"allOf": [{"$ref": "#/$defs/missing"}]},
        {"not": {"$dynamicRef": "other.json#x"}},
    ],
)
def test_no_reference_is_fetched(schema: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """The answer is refused before anything is sent, and no socket is opened for it."""
    monkeypatch.setattr(socket, "create_connection", no_stdin)
    with pytest.raises(UsageError) as caught:
        Schema(schema)
    assert "which is not in it" in caught.value.message
    assert "nothing is fetched" in (caught.value.hint or "")


def test_data_that_looks_like_a_reference_is_data() -> None:
    Schema({"enum": [{"$ref": "https://example.com/x"}]}).check('{"$ref": "https://example.com/x"}')
    Schema({"properties": {"$ref": {"type": "string"}}}).check('{"$ref": "any"}')


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("{", "not JSON"),
        ('{"type": "strng"}', "not a JSON Schema"),
        ('{"required": "name"}', "$.required"),
        ("missing/dir.json", "cannot read"),
        ("nothere.json", "cannot read"),
        ("a b c", "NAME [TYPE]"),
    ],
)
def test_bad_schemas_are_usage_errors(given: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_schema(given, no_stdin)
    assert message in caught.value.message


def test_schema_sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON, a file, stdin, the short form: told apart by how they look."""
    monkeypatch.chdir(tmp_path)
    Path("person").write_text('{"title": "A person!"}')
    Path("list.json").write_text("[]")
    Path("latin.json").write_bytes(b"\xff")
    assert read_schema(' {"title": "x"}', no_stdin).document == {"title": "x"}
    assert read_schema("person", no_stdin).document == {"title": "A person!"}
    assert read_schema("-", lambda: b'{"title": "y"}').document == {"title": "y"}
    assert read_schema("name, age int", no_stdin).document == PERSON.document
    for bad in ("list.json", "latin.json"):
        with pytest.raises(UsageError):
            read_schema(bad, no_stdin)
    assert read_schema("n" * 5000, no_stdin).document["required"] == ["n" * 5000]


@pytest.mark.parametrize(
    ("title", "name"),
    [
        (None, "answer"),
        ("A person!", "A_person"),
        ("!!", "answer"),
        ("x" * 99, "x" * 64),
    ],
)
def test_response_format(title: Any, name: str) -> None:
    """OpenAI's API takes names of [A-Za-z0-9_-]{1,64} only."""
    document = {"title": title} if isinstance(title, str) else {}
    sent = Schema(document).response_format()
    assert sent["type"] == "json_schema"
    assert sent["json_schema"]["name"] == name


@pytest.mark.parametrize(
    ("schema", "strict"),
    [
        ({"type": "string"}, True),
        ({"type": "object"}, False),
        ({"type": "object", "additionalProperties": False}, True),
        ({"properties": {"a": {}}, "additionalProperties": False}, False),
        ({"properties": {"a": {}}, "required": ["a"], "additionalProperties": False}, True),
        ({"properties": {"a": {}}, "required": ["a"]}, False),
        ({"anyOf": [{"type": "object"}]}, False),
        ({"items": {"type": "object", "properties": {"b": {}}}}, False),
    ],
)
def test_strict_is_claimed_only_where_it_holds(schema: dict[str, Any], strict: bool) -> None:
    """A user's own schema is sent unchanged."""
    assert is_strict(schema) is strict
    sent = Schema(schema).response_format()["json_schema"]
    assert sent["strict"] is strict
    assert sent["schema"] == schema


def test_instruction_is_added_to_the_system_message() -> None:
    assert "名" in Schema(from_shorthand("名")).in_words({"messages": []})["messages"][0]["content"]
    user = {"role": "user", "content": "hi"}
    (alone,) = PERSON.in_words({"messages": []})["messages"]
    text = alone["content"]
    assert json.loads(text.split("\n", 1)[1]) == PERSON.document
    assert PERSON.in_words({"n": 1, "messages": [user]}) == {"n": 1, "messages": [alone, user]}
    body = {"messages": [{"role": "system", "content": "Be brief."}, user]}
    joined = {"role": "system", "content": f"Be brief.\n\n{text}"}
    assert PERSON.in_words(body) == {"messages": [joined, user]}


@pytest.mark.parametrize(
    ("status", "body", "falls_back"),
    [
        (400, "This response_format type is unavailable now", True),
        (400, "This model does not support response format `json_schema`", True),
        (400, "Invalid schema for response_format 'answer'", True),
        (400, "Structured outputs are not supported by this model", True),
        (400, "当前模型不支持 response_format", True),
        (422, {"detail": [{"loc": ["body", "response_format"], "msg": "Extra inputs"}]}, True),
        (422, {"detail": [{"loc": ["body", "a"]}, {"loc": ["body", "response_format"]}]}, True),
        (400, {"error": {"message": "unsupported", "param": "response_format"}}, True),
        (400, [{"error": {"message": "Unknown name 'response_schema'"}}], True),
        (404, "no response_format here", False),
        (500, "no response_format here", False),
        (400, "it went wrong", False),
        (400, "max_tokens is too large", False),
        (400, "This model's maximum context length is 8192 tokens. However, you requested 9000"
         " tokens (8000 in the messages, 1000 in the response_format)", False),
        (400, {"error": {"code": "context_length_exceeded",
                         "message": "Please reduce the length of the messages or the schema"}},
         False),
        (400, "the prompt with its json_schema is too long: 9000 tokens > 8192", False),
        (400, "input and response_format exceed the context window", False),
        (422, {"detail": [{"loc": ["body", "model"], "msg": "Field required",
                           "input": {"response_format": {"type": "json_schema"}}}]}, False),
    ],
)  # fmt: skip
def test_when_to_ask_in_words(status: int, body: Any, falls_back: bool) -> None:
    """Only if the refusal is about the field: any other one would be refused again."""
    data = json.dumps({"error": {"message": body}} if isinstance(body, str) else body).encode()
    error = from_response(status, {}, data)
    error.body = data
    assert refuses_format(error) is falls_back


VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.floats(allow_nan=True)
    | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["a", "b", "name", "age"]), inner, max_size=3)
    ),
    max_leaves=6,
)
SCHEMAS = st.recursive(
    st.sampled_from(
        [
            {},
            {"type": "integer"},
            {"type": "string", "minLength": 1},
            {"enum": [1, "a", None]},
            {"type": ["number", "null"]},
            {"const": True},
            {"maximum": 3},
        ]
    ),
    lambda inner: (
        st.fixed_dictionaries({"type": st.just("array"), "items": inner})
        | st.fixed_dictionaries(
            {
                "properties": st.dictionaries(st.sampled_from(["a", "b"]), inner),
                "additionalProperties": st.booleans(),
            }
        )
        | st.fixed_dictionaries({"anyOf": st.lists(inner, min_size=1, max_size=2)})
    ),
    max_leaves=4,
)
FRAMES = st.sampled_from(
    ["{}", " {}\n", "```json\n{}\n```", "Here: {}", "{} {}", "```\n{}", "{}\n```"]
)


@settings(max_examples=examples(300))
@given(SCHEMAS, VALUES, FRAMES, st.booleans())
def test_what_is_printed_always_validates(
    document: dict[str, Any], value: Any, frame: str, ascii_only: bool
) -> None:
    """Whatever the model says: either exit 14, or stdout is JSON that satisfies the schema."""
    answer = frame.replace("{}", json.dumps(value, ensure_ascii=ascii_only))
    try:
        printed = Schema(document).check(answer)
    except InvalidAnswerError:
        return
    Draft202012Validator(document).validate(json.loads(printed))


@settings(max_examples=examples(150))
@given(st.text('{}[]",:019.eE+-nulltrue \n`~\\u', max_size=40))
def test_what_is_printed_is_json_for_any_text(answer: str) -> None:
    try:
        printed = Schema({}).check(answer)
    except InvalidAnswerError:
        return
    parse_json(printed)
