"""`ocx chat`: one prompt, one answer."""

from __future__ import annotations

from typing import Annotated

import typer

from ocx.commands.prompting import Sources, read_prompt, read_system
from ocx.commands.replying import Form, dry_run, reply
from ocx.commands.shared import Invocation, shared
from ocx.errors import UsageError
from ocx.prompt.options import check_output_name, parse_options
from ocx.prompt.request import chat_body, messages_for


@shared
def chat(
    run: Invocation,
    prompt: Annotated[
        list[str] | None,
        typer.Argument(help="The prompt; words are joined, - is stdin.", show_default=False),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", help="Add this file (repeatable).", metavar="FILE"),
    ] = None,
    ignore_stdin: Annotated[
        bool, typer.Option("--ignore-stdin", "-I", help="Do not read stdin.")
    ] = False,
    system: Annotated[
        str | None, typer.Option("--system", "-s", help="System prompt.", metavar="TEXT")
    ] = None,
    system_file: Annotated[
        str | None, typer.Option("--system-file", help="System prompt's file.", metavar="FILE")
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
    stream: Annotated[
        bool | None,
        typer.Option("--stream/--no-stream", help="Print as it comes (default), or at the end."),
    ] = None,
    output: Annotated[
        str | None,
        typer.Option("--output", "-o", help="Write the answer to this file.", metavar="FILE"),
    ] = None,
    usage: Annotated[
        bool, typer.Option("--usage", "-u", help="Show tokens and seconds on stderr.")
    ] = False,
    reasoning: Annotated[
        str, typer.Option("--reasoning", help="Reasoning on stderr: hide or show.", metavar="HOW")
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
) -> None:
    """Ask a model and print its answer as it comes.

    The prompt comes from the arguments, then each -f FILE, then stdin where it is a pipe or a
    file, each part after an empty line.
    """
    check_output_name(output)
    if reasoning not in {"hide", "show"}:
        raise UsageError("--reasoning takes hide or show")
    if dry and run.json:
        raise UsageError("--json and --dry-run exclude each other")
    settings = run.settings(
        model=model, temperature=temperature, top_p=top_p, max_tokens=max_tokens, stop=stop
    )
    flags = {"temperature": temperature, "top_p": top_p, "max_tokens": max_tokens, "stop": stop}
    options = parse_options(option or (), flags)
    sources = Sources(tuple(prompt or ()), tuple(file or ()), ignore_stdin, system_file)
    text = read_prompt(run, sources)
    body = chat_body(
        settings, messages_for(read_system(run, sources, system, settings), text), options
    )
    form = Form(
        stream=stream if stream is not None else not run.json,
        json=run.json,
        output=output,
        usage=usage,
        reasoning=reasoning == "show",
        render=render,
        fail_on_length=fail_on_length,
    )
    if dry:
        dry_run(run, settings, body, form)
    else:
        reply(run, settings, body, form)
