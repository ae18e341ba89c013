"""`ocx chat`: from options to one call, an interactive session, or a request to look at."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from ocx.chat.attempts import Body, with_format
from ocx.chat.delivery import open_output, show_cost, sink_with_spinner
from ocx.chat.exchange import ChatRunner
from ocx.chat.options import (
    AnswerChecks,
    ConversationOptions,
    CreditLimits,
    ModelOptions,
    OutputOptions,
    PreviewOptions,
    PromptOptions,
)
from ocx.chat.request import Request, prepare, prepare_settings, refuse_several
from ocx.output.output_file import report_target
from ocx.runtime import Runtime

if TYPE_CHECKING:
    from ocx.chat.recorder import CallReport, HistoryRecorder


def chat(
    run: Runtime,
    prompt: PromptOptions,
    sampling: ModelOptions,
    conversation: ConversationOptions,
    output: OutputOptions,
    checks: AnswerChecks,
    credits: CreditLimits,
    look: PreviewOptions,
) -> None:
    """Ask a model and print its answer as it comes.

    The prompt comes from the arguments, then each -f FILE, then stdin if it is a pipe or a
    file, each part after an empty line. Without one, on a terminal, an interactive session
    begins; /help there says more.
    """
    if output.report is None:
        _chat(run, prompt, sampling, conversation, output, checks, credits, look)
        return
    from ocx.chat.recorder import reported  # only for --report

    with (
        report_target(run.terminal, output.report) as target,
        reported(target, run.terminal.stderr) as report,
    ):
        _chat(run, prompt, sampling, conversation, output, checks, credits, look, report)


def _chat(
    run: Runtime,
    prompt: PromptOptions,
    sampling: ModelOptions,
    conversation: ConversationOptions,
    output: OutputOptions,
    checks: AnswerChecks,
    credits: CreditLimits,
    look: PreviewOptions,
    report: CallReport | None = None,
) -> None:
    terminal = run.terminal
    if look.save_template is not None:
        from ocx.chat.preview import save_template  # only to look

        save_template(run, prompt, sampling, look.save_template)
        return
    if prompt.absent and terminal.stdin_tty and terminal.stdout_tty and not look.dry_run:
        from ocx.session.session import session  # readline, only if a person types

        request = prepare_settings(run, prompt, sampling)
        session(run, request, conversation, output, checks, credits)
        return
    request = prepare(run, prompt, sampling, checks)
    # The tokens of a stream that is kept could not be known otherwise.
    told = output.usage or credits.cost or conversation.kept(run, request.settings)
    request = request._replace(count_tokens=output.streams(run) and told)
    if look.estimate:
        from ocx.chat.prices import estimate  # only for --estimate

        estimate(run, request.settings, request.body(), credits)
    elif look.shows_request:
        _show(run, request, conversation, output, checks, look)
    else:
        refuse_several(run, request.options)
        _call(run, request, conversation, output, checks, credits, report)


def _call(
    run: Runtime,
    request: Request,
    conversation: ConversationOptions,
    output: OutputOptions,
    checks: AnswerChecks,
    limits: CreditLimits,
    report: CallReport | None,
) -> None:
    """Send and deliver. What a plain call in a pipe does not need is imported in here."""
    settings = request.settings
    schema = checks.read_schema(run.read_stdin)
    credits = None
    if limits.given or report is not None or conversation.kept(run, settings):
        from ocx.chat.credits import credits_of

        credits = credits_of(settings, limits, reported=report is not None)
    with ExitStack() as stack:
        if credits is not None and conversation.log is not False:
            stack.callback(credits.keep, run, settings)
        recorder, body = _continued(stack, run, request, conversation)
        from ocx.keys.client import open_client  # httpx, only if something is sent

        target = stack.enter_context(open_output(run, output))
        client = stack.enter_context(open_client(run, settings))
        exchange = ChatRunner(
            client,
            checks,
            schema,
            credits,
            recorder if report is None else report.before(recorder),
            output.streams(run),
            keep_text=False,
            split_think=output.reasoning != "raw",
            fallbacks=settings.fallback_models,
        )
        with sink_with_spinner(run, client, settings.model, output, checks, target) as sink:
            result = exchange.send(body, sink)
        if limits.cost:
            show_cost(run, result.cost)


def _show(
    run: Runtime,
    request: Request,
    conversation: ConversationOptions,
    output: OutputOptions,
    checks: AnswerChecks,
    look: PreviewOptions,
) -> None:
    """Print the request that `_call` would send; nothing is kept."""
    from ocx.chat.preview import print_request, print_snippet

    schema = checks.read_schema(run.read_stdin)
    body = request.body()
    if conversation.continues:
        with ExitStack() as stack:
            _, body = _continued(stack, run, request, conversation)
    if schema is not None:
        body = with_format(body, schema)
    stream = output.streams(run)
    with open_output(run, output) as target:
        if look.snippet is None:
            print_request(run, request.settings, body, target, stream=stream)
        else:
            print_snippet(run, request.settings, body, look.snippet, target, stream=stream)


def _continued(
    stack: ExitStack, run: Runtime, request: Request, conversation: ConversationOptions
) -> tuple[HistoryRecorder | None, Body]:
    """Where the call is kept, None if nowhere, and its body after what was said before."""
    if not conversation.kept(run, request.settings):
        return None, request.body()
    from ocx.chat.recorder import open_recorder  # sqlite3, only if the call is kept

    recorder = stack.enter_context(open_recorder(run, request.settings, conversation))
    if recorder is None:
        return None, request.body()
    request, previous = stack.enter_context(recorder.turn(request))
    return recorder, request.body(previous)
