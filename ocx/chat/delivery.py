"""An answer on stdout or in the file of -o, as it comes; what is told about it on stderr."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ocx.api.answer import Answer, SurrogateJoiner, unknown_reason
from ocx.api.message import media_words
from ocx.api.types import Delta
from ocx.chat.exchange import CUT_AT_LIMIT, Body, ChatRunner, DeltaSink, Exchange, was_cut
from ocx.chat.options import ChatOptions, OutputOptions
from ocx.context import Context
from ocx.output.writers import (
    GatheringSink,
    NoWriter,
    OutputFile,
    PlainWriter,
    ReasoningWriter,
    Sink,
    Writer,
    escaped_json,
    json_text,
    open_output_file,
)

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.output.live_stderr import Spinner


@contextmanager
def open_output(ctx: Context, output: OutputOptions) -> Iterator[OutputFile]:
    """Opened before anything is sent; completed at the end, kept as FILE.partial on the way."""
    target = open_output_file(ctx.terminal, "-" if output.file is None else output.file)
    try:
        yield target
    except BaseException:
        if kept := target.abandon():
            ctx.note(f"what arrived is in {kept}")
        raise
    target.complete()


def send(
    ctx: Context, options: ChatOptions, runner: ChatRunner, body: Body, target: OutputFile
) -> Exchange:
    """Make a call, write its answer to `target` as it comes, and tell its cost if asked.

    Raises: as `ChatRunner.send`.
    """
    with _sink_with_spinner(ctx, options, runner.client, body["model"], target) as sink:
        exchange = runner.send(body, sink)
    if options.credits.cost and exchange.cost is not None:
        from ocx.output.figures import cost_fields, cost_line

        ctx.tell("cost", cost_line(exchange.cost), cost_fields(exchange.cost))
    return exchange


@contextmanager
def _sink_with_spinner(
    ctx: Context, options: ChatOptions, client: Client, model: str, target: OutputFile
) -> Iterator[DeltaSink]:
    """What delivers the answer of a call that is made inside; a person sees what is waited for."""
    delivery = JsonDelivery if ctx.json else TextDelivery
    output = options.output
    if ctx.animates:
        from ocx.output.live_stderr import answer_of, spinning  # threads, only if somebody looks

        sink = delivery(ctx, options, target)
        with spinning(ctx, answer_of(client, model)) as sink.spinner:
            yield sink
    elif output.reasoning == "show" or (ctx.terminal.stdout_tty and output.to_stdout):
        # Two streams that keep their order; or somebody looks.
        yield delivery(ctx, options, target)
    else:
        # In a pipe, all that one network read brought is written at once: fewer system calls.
        gathered = GatheringSink(target)
        with client.before_each_wait(gathered.pass_on):
            yield delivery(ctx, options, gathered)


class _Delivery(DeltaSink):
    """What both ways have in common.

    Attributes:
        spinner: what a person sees until something is written.
    """

    spinner: Spinner | None = None

    def __init__(self, ctx: Context, options: ChatOptions, target: Sink) -> None:
        self._ctx = ctx
        self._output = options.output
        self._checks = options.checks
        self._target = target
        self._to_person = ctx.terminal.stdout_tty and options.output.to_stdout

    def _stop_spinner(self) -> None:
        if self.spinner is not None:
            self.spinner.stop()
        self.spinner = None

    def finish(self, answer: Answer, *, complete: bool) -> None:
        self._target.flush()
        if not complete:
            return
        if reason := unknown_reason(answer.finish_reason):
            self._ctx.warn(f"the finish_reason {reason} is not known; it counts as finished")
        if was_cut(answer):
            if self._checks.fail_on_length:
                return
            self._ctx.warn(f"{CUT_AT_LIMIT}; raise --max-tokens, or use --fail-on-length to fail")
        if self._output.usage:
            from ocx.output.figures import usage_fields, usage_line

            self._ctx.tell("usage", usage_line(answer), usage_fields(answer))

    def deliver(self, text: str) -> None:
        """Print what the checks made of an answer. Code is code: it is never rendered."""
        self._stop_spinner()
        writer = PlainWriter(self._target, to_person=self._to_person)
        writer.write(text)
        writer.finish(complete=True)
        self._target.flush()

    def _write_json(self, value: Any) -> None:
        self._target.write(json_text(value, to_person=self._to_person))


class TextDelivery(_Delivery):
    """The text as it comes; reasoning on stderr; tool calls without a text as JSON."""

    def __init__(self, ctx: Context, options: ChatOptions, target: Sink) -> None:
        super().__init__(ctx, options, target)
        terminal = ctx.terminal
        self._reasoning = None
        if options.output.reasoning == "show" and not ctx.quiet:
            kind: Any = ReasoningWriter
            if terminal.stderr_tty and terminal.env.get("TERM") != "dumb":
                from ocx.output.live_stderr import ReasoningLines as kind  # wrapping
            self._reasoning = kind(terminal)
        self._joiner = SurrogateJoiner()
        self._writer = self._chosen_writer()
        self._wrote = False
        self._doing = ""
        # `write` runs once a token, and looking up methods is a good part of it.
        self._clean, self._print = self._joiner.feed, self._writer.write

    def _chosen_writer(self) -> Writer:
        if self._checks.need_text:
            return NoWriter()
        render = self._output.render
        if render or (render is None and self._to_person):
            from ocx.output.markdown import markdown_writer  # rich, only if somebody looks

            terminal = self._ctx.terminal
            color = terminal.stdout_color(self._ctx.color)
            return markdown_writer(self._target, terminal, color=color, to_person=self._to_person)
        return PlainWriter(self._target, to_person=self._to_person)

    def _watch(self, deltas: Sequence[Delta], spinner: Spinner) -> None:
        """Stop the spinner before anything is written; until then it says what comes."""
        text, reasoning = any(d.text for d in deltas), any(d.reasoning for d in deltas)
        if (text and not self._checks.need_text) or (reasoning and self._reasoning):
            self._stop_spinner()
            return
        doing = "receiving the answer" if text else "thinking" if reasoning else self._doing
        if doing != self._doing:
            from ocx.output.live_stderr import elapsed

            self._doing = doing
            spinner.update(elapsed(doing))

    def write(self, deltas: Sequence[Delta]) -> None:
        if self.spinner is not None:
            self._watch(deltas, self.spinner)
        reasoning = self._reasoning
        if reasoning:
            reasoning.write("".join([delta.reasoning for delta in deltas]))
        one = len(deltas) == 1
        text = self._clean(deltas[0].text if one else "".join([d.text for d in deltas]))
        if text:
            if reasoning:
                reasoning.finish()
            self._print(text)
            self._wrote = True

    def finish(self, answer: Answer, *, complete: bool) -> None:
        if not self._checks.need_text:
            self._stop_spinner()
        if self._reasoning:
            self._reasoning.finish()
        if rest := self._joiner.end():
            self._writer.write(rest)
        self._writer.finish(complete=complete)
        if complete and not self._checks.need_text:
            if answer.tool_calls and not self._wrote:
                self._write_json(answer.tool_calls)
            if media := media_words(answer.media):
                more = "also holds" if self._wrote else "holds no text but"
                self._ctx.note(f"the answer {more} {media}; --json shows all of it")
            elif not (self._wrote or answer.tool_calls):
                self._ctx.warn("the answer is empty")
        if answer.late_think and not self._checks.need_text:
            self._ctx.warn(
                "what stands before </think> was reasoning; --no-stream tells it from the answer"
            )
        super().finish(answer, complete=complete)


class JsonDelivery(_Delivery):
    """The one document that the API sent; of a stream, every chunk on a line of its own."""

    def write(self, deltas: Sequence[Delta]) -> None:
        self._stop_spinner()
        if not self._output.streams(self._ctx):
            return
        chunks = [
            delta.data.replace("\r", " ").replace("\n", " ") for delta in deltas if delta.data
        ]
        text = "".join([f"{chunk}\n" for chunk in chunks])
        if self._to_person:
            text = escaped_json(text)
        self._target.write(text.encode("utf-8", "replace"))

    def finish(self, answer: Answer, *, complete: bool) -> None:
        if not self._output.streams(self._ctx):
            self._write_json(answer.fields)
        super().finish(answer, complete=complete)
