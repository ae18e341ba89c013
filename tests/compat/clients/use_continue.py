"""cn -p, Continue's command line: an answer, and what it says without credits."""

from __future__ import annotations

import os
import sys

from checks import answer_and_no_credits, at_home, example

URL, KEY = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
CONFIG = example("yaml").replace("apiBase: …", f"apiBase: {URL}")
CONFIG = CONFIG.replace("apiKey: …", f"apiKey: {KEY}")

answer_and_no_credits(
    "-p",
    lambda model: at_home(
        [sys.argv[1], "--config", "~/config.yaml", "-p", "say hello to me"],
        {"config.yaml": CONFIG.replace("deepseek-chat", model)},
        CONTINUE_TELEMETRY_ENABLED="0",
    ),
)
