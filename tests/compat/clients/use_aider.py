"""aider --message: it asks and ends well, in a folder of its own."""

from __future__ import annotations

import sys
from pathlib import Path

from checks import at_home, check

AIDER = str(Path(sys.executable).with_name("aider"))
OPTIONS = (
    "--model openai/gpt-4o --no-git --yes-always --no-show-model-warnings --no-check-update"
    " --analytics-disable --no-pretty --no-stream"
)


def answered() -> bool:
    done = at_home([AIDER, "--message", "say hello to me", *OPTIONS.split()])
    return done.returncode == 0 and "say hello to me" in done.stdout


check("--message", answered)
