"""`--snippet`: the request of a call as a program to keep.

Every program reads the key from OPENCODEX_API_KEY, follows no redirect (the key goes to one
host), keeps the prompt out of argv (Linux takes 128 KiB in one argument, and anybody can read it)
and needs nothing that a plain machine lacks; but for `openai-python` and `openai-node`, which are
in the form of the provider's own examples: their SDK must be installed first, and adds fields,
retries and redirects of its own.

The program of a language is a file beside this one. A line of it that begins with a condition,
such as `key: `, stands in the programs for which that holds; `{{body}}` is filled in.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from typing import Any

from ocx.api.types import API_FIELDS
from ocx.errors import UsageError

_MAX_SAFE_INTEGER = 2**53 - 1
"""The largest whole number that every JSON reader keeps exactly (RFC 8259, section 6)."""
# PowerShell takes these for a straight quote (about_Quoting_Rules).
_QUOTES = "'\u2018\u2019\u201a\u201b"
_NAMED = API_FIELDS - {"top_k"} | {"verbosity"}
"""Arguments of the Python SDK's `create` that are fields of the API; others go in `extra_body`."""


@dataclass(frozen=True)
class SnippetRequest:
    """What a snippet sends.

    Attributes:
        url: the full URL of /chat/completions.
        body: the JSON body.
        headers: besides Authorization, Content-Type and User-Agent.
        with_key: False for an endpoint that takes no key.
    """

    url: str
    body: Mapping[str, Any]
    headers: Mapping[str, str] = field(default_factory=dict)
    with_key: bool = True

    @property
    def base_url(self) -> str:
        return self.url.removesuffix("/chat/completions")

    def header_lines(self, form: str, quoted: Callable[[str], str]) -> str:
        return "\n".join(form.format(quoted(n), quoted(v)) for n, v in self.headers.items())


def snippet(language: str, request: SnippetRequest) -> str:
    """The program, with a final newline.

    Raises:
        UsageError: the language is unknown.
    """
    if language not in _PARTS:
        raise UsageError(f"--snippet takes {', '.join(LANGUAGES)}, not {language!r}")
    streams = request.body.get("stream") is True
    holds = {
        "key": request.with_key,
        "keyless": not request.with_key,
        "stream": streams,
        "whole": not streams,
        "headers": bool(request.headers),
    }
    program = ""
    for line in (files(__package__) / f"{language}.txt").read_text("utf-8").splitlines(True):
        condition, _, rest = line.partition(": ")
        program += line if condition not in holds else rest if holds[condition] else ""
    parts = _PARTS[language](request)
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], program)


def _curl(request: SnippetRequest) -> dict[str, str]:
    """A POSIX shell program around curl 7.76 or later (2021).

    The key comes through stdin as a configuration of curl (printf is a builtin: it is in no
    argument), the body through a here-document, so the prompt needs no quoting. No line of JSON
    can be the word that ends it, since every one begins with a bracket or a space. Two on two
    descriptors would need /dev/fd, which is not everywhere; a configuration takes no long lines.
    """
    headers = [f"  -H {shlex.quote(f'{n}: {v}')} \\" for n, v in request.headers.items()]
    body = literal(request.body, json_leaf)
    return {"body": body, "url": shlex.quote(request.url), "headers": "\n".join(headers)}


def _powershell(request: SnippetRequest) -> dict[str, str]:
    """A program for Windows PowerShell 5.1 and PowerShell 7.

    ASCII only: 5.1 reads a file without a byte order mark in the machine's own code page. The body
    stands in a literal here-string, which ends only at a line that begins with `'@`.
    """

    def quoted(text: str) -> str:
        return "'" + "".join(c * 2 if c in _QUOTES else c for c in text) + "'"

    return {
        "body": ascii_json_text(request.body),
        "url": quoted(request.url),
        "headers": request.header_lines("  {} = {}", quoted),
    }


