"""opencode run, by its openai-compatible provider: an answer, and what it says without credits."""

from __future__ import annotations

import json
import os
import sys

from checks import answer_and_no_credits, at_home, example

CONFIG = json.loads(example("json"))
CONFIG["provider"]["opencodex"]["models"]["fault/402"] = {}
CONFIG |= {"small_model": "opencodex/deepseek-chat", "autoupdate": False, "share": "disabled"}
# Nothing else of this machine: it reads many variables, for itself and for other providers.
ENV = {name: os.environ[name] for name in ("PATH", "OPENAI_BASE_URL", "OPENAI_API_KEY")}

answer_and_no_credits(
    "run",
    lambda model: at_home(
        [sys.argv[1], "run", "--model", f"opencodex/{model}", "say hello to me"],
        {"opencode.json": json.dumps(CONFIG)},
        **ENV,
    ),
)
