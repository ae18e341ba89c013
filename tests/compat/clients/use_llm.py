"""`llm` as a program: an answer, a stream, a template of a system prompt, an error."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check

MODELS = "".join(
    f"- model_id: {name}\n  model_name: {model}\n  api_base: {os.environ['OPENAI_BASE_URL']}\n"
    "  api_key_name: mine\n"
    for name, model in (("mine", "gpt-4o"), ("none", "no-such-model"), ("poor", "fault/402"))
)


def llm(*words: str) -> subprocess.CompletedProcess[str]:
    program = Path(sys.executable).with_name("llm")
    return subprocess.run([program, *words], capture_output=True, text=True, check=False)


with tempfile.TemporaryDirectory() as folder:
    os.environ["LLM_USER_PATH"] = folder
    keys = {"mine": os.environ["OPENAI_API_KEY"]}
    Path(folder, "keys.json").write_text(json.dumps(keys))
    Path(folder, "extra-openai-models.yaml").write_text(MODELS)
    check("an answer", lambda: llm("-m", "mine", "--no-stream", "one two").stdout == "one two\n")
    check("a stream", lambda: llm("-m", "mine", "one two").stdout == "one two\n")
    check("a system prompt", lambda: llm("-m", "mine", "-s", "Short.", "x").returncode == 0)
    check("an unknown model", lambda: llm("-m", "none", "x").returncode == 1)
    check("no credits", lambda: "credits" in llm("-m", "poor", "x").stderr.lower())
