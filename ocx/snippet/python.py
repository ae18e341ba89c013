"""A Python 3 program of the standard library alone."""

from __future__ import annotations

from ocx.snippet.call import Call
from ocx.snippet.literals import literal

_PROGRAM = """\
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

_WHOLE = """\
    message = json.load(response)["choices"][0]["message"]
    print(message.get("content") or json.dumps(message))"""

_STREAM = """\
    for line in response:
        data = line.removeprefix(b"data:").strip()
        if line.startswith(b"data:") and data != b"[DONE]":
            event = json.loads(data)
            if "error" in event:
                raise SystemExit(event["error"])
            for choice in event.get("choices", []):
                print(choice["delta"].get("content") or "", end="", flush=True)
print()"""


def program(call: Call) -> str:
    headers = [f"{name!r}: {value!r}" for name, value in _headers(call).items()]
    if call.with_key:
        headers.insert(0, '"Authorization": "Bearer " + os.environ["OPENCODEX_API_KEY"]')
    rows = "".join(f"        {header},\n" for header in headers)
    return _PROGRAM.format(
        body=literal(call.body, repr, repr),
        url=repr(call.url),
        headers="{\n" + rows + "    }",
        answer=_STREAM if call.streams else _WHOLE,
    )


def _headers(call: Call) -> dict[str, str]:
    # Proxies in front of APIs refuse urllib's own name.
    return {
        "Content-Type": "application/json",
        "User-Agent": "opencodex-cli-snippet",
        **call.headers,
    }
