"""The programs of `--snippet`, one function a language."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ocx.snippet.literals import (
    MAX_SAFE_INTEGER,
    ascii_json_text,
    json_leaf,
    json_text,
    literal,
)


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
    def streams(self) -> bool:
        return self.body.get("stream") is True


def curl(request: SnippetRequest) -> str:
    """A POSIX shell program around curl 7.76 or later (2021).

    The key comes through stdin as a configuration of curl, the body through a here-document:
    neither is in argv, and the prompt needs no quoting. No line of JSON can be the word that ends
    it, since every one begins with a bracket or a space. Two on two descriptors would need
    /dev/fd, which is not everywhere, and a configuration takes no long lines.
    """
    options = ["curl --silent --show-error --fail-with-body --globoff"]
    if request.streams:
        options.append("--no-buffer")
    options += ["-H 'Content-Type: application/json'"]
    options += [f"-H {shlex.quote(f'{name}: {value}')}" for name, value in request.headers.items()]
    url = shlex.quote(request.url)
    body = f"{json_text(request.body)}\nBODY\n"
    if not request.with_key:
        command = " \\\n  ".join([*options, f"--data-binary @- {url} <<'BODY'"])
        return f"#!/bin/sh\n{command}\n{body}"
    command = " \\\n  ".join([*options, f'--config - --data-binary "@$body" {url}'])
    return f"{_CURL_BEGINS}{body}{_CURL_KEY}{command}\n"


_CURL_BEGINS = """#!/bin/sh
: "${OPENCODEX_API_KEY:?set it to your key}"
body=$(mktemp) || exit
trap 'rm -f "$body"' EXIT HUP INT TERM
cat >"$body" <<'BODY'
"""
# printf is a builtin: the key is in no argv.
_CURL_KEY = r"""printf '%s\n' "$OPENCODEX_API_KEY" |
  sed -e 's/["\\]/\\&/g' -e 's/.*/header = "Authorization: Bearer &"/' |
  """

# PowerShell takes these for a straight quote (about_Quoting_Rules).
_QUOTES = "'\u2018\u2019\u201a\u201b"

_POWERSHELL_WHOLE = "$answer.choices[0].message.content"

_POWERSHELL_STREAM = """\
foreach ($line in ($answer -split "`n")) {
  if ($line -like 'data:*{*') {
    $chunk = $line.Substring(5) | ConvertFrom-Json
    if ($chunk.choices) { [Console]::Write($chunk.choices[0].delta.content) }
  }
}
[Console]::WriteLine()"""


def powershell(request: SnippetRequest) -> str:
    """A program for Windows PowerShell 5.1 and PowerShell 7.

    ASCII only: 5.1 reads a file without a byte order mark in the machine's own code page. The body
    stands in a literal here-string, which ends only at a line that begins with `'@`.
    """
    lines = ["$ErrorActionPreference = 'Stop'"]
    if request.with_key:
        lines.append("if (-not $env:OPENCODEX_API_KEY) { throw 'set OPENCODEX_API_KEY first' }")
    lines += ["$body = @'", ascii_json_text(request.body), "'@", "$headers = @{"]
    if request.with_key:
        lines.append('  Authorization = "Bearer $env:OPENCODEX_API_KEY"')
    lines += [f"  {_quoted(name)} = {_quoted(value)}" for name, value in request.headers.items()]
    lines += [
        "}",
        f"$answer = Invoke-RestMethod -Method Post -Uri {_quoted(request.url)} -Headers $headers `",
        "  -MaximumRedirection 0 -ContentType 'application/json' `",
        "  -Body ([Text.Encoding]::UTF8.GetBytes($body))",
        _POWERSHELL_STREAM if request.streams else _POWERSHELL_WHOLE,
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + "".join(c * 2 if c in _QUOTES else c for c in text) + "'"


_PYTHON = """\
import json
import os
import urllib.request

body = {body}


class NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args):
        return None  # the key goes to this one host


request = urllib.request.Request(
    {url},
    data=json.dumps(body).encode(),
    headers={headers},
)
opener = urllib.request.build_opener(NoRedirect)
with opener.open(request, timeout=600) as response:
{answer}
"""

_PYTHON_WHOLE = """\
    message = json.load(response)["choices"][0]["message"]
    print(message.get("content") or json.dumps(message))"""

_PYTHON_STREAM = """\
    for line in response:
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data != b"[DONE]":
            event = json.loads(data)
            if "error" in event:
                raise SystemExit(event["error"])
            for choice in event.get("choices", []):
                print(choice["delta"].get("content") or "", end="", flush=True)
