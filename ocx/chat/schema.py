"""`--schema`: asks for an answer of a given shape, and checks that it came.

An answer is valid when its whole text is JSON that satisfies the schema; white space around it
and one code fence around all of it are tolerated, since models without `response_format` write
them. JSON inside prose is not: which part was meant would be a guess. What is printed is the
model's own text of the JSON, so numbers keep their digits; therefore a key given twice, where
readers disagree about the value, is invalid too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from ocx.chat.shorthand import from_shorthand
from ocx.chat.think_and_fences import only_block
from ocx.decoding import decode
from ocx.errors import InvalidAnswerError, UsageError, os_errors_as
from ocx.text import TooDeep, finite, parse

try:
    from jsonschema import exceptions
    from jsonschema.protocols import Validator
    from jsonschema.validators import Draft202012Validator, validator_for
    from referencing import Registry, Resource
    from referencing.exceptions import Unresolvable
    from referencing.jsonschema import DRAFT202012, SchemaRegistry
except ImportError as error:  # its rpds-py has no wheel for Termux or FreeBSD, or in ocx.pyz
    raise UsageError(
        f"JSON Schemas need the package jsonschema (`pip install jsonschema`): {error}",
        hint="where no wheel fits and it must be built, that takes a Rust compiler",
    ) from error

# An empty registry resolves what stands in the schema and fetches nothing: the default one of
# jsonschema opens every remote `$ref`.
_NOTHING_REMOTE: SchemaRegistry = Registry()
_REASON_CHARS = 300


class Schema:
    """A JSON Schema that answers are checked against.

    Raises:
        UsageError: it is not a JSON Schema, or refers to one that is not in it.
    """

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.document = dict(document)
        kind: type[Validator] = validator_for(self.document, default=Draft202012Validator)
        _check_schema(kind, self.document)
        self._validator = kind(self.document, registry=_NOTHING_REMOTE)

    def check(self, answer: str) -> str:
        """The JSON of a valid answer, as the model wrote it.

        Raises:
            InvalidAnswerError: with the path that failed.
        """
        text = _bare(answer)
        try:
            error = exceptions.best_match(self._validator.iter_errors(parse_json(text)))
        except (TooDeep, RecursionError):
            raise InvalidAnswerError("the answer is nested too deeply to be checked") from None
        except ValueError as problem:
            raise InvalidAnswerError(f"the answer is not JSON: {problem}") from None
        if error is not None:
            reason = _one_line(error.message)
            raise InvalidAnswerError(
                f"the answer does not satisfy the schema at {error.json_path}: {reason}",
                hint="--schema-retries N lets the model correct itself",
            )
        return text

    def response_format(self) -> dict[str, Any]:
        """The field of OpenAI's API; `strict` only if the schema keeps the rules for it."""
        title = self.document.get("title")
        # A name as OpenAI's API takes it: [A-Za-z0-9_-]{1,64}.
        name = re.sub(r"[^A-Za-z0-9_-]+", "_", title if isinstance(title, str) else "")
        return {
            "type": "json_schema",
            "json_schema": {
                "name": name.strip("_")[:64] or "answer",
                "schema": self.document,
                # OpenAI takes no list at the root of a strict schema.
                "strict": self.document.get("type") != "array" and is_strict(self.document),
            },
        }

    def in_format(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request that asks for it by `response_format`; one given by -O stays."""
        return {"response_format": self.response_format(), **body}

    def in_words(self, body: dict[str, Any]) -> dict[str, Any]:
        """The request that asks for it at the end of the system message."""
        schema = json.dumps(self.document, ensure_ascii=False)
        text = (
            "Answer with one JSON document and nothing else, no prose and no code fence."
            f" It must be valid against this JSON Schema:\n{schema}"
        )
        first, *rest = body["messages"] or [{}]
        if first.get("role") == "system" and isinstance(first.get("content"), str):
            messages = [{**first, "content": f"{first['content']}\n\n{text}"}, *rest]
        else:
            messages = [{"role": "system", "content": text}, *body["messages"]]
        return {**body, "messages": messages}


def read_schema(given: str, read_stdin: Callable[[], bytes]) -> Schema:
    """The value of `--schema`: JSON, a file of it (`-` is stdin), or the short form.

    Raises:
        UsageError: it cannot be read, or it is not a schema.
    """
    if given.lstrip().startswith("{"):
        return _of_text(given, "--schema")
    if given == "-":
        return _of_text(decode(read_stdin(), "stdin"), "stdin")
    is_path = given.endswith(".json") or ("/" in given and " " not in given)
    with suppress(OSError, ValueError):  # too long for a name, or a NUL in it: no file
        is_path = is_path or Path(given).is_file()
    if not is_path:
        return Schema(from_shorthand(given))
    with os_errors_as(UsageError, f"cannot read the schema {given}"):
        data = Path(given).read_bytes()
    return _of_text(decode(data, given), given)


def _of_text(text: str, name: str) -> Schema:
    try:
        document = parse_json(text)
    except ValueError as error:
        raise UsageError(f"the schema in {name} is not JSON: {error}") from None
    if not isinstance(document, dict):
        raise UsageError(f"the schema in {name} is not a JSON object")
    return Schema(document)


def is_strict(schema: Any) -> bool:
    """Whether every object in `schema` requires all its properties and allows no others.

    OpenAI refuses `strict: true` with anything else (platform.openai.com/docs/guides/
    structured-outputs, "Supported schemas").
    """
    if isinstance(schema, list):
        return all(map(is_strict, schema))
    if not isinstance(schema, dict):
        return True
    if "properties" in schema or schema.get("type") == "object":
        properties = schema.get("properties", {})
        closed = schema.get("additionalProperties") is False
        if not closed or set(schema.get("required", ())) != set(properties):
            return False
    return all(map(is_strict, schema.values()))


def parse_json(text: str) -> Any:
    """JSON that every reader understands alike: finite numbers, no key twice in an object.

    Raises:
        ValueError: it is not.
        TooDeep: it may be.
    """
    return parse(text, parse_float=finite, object_pairs_hook=_unique)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("it has a key twice in one object")
    return found


def _bare(answer: str) -> str:
    """The answer without the white space and the one fence that may stand around it."""
    text = answer.strip("\ufeff \t\r\n")
    block = only_block(text) if text.startswith(("```", "~~~")) else None
    return text if block is None else block.strip()


def _check_schema(validator: type[Validator], document: dict[str, Any]) -> None:
    try:
        validator.check_schema(document)
        resource = Resource.from_contents(document, default_specification=DRAFT202012)
        _check_references(resource, _NOTHING_REMOTE.resolver_with_root(resource))
    except exceptions.SchemaError as error:
        raise UsageError(
            f"--schema is not a JSON Schema, at {error.json_path}: {_one_line(error.message)}"
        ) from None
    except RecursionError:
        raise UsageError("--schema is nested too deeply") from None


def _check_references(resource: Resource[Any], resolver: Any) -> None:
    contents = resource.contents if isinstance(resource.contents, dict) else {}
    for target in map(contents.get, ("$ref", "$dynamicRef")):
        try:
            if isinstance(target, str):
                resolver.lookup(target)
        except Unresolvable:
            raise UsageError(
                f"--schema refers to {target!r}, which is not in it",
                hint="copy what it refers to under $defs: nothing is fetched",
            ) from None
    for inner in resource.subresources():
        _check_references(inner, resolver.in_subresource(inner))


def _one_line(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _REASON_CHARS else line[: _REASON_CHARS - 1] + "…"
