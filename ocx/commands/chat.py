"""`ocx chat`: from flags to one call, an interactive session, or a request to look at."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.call.delivery import Form, dry_run, reply
from ocx.call.options import Depth
from ocx.call.request import Asked, Request, prepare
from ocx.commands.context import shared
from ocx.errors import UsageError
from ocx.prompt.options import check_output_name
from ocx.runtime import Runtime


@shared
def chat(
    run: Runtime,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(help="The prompt; words are joined, - is stdin.", show_default=False),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="Add this file (repeatable).", metavar="FILE"),
    ] = None,
    attach: Annotated[
        list[str] | None,
        typer.Option(
            "--attach",
            "-a",
            help="Attach an image, a PDF, a text, or the https URL of an image (repeatable).",
            metavar="FILE",
        ),
    ] = None,
    attach_type: Annotated[
        list[str] | None,
        typer.Option(
            "--attach-type",
            help="Media type of the attachments, where their bytes do not tell.",
            metavar="TYPE",
        ),
    ] = None,
    messages: Annotated[
        str | None,
        typer.Option("--messages", help="Send this JSON array of messages.", metavar="FILE"),
    ] = None,
    edit: Annotated[
        bool, typer.Option("--editor", "-e", help="Write the prompt in your editor.")
    ] = False,
    ignore_stdin: Annotated[
        bool, typer.Option("--ignore-stdin", "-I", help="Do not read stdin.")
    ] = False,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="System prompt.", metavar="TEXT")
    ] = None,
    system_file: Annotated[
        str | None, typer.Option("--system-file", help="System prompt's file.", metavar="FILE")
    ] = None,
    template: Annotated[
        str | None, typer.Option("--template", "-t", help="Use this template.", metavar="NAME")
    ] = None,
    param: Annotated[
        list[str] | None,
        typer.Option(
            "--param", "-p", help="Parameter of the template (repeatable).", metavar="NAME=VALUE"
        ),
    ] = None,
    save_template: Annotated[
        str | None,
        typer.Option(
            "--save-template", help="Keep these flags as a template, send nothing.", metavar="NAME"
        ),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", "-m", help="Model id or alias.", metavar="ID")
    ] = None,
    temperature: Annotated[
        float | None, typer.Option("--temperature", help="Randomness, 0 to 2.", metavar="X")
    ] = None,
    top_p: Annotated[
        float | None, typer.Option("--top-p", help="Nucleus sampling, 0 to 1.", metavar="X")
    ] = None,
    max_tokens: Annotated[
        int | None, typer.Option("--max-tokens", help="Most tokens to generate.", metavar="N")
    ] = None,
    stop: Annotated[
        list[str] | None,
        typer.Option("--stop", help="Stop at this text (repeatable).", metavar="TEXT"),
    ] = None,
    option: Annotated[
        list[str] | None,
        typer.Option("--option", "-O", help="Any other field of the API.", metavar="NAME=VALUE"),
    ] = None,
    continue_last: Annotated[
        bool,
        typer.Option("--continue", "-c", help="Go on with the profile's last conversation."),
    ] = False,
    conversation: Annotated[
        str | None,
        typer.Option("--conversation", help="Go on with this one, or start it.", metavar="NAME"),
    ] = None,
    log: Annotated[
        bool | None,
        typer.Option(
            "--log/--no-log", " /-n", help="Keep the call in the history (default on a terminal)."
        ),
    ] = None,
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Print as it comes (default), or at the end."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Write the answer to this file.", metavar="FILE"),
    ] = None,
    extract: Annotated[
        bool, typer.Option("--extract", "-x", help="Print the first fenced code block alone.")
    ] = False,
    extract_last: Annotated[
        bool, typer.Option("--extract-last", help="Print the last fenced code block alone.")
    ] = False,
    schema: Annotated[
        str | None,
        typer.Option(
            "--schema",
            help='Answer in JSON of this schema: a file, JSON, or "name, age int".',
            metavar="SCHEMA",
        ),
    ] = None,
    schema_retries: Annotated[
        int,
        typer.Option(
            "--schema-retries",
            help="How often an invalid answer is asked for again.",
            min=0,
            max=20,
            metavar="N",
        ),
    ] = 0,
    usage: Annotated[
        bool, typer.Option("--usage", "-u", help="Show tokens and seconds on stderr.")
    ] = False,
    cost: Annotated[
        bool, typer.Option("--cost", help="Show the credits that the call took on stderr.")
    ] = False,
    min_balance: Annotated[
        str | None,
        typer.Option(
            "--min-balance",
            help="Exit 12, send nothing, where fewer credits are left.",
            metavar="N",
        ),
    ] = None,
    reasoning: Annotated[
        str, typer.Option("--reasoning", help="Reasoning, on stderr.", metavar="hide|show")
    ] = "hide",
    render: Annotated[
        bool | None,
        typer.Option("--render/--no-render", help="Markdown (default on a terminal), or as sent."),
    ] = None,
    fail_on_length: Annotated[
        bool, typer.Option("--fail-on-length", help="Exit 11 where the token limit cut the answer.")
    ] = False,
    dry: Annotated[
        bool, typer.Option("--dry-run", help="Print the request, send nothing.")
    ] = False,
    snippet: Annotated[
        str | None,
        typer.Option(
            "--snippet",
            help="Print the request as a program.",
            metavar="curl|powershell|python|node",
        ),
    ] = None,
) -> None:
    """Ask a model and print its answer as it comes.

    The prompt comes from the arguments, then each -f FILE, then stdin where it is a pipe or a
    file, each part after an empty line. Without one, on a terminal, an interactive session
    begins; /help there says more.
    """
    check_output_name(output)
    if reasoning not in {"hide", "show"}:
        raise UsageError("--reasoning takes hide or show")
    depth = Depth(
        continue_last,
        conversation,
        log,
        extract,
        extract_last,
        schema,
        schema_retries,
        cost,
        min_balance,
    )
    depth.check(json=run.json, shows_request=dry or snippet is not None)
    asked = Asked(
        words=tuple(prompt or ()),
        files=tuple(file or ()),
        ignore_stdin=ignore_stdin,
        system=system,
        system_file=system_file,
        model=model,
        temperature=temperature,
        top_p=top_p,
        max_tokens=max_tokens,
        stop=tuple(stop or ()),
        options=tuple(option or ()),
        attach=tuple(attach or ()),
        attach_types=tuple(attach_type or ()),
        messages=messages,
        edit=edit,
        template=template,
        params=tuple(param or ()),
        schema=schema,
    )
    form = Form(
        stream=stream if stream is not None else not run.json,
        json=run.json,
        output=output,
        usage=usage,
        count=cost,
        reasoning=reasoning == "show",
        render=render,
        fail_on_length=fail_on_length,
    )
    if save_template is not None:
        from ocx.commands.templates import save  # tomli-w, only here

        save(run, asked, save_template)
    elif asked.no_prompt and run.terminal.stdin_tty and run.terminal.stdout_tty and not dry:
        from ocx.session.session import session  # readline, only where a person types

        session(run, asked, form, depth)
    else:
        _call(run, prepare(run, asked), form, depth, dry=dry, snippet=snippet)


def _call(
    run: Runtime, request: Request, form: Form, depth: Depth, *, dry: bool, snippet: str | None
) -> None:
    """One call: shown, or made. What a plain one in a pipe does not need is imported in here."""
    settings = request.settings
    if dry or snippet is not None:
        _show(run, request, form, depth, snippet)
    elif depth.needed(run, settings):
        from ocx.call.exchange import converse

        converse(run, request, form, depth)
    else:
        reply(run, settings, request.body(), form)


def _show(run: Runtime, request: Request, form: Form, depth: Depth, snippet: str | None) -> None:
    if depth.continues or depth.schema is not None:
        from ocx.call.exchange import preview_body

        body = preview_body(run, request, depth)
    else:
        body = request.body()
    if snippet is None:
        dry_run(run, request.settings, body, form)
        return
    from ocx.call.showing import print_snippet

    print_snippet(run, request.settings, body, snippet, form)