print()"""


def python(request: SnippetRequest) -> str:
    """A Python 3 program of the standard library alone."""
    headers = [f"{name!r}: {value!r}" for name, value in _python_headers(request).items()]
    if request.with_key:
        headers.insert(0, '"Authorization": "Bearer " + os.environ["OPENCODEX_API_KEY"]')
    rows = "".join(f"        {header},\n" for header in headers)
    return _PYTHON.format(
        body=literal(request.body, repr, repr),
        url=repr(request.url),
        headers="{\n" + rows + "    }",
        answer=_PYTHON_STREAM if request.streams else _PYTHON_WHOLE,
    )


def _python_headers(request: SnippetRequest) -> dict[str, str]:
    # Proxies in front of APIs refuse urllib's own name.
    return {
        "Content-Type": "application/json",
        "User-Agent": "opencodex-cli-snippet",
        **request.headers,
    }


_NODE = """\
const body = {body};

async function main() {{
{check}  const response = await fetch({url}, {{
    method: "POST",
    redirect: "error", // the key goes to this one host
    headers: {headers},
    body: {sent},
  }});
  if (!response.ok) throw new Error(`HTTP ${{response.status}}: ${{await response.text()}}`);
{answer}
}}

main().catch((error) => {{
  console.error(error);
  process.exitCode = 1;
}});
"""

_NODE_CHECK = """\
  if (!process.env.OPENCODEX_API_KEY) throw new Error("set OPENCODEX_API_KEY first");
"""

_NODE_WHOLE = """\
  const message = (await response.json()).choices[0].message;
  console.log(message.content ?? JSON.stringify(message));"""

_NODE_STREAM = """\
  const decoder = new TextDecoder();
  let rest = "";
  for await (const bytes of response.body) {
    const lines = (rest + decoder.decode(bytes, { stream: true })).split("\\n");
    rest = lines.pop();
    for (const line of lines) {
      const data = line.replace(/^data:/, "").trim();
      if (!line.startsWith("data:") || data === "[DONE]") continue;
      const event = JSON.parse(data);
      if (event.error) throw new Error(JSON.stringify(event.error));
      for (const choice of event.choices) process.stdout.write(choice.delta.content ?? "");
    }
  }
  console.log();"""


def node(request: SnippetRequest) -> str:
    """A program for Node 18 or later, without packages."""
    headers = [f"{json_leaf(name)}: {json_leaf(value)}" for name, value in request.headers.items()]
    headers.insert(0, '"Content-Type": "application/json"')
    if request.with_key:
        headers.insert(0, "Authorization: `Bearer ${process.env.OPENCODEX_API_KEY}`")
    rows = "".join(f"      {header},\n" for header in headers)
    exact = _is_exact(request.body)
    return _NODE.format(
        check=_NODE_CHECK if request.with_key else "",
        body=_node_literal(request.body) if exact else json_leaf(json.dumps(request.body)),
        sent="JSON.stringify(body)" if exact else "body",
        url=json_leaf(request.url),
        headers="{\n" + rows + "    }",
        answer=_NODE_STREAM if request.streams else _NODE_WHOLE,
    )


def node_body(body: Mapping[str, Any]) -> str:
    """An expression for a body that a library turns into JSON: numbers as exact as they can be."""
    return _node_literal(body) if _is_exact(body) else f"JSON.parse({json_leaf(json.dumps(body))})"


def _node_literal(body: Mapping[str, Any]) -> str:
    return literal(body, json_leaf, _node_key)


def _node_key(name: Any) -> str:
    # In an object literal this one name sets the prototype instead of a property.
    return '["__proto__"]' if name == "__proto__" else json_leaf(name)


def _is_exact(value: Any) -> bool:
    """Whether JavaScript's numbers hold every number in `value`; else the text is sent."""
    if isinstance(value, Mapping):
        return all(map(_is_exact, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_exact, value))
    return not isinstance(value, int) or abs(value) <= MAX_SAFE_INTEGER
