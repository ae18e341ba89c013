"""A POSIX shell program around curl 7.76 or later (2021).

Body and key come through here-documents: neither is in argv, and the quoted one needs no quoting
of the prompt. No line of JSON can be the word that ends it, since every one begins with a
bracket or a space.
"""

from __future__ import annotations

import shlex

from ocx.snippet.call import Call
from ocx.snippet.literals import json_text


def program(call: Call) -> str:
    options = ["curl --silent --show-error --fail-with-body --globoff"]
    if call.streams:
        options.append("--no-buffer")
    options += ["-H 'Content-Type: application/json'"]
    options += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in call.headers.items()]
    documents = ["BODY"]
    if call.with_key:
        options.append("-H @/dev/fd/3")
        documents.insert(0, "KEY")
    options.append(f"--data-binary @- {shlex.quote(call.url)}")
    redirects = " ".join({"KEY": "3<<KEY", "BODY": "<<'BODY'"}[name] for name in documents)
    lines = ["#!/bin/sh"]
    if call.with_key:
        lines.append(': "${OPENCODEX_API_KEY:?set it to your key}"')
    lines.append(" \\\n  ".join([*options, redirects]))
    if call.with_key:
        lines += ["Authorization: Bearer $OPENCODEX_API_KEY", "KEY"]
    lines += [json_text(call.body), "BODY"]
    return "\n".join(lines) + "\n"
