"""The models that exist, and which source answers a request for one.

A source of its own is `script:FILE`: of the rules in a TOML file the first that matches answers.

```toml
[[rule]]
contains = "weather"          # also: equals, regex, model; all that are given must match
answer = "Sunny."             # or echo = true, or calls = [{name = "f", arguments = {a = 1}}]
reasoning = "Looks outside."  # optional, as are finish, fault, ttft and tps
[[rule]]
answer = "I only know the weather."
```
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from ocx.api.prices import Price
from ocx.serve import faults
from ocx.serve.admission import RequestRecord
from ocx.serve.answer import AnswerSource, AnswerStream
from ocx.serve.builtin import Echo, make_answer, parse_lorem, until_stop
from ocx.serve.charge import MICRO
from ocx.serve.faults import Counters, Fault
from ocx.serve.openai_format import ApiError
from ocx.serve.request import ChatRequest
from ocx.serve.tool_calls import ToolCall
from ocx.text import did_you_mean
from ocx.toml import Keys, TomlFile

ECHO = "echo"
DEFAULT = "deepseek-chat"
REASONER = "deepseek-reasoner"
DIRECT = ("lorem:", faults.PREFIX)
"""What a request may name besides a model of the catalogue. Never `script:`, `tape:` or
`forward:`: with those a request could read files and reach hosts."""


@dataclass(frozen=True)
class Model:
    """A model of the catalogue, and what answers its requests."""

    id: str
    owner: str
    price: Price
    source: AnswerSource

    def document(self) -> dict[str, Any]:
        """As OpenAI and, for the price of a token, OpenRouter write it; the unit is our own."""
        price = self.price
        pricing = {"unit": "credits"}
        for name, amount in (
            ("prompt", price.prompt),
            ("completion", price.completion),
            ("input_cache_read", price.cached_prompt),
        ):
            if amount is not None:
                pricing[name] = f"{(amount / MICRO).normalize():f}"
        document = {"id": self.id, "object": "model", "created": 1700000000, "owned_by": self.owner}
        return {**document, "pricing": pricing}


def _model(id: str, owner: str, prompt: str, completion: str) -> Model:
    return Model(id, owner, Price(Decimal(prompt), Decimal(completion)), Echo(id == REASONER))


# Play prices in the proportions of the list prices. A request that names no max_tokens reserves
# 4,096 tokens, and no model may hold five credits for that: 1,200 a million would be too much.
BUILT_IN = (
    _model("deepseek-chat", "deepseek", "5", "18"),
    _model(REASONER, "deepseek", "9", "36"),
    _model("qwen-plus", "qwen", "7", "20"),
    _model("claude-3-sonnet", "anthropic", "50", "250"),
    _model("gemini-pro", "google", "8", "25"),
    _model("gpt-4o", "openai", "40", "160"),
    _model("gpt-4", "openai", "500", "1000"),
)


def built_in(route: str, *, reasons: bool = False) -> AnswerSource:
    """The source that a fault, `lorem:N` or `echo` is.

    Raises:
        ValueError: it is none of them.
    """
    if route.startswith(faults.PREFIX):
        faults.parse(route)
        return Echo(reasons, route)
    return Echo(reasons) if route == ECHO else parse_lorem(route)


class Router:
    """Models by id, and the faults that their requests meet."""

    def __init__(self, models: Iterable[Model] = BUILT_IN) -> None:
        self.models: Mapping[str, Model] = {model.id: model for model in models}
        self._counters = Counters()

    def find(self, name: str) -> Model:
        """Find the model that a request names.

        Raises:
            ApiError: 404; the message gives the nearest name.
        """
        if name in self.models:
            return self.models[name]
        if name.startswith(DIRECT):
            like = self.models.get(DEFAULT, BUILT_IN[0])
            try:
                return Model(name, "ocx", like.price, built_in(name))
            except ValueError as error:
                raise _no_model(str(error)) from error
        hint = did_you_mean(name[:200], self.models, "; ")
        raise _no_model(f"no model is called {name[:200]!r}{hint}")

    def choose(
        self, model: Model, request: ChatRequest, record: RequestRecord
    ) -> tuple[AnswerSource, Fault | None]:
        """Return what will answer, once the request is paid for, and the fault that it meets.

        Raises:
            ApiError: the fault is a status or unknown, or the source refuses the request.
        """
        source = model.source
        fault = self.fault(record, source.fault)
        faults.refuse_by(fault)
        if fault is not None and not source.is_local:
            # Faults must not spend an upstream's tokens, so a forwarded model is answered by echo.
            source = Echo()
        source.check(request)
        return source, fault

    def fault(self, record: RequestRecord, own: str | None = None) -> Fault | None:
        """The fault that this request meets, from its header, else the model's own.

        Raises:
            ApiError: 400: there is no such fault.
        """
        text = own if record.fault is None else record.fault
        if text is None:
            return None
        try:
            fault = faults.parse(text)
        except ValueError as error:
            raise ApiError(400, str(error), "invalid_parameter", faults.HEADER) from error
        key = record.key.id if record.key else None
        return fault if self._counters.fires(key, text, fault) else None

    async def close(self) -> None:
        """Close the connections to upstreams."""
        for model in self.models.values():
            await model.source.close()


def _no_model(message: str) -> ApiError:
    return ApiError(404, message, "model_not_found", "model")


_NAMES = "equals contains regex model answer echo calls reasoning finish fault ttft tps".split()


@dataclass(frozen=True)
class Rule:
    """A condition on the last user text and the model, and the answer if it holds.

    Attributes:
        text: None to echo the question.
        made: an answer to a request, of these words.
    """

    equals: str | None
    contains: str | None
    regex: re.Pattern[str]
    model: str | None
    text: str | None
    made: Callable[[ChatRequest, Iterable[str]], AnswerStream]
    fault: Fault | None

    def matches(self, request: ChatRequest) -> bool:
        asked = request.asking.text
        return (
            self.equals in (None, asked.strip())
            and (self.contains or "") in asked
            and self.regex.search(asked) is not None
            and self.model in (None, request.model)
        )


@dataclass
class Script(AnswerSource):
    """The rules of one file. Faults are counted per rule, for all clients together."""

    name: str
    rules: list[Rule]
    counters: Counters = field(default_factory=Counters)

    def answer(self, request: ChatRequest) -> AnswerStream:
        numbered = enumerate(self.rules)
        at, rule = next(((at, rule) for at, rule in numbered if rule.matches(request)), (0, None))
        if rule is None:
            message = f"no rule of {self.name} matches"
            raise ApiError(404, message, "no_rule_matches", "messages")
        fires = rule.fault is not None and self.counters.fires(at, "", rule.fault)
        fault = rule.fault if fires else None
        faults.refuse_by(fault)
        text = request.asking.text if rule.text is None else rule.text
        answer = rule.made(request, until_stop(text, request))
        return answer if fault is None else faults.inject_fault(fault, answer)


def load(path: Path) -> Script:
    """Read the script at `path`.

    Raises:
        ConfigError: unreadable or wrong; the message names the line.
    """
    file = TomlFile.read(path)
    file.known((), ["rule"])
    rules = file.data.get("rule")
    if not isinstance(rules, list) or not rules:
        file.fail(("rule",), "must be one or more tables: [[rule]]")
    return Script(path.name, [_rule(file, ("rule", at)) for at in range(len(rules))])


def _rule(file: TomlFile, keys: Keys) -> Rule:
    table = file.known(keys, _NAMES)
    echo = file.flag((*keys, "echo"), False)
    if echo == bool({"answer", "calls"} & table.keys()) and "fault" not in table:
        file.fail(keys, "takes either answer or echo = true")
    said = table.get("answer")
    if said is not None and not isinstance(said, str):  # an empty answer is an answer
        file.fail((*keys, "answer"), "must be a string")
    regex, fault = file.text((*keys, "regex")), file.text((*keys, "fault"))
    try:
        pattern = re.compile(regex or "")
        parsed = None if fault is None else faults.parse(fault)
    except re.error as error:
        file.fail((*keys, "regex"), f"is not a regular expression: {error}")
    except ValueError as error:
        file.fail((*keys, "fault"), str(error))
    calls = _calls(file, keys)
    made = partial(
        make_answer,
        calls=calls,
        reasoning=file.text((*keys, "reasoning")) or "",
        finish=file.text((*keys, "finish")),
        ttft=file.number((*keys, "ttft"), 0, 0, 3600),
        tps=file.number((*keys, "tps"), 0, 0, 1_000_000),
    )
    texts = {name: file.text((*keys, name)) for name in ("equals", "contains", "model")}
    text = "" if calls and said is None else said
    return Rule(**texts, regex=pattern, text=text, made=made, fault=parsed)


def _calls(file: TomlFile, keys: Keys) -> tuple[ToolCall, ...]:
    calls, keys = file.table(keys).get("calls", []), (*keys, "calls")
    if not isinstance(calls, list):
        file.fail(keys, "must be an array of tables")
    found = []
    for call in calls:
        arguments = call.get("arguments", {}) if isinstance(call, dict) else None
        if not isinstance(arguments, dict) or not isinstance(call.get("name"), str):
            file.fail(keys, 'each must be like {name = "f", arguments = {a = 1}}')
        if unknown := sorted(call.keys() - {"name", "arguments"}):
            file.fail(keys, f"a call has a name and arguments, not {unknown[0]}")
        try:
            found.append(ToolCall(call["name"], json.dumps(arguments, ensure_ascii=False)))
        except TypeError:
            file.fail(keys, "arguments must be what JSON can hold")
    return tuple(found)
