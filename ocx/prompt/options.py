"""`-O K=V`: any field of the API that has no flag of its own."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ocx.errors import UsageError
from ocx.jsontext import parse
from ocx.prompt.input import STDIN, read_file

# Fields of OpenAI's chat API (platform.openai.com/docs/api-reference/chat/create), to tell
# `-o temperature 0.5` of llm's users from a file name.
API_FIELDS = frozenset(
    "audio frequency_penalty function_call functions logit_bias logprobs max_completion_tokens"
    " max_tokens messages metadata modalities model n parallel_tool_calls prediction"
    " presence_penalty reasoning_effort response_format seed service_tier stop store stream"
    " stream_options temperature tool_choice tools top_k top_logprobs top_p user".split()
)
RESERVED = {
    "model": "-m/--model",
    "messages": "the prompt, -f, --messages or stdin",
    "stream": "--stream or --no-stream",
}


def parse_options(
    given: Sequence[str],
    flags: Mapping[str, Any],
    read_stdin: Callable[[], bytes] = bytes,
) -> dict[str, Any]:
    """The fields of `-O`, V as JSON if it parses, else a string; `@FILE` is read, `@@` is `@`.

    Args:
        given: the words K=V.
        flags: fields that have a flag of their own, with the value that was given, or None.

    Raises:
        UsageError: a word has no `=`, or its field is reserved or was set by a flag.
    """
    fields: dict[str, Any] = {}
    for word in given:
        name, equals, text = word.partition("=")
        if not name or not equals:
            raise UsageError(f"-O takes NAME=VALUE, not {word!r}", hint="for example -O seed=7")
        if name in RESERVED:
            raise UsageError(f"-O cannot set {name}", hint=f"use {RESERVED[name]}")
        if flags.get(name) is not None:
            raise UsageError(f"{name} is set twice, by its own flag and by -O", hint="keep one")
        fields[name] = _value(name, text, read_stdin)
    return fields


def reads_stdin(given: Sequence[str]) -> bool:
    """Whether one of the words takes its value from stdin."""
    return any(word.partition("=")[2] == f"@{STDIN}" for word in given)


def _value(name: str, text: str, read_stdin: Callable[[], bytes]) -> Any:
    if text.startswith("@@"):
        text = text[1:]
    elif text.startswith("@"):
        text = read_file(text[1:], read_stdin)
    try:
        return parse(text)
    except ValueError:
        return text
    except RecursionError:
        raise UsageError(f"-O {name}: the value is nested too deeply") from None


def check_report(report: str | None, output: str | None, flag: str = "--report") -> None:
    """Refuse a report that would stand in the midst of the answer, or in its place.

    Raises:
        UsageError: it has no file or stream of its own.
    """
    if report is None:
        return
    if report == "-" and output in {None, "-"}:
        hint = "-o FILE takes the answer, or name a file for the report"
        raise UsageError(f"{flag} - is stdout, where the answer goes", hint=hint)
    if output not in {None, "-"} and os.path.realpath(report) == os.path.realpath(output or ""):
        raise UsageError(f"-o and {flag} are one file: {report}", hint="name another file")


def check_output_name(name: str | None) -> None:
    """Refuse `-o temperature`: who writes that means -O.

    Raises:
        UsageError: the name is a field of the API.
    """
    if name in API_FIELDS:
        raise UsageError(
            f"-o names the output file; {name} is a field of the API",
            hint=f"use -O {name}=VALUE (or -o ./{name} for a file of that name)",
        )
