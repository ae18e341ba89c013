"""One request, and its answer on stdout or in the file of -o."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ocx.config.settings import Settings
from ocx.errors import IncompleteError
from ocx.output.answer_writers import (
    NoWriter,
    PlainWriter,
    ReasoningWriter,
    TerminalWriter,
    Writer,
)
from ocx.output.json_output import spelled, write_json
from ocx.output.output_file import Target, open_target
from ocx.output.usage import usage_line
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.api import Client, Delta, Reply, Stream


@dataclass(frozen=True)
class Form:
    """How the answer is wanted."""

    stream: bool = True
    json: bool = False
    output: str | None = None
    usage: bool = False
    count: bool = False
    """Ask for the usage without showing it: a cost may stand in it."""
    reasoning: bool = False
    render: bool | None = None
    fail_on_length: bool = False
    held: bool = False
    """Nothing is printed as it comes: what is made of the answer is, afterwards."""


class Record(Protocol):
    """Keeps an answer, for the history or for what is made of it. Without one no text is kept."""

    def begin(self, stream: Stream) -> None: ...

    def add(self, deltas: Sequence[Delta]) -> None: ...

    def whole(self, answer: Reply) -> None: ...


def reply(run: Runtime, settings: Settings, body: dict[str, Any], form: Form) -> None:
    """Send `body` and deliver the answer. Raises every error of the API's client."""
    from ocx.client import open_client  # httpx, only if something is sent

    with opened(run, form) as target, open_client(run, settings) as client:
        deliver(run, client, body, form, target)


def deliver(
    run: Runtime,
    client: Client,
    body: dict[str, Any],
    form: Form,
    target: Target,
    record: Record | None = None,
) -> None:
    """The same over an open client into an open target."""
    body = with_usage(body, form)
    if not form.stream:
        _whole(run, client, body, form, target, record)
    elif form.json:
        _chunks(run, client, body, form, target, record)
    else:
        _text(run, client, body, form, target, record)


def dry_run(run: Runtime, settings: Settings, body: dict[str, Any], form: Form) -> None:
    """Print method, URL, headers (key masked) and the exact body; send nothing."""
    from ocx.call.preview import preview

    run.terminal.stdout.write(preview(run, settings, with_usage(body, form), stream=form.stream))


def with_usage(body: dict[str, Any], form: Form) -> dict[str, Any]:
    """A stream counts its tokens only where asked to; -u and --cost ask."""
    if (form.usage or form.count) and form.stream and "stream_options" not in body:
        return {**body, "stream_options": {"include_usage": True}}
    return body


@contextmanager
def opened(run: Runtime, form: Form) -> Iterator[Target]:
    """Opened before anything is sent; completed at the end, kept as FILE.partial on the way."""
    target = open_target(run.terminal, "-" if form.output is None else form.output)
    try:
        yield target
    except BaseException:
        kept = target.abandon()
        if kept:
            run.note(f"what arrived is in {kept}")
        raise
    target.complete()


def _text(
    run: Runtime,
    client: Client,
    body: Mapping[str, Any],
    form: Form,
    target: Target,
    record: Record | None,
) -> None:
    from ocx.api.surrogates import SurrogateJoiner

    writer = writer_for(run, form, target)
    joiner = SurrogateJoiner()
    reasoning = ReasoningWriter(run.terminal) if form.reasoning and not run.quiet else None
    complete = wrote = False
    with client.stream(body) as stream:
        if record:
            record.begin(stream)
        try:
            for deltas in stream:
                if record:
                    record.add(deltas)
                if reasoning:
                    reasoning.write("".join(delta.reasoning for delta in deltas))
                one = len(deltas) == 1  # as mostly: this line runs once a token
                text = joiner.feed(deltas[0].text if one else "".join([d.text for d in deltas]))
                if text:
                    if reasoning:
                        reasoning.finish()
                    writer.write(text)
                    wrote = True
            complete = True
        finally:
            if rest := joiner.end():
                writer.write(rest)
            writer.finish(complete=complete)
        if stream.tool_calls and not wrote and not form.held:
            # The index served to join the fragments; whole answers have none.
            calls = [{k: v for k, v in c.items() if k != "index"} for c in stream.tool_calls]
            _write_json(run, form, target, calls)
    _conclude(run, form, stream.finish_reason)
    _report_usage(run, form, stream)


