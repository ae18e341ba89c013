"""`ocx chat`: from options to one call, an interactive session, or a request to look at."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ocx.chat.delivery import open_output, show_cost, sink_with_spinner
from ocx.chat.exchange import Body, ChatRunner
from ocx.chat.options import ChatOptions
from ocx.chat.request import Request, prepare, prepare_settings, refuse_several
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.chat.recorder import CallReport, HistoryRecorder


def chat(run: Runtime, options: ChatOptions) -> None:
    """Ask a model and print its answer as it comes.

    The prompt comes from the arguments, then each -f FILE, then stdin if it is a pipe or a
    file, each part after an empty line. Without one, on a terminal, an interactive session
    begins; /help there says more.
    """
    if options.output.report is None:
        _chat(run, options)
        return
    from ocx.chat.recorder import reported  # only for --report

    with reported(run, options.output.report) as report:
        _chat(run, options, report)


def _chat(run: Runtime, options: ChatOptions, report: CallReport | None = None) -> None:
    terminal, preview, output = run.terminal, options.preview, options.output
    if preview.save_template is not None:
        from ocx.chat.preview import save_template  # only to look

        save_template(run, options, preview.save_template)
        return
    interactive = terminal.stdin_tty and terminal.stdout_tty and not preview.dry_run
    if interactive and not options.has_prompt:
        from ocx.session import session  # readline, only if a person types

        session(run, prepare_settings(run, options.instructions, options.model), options)
        return
    if preview.snippet == "curl" and output.stream is None:
        # curl prints what comes as it is, and nobody reads the events of a stream.
        output = replace(output, stream=False)
        options = replace(options, output=output)
    request = prepare(run, options)
    # The tokens of a stream that is kept could not be known otherwise.
    kept = options.conversation.kept(run, request.settings)
    told = output.usage or options.credits.cost or kept
    request = request._replace(count_tokens=output.streams(run) and told)
    if preview.estimate:
        from ocx.chat.preview import estimate  # only for --estimate

        estimate(run, request, options.credits.min_balance)
    elif preview.shows_request:
        _show(run, request, options)
    else:
        refuse_several(run, request.options)
        _call(run, request, options, report)


def _call(run: Runtime, request: Request, options: ChatOptions, report: CallReport | None) -> None:
    """Send and deliver. What a plain call in a pipe does not need is imported in here."""
    settings, output = request.settings, options.output
    schema = options.checks.read_schema(run.read_stdin)
    credits = None
    if options.credits.given or report or options.conversation.kept(run, settings):
        from ocx.chat.credits import Credits

        credits = Credits(options.credits, settings, reported=report is not None)
    with ExitStack() as stack:
        if credits is not None and options.conversation.log is not False:
            stack.callback(credits.keep, run, settings)
        recorder, body = _continued(stack, run, request, options)
        if report is not None:
            report.recorder = recorder
        from ocx.keys.client import open_client  # httpx, only if something is sent

        target = stack.enter_context(open_output(run, output))
        client = stack.enter_context(open_client(run, settings))
        runner = ChatRunner(
            client,
            options.checks,
            schema,
            credits,
            report or recorder,
            output.streams(run),
            keep_text=False,
            split_think=output.reasoning != "raw",
            fallbacks=settings.fallback_models,
        )
        with sink_with_spinner(run, options, client, settings.model, target) as sink:
            trip = runner.send(body, sink)
        if options.credits.cost:
            show_cost(run, trip.cost)


def _show(run: Runtime, request: Request, options: ChatOptions) -> None:
    """Print the request that `_call` would send; nothing is kept."""
    from ocx.chat.preview import show_request

    schema = options.checks.read_schema(run.read_stdin)
    body = request.body()
    if options.conversation.continues:
        with ExitStack() as stack:
            _, body = _continued(stack, run, request, options)
    show_request(run, request, schema.in_format(body) if schema else body, options)


def _continued(
    stack: ExitStack, run: Runtime, request: Request, options: ChatOptions
) -> tuple[HistoryRecorder | None, Body]:
    """Where the call is kept, None if nowhere, and its body after what was said before."""
    if not options.conversation.kept(run, request.settings):
        return None, request.body()
    from ocx.chat.recorder import open_recorder  # sqlite3, only if the call is kept

    recorder = stack.enter_context(open_recorder(run, request.settings, options.conversation))
    if recorder is None:
        return None, request.body()
    request, previous = stack.enter_context(recorder.turn(request))
    return recorder, request.body(previous)
