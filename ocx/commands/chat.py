"""`ocx chat`: from options to one call, an interactive session, or a request to look at."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING

from ocx import process
from ocx.chat.delivery import open_output, send
from ocx.chat.exchange import Body, ChatRunner
from ocx.chat.options import ChatOptions
from ocx.chat.request import Request, prepare, prepare_settings, refuse_several
from ocx.context import Context

if TYPE_CHECKING:
    from ocx.chat.recorder import CallReport, HistoryRecorder


def chat(ctx: Context, options: ChatOptions) -> None:
    """Ask a model and print its answer as it comes.

    The prompt comes from the arguments, then each -f FILE, then stdin if it is a pipe or a
    file, each part after an empty line. Without one, on a terminal, an interactive session
    begins; /help there says more.
    """
    process.catch_hangup()
    if options.output.report is None:
        _chat(ctx, options)
        return
    from ocx.chat.recorder import reported  # only for --report

    with reported(ctx, options.output.report) as report:
        _chat(ctx, options, report)


def _chat(ctx: Context, options: ChatOptions, report: CallReport | None = None) -> None:
    terminal, preview, output = ctx.terminal, options.preview, options.output
    if preview.save_template is not None:
        from ocx.chat.preview import save_template  # only to look

        save_template(ctx, options, preview.save_template)
        return
    interactive = terminal.stdin_tty and terminal.stdout_tty and not preview.sends_nothing
    if interactive and not options.has_prompt:
        from ocx.session import session  # readline, only if a person types

        session(ctx, prepare_settings(ctx, options.instructions, options.model), options)
        return
    if preview.snippet == "curl" and output.stream is None:
        # curl prints what comes as it is, and nobody reads the events of a stream.
        output = replace(output, stream=False)
        options = replace(options, output=output)
    request = prepare(ctx, options)
    # The tokens of a stream that is kept could not be known otherwise.
    kept = options.conversation.kept(ctx, request.settings)
    told = output.usage or options.credits.cost or kept
    request = request._replace(count_tokens=output.streams(ctx) and told)
    if preview.sends_nothing:
        _show(ctx, request, options)
    else:
        refuse_several(ctx, request.options)
        _call(ctx, request, options, report)


def _call(ctx: Context, request: Request, options: ChatOptions, report: CallReport | None) -> None:
    """Send and deliver. What a plain call in a pipe does not need is imported in here."""
    settings, output = request.settings, options.output
    schema = options.checks.read_schema(ctx.read_stdin)
    credits = None
    if options.credits.given or report or options.conversation.kept(ctx, settings):
        from ocx.chat.credits import Credits

        credits = Credits(options.credits, settings, reported=report is not None)
    with ExitStack() as stack:
        if credits is not None and options.conversation.log is not False:
            stack.callback(credits.keep, ctx)
        recorder, body = _continued(stack, ctx, request, options)
        if report is not None:
            report.recorder = recorder
        from ocx.keys.client import open_client  # httpx, only if something is sent

        target = stack.enter_context(open_output(ctx, output))
        client = stack.enter_context(open_client(ctx, settings))
        runner = ChatRunner(
            client,
            options.checks,
            schema,
            credits,
            report or recorder,
            output.streams(ctx),
            keep_text=False,
            split_think=output.reasoning != "raw",
            fallbacks=settings.fallback_models,
        )
        send(ctx, options, runner, body, target)


def _show(ctx: Context, request: Request, options: ChatOptions) -> None:
    """Print the request that `_call` would send, or what it costs; nothing is kept."""
    from ocx.chat.preview import estimate, show_request

    schema = options.checks.read_schema(ctx.read_stdin)
    body = request.body()
    if options.conversation.continues:
        with ExitStack() as stack:
            _, body = _continued(stack, ctx, request, options)
    body = schema.in_format(body) if schema else body
    if options.preview.estimate:
        estimate(ctx, request.settings, body, options.credits.min_balance)
    else:
        show_request(ctx, request, body, options)


def _continued(
    stack: ExitStack, ctx: Context, request: Request, options: ChatOptions
) -> tuple[HistoryRecorder | None, Body]:
    """Where the call is kept, None if nowhere, and its body after what was said before."""
    recorder = None
    if options.conversation.kept(ctx, request.settings):
        from ocx.chat.recorder import open_recorder  # sqlite3, only if the call is kept

        recorder = stack.enter_context(open_recorder(ctx, request.settings, options.conversation))
    if recorder is None:
        return None, request.body()
    if options.conversation.continue_last:
        recorder.note_number(options.prompt.words)
    request, previous = stack.enter_context(recorder.turn(request))
    return recorder, request.body(previous)
