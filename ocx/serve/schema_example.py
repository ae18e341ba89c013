"""The smallest JSON value that a schema accepts, so that schema and tool pipelines run offline.

The schema language is the subset that OpenAI documents under "Structured Outputs"; anything else
is refused, as there. `lenient` is for the parameters of tools: it also takes `oneOf`, schemas
without a type, unknown formats and annotations, and texts have at least one letter.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from math import ceil, floor
from typing import Any

from ocx.text import compact

MOST_STEPS = 10_000
MOST_ITEMS = 1000
MOST_LETTERS = 100_000
MOST_BYTES = 1024 * 1024
"""Of the JSON of an instance; more is refused while it is made, not measured afterwards."""
_MOST_WORK = 8 * MOST_BYTES  # letters of all the parts that are tried on the way
_MOST_REF = 2000
_MOST_NUMBER = 1e100
_KEYWORDS = frozenset(
    "type enum const anyOf $ref $defs definitions properties required additionalProperties items"
    " title description default examples $schema $id $comment pattern format minLength maxLength"
    " minimum maximum exclusiveMinimum exclusiveMaximum multipleOf minItems maxItems".split()
)
_UNSUPPORTED = frozenset(
    "allOf not if then else dependentSchemas dependentRequired dependencies prefixItems contains"
    " patternProperties propertyNames unevaluatedItems unevaluatedProperties minProperties"
    " minContains $dynamicRef $recursiveRef".split()
)
_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_ALWAYS = {"boolean": True, "null": None}
"""true is a letter shorter than false."""
_BOUNDS = ("minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum", "multipleOf")
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


class SchemaError(ValueError):
    """The schema is not one, or is outside the subset."""


class UnsatisfiableError(SchemaError):
    """No finite value fits here; another branch may have one."""


@dataclass
class Work:
    """What was done for one request: branches, and letters of all the parts that were tried."""

    steps: int = 0
    letters: int = 0


def smallest_instance(
    schema: Any, *, strict: bool = True, lenient: bool = False, work: Work | None = None
) -> Any:
    """An instance of `schema` that is as short as its JSON can be, nearly always.

    Args:
        strict: every property must be required and `additionalProperties` false.
        work: what was done before, for a request of several schemas.

    Raises:
        SchemaError: outside the subset, or without any finite instance.
    """
    try:
        return _Solver(schema, strict, lenient, work or Work()).solve(schema, "schema")
    except RecursionError:
        raise SchemaError("the schema is nested too deeply") from None


@dataclass
class _Solver:
    """Makes the instances of one schema.

    Attributes:
        open: the references on the way here. A smallest instance never goes through one twice.
    """

    root: Any
    strict: bool
    lenient: bool
    work: Work
    open: set[str] = field(default_factory=lambda: {"#"})

    def solve(self, schema: Any, where: str) -> Any:
        self._check(schema, where)
        self.work.steps += 1
        if self.work.steps > MOST_STEPS:
            raise SchemaError("the schema has too many branches")
        if "$ref" in schema:
            return self._refer(schema["$ref"], where)
        if "const" in schema:
            self._length(schema["const"])
            return schema["const"]
        for name in ("enum", "anyOf", "oneOf"):
            if name not in schema:
                continue
            branches, there = schema[name], f"{where}.{name}"
            if not isinstance(branches, list) or not branches:
                raise SchemaError(f"{there} must be an array that is not empty")
            if name == "enum":
                return min(branches, key=self._length)
            return self._shortest(
                partial(self.solve, each, f"{there}[{at}]") for at, each in enumerate(branches)
            )
        implied = "array" if "items" in schema else "object" if "properties" in schema else "string"
        kinds = schema.get("type", implied if self.lenient else None)
        kinds = kinds if isinstance(kinds, list) else [kinds]
        if not kinds or not all(isinstance(kind, str) and kind in _TYPES for kind in kinds):
            raise SchemaError(f"{where}.type must be one of {', '.join(_TYPES)}")
        return self._shortest(
            partial(self._make, kind, schema, where) for kind in dict.fromkeys(kinds)
        )

    def _make(self, kind: str, schema: dict[str, Any], where: str) -> Any:
        if kind in _ALWAYS:
            return _ALWAYS[kind]
        return getattr(self, f"_{kind}")(schema, where)

    def _shortest(self, ways: Iterable[Callable[[], Any]]) -> Any:
        """The shortest value of several ways to make one; if there is none, the last error."""
        found, error = [], None
        for make in ways:
            try:
                found.append(make())
            except UnsatisfiableError as unsatisfiable:
                error = unsatisfiable
        if not found and error is not None:
            raise error
        return min(found, key=self._length) if len(found) > 1 else found[0]

    def _check(self, schema: Any, where: str) -> None:
        if not isinstance(schema, dict):
            raise SchemaError(f"{where} must be an object")
        for keyword in schema:
            refused = keyword in _UNSUPPORTED if self.lenient else keyword not in _KEYWORDS
            if refused:
                raise SchemaError(f"{where}: the keyword {keyword[:64]!r} is not supported")

    def _refer(self, ref: Any, where: str) -> Any:
        if not isinstance(ref, str) or not ref.startswith("#") or len(ref) > _MOST_REF:
            raise SchemaError(f"{where}.$ref must point into the schema itself")
        found: Any = self.root
        for written in ref.removeprefix("#").split("/")[1:]:
            step = written.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or step not in found:
                raise SchemaError(f"{where}.$ref points to nothing: {ref[:64]}")
            found = found[step]
        if ref in self.open:
            raise UnsatisfiableError(f"{where}: it goes on without end")
        self.open.add(ref)
        try:
            return self.solve(found, where)
        finally:
            self.open.remove(ref)

    def _length(self, value: Any) -> int:
        """The length of its JSON.

        Raises:
            SchemaError: it is beyond the bounds, or what was measured on the way is.
        """
        length = len(compact(value))
        self.work.letters += length
        if length > MOST_BYTES or self.work.letters > _MOST_WORK:
            raise SchemaError("the schema asks for more than 1 MiB")
        return length

    def _object(self, schema: dict[str, Any], where: str) -> Any:
        properties = schema.get("properties", {})
        required = schema.get("required", [])
        if not isinstance(properties, dict) or not isinstance(required, list):
            raise SchemaError(f"{where}: properties must be an object and required an array")
        if not all(isinstance(name, str) for name in required):
            raise SchemaError(f"{where}.required must hold names")
        wanted = dict.fromkeys(required)
        optional = [name for name in properties if name not in wanted]
        if self.strict:
            if schema.get("additionalProperties") is not False:
                raise SchemaError(f"{where}: with strict, additionalProperties must be false")
            if optional:
                raise SchemaError(f"{where}: with strict, required must name {optional[0]!r} too")
            if wanted.keys() - properties.keys():
                raise SchemaError(f"{where}: required names what is no property")
        for name in optional:
            self._check(properties[name], f"{where}.properties.{name}")
        made: dict[str, Any] = {}
        for name in wanted:
            made[name] = self.solve(properties.get(name, {"type": "null"}), f"{where}.{name}")
        self._length(made)
        return made

    def _array(self, schema: dict[str, Any], where: str) -> Any:
        fewest = _count(schema, "minItems", where, MOST_ITEMS)
        items = schema.get("items", {"type": "null"})
        if not fewest:
            self._check(items, f"{where}.items")
            return []
        if fewest > 1 and schema.get("uniqueItems"):
            raise SchemaError(f"{where}: uniqueItems with minItems above 1 is not supported")
        item = self.solve(items, f"{where}.items")
        if (self._length(item) + 1) * fewest > MOST_BYTES:
            raise SchemaError(f"{where}: it asks for more than 1 MiB")
        return [item] * fewest

    def _string(self, schema: dict[str, Any], where: str) -> Any:
        fewest = _count(schema, "minLength", where, MOST_LETTERS)
        most = _count(schema, "maxLength", where) if "maxLength" in schema else None
        wanted = schema.get("format")
        known = isinstance(wanted, str) and wanted in _FORMATS
        if "pattern" in schema:
            # What the schema itself gives: finding a text that fits may take for ever.
            examples = schema.get("examples")
            given = [*(examples if isinstance(examples, list) else ()), schema.get("default")]
            text = next((each for each in given if isinstance(each, str)), None)
            if text is None:
                hint = "give a text that fits it in examples"
                raise SchemaError(f"{where}.pattern cannot be satisfied here: {hint}")
        elif wanted is not None and not known and not self.lenient:
            raise SchemaError(f"{where}.format must be one of {', '.join(_FORMATS)}")
        else:
            if self.lenient and not fewest and most != 0:
                fewest = 1  # few functions can do anything with an empty text
            text = _FORMATS[str(wanted)] if known else "a" * fewest
            if len(text) < fewest or (most is not None and len(text) > most):
                message = f"{where}: no text is known that fits its format and lengths"
                raise UnsatisfiableError(message)
        self._length(text)
        return text

    def _integer(self, schema: dict[str, Any], where: str) -> Any:
        return self._number(schema, where, ("1",))

    def _number(
        self, schema: dict[str, Any], where: str, steps: tuple[str, ...] = ("1", "1/8", "1/1000000")
    ) -> Any:
        """The multiple of the first step that is in the range and nearest to zero."""
        least, above, most, below, multiple = (_bound(schema, name, where) for name in _BOUNDS)
        if multiple and multiple[0] <= 0:
            raise SchemaError(f"{where}.multipleOf must be above 0")
        for step in multiple or map(Fraction, steps):
            lows = [ceil(bound / step) for bound in least]
            lows += [floor(bound / step) + 1 for bound in above]
            highs = [floor(bound / step) for bound in most]
            highs += [ceil(bound / step) - 1 for bound in below]
            at = min([max([0, *lows]), *highs])
            if at >= max(lows, default=at):
                value = at * step
                return int(value) if value.denominator == 1 else float(value)
        raise UnsatisfiableError(f"{where}: no number is in its range")


def _count(schema: dict[str, Any], name: str, where: str, most: int | None = None) -> int:
    value = schema.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise SchemaError(f"{where}.{name} must be a whole number from 0")
    if most is not None and value > most:
        raise SchemaError(f"{where}.{name} is too large")
    return value


def _bound(schema: dict[str, Any], name: str, where: str) -> list[Fraction]:
    """The number that is given, if one is."""
    value = schema.get(name)
    if value is None:
        return []
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if is_number and abs(value) < _MOST_NUMBER:
        return [Fraction(value).limit_denominator(10**9)]
    raise SchemaError(f"{where}.{name} must be a number below {_MOST_NUMBER}")
