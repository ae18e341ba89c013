"""aider --message: it asks and ends well, in a folder of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check


def aider(message: str) -> str:
    program = Path(sys.executable).with_name("aider")
    words = [
        program, "--message", message, "--model", "openai/gpt-4o", "--no-git", "--yes-always",
        "--no-show-model-warnings", "--no-check-update", "--analytics-disable", "--no-pretty",
        "--no-stream",
    ]  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        env = {**os.environ, "HOME": folder}
        done = subprocess.run(
            words, cwd=folder, env=env, capture_output=True, text=True, timeout=120, check=True
        )
    return done.stdout


check("--message", lambda: "say hello to me" in aider("say hello to me"))
