"""The README's two steps with a tool: as it stands there, and the same without jq."""

from __future__ import annotations

import json
import re
import shutil

import pytest

from tests.support.pages import PAGES
from tests.support.program import Ocx

SECTION = PAGES["cookbook"].partition("## Let the model ask for tools\n")[2].partition("\n## ")[0]
(EXAMPLE,) = re.findall(r"```sh\n(.*?)```", SECTION, re.S)
TOOLS = re.findall(r"^tools='(.*)'$", EXAMPLE, re.M)[0]
QUESTION = re.findall(r"^question='(.*)'$", EXAMPLE, re.M)[0]


def test_the_example_runs_as_it_stands(ocx: Ocx) -> None:
    if not shutil.which("jq"):
        pytest.skip("no jq: the README's tools example did not run")
    ocx.env["OCX_SANDBOX"] = "1"
    program = 'program=("$0" "$@"); ocx() { "${program[@]}" "$@"; }; set -euo pipefail\n'
    done = ocx.forked().spawn(prefix=("bash", "-c", program + EXAMPLE)).finish()
    assert done.has(0).text == "42\n"


def test_the_same_steps_in_python(ocx: Ocx) -> None:
    """Ask, run the tool, send its result."""
    ocx.env["OCX_SANDBOX"] = "1"
    asked = ocx("chat", "--tools", TOOLS, "--tool-choice", "required", QUESTION).has(0)
    (call,) = asked.json
    given = json.loads(call["function"]["arguments"])
    assert (call["function"]["name"], given) == ("add", {"a": 2, "b": 40})
    messages = [
        {"role": "user", "content": QUESTION},
        {"role": "assistant", "content": None, "tool_calls": asked.json},
        {"role": "tool", "tool_call_id": call["id"], "content": str(given["a"] + given["b"])},
    ]
    answer = ocx("chat", "--messages", "-", "--tools", TOOLS, input=json.dumps(messages)).has(0)
    assert answer.text == "42\n"