def _chunks(
    run: Runtime,
    client: Client,
    body: Mapping[str, Any],
    form: Form,
    target: Target,
    record: Record | None,
) -> None:
    to_person = _to_person(run, form)
    with client.stream(body) as stream:
        if record:
            record.begin(stream)
        for deltas in stream:
            if record:
                record.add(deltas)
            text = "".join(_line(delta.data) for delta in deltas)
            target.write((spelled(text) if to_person else text).encode("utf-8", "replace"))
    _conclude(run, form, stream.finish_reason)
    _report_usage(run, form, stream)


def _line(data: str) -> str:
    return data.replace("\r", " ").replace("\n", " ") + "\n"


def _whole(
    run: Runtime,
    client: Client,
    body: Mapping[str, Any],
    form: Form,
    target: Target,
    record: Record | None,
) -> None:
    from ocx.api.completion import CutAnswerError

    try:
        answer = client.chat(body)
    except CutAnswerError as cut:
        if record:
            record.whole(cut.reply)
        _deliver(run, form, target, cut.reply.json, complete=False)
        raise
    if record:
        record.whole(answer)
    _deliver(run, form, target, answer.json, complete=True)
    _conclude(run, form, answer.json["choices"][0].get("finish_reason"))
    if form.usage and not run.quiet:
        run.terminal.message(usage_line(answer.json.get("usage"), answer.seconds))


def _deliver(run: Runtime, form: Form, target: Target, document: Any, *, complete: bool) -> None:
    """What arrived, as the form says; an answer of tool calls alone is their JSON."""
    from ocx.api.stream_state import reasoning_of, text_of
    from ocx.api.surrogates import SurrogateJoiner

    if form.json:
        _write_json(run, form, target, document)
        return
    message = document["choices"][0]["message"]
    if form.reasoning and not run.quiet:
        reasoning = ReasoningWriter(run.terminal)
        reasoning.write(reasoning_of(message))
        reasoning.finish()
    joiner = SurrogateJoiner()
    text = joiner.feed(text_of(message.get("content"))) + joiner.end()
    writer = writer_for(run, form, target)
    if text:
        writer.write(text)
    writer.finish(complete=complete)
    if not text and message.get("tool_calls") and not form.held:
        _write_json(run, form, target, message["tool_calls"])


def _write_json(run: Runtime, form: Form, target: Target, value: Any) -> None:
    write_json(run.terminal, value, None if form.output in {None, "-"} else target)


def _to_person(run: Runtime, form: Form) -> bool:
    return run.terminal.stdout_tty and form.output in {None, "-"}


def writer_for(run: Runtime, form: Form, target: Target) -> Writer:
    if form.held:
        return NoWriter()
    to_person = _to_person(run, form)
    if form.render or (form.render is None and to_person):
        from ocx.output.markdown import MarkdownWriter  # rich, only where somebody looks

        return MarkdownWriter(target, run.terminal, color=run.terminal.stdout_color(run.color))
    return TerminalWriter(target) if to_person else PlainWriter(target)


def _conclude(run: Runtime, form: Form, finish_reason: str | None) -> None:
    if finish_reason != "length":
        return
    message = "the answer was cut off at the token limit"
    if form.fail_on_length:
        raise IncompleteError(message, hint="raise --max-tokens")
    run.warn(f"{message}; raise --max-tokens, or use --fail-on-length to fail")


def _report_usage(run: Runtime, form: Form, stream: Stream) -> None:
    if form.usage and not run.quiet:
        run.terminal.message(usage_line(stream.usage, stream.seconds, stream.first_token_seconds))
