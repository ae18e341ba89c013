"""A program for Windows PowerShell 5.1 and PowerShell 7.

ASCII only: 5.1 reads a file without a byte order mark in the machine's own code page. The body
stands in a literal here-string, which ends only at a line that begins with `'@`.
"""

from __future__ import annotations

from ocx.snippet.call import Call
from ocx.snippet.literals import ascii_json_text

# PowerShell takes these for a straight quote (about_Quoting_Rules).
_QUOTES = "'\u2018\u2019\u201a\u201b"

_WHOLE = "$answer.choices[0].message.content"

_STREAM = """\
foreach ($line in ($answer -split "`n")) {
  if ($line -like 'data:*{*') {
    $chunk = $line.Substring(5) | ConvertFrom-Json
    if ($chunk.choices) { [Console]::Write($chunk.choices[0].delta.content) }
  }
}
[Console]::WriteLine()"""


def program(call: Call) -> str:
    lines = ["$ErrorActionPreference = 'Stop'"]
    if call.with_key:
        lines.append("if (-not $env:OPENCODEX_API_KEY) { throw 'set OPENCODEX_API_KEY first' }")
    lines += ["$body = @'", ascii_json_text(call.body), "'@", "$headers = @{"]
    if call.with_key:
        lines.append('  Authorization = "Bearer $env:OPENCODEX_API_KEY"')
    lines += [f"  {_quoted(name)} = {_quoted(value)}" for name, value in call.headers.items()]
    lines += [
        "}",
        f"$answer = Invoke-RestMethod -Method Post -Uri {_quoted(call.url)} -Headers $headers `",
        "  -MaximumRedirection 0 -ContentType 'application/json' `",
        "  -Body ([Text.Encoding]::UTF8.GetBytes($body))",
        _STREAM if call.streams else _WHOLE,
    ]
    return "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    return "'" + "".join(c * 2 if c in _QUOTES else c for c in text) + "'"
