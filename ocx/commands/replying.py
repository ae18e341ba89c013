"""One request, and its answer on stdout or in the file of -o."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ocx.commands.shared import Invocation
from ocx.config.settings import Settings
from ocx.errors import IncompleteError
from ocx.output.document import write_json
from ocx.output.reply import PlainWriter, TerminalWriter, Writer
from ocx.output.target import Target, open_target
from ocx.output.text import escape_control
from ocx.output.usage import usage_line

if TYPE_CHECKING:
    from ocx.api import Client, Stream


@dataclass(frozen=True)
class Form:
    """How the answer is wanted."""

    stream: bool = True
    json: bool = False
    output: str | None = None
    usage: bool = False
    reasoning: bool = False
    render: bool | None = None
    fail_on_length: bool = False


def reply(run: Invocation, settings: Settings, body: dict[str, Any], form: Form) -> None:
    """Send `body` and deliver the answer. Raises every error of the API's client."""
    body = _with_usage(body, form)
    with _target(run, form) as target, run.client(settings) as client:
        if not form.stream:
            _whole(run, client, body, form, target)
        elif form.json:
            _chunks(run, client, body, form, target)
        else:
            _text(run, client, body, form, target)


def dry_run(run: Invocation, settings: Settings, body: dict[str, Any], form: Form) -> None:
    """Print method, URL, headers (key masked) and the exact body; send nothing."""
    from ocx.commands.preview import preview

    run.terminal.stdout.write(preview(run, settings, _with_usage(body, form), stream=form.stream))


def _with_usage(body: dict[str, Any], form: Form) -> dict[str, Any]:
    """A stream counts its tokens only where asked to; -u asks."""
    if form.usage and form.stream and "stream_options" not in body:
        return {**body, "stream_options": {"include_usage": True}}
    return body


@contextmanager
def _target(run: Invocation, form: Form) -> Iterator[Target]:
    """Opened before anything is sent; completed at the end, kept as FILE.partial on the way."""
    target = open_target(run.terminal, form.output or "-")
    try:
        yield target
    except BaseException:
        kept = target.abandon()
        if kept:
            run.note(f"what arrived is in {kept}")
        raise
    target.complete()


def _text(
    run: Invocation, client: Client, body: Mapping[str, Any], form: Form, target: Target
) -> None:
    from ocx.api.deltas import SurrogateJoiner

    writer = _writer(run, form, target)
    joiner = SurrogateJoiner()
    complete = False
    with client.stream(body) as stream:
        try:
            for deltas in stream:
                if form.reasoning:
                    _show_reasoning(run, "".join(delta.reasoning for delta in deltas))
                text = joiner.feed("".join([delta.text for delta in deltas]))
                if text:
                    writer.write(text)
            complete = True
        finally:
            if rest := joiner.end():
                writer.write(rest)
            writer.finish(complete=complete)
        if not stream.content_seen and stream.tool_calls:
            _write_json(run, form, target, stream.tool_calls)
    _conclude(run, form, stream.finish_reason)
    _report_usage(run, form, stream)


def _chunks(
    run: Invocation, client: Client, body: Mapping[str, Any], form: Form, target: Target
) -> None:
    with client.stream(body) as stream:
        for deltas in stream:
            target.write("".join(_line(delta.data) for delta in deltas).encode("utf-8", "replace"))
    _conclude(run, form, stream.finish_reason)
    _report_usage(run, form, stream)


def _line(data: str) -> str:
    return data.replace("\r", " ").replace("\n", " ") + "\n"


def _whole(
    run: Invocation, client: Client, body: Mapping[str, Any], form: Form, target: Target
) -> None:
    from ocx.api.completion import CutAnswerError

    try:
        answer = client.chat(body)
    except CutAnswerError as cut:
        _deliver(run, form, target, cut.reply.json, complete=False)
        raise
    _deliver(run, form, target, answer.json, complete=True)
    _conclude(run, form, answer.json["choices"][0].get("finish_reason"))
    if form.usage and not run.quiet:
        run.terminal.message(usage_line(answer.json.get("usage"), answer.seconds))


def _deliver(
    run: Invocation, form: Form, target: Target, document: Any, *, complete: bool
) -> None:
    """What arrived, as the form says; an answer of tool calls alone is their JSON."""
    from ocx.api.deltas import SurrogateJoiner, reasoning_of, text_of

    if form.json:
        _write_json(run, form, target, document)
        return
    message = document["choices"][0]["message"]
    if form.reasoning:
        _show_reasoning(run, reasoning_of(message))
    joiner = SurrogateJoiner()
    text = joiner.feed(text_of(message.get("content"))) + joiner.end()
    writer = _writer(run, form, target)
    if text:
        writer.write(text)
    writer.finish(complete=complete)
    if not text and message.get("tool_calls"):
        _write_json(run, form, target, message["tool_calls"])


def _write_json(run: Invocation, form: Form, target: Target, value: Any) -> None:
    write_json(run.terminal, value, None if form.output in {None, "-"} else target)


def _writer(run: Invocation, form: Form, target: Target) -> Writer:
    to_person = run.terminal.stdout_tty and form.output in {None, "-"}
    if form.render or (form.render is None and to_person):
        from ocx.output.markdown import MarkdownWriter  # rich, only where somebody looks

        return MarkdownWriter(target, run.terminal, color=run.terminal.stdout_color(run.color))
    return TerminalWriter(target) if to_person else PlainWriter(target)


def _show_reasoning(run: Invocation, text: str) -> None:
    if text and not run.quiet:
        run.terminal.stderr.write(escape_control(text))


def _conclude(run: Invocation, form: Form, finish_reason: str | None) -> None:
    if finish_reason != "length":
        return
    message = "the answer was cut off at the token limit"
    if form.fail_on_length:
        raise IncompleteError(message, hint="raise --max-tokens")
    run.warn(f"{message}; raise --max-tokens, or use --fail-on-length to fail")


def _report_usage(run: Invocation, form: Form, stream: Stream) -> None:
    if form.usage and not run.quiet:
        run.terminal.message(usage_line(stream.usage, stream.seconds, stream.first_token_seconds))
