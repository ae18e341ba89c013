"""`ocx api`: one raw request with the key, the retries and the errors of every other command."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

from ocx.api.http import below_base_url, with_query
from ocx.api.types import CHAT_TIMEOUT, Reply
from ocx.chat.placeholders import parse_fields
from ocx.cli import Option, Text, Texts, option
from ocx.commands import print_json
from ocx.context import Context
from ocx.errors import UsageError, os_errors_as
from ocx.keys.client import open_client
from ocx.text import compact

_IN_QUERY = frozenset({"GET", "HEAD", "DELETE"})

_BODY = "Fields and body"


def api(
    ctx: Context,
    method: Annotated[str, Option("METHOD", "GET, POST, …")],
    path: Annotated[str, Option("PATH", "Below the base URL: models, chat/completions, …")],
    raw_field: Texts = option(
        "--raw-field -f K=V", "A field with a text (repeatable).", (), heading=_BODY
    ),
    field: Texts = option(
        "--field -F K=JSON", "A field with JSON (repeatable).", (), heading=_BODY
    ),
    input_: Text = option("--input FILE", "Send this file, as it is; - is stdin.", heading=_BODY),
    include: bool = option(
        "--include -i", "Print the status and the headers, too.", False, heading="Output"
    ),
) -> None:
    """Send a raw request and print the answer as it came.

    Fields become a JSON body, or the query of GET, HEAD and DELETE. Keys, retries, errors and
    exit codes are those of every other command; nothing but the configured base URL is reached.
    """
    if not re.fullmatch("[A-Za-z]{1,16}", method):
        raise UsageError("not a method", hint="ocx api GET models")
    method = method.upper()
    target = below_base_url(path)
    fields = parse_fields(raw_field, field)
    if input_ is not None and fields:
        raise UsageError("--input is the whole body, so it excludes -f and -F")
    content = b""
    if input_ is not None:
        content = _read(ctx, input_)
    elif fields and method in _IN_QUERY:
        target = with_query(target, fields)
    elif fields:
        content = compact(fields).encode()
    settings = ctx.settings()
    if settings.timeout is None and method != "GET":  # a chat, for all that we know
        settings = replace(settings, timeout=CHAT_TIMEOUT)
    with open_client(ctx, settings) as client:
        _print(ctx, client.request(method, target, content=content), include)


def _read(ctx: Context, name: str) -> bytes:
    if name == "-":
        if ctx.flags.get("key_file") == "-":
            raise UsageError("stdin is claimed twice: --input - and --key-file -")
        return ctx.read_stdin()
    with os_errors_as(UsageError, f"cannot read {name}"):
        return Path(name).read_bytes()


def _print(ctx: Context, reply: Reply, include: bool) -> None:
    if include:
        lines = [f"HTTP {reply.status}", *(f"{k}: {v}" for k, v in reply.headers.items()), ""]
        for line in lines:
            ctx.terminal.print(line)
    if not ctx.terminal.stdout_tty:
        ctx.terminal.stdout.write(reply.body)
    elif reply.json is not None:
        print_json(ctx, reply.json)
    elif reply.body:
        ctx.terminal.print(reply.body.decode("utf-8", "replace").rstrip("\n"))
