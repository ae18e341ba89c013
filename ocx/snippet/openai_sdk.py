"""Programs that use the official `openai` SDKs, in the form of the provider's own examples.

Unlike the other programs they need a package (`pip install openai`, `npm install openai`), and
the SDK adds fields, retries and redirects of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocx.snippet.literals import json_leaf, literal
from ocx.snippet.programs import SnippetRequest, node_body

_NAMED = frozenset(
    "audio frequency_penalty logit_bias logprobs max_completion_tokens max_tokens messages "
    "metadata modalities model n parallel_tool_calls prediction presence_penalty reasoning_effort "
    "response_format seed service_tier stop store stream stream_options temperature tool_choice "
    "tools top_logprobs top_p user verbosity".split()
)
"""Arguments of the Python SDK's `create` that are fields of the API; others go in `extra_body`."""

_PATH = "/chat/completions"

_PYTHON = """\
import os

from openai import OpenAI

client = OpenAI(
    api_key={key},
    base_url={base_url},
{headers})
{call}
{answer}
"""

_PYTHON_WHOLE = """\
message = response.choices[0].message
print(message.content or message.model_dump_json())"""

_PYTHON_STREAM = """\
for chunk in response:
    for choice in chunk.choices:
        print(choice.delta.content or "", end="", flush=True)
print()"""

_NODE = """\
import OpenAI from "openai";

const client = new OpenAI({{
  apiKey: {key},
  baseURL: {base_url},
{headers}}});

const response = await client.chat.completions.create({body});
{answer}
"""

_NODE_WHOLE = """\
const message = response.choices[0].message;
console.log(message.content ?? JSON.stringify(message));"""

_NODE_STREAM = """\
for await (const chunk of response) {
  for (const choice of chunk.choices) process.stdout.write(choice.delta.content ?? "");
}
console.log();"""


def python_program(call: SnippetRequest) -> str:
    """A program for the `openai` package of PyPI."""
    return _PYTHON.format(
        key='os.environ["OPENCODEX_API_KEY"]' if call.with_key else '"none"',
        base_url=repr(_base_url(call)),
        headers=f"    default_headers={literal(call.headers, repr, repr, 4)},\n"
        if call.headers
        else "",
        call=_create(call.body),
        answer=_PYTHON_STREAM if call.streams else _PYTHON_WHOLE,
    )


def node_program(call: SnippetRequest) -> str:
    """A module for the `openai` package of npm, to be saved as a `.mjs` file."""
    return _NODE.format(
        key="process.env.OPENCODEX_API_KEY" if call.with_key else '"none"',
        base_url=json_leaf(_base_url(call)),
        headers=f"  defaultHeaders: {literal(call.headers, json_leaf, json_leaf, 2)},\n"
        if call.headers
        else "",
        body=node_body(call.body),
        answer=_NODE_STREAM if call.streams else _NODE_WHOLE,
    )


def _create(body: Mapping[str, Any]) -> str:
    named = {name: value for name, value in body.items() if name in _NAMED}
    extra = {name: value for name, value in body.items() if name not in _NAMED}
    arguments = {**named, "extra_body": extra} if extra else named
    rows = [f"    {name}={literal(value, repr, repr, 4)},\n" for name, value in arguments.items()]
    return f"response = client.chat.completions.create(\n{''.join(rows)})"


def _base_url(call: SnippetRequest) -> str:
    return call.url.removesuffix(_PATH)