def _python(request: SnippetRequest) -> dict[str, str]:
    """A Python 3 program of the standard library alone; proxies refuse urllib's own name."""
    return {
        "body": literal(request.body, repr),
        "url": repr(request.url),
        "headers": request.header_lines("        {}: {},", repr),
    }


def _node(request: SnippetRequest) -> dict[str, str]:
    """A program for Node 18 or later, without packages."""
    exact = _is_exact(request.body)
    return {
        "body": _node_literal(request.body) if exact else json_leaf(json.dumps(request.body)),
        "sent": "JSON.stringify(body)" if exact else "body",
        "url": json_leaf(request.url),
        "headers": request.header_lines("      {}: {},", json_leaf),
    }


def _openai_python(request: SnippetRequest) -> dict[str, str]:
    """A program for the `openai` package of PyPI."""
    arguments = {name: value for name, value in request.body.items() if name in _NAMED}
    if extra := {name: value for name, value in request.body.items() if name not in _NAMED}:
        arguments["extra_body"] = extra
    rows = [f"    {name}={literal(value, repr, indent=4)}," for name, value in arguments.items()]
    return {
        "body": "\n".join(rows),
        "url": repr(request.base_url),
        "headers": literal(request.headers, repr, indent=4),
    }


def _openai_node(request: SnippetRequest) -> dict[str, str]:
    """A module for the `openai` package of npm, to be saved as a `.mjs` file."""
    exact = _is_exact(request.body)
    text = json_leaf(json.dumps(request.body))
    return {
        "body": _node_literal(request.body) if exact else f"JSON.parse({text})",
        "url": json_leaf(request.base_url),
        "headers": literal(request.headers, json_leaf, indent=2),
    }


_PARTS: dict[str, Callable[[SnippetRequest], dict[str, str]]] = {
    "curl": _curl,
    "powershell": _powershell,
    "python": _python,
    "node": _node,
    "openai-python": _openai_python,
    "openai-node": _openai_node,
}
LANGUAGES = tuple(_PARTS)

_Leaf = Callable[[Any], str]


def literal(value: Any, leaf: _Leaf, key: _Leaf | None = None, indent: int = 0) -> str:
    """A JSON value as a literal of a language, nested lists and objects over several lines.

    Args:
        leaf: writes scalars, and names where `key` does not.
    """
    if not isinstance(value, Mapping | list | tuple):
        return leaf(value)
    name = key or leaf
    if isinstance(value, Mapping):
        opening, closing = "{}"
        rows = [f"{name(k)}: {literal(v, leaf, key, indent + 2)}" for k, v in value.items()]
    else:
        opening, closing = "[]"
        rows = [literal(item, leaf, key, indent + 2) for item in value]
    inner = "\n" + " " * (indent + 2)
    body = inner + f",{inner}".join(rows) + "\n" + " " * indent if rows else ""
    return f"{opening}{body}{closing}"


def json_leaf(value: Any) -> str:
    """A scalar as JSON: letters and emoji as they are, what cannot be seen as `\\uXXXX`.

    Invisible characters reorder what a reviewer of the program sees, or break its lines.
    """
    text = json.dumps(value, ensure_ascii=False)
    if text.isascii() or text.isprintable():
        return text.replace("\x7f", "\\u007f")
    return "".join(c if c.isprintable() else json.dumps(c)[1:-1] for c in text)


def ascii_json_text(value: Any) -> str:
    """JSON in ASCII only, for languages whose files have no certain encoding."""
    return literal(value, json.dumps).replace("\x7f", "\\u007f")


def _node_literal(body: Mapping[str, Any]) -> str:
    # In an object literal this one name sets the prototype instead of a property.
    return literal(body, json_leaf, lambda n: '["__proto__"]' if n == "__proto__" else json_leaf(n))


def _is_exact(value: Any) -> bool:
    """Whether JavaScript's numbers hold every number in `value`; else the text is sent."""
    if isinstance(value, Mapping):
        return all(map(_is_exact, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_exact, value))
    return not isinstance(value, int) or abs(value) <= _MAX_SAFE_INTEGER
