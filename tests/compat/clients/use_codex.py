"""codex exec cannot work: it asks the Responses API alone. What it says of the 404 names that."""

from __future__ import annotations

import os
import sys

from checks import at_home, check

CONFIG = """model = "gpt-4o"
model_provider = "ocx"
[model_providers.ocx]
name = "ocx"
base_url = "{url}"
env_key = "OPENAI_API_KEY"
wire_api = "{api}"
"""


def codex(api: str) -> str:
    words = [sys.argv[1], "exec", "--skip-git-repo-check", "say hello to me"]
    config = CONFIG.format(url=os.environ["OPENAI_BASE_URL"], api=api)
    done = at_home(words, {".codex/config.toml": config}, CODEX_HOME="~/.codex")
    assert done.returncode, "it worked"
    return done.stdout + done.stderr


check("the 404 is shown", lambda: "does not have the Responses API" in codex("responses"))
check("chat completions are refused by itself", lambda: "wire_api" in codex("chat"))
