"""The smallest JSON value that a schema accepts, so that schema pipelines run offline.

The schema language is the strict subset that OpenAI documents under "Structured Outputs"; what is
outside of it is refused, as there.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import ceil
from typing import Any, NoReturn

from ocx.serve.problem import ApiProblem

PARAM = "response_format"
MOST_STEPS = 10_000
MOST_SECONDS = 2.0
"""For all patterns of a schema together."""
_KEYWORDS = frozenset(
    "type enum const anyOf $ref $defs definitions properties required additionalProperties items"
    " title description default examples $schema $id $comment pattern format minLength maxLength"
    " minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems".split()
)
_FORMATS = {
    "date-time": "1970-01-01T00:00:00Z",
    "date": "1970-01-01",
    "time": "00:00:00Z",
    "duration": "PT0S",
    "email": "a@b.co",
    "hostname": "a",
    "ipv4": "0.0.0.0",  # noqa: S104 - a value in an answer, nothing listens there
    "ipv6": "::",
    "uuid": "00000000-0000-0000-0000-000000000000",
    "uri": "a:",
}
# A pattern is not solved but guessed: the short texts that patterns in schemas mostly mean.
_GUESSES = (
    *("", "a", "A", "0", "-", "_", " ", "aa", "AA", "00", "a0", "A0", "aaa", "AAA", "000", "1"),
    *("0000", "00000", "000000", "0.0", "0.0.0", "a@b.co", "a-a", "a_a", "AA0", "AA-0", "#000000"),
    *("1970-01-01", "00:00", "00:00:00", "http://a", "https://a", "@a", "+10000000000", "a.a"),
    *(value for value in _FORMATS.values()),
)

_MATCH = """
import json, re, sys
pattern, texts = json.load(sys.stdin.buffer)
pattern = re.compile(pattern)
found = (at for at, text in enumerate(texts) if pattern.search(text))
print(json.dumps(next(found, None)))
"""


class _Unfit(Exception):
    """No finite instance here; another branch may have one."""


def for_format(wanted: dict[str, Any] | None, text: str) -> str:
    """What a built-in answer says for `response_format`; `text` where that asks for no JSON.

    Raises:
        ApiProblem: 400: an unknown type, or a schema outside the strict subset.
    """
    kind = "text" if wanted is None else wanted.get("type")
    if wanted is None or kind == "text":
        return text
    if kind == "json_object":
        return json.dumps({"echo": text}, ensure_ascii=False)
    if kind != "json_schema":
        _refuse("type must be text, json_object or json_schema", f"{PARAM}.type")
    named = wanted.get("json_schema")
    if not isinstance(named, dict) or not isinstance(named.get("schema"), dict):
        _refuse("json_schema must be an object with a schema", f"{PARAM}.json_schema")
    if not isinstance(named.get("name"), str):
        _refuse("json_schema.name is required: a string", f"{PARAM}.json_schema.name")
    value = smallest(named["schema"], strict=named.get("strict") is True)
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def smallest(schema: dict[str, Any], *, strict: bool = True) -> Any:
    """An instance of `schema` that is as short as its JSON can be, nearly always.

    Args:
        strict: every property must be required and `additionalProperties` false.

    Raises:
        ApiProblem: 400: outside the subset, or without any finite instance.
    """
    try:
        return _Solver(schema, strict).solve(schema, "schema")
    except _Unfit as error:
        _refuse(str(error))


def _refuse(message: str, param: str = f"{PARAM}.json_schema.schema") -> NoReturn:
    raise ApiProblem(400, f"{PARAM}: {message}", code="invalid_json_schema", param=param)


class _Solver:
    def __init__(self, root: dict[str, Any], strict: bool) -> None:
        self._root = root
        self._strict = strict
        self._open = {"#"}
        """The references on the way here. A smallest instance never goes through one twice."""
        self._steps = 0
        self._patience = MOST_SECONDS

    def solve(self, schema: Any, where: str) -> Any:
        self._check(schema, where)
        self._steps += 1
        if self._steps > MOST_STEPS:
            _refuse("the schema has too many branches")
        if "$ref" in schema:
            return self._refer(schema["$ref"], where)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            if not isinstance(schema["enum"], list) or not schema["enum"]:
                _refuse(f"{where}.enum must be an array that is not empty")
            return min(schema["enum"], key=_length)
        if "anyOf" in schema:
            return self._any(schema["anyOf"], f"{where}.anyOf")
        return self._typed(schema, where)

    def _check(self, schema: Any, where: str) -> None:
        if not isinstance(schema, dict):
            _refuse(f"{where} must be an object")
        for keyword in schema:
            if keyword not in _KEYWORDS:
                _refuse(f"{where}: the keyword {keyword[:64]!r} is not supported")

    def _refer(self, ref: Any, where: str) -> Any:
        target = self._resolve(ref, where)
        if ref in self._open:
            raise _Unfit(f"{where}: it goes on without end")
        self._open.add(ref)
        try:
            return self.solve(target, where)
        finally:
            self._open.remove(ref)

    def _resolve(self, ref: Any, where: str) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#"):
            _refuse(f"{where}.$ref must point into the schema itself")
        found: Any = self._root
        for written in ref.removeprefix("#").split("/")[1:]:
            step = written.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or step not in found:
                _refuse(f"{where}.$ref points to nothing: {ref[:64]}")
            found = found[step]
        return found

    def _any(self, branches: Any, where: str) -> Any:
        if not isinstance(branches, list) or not branches:
            _refuse(f"{where} must be an array that is not empty")
        found = []
        for at, branch in enumerate(branches):
            with contextlib.suppress(_Unfit):
                found.append(self.solve(branch, f"{where}[{at}]"))
        if not found:
            raise _Unfit(f"{where}: no branch has a finite instance")
        return min(found, key=_length)

    def _typed(self, schema: dict[str, Any], where: str) -> Any:
        kinds = schema.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if not kinds or not all(isinstance(kind, str) and kind in _KINDS for kind in kinds):
            _refuse(f"{where}.type must be one of {', '.join(_KINDS)}")
        found, unfit = [], _Unfit(where)
        for kind in kinds:
            try:
                found.append(_KINDS[kind](self, schema, where))
            except _Unfit as error:
                unfit = error
        if not found:
            raise unfit
        return min(found, key=_length)

    def object(self, schema: dict[str, Any], where: str) -> Any:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            _refuse(f"{where}: properties must be an object and required an array")
        if self._strict:
            self._check_strict(schema, properties, required, where)
        for name in properties:
            if name not in required:
                self._check(properties[name], f"{where}.properties.{name}")
        return {
            name: self.solve(properties.get(name, {"type": "null"}), f"{where}.{name}")
            for name in required
        }

    def _check_strict(
        self, schema: dict[str, Any], properties: dict[str, Any], required: list[Any], where: str
    ) -> None:
        if schema.get("additionalProperties") is not False:
            _refuse(f"{where}: with strict, additionalProperties must be false")
        missing = [name for name in properties if name not in required]
        if missing:
            _refuse(f"{where}: with strict, required must name {missing[0]!r} too")
        if any(name not in properties for name in required):
            _refuse(f"{where}: required names what is no property")

    def array(self, schema: dict[str, Any], where: str) -> Any:
        fewest = _whole(schema, "minItems", where)
        items = schema.get("items", {"type": "null"})
        if not fewest:
            self._check(items, f"{where}.items")
            return []
        if fewest > 1000:
            _refuse(f"{where}.minItems is too large")
        return [self.solve(items, f"{where}.items")] * fewest

    def string(self, schema: dict[str, Any], where: str) -> Any:
        fewest = _whole(schema, "minLength", where)
        if fewest > 100_000:
            _refuse(f"{where}.minLength is too large")
        most = _whole(schema, "maxLength", where) if "maxLength" in schema else fewest + 1000
        wanted = schema.get("format")
        if wanted is not None and wanted not in _FORMATS:
            _refuse(f"{where}.format must be one of {', '.join(_FORMATS)}")
        first = _FORMATS[wanted] if wanted else "a" * fewest
        guesses = (first, *(() if wanted else _padded(fewest)))
        fitting = [guess for guess in guesses if fewest <= len(guess) <= most]
        at = self._first(schema.get("pattern"), fitting, where)
        if at is None or not fitting:
            _refuse(f"{where}: no text is known here that fits its pattern and lengths")
        return fitting[at]

    def _first(self, pattern: Any, texts: list[str], where: str) -> int | None:
        """The place of the first of `texts` that the pattern accepts.

        In a process of its own: Python's engine can take years, deaf to every signal and holding
        up all other threads.
        """
        if pattern is None:
            return 0
        if not isinstance(pattern, str) or len(pattern) > 512:
            _refuse(f"{where}.pattern must be a string of at most 512 characters")
        began = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, "-I", "-S", "-c", _MATCH],
                input=json.dumps([pattern, texts]).encode(),
                capture_output=True,
                timeout=max(self._patience, 0.001),
                check=False,
            )
        except subprocess.TimeoutExpired:
            _refuse(f"{where}.pattern takes too long to match")
        finally:
            self._patience -= time.monotonic() - began
        if done.returncode:
            _refuse(f"{where}.pattern is not a regular expression")
        at: int | None = json.loads(done.stdout)
        return at

    def number(self, schema: dict[str, Any], where: str) -> Any:
        return _number(schema, where, step=Fraction(1, 8) if _is_narrow(schema) else Fraction(1))

    def integer(self, schema: dict[str, Any], where: str) -> Any:
        return _number(schema, where, step=Fraction(1))

    def boolean(self, schema: dict[str, Any], where: str) -> Any:  # noqa: ARG002
        return True  # a letter shorter than false

    def null(self, schema: dict[str, Any], where: str) -> Any:  # noqa: ARG002
        return None


_KINDS: dict[str, Callable[[_Solver, dict[str, Any], str], Any]] = {
    "object": _Solver.object,
    "array": _Solver.array,
    "string": _Solver.string,
    "number": _Solver.number,
    "integer": _Solver.integer,
    "boolean": _Solver.boolean,
    "null": _Solver.null,
}


def _length(value: Any) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")))


def _whole(schema: dict[str, Any], name: str, where: str) -> int:
    value = schema.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        _refuse(f"{where}.{name} must be a whole number from 0")
    return int(value)


def _padded(fewest: int) -> Iterator[str]:
    for guess in _GUESSES:
        yield guess
        if len(guess) == 1 and fewest > 1:
            yield guess * fewest


def _is_narrow(schema: dict[str, Any]) -> bool:
    low = schema.get("minimum", schema.get("exclusiveMinimum"))
    high = schema.get("maximum", schema.get("exclusiveMaximum"))
    return isinstance(low, (int, float)) and isinstance(high, (int, float)) and high - low < 2


def _number(schema: dict[str, Any], where: str, step: Fraction) -> int | float:
    bounds = {name: _bound(schema, name, where) for name in _BOUNDS}
    multiple = bounds["multipleOf"]
    if multiple is not None:
        if multiple <= 0:
            _refuse(f"{where}.multipleOf must be above 0")
        step = multiple
    # In half-open terms: the smallest step that is allowed, then the one nearest to nought.
    low = _lowest(bounds, step)
    high = _highest(bounds, step)
    at = 0 if low is None or low <= 0 else low
    if high is not None and at > high:
        at = high
    if low is not None and at < low:
        raise _Unfit(f"{where}: no number is in its range")
    value = at * step
    return int(value) if value.denominator == 1 else float(value)


_BOUNDS = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")


def _bound(schema: dict[str, Any], name: str, where: str) -> Fraction | None:
    value = schema.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        _refuse(f"{where}.{name} must be a number")
    try:
        return Fraction(value).limit_denominator(10**9)
    except OverflowError:  # 1e999 is infinite
        _refuse(f"{where}.{name} must be a number")


def _lowest(bounds: dict[str, Fraction | None], step: Fraction) -> int | None:
    found = []
    if (least := bounds["minimum"]) is not None:
        found.append(ceil(least / step))
    if (above := bounds["exclusiveMinimum"]) is not None:
        found.append((above / step).__floor__() + 1)
    return max(found, default=None)


def _highest(bounds: dict[str, Fraction | None], step: Fraction) -> int | None:
    found = []
    if (most := bounds["maximum"]) is not None:
        found.append((most / step).__floor__())
    if (below := bounds["exclusiveMaximum"]) is not None:
        found.append(ceil(below / step) - 1)
    return min(found, default=None)
