"""cn -p, Continue's command line: an answer, and what it says without credits."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, example


def cn(model: str) -> subprocess.CompletedProcess[str]:
    url, key = os.environ["OPENAI_BASE_URL"], os.environ["OPENAI_API_KEY"]
    with tempfile.TemporaryDirectory() as folder:
        config = Path(folder, "config.yaml")
        text = example("yaml").replace("apiBase: …", f"apiBase: {url}")
        text = text.replace("apiKey: …", f"apiKey: {key}").replace("deepseek-chat", model)
        config.write_text(text)
        return subprocess.run(
            [sys.argv[1], "--config", str(config), "-p", "say hello to me"],
            cwd=folder,
            env={**os.environ, "HOME": folder, "CONTINUE_TELEMETRY_ENABLED": "0"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def answered() -> bool:
    done = cn("deepseek-chat")
    print(done, file=sys.stderr)
    return done.returncode == 0 and "say hello to me" in done.stdout


def told() -> bool:
    done = cn("fault/402")
    print(done, file=sys.stderr)
    return "credits" in done.stdout + done.stderr


check("-p", answered)
check("no credits", told)
