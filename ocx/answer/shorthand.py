"""`--schema "name, age int"`: a few words that stand for a JSON Schema, as in `llm`."""

from __future__ import annotations

from typing import Any

from ocx.errors import UsageError
from ocx.suggest import did_you_mean

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
}


def from_shorthand(text: str) -> dict[str, Any]:
    """An object schema, strict as OpenAI's structured outputs want it: all required, no others.

    The same between brackets, `[name, age int]`, is the schema of a list of such objects.
    Fields stand between commas, or one on each line if there are several lines:
    `NAME [TYPE][: DESCRIPTION]`; TYPE is str (default), int, float or bool, `[]` after it a list.

    Raises:
        UsageError: a field has no name, an unknown type, or a name that is given twice.
    """
    if text.strip().startswith("["):
        if not text.strip().endswith("]"):
            raise UsageError("--schema begins with [ and does not end with ]")
        return {"type": "array", "items": from_shorthand(text.strip()[1:-1])}
    parts = text.splitlines() if "\n" in text.strip() else text.split(",")
    properties: dict[str, Any] = {}
    for part in filter(None, (part.strip().removesuffix(",") for part in parts)):
        name, schema = _field(part)
        if name in properties:
            raise UsageError(f"--schema names the field {name!r} twice")
        properties[name] = schema
    if not properties:
        raise UsageError("--schema is empty", hint='for example --schema "name, age int"')
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field(part: str) -> tuple[str, dict[str, Any]]:
    declaration, _, description = part.partition(":")
    words = declaration.split()
    if not 1 <= len(words) <= 2:
        raise UsageError(
            f"--schema: {part!r} is not NAME [TYPE][: DESCRIPTION]",
            hint='for example --schema "name, age int, tags str[]", or a file of JSON Schema',
        )
    schema = _type(words[1] if len(words) == 2 else "str")
    if description.strip():
        schema["description"] = description.strip()
    return words[0], schema


def _type(word: str) -> dict[str, Any]:
    if word.endswith("[]"):
        return {"type": "array", "items": _type(word.removesuffix("[]"))}
    if word not in _TYPES:
        raise UsageError(
            f"--schema: unknown type {word!r}{did_you_mean(word, _TYPES)}",
            hint="types are str, int, float, bool, and a list of each: str[]",
        )
    return {"type": _TYPES[word]}
