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
from pathlib import Path

from ocx.serve import faults
from ocx.serve.answer import AnswerSource, AnswerStream
from ocx.serve.builtin import make_answer, until_stop
from ocx.serve.faults import Counters, Fault
from ocx.serve.openai_format import ApiError
from ocx.serve.request import ChatRequest
from ocx.serve.tool_calls import ToolCall
from ocx.toml import Keys, TomlFile

_NAMES = "equals contains regex model answer echo calls reasoning finish fault ttft tps".split()


@dataclass(frozen=True)
class Rule:
    """A condition on the last user text and the model, and the answer if it holds.

    `answer` is None to echo the question, unless there are calls.
    """

    equals: str | None
    contains: str | None
    regex: re.Pattern[str] | None
    model: str | None
    answer: str | None
    calls: tuple[ToolCall, ...]
    reasoning: str
    finish: str | None
    fault: Fault | None
    ttft: float
    tps: float

    def matches(self, request: ChatRequest) -> bool:
        asked = request.question
        return (
            (self.equals is None or self.equals == asked.strip())
            and (self.contains is None or self.contains in asked)
            and (self.regex is None or self.regex.search(asked) is not None)
            and (self.model is None or self.model == request.model)
        )


class Script(AnswerSource):
    """The rules of one file. Faults are counted per rule, for all clients together."""

    def __init__(self, name: str, rules: list[Rule]) -> None:
        self._name = name
        self._rules = rules
        self._counters = Counters()

    def answer(self, request: ChatRequest) -> AnswerStream:
        numbered = enumerate(self._rules)
        at, rule = next(((at, rule) for at, rule in numbered if rule.matches(request)), (0, None))
        if rule is None:
            message = f"no rule of {self._name} matches"
            raise ApiError(404, message, "no_rule_matches", "messages")
        fires = rule.fault is not None and self._counters.fires(at, "", rule.fault)
        fault = rule.fault if fires else None
        faults.refuse_by(fault)
        echoes = rule.answer is None and not rule.calls
        answer = make_answer(
            request,
            until_stop(request.question if echoes else rule.answer or "", request),
            rule.calls,
            reasoning=rule.reasoning,
            finish=rule.finish,
            ttft=rule.ttft,
            tps=rule.tps,
        )
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
        pattern = None if regex is None else re.compile(regex)
        parsed = None if fault is None else faults.parse(fault)
    except re.error as error:
        file.fail((*keys, "regex"), f"is not a regular expression: {error}")
    except ValueError as error:
        file.fail((*keys, "fault"), str(error))
    texts = {name: file.text((*keys, name)) for name in ("equals", "contains", "model", "finish")}
    return Rule(
        **texts,
        regex=pattern,
        answer=said,
        calls=_calls(file, keys),
        reasoning=file.text((*keys, "reasoning")) or "",
        fault=parsed,
        ttft=file.number((*keys, "ttft"), 0, 0, 3600),
        tps=file.number((*keys, "tps"), 0, 0, 1_000_000),
    )


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
