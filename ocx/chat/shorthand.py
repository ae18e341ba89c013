"""`--schema "name, age int"`: a few words that stand for a JSON Schema, as in `llm`."""

from __future__ import annotations

import re
from typing import Any
from unicodedata import normalize

from ocx.errors import UsageError
from ocx.text import did_you_mean

_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean"}
_TYPES |= {name: name for name in _TYPES.values()}
# What a Chinese, Japanese or Arabic keyboard types, outside of descriptions.
_ASCII = str.maketrans("，、；：｛｝［］【】｜？،؛؟", ",,,:{}[][]|?,,?")
_DECLARATION = re.compile(r"([^\s{}\[\]|?｛｝［］【】｜？؟]+[?？؟]?)((?:[\s{\[｛［【].*)?)", re.S)
_IN_PARENTHESES = re.compile(r"[(（][^()（）]*[|｜][^()（）]*[)）]")
_INTEGER = re.compile(r"-?(?:0|[1-9]\d{0,15})", re.A)
_OPEN, _CLOSE = "{[", "}]"
_EXAMPLE = 'for example --schema "name, age int, mood happy|sad, tags str[], note?"'


def from_shorthand(text: str) -> dict[str, Any]:
    """An object schema, strict as OpenAI's structured outputs want it: no other fields, and all
    required that are not optional.

    The same between brackets, `[name, age int]`, is the schema of a list of such objects.
    Fields stand between commas, or one on each line if there are several lines:
    `NAME[?] [TYPE][: DESCRIPTION]`; TYPE is str (default), int, float, bool, values like
    `happy|sad`, or the fields of an object between braces; `[]` after it a list.

    Raises:
        UsageError: a field has no name, an unknown type, or a name that is given twice.
    """
    text = normalize("NFC", text.strip())  # the model answers with composed names
    plain = text.translate(_ASCII)
    if not plain.startswith("["):
        return _object(text)
    if not plain.endswith("]"):
        raise UsageError("--schema begins with [ and does not end with ]")
    return {"type": "array", "items": _object(text[1:-1])}


def _object(text: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    required: list[str] = []
    for part in _parts(text):
        declared, schema = _field(part)
        name = declared.removesuffix("?")
        if name in properties:
            raise UsageError(f"--schema names the field {name!r} twice")
        properties[name] = schema
        if name == declared:
            required.append(name)
    if not properties:
        raise UsageError("--schema is empty", hint=_EXAMPLE)
    return {
        "type": "object",
        "properties": properties,
        "required": required,
        "additionalProperties": False,
    }


def _parts(text: str) -> list[str]:
    """The fields: between line ends if there are any outside of brackets, else commas."""
    lines = _split(text, "\n")
    parts = [part.strip() for part in (lines if len(lines) > 1 else _split(text, ",;"))]
    return [part[:-1] if part.translate(_ASCII).endswith(",") else part for part in parts if part]


def _split(text: str, separators: str) -> list[str]:
    """The pieces of `text` between separators that stand in no bracket; a description is prose."""
    pieces, start, depth, described = [], 0, 0, False
    for index, char in enumerate(text.translate(_ASCII)):
        if char in _CLOSE and depth:
            depth, described = depth - 1, False
        elif char == ":":
            described = True
        elif char in (",;\n" if depth else separators):
            described = False
        elif char in _OPEN and not described:
            depth += 1
        if char in separators and not depth:
            pieces.append(text[start:index])
            start = index + 1
    if depth:
        raise UsageError("--schema: a bracket is not closed", hint=_EXAMPLE)
    return [*pieces, text[start:]]


def _field(part: str) -> tuple[str, dict[str, Any]]:
    """The name, with the `?` of an optional field, and the schema of its values."""
    declaration, *description = _split(part, ":")
    found = _DECLARATION.fullmatch(declaration.strip())
    if found is None:
        raise _not_a_field(part)
    typed = found[2].strip()
    schema = _type(typed or "str", part)
    if text := part[len(declaration) + 1 :].strip() if description else "":
        if not typed and text.removesuffix("[]") in _TYPES:
            raise UsageError(
                f"--schema: {part!r} has its type after a colon, where the description stands",
                hint=f'write "{found[1]} {text}"',
            )
        schema["description"] = text
    return found[1].translate(_ASCII), schema


def _type(text: str, part: str) -> dict[str, Any]:
    plain = text.translate(_ASCII)
    if plain.endswith("[]"):
        return {"type": "array", "items": _type(text[:-2].strip(), part)}
    if plain[:1] == "{" and plain[-1] == "}":
        return _object(text[1:-1])
    if plain[:1] == "[":
        return from_shorthand(text)
    if _IN_PARENTHESES.fullmatch(text):
        return _type(text[1:-1].strip(), part)
    if "|" in plain:
        return _choice([value.strip() for value in plain.split("|")], part)
    if " " in text:
        raise _not_a_field(part)
    if text not in _TYPES:
        raise UsageError(
            f"--schema: unknown type {text!r}{did_you_mean(text, _TYPES)}",
            hint="types are str, int, float, bool, values like happy|sad, {fields}, and a list of"
            " each: str[]",
        )
    return {"type": _TYPES[text]}


def _choice(words: list[str], part: str) -> dict[str, Any]:
    """One of several types, or of several values: whole numbers if all of them are, else texts."""
    if "" in words or len({*words}) < len(words):
        raise UsageError(f"--schema: {part!r} has an empty value, or one twice", hint=_EXAMPLE)
    types = {**_TYPES, "null": "null"}
    if all(word in types for word in words):
        return {"type": list(dict.fromkeys(types[word] for word in words))}
    given = [word for word in words if word != "null"]
    whole = all(map(_INTEGER.fullmatch, given))
    kind, values = ("integer" if whole else "string"), [*map(int if whole else _unquoted, given)]
    if len(given) == len(words):
        return {"type": kind, "enum": values}
    return {"type": [kind, "null"], "enum": [*values, None]}


def _unquoted(word: str) -> str:
    quoted = len(word) > 1 and word[0] == word[-1] and word[0] in "\"'"
    return word[1:-1] if quoted else word


def _not_a_field(part: str) -> UsageError:
    return UsageError(
        f"--schema: {part!r} is not NAME [TYPE][: DESCRIPTION]",
        hint=f"{_EXAMPLE}, or a file of JSON Schema",
    )
