"""An answer on stdout or in the file of -o, as it comes; what is told about it on stderr.

A person waits for an answer: what for, until the first of it is shown.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ocx.api.answer import Answer, SurrogateJoiner, unknown_reason
from ocx.api.message import media_words
from ocx.api.types import Delta
from ocx.chat.attempts import CUT_AT_LIMIT, was_cut
from ocx.chat.exchange import DeltaSink
from ocx.chat.options import AnswerChecks, OutputOptions
from ocx.output.answer_writers import (
    GatheringSink,
    NoWriter,
    PlainWriter,
    ReasoningWriter,
    Sink,
    TerminalWriter,
    Writer,
)
from ocx.output.output_file import Target, open_target
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.api import Client
    from ocx.api.usage import Cost
    from ocx.output.live_stderr import ReasoningLines, Spinner
    from ocx.terminal import Terminal


@contextmanager
def open_output(run: Runtime, output: OutputOptions) -> Iterator[Target]:
    """Opened before anything is sent; completed at the end, kept as FILE.partial on the way."""
    target = open_target(run.terminal, "-" if output.file is None else output.file)
    try:
        yield target
    except BaseException:
        kept = target.abandon()
        if kept:
            run.note(f"what arrived is in {kept}")
        raise
    target.complete()


def delivery(run: Runtime, output: OutputOptions, checks: AnswerChecks, target: Sink) -> DeltaSink:
    """What writes an answer into `target` in the form that the options mean."""
    if not run.json:
        return TextDelivery(run, output, checks, target)
    kind = JsonLinesDelivery if output.streams(run) else JsonDelivery
    return kind(run, output, checks, target)


@contextmanager
def sink_with_spinner(
    run: Runtime,
    client: Client,
    model: str,
    output: OutputOptions,
    checks: AnswerChecks,
    target: Target,
) -> Iterator[DeltaSink]:
    """`delivery` of a call that is made inside; a person sees what is waited for.

    A pipe gets in one write what came in one read: nothing waits, and many writes are saved.
    """
    if run.animates:
        sink = delivery(run, output, checks, target)
        with waiting(run, client, model, sink, output, checks) as behind:
            yield behind
    elif output.reasoning == "show" or (run.terminal.stdout_tty and output.to_stdout):
        # Two streams that keep their order; or somebody looks.
        yield delivery(run, output, checks, target)
    else:
        gathered = GatheringSink(target)
        with client.before_each_wait(gathered.pass_on):
            yield delivery(run, output, checks, gathered)


class _Delivery:
    def __init__(
        self, run: Runtime, output: OutputOptions, checks: AnswerChecks, target: Sink
    ) -> None:
        self._run = run
        self._output = output
        self._checks = checks
        self._target = target
        self._to_person = run.terminal.stdout_tty and output.to_stdout

    def finish(self, answer: Answer, *, complete: bool) -> None:
        """The request has ended."""
        self._target.flush()
        if not complete:
            return
        if reason := unknown_reason(answer.finish_reason):
            self._run.warn(f"the finish_reason {reason} is not known; it counts as finished")
        cut = was_cut(answer)
        if cut and self._checks.fail_on_length:
            return
        if cut:
            hint = "raise --max-tokens, or use --fail-on-length to fail"
            self._run.warn(f"{CUT_AT_LIMIT}; {hint}")
        if self._output.usage:
            from ocx.output.figures import usage_fields, usage_line

            took = (answer.usage, answer.seconds, answer.first_token_seconds)
            self._run.tell("usage", usage_line(*took), usage_fields(*took))

    def deliver(self, text: str) -> None:
        """Print what the checks made of an answer. Code is code: it is never rendered."""
        writer = TerminalWriter(self._target) if self._to_person else PlainWriter(self._target)
        if text:
            writer.write(text)
        writer.finish(complete=True)
        self._target.flush()

    def _write_json(self, value: Any) -> None:
        from ocx.output.results import write_json

        write_json(self._run.terminal, value, None if self._output.to_stdout else self._target)


def _reasoning_writer(terminal: Terminal) -> ReasoningWriter | ReasoningLines:
    if not terminal.stderr_tty or terminal.env.get("TERM") == "dumb":
        return ReasoningWriter(terminal)
    from ocx.output.live_stderr import ReasoningLines  # wrapping, only on a terminal

    return ReasoningLines(terminal)


class TextDelivery(_Delivery):
    """The text as it comes; reasoning on stderr; tool calls without a text as JSON."""

    def __init__(
        self, run: Runtime, output: OutputOptions, checks: AnswerChecks, target: Sink
    ) -> None:
        super().__init__(run, output, checks, target)
        shows_reasoning = output.reasoning == "show" and not run.quiet
        self._reasoning = _reasoning_writer(run.terminal) if shows_reasoning else None
        self._joiner = SurrogateJoiner()
        self._writer = self._chosen_writer()
        self._wrote = False
        # `write` runs once a token, and looking up methods is a good part of it.
        self._clean, self._print = self._joiner.feed, self._writer.write

    def write(self, deltas: Sequence[Delta]) -> None:
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
        if self._reasoning:
            self._reasoning.finish()
        if rest := self._joiner.end():
            self._writer.write(rest)
        self._writer.finish(complete=complete)
        if complete and answer.tool_calls and not self._wrote and not self._checks.need_text:
            self._write_json(answer.tool_calls)
        if complete and not self._checks.need_text:
            self._tell_what_is_no_text(answer)
        if answer.late_think and not self._checks.need_text:
            self._run.warn(
                "what stands before </think> was reasoning; --no-stream tells it from the answer"
            )
        super().finish(answer, complete=complete)

    def _tell_what_is_no_text(self, answer: Answer) -> None:
        if media := media_words(answer.media):
            more = "also holds" if self._wrote else "holds no text but"
            self._run.note(f"the answer {more} {media}; --json shows all of it")
        elif not (self._wrote or answer.tool_calls):
            self._run.warn("the answer is empty")

    def _chosen_writer(self) -> Writer:
        if self._checks.need_text:
            return NoWriter()
        render = self._output.render
        if render or (render is None and self._to_person):
            from ocx.output.markdown.live import markdown_writer  # rich, only if somebody looks

            terminal = self._run.terminal
            color = terminal.stdout_color(self._run.color)
            return markdown_writer(self._target, terminal, color=color, to_person=self._to_person)
        return TerminalWriter(self._target) if self._to_person else PlainWriter(self._target)


class JsonLinesDelivery(_Delivery):
    """Every chunk of a stream on a line of its own, as the API sent it."""

    def write(self, deltas: Sequence[Delta]) -> None:
        text = "".join([_line(delta.data) for delta in deltas if delta.data])
        if self._to_person:
            from ocx.output.results import escaped_json

            text = escaped_json(text)
        self._target.write(text.encode("utf-8", "replace"))


class JsonDelivery(_Delivery):
    """A whole answer as the one document that the API sent."""

    def write(self, deltas: Sequence[Delta]) -> None: ...

    def finish(self, answer: Answer, *, complete: bool) -> None:
        self._write_json(answer.fields)
        super().finish(answer, complete=complete)


def show_cost(run: Runtime, cost: Cost | None) -> None:
    """`--cost`, on stderr."""
    if cost is not None:
        from ocx.output.figures import cost_fields, cost_line

        run.tell("cost", cost_line(cost), cost_fields(cost))


def _line(data: str) -> str:
    return data.replace("\r", " ").replace("\n", " ") + "\n"


@contextmanager
def waiting(
    run: Runtime,
    client: Client,
    model: str,
    sink: DeltaSink,
    output: OutputOptions,
    checks: AnswerChecks,
) -> Iterator[DeltaSink]:
    """`sink`, behind what a person sees until it writes something. Only if `run.animates`."""
    from ocx.output.live_stderr import answer_of, spinning  # threads, only if somebody looks

    with spinning(run, answer_of(client, model)) as spinner:
        shown = _VisibleParts(
            everything=run.json,
            text=not checks.need_text,
            reasoning=output.reasoning == "show",
        )
        yield _WaitingSink(sink, spinner, shown)


class _VisibleParts(NamedTuple):
    """What of an answer the sink writes as it comes."""

    everything: bool
    text: bool
    reasoning: bool

    def writes(self, delta: Delta) -> bool:
        """Whether something of `delta` is written."""
        text, reasoning = delta.text and self.text, delta.reasoning and self.reasoning
        return bool(self.everything or text or reasoning)


class _WaitingSink:
    """Stops the spinner before anything is written, and passes everything on."""

    def __init__(self, sink: DeltaSink, spinner: Spinner, shown: _VisibleParts) -> None:
        self._sink = sink
        self._spinner = spinner
        self._shown = shown
        self._waiting = True
        self._doing = ""

    def write(self, deltas: Sequence[Delta]) -> None:
        if self._waiting:
            self._watch(deltas)
        self._sink.write(deltas)

    def finish(self, answer: Answer, *, complete: bool) -> None:
        if self._shown.text:
            self._spinner.stop()
        self._sink.finish(answer, complete=complete)

    def deliver(self, text: str) -> None:
        self._spinner.stop()
        self._sink.deliver(text)

    def _watch(self, deltas: Sequence[Delta]) -> None:
        if any(map(self._shown.writes, deltas)):
            self._waiting = False
            self._spinner.stop()
        elif any(delta.text for delta in deltas):
            self._tell("receiving the answer")
        elif any(delta.reasoning for delta in deltas):
            self._tell("thinking")

    def _tell(self, doing: str) -> None:
        if doing != self._doing:
            from ocx.output.live_stderr import elapsed

            self._doing = doing
            self._spinner.update(elapsed(doing))
