"""`script:FILE`: answers by rules in a TOML file; the first rule that matches answers.

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
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from ocx.serve import builtin, faults
from ocx.serve.answer import Answer, Token
from ocx.serve.faults import Counters, Fault
from ocx.serve.openai_format import ApiProblem
from ocx.serve.request import ChatRequest
from ocx.serve.tool_calls import ToolCall, call_tokens
from ocx.toml import Keys, TomlFile

_NAMES = (
    *("equals", "contains", "regex", "model"),
    *("answer", "echo", "calls", "reasoning", "finish", "fault", "ttft", "tps"),
)


@dataclass(frozen=True)
class Rule:
    """A condition on the last user text and the model, and the answer if it holds."""

    equals: str | None = None
    contains: str | None = None
    regex: re.Pattern[str] | None = None
    model: str | None = None
    answer: str | None = None
    """None: echo the question, unless there are calls."""
    calls: tuple[ToolCall, ...] = ()
    reasoning: str = ""
    finish: str | None = None
    fault: Fault | None = None
    ttft: float = 0.0
    tps: float = 0.0

    @property
    def echoes(self) -> bool:
        return self.answer is None and not self.calls

    def matches(self, request: ChatRequest) -> bool:
        asked = request.question
        return (
            (self.equals is None or self.equals == asked.strip())
            and (self.contains is None or self.contains in asked)
            and (self.regex is None or self.regex.search(asked) is not None)
            and (self.model is None or self.model == request.model)
        )


class Script:
    """The rules of one file. Faults are counted per rule, for all clients together."""

    is_local = True

    def __init__(self, name: str, rules: list[Rule]) -> None:
        self._name = name
        self._rules = rules
        self._counters = Counters()

    def check(self, request: ChatRequest) -> None:
        request.check_built_in()

    def answer(self, request: ChatRequest) -> Answer:
        for at, rule in enumerate(self._rules):
            if rule.matches(request):
                return self._by(rule, at, request)
        raise ApiProblem(
            404, f"no rule of {self._name} matches", code="no_rule_matches", param="messages"
        )

    def _by(self, rule: Rule, at: int, request: ChatRequest) -> Answer:
        fault = rule.fault
        if fault is not None and not self._counters.fires(at, "", fault):
            fault = None
        if fault is not None and fault.status is not None:
            faults.refuse(fault)
        text = request.question if rule.echoes else rule.answer or ""
        reasoning = [Token(word, reasoning=True) for word in builtin.split_tokens(rule.reasoning)]
        said = builtin.answer_tokens(text, request)
        calls = call_tokens(rule.calls, request)
        finish = rule.finish or ("tool_calls" if rule.calls else "stop")
        parts = builtin.parts(chain(reasoning, said, calls), request, finish)
        answer = Answer(builtin.paced(parts, rule.ttft, rule.tps))
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
    return Rule(
        file.text((*keys, "equals")),
        file.text((*keys, "contains")),
        _regex(file, (*keys, "regex")),
        file.text((*keys, "model")),
        said,
        _calls(file, keys),
        file.text((*keys, "reasoning")) or "",
        file.text((*keys, "finish")),
        _fault(file, (*keys, "fault")),
        file.number((*keys, "ttft"), 0, 0, 3600),
        file.number((*keys, "tps"), 0, 0, 1_000_000),
    )


def _calls(file: TomlFile, keys: Keys) -> tuple[ToolCall, ...]:
    calls = file.table(keys).get("calls", [])
    if not isinstance(calls, list):
        file.fail((*keys, "calls"), "must be an array of tables")
    return tuple(_call(file, keys, call) for call in calls)


def _call(file: TomlFile, keys: Keys, call: Any) -> ToolCall:
    arguments = call.get("arguments", {}) if isinstance(call, dict) else None
    if not isinstance(arguments, dict) or not isinstance(call.get("name"), str):
        file.fail((*keys, "calls"), 'each must be like {name = "f", arguments = {a = 1}}')
    if unknown := sorted(call.keys() - {"name", "arguments"}):
        file.fail((*keys, "calls"), f"a call has a name and arguments, not {unknown[0]}")
    try:
        return ToolCall(call["name"], json.dumps(arguments, ensure_ascii=False))
    except TypeError:
        file.fail((*keys, "calls"), "arguments must be what JSON can hold")


def _regex(file: TomlFile, keys: Keys) -> re.Pattern[str] | None:
    text = file.text(keys)
    try:
        return None if text is None else re.compile(text)
    except re.error as error:
        file.fail(keys, f"is not a regular expression: {error}")


def _fault(file: TomlFile, keys: Keys) -> Fault | None:
    text = file.text(keys)
    try:
        return None if text is None else faults.parse(text)
    except ValueError as error:
        file.fail(keys, str(error))
