"""A program for Node 18 or later, without packages."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ocx.snippet.call import Call
from ocx.snippet.literals import MAX_SAFE_INTEGER, json_leaf, literal

_PROGRAM = """\
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

_CHECK = """\
  if (!process.env.OPENCODEX_API_KEY) throw new Error("set OPENCODEX_API_KEY first");
"""

_WHOLE = """\
  const message = (await response.json()).choices[0].message;
  console.log(message.content ?? JSON.stringify(message));"""

_STREAM = """\
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


def program(call: Call) -> str:
    headers = [f"{json_leaf(name)}: {json_leaf(value)}" for name, value in call.headers.items()]
    headers.insert(0, '"Content-Type": "application/json"')
    if call.with_key:
        headers.insert(0, "Authorization: `Bearer ${process.env.OPENCODEX_API_KEY}`")
    rows = "".join(f"      {header},\n" for header in headers)
    exact = _is_exact(call.body)
    return _PROGRAM.format(
        check=_CHECK if call.with_key else "",
        body=literal(call.body, json_leaf, _key) if exact else json_leaf(json.dumps(call.body)),
        sent="JSON.stringify(body)" if exact else "body",
        url=json_leaf(call.url),
        headers="{\n" + rows + "    }",
        answer=_STREAM if call.streams else _WHOLE,
    )


def _key(name: Any) -> str:
    # In an object literal this one name sets the prototype instead of a property.
    return '["__proto__"]' if name == "__proto__" else json_leaf(name)


def _is_exact(value: Any) -> bool:
    """Whether JavaScript's numbers hold every number in `value`; else the text is sent."""
    if isinstance(value, Mapping):
        return all(map(_is_exact, value.values()))
    if isinstance(value, list | tuple):
        return all(map(_is_exact, value))
    return not isinstance(value, int) or abs(value) <= MAX_SAFE_INTEGER
