"""opencode run, by its openai-compatible provider: an answer, and what it says without credits."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check, example

CONFIG = json.loads(example("json"))
CONFIG["provider"]["opencodex"]["models"]["fault/402"] = {}
CONFIG |= {"small_model": "opencodex/deepseek-chat", "autoupdate": False, "share": "disabled"}


def opencode(model: str) -> subprocess.CompletedProcess[str]:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder, "opencode.json").write_text(json.dumps(CONFIG))
        # Nothing else of this machine: it reads many variables, for itself and for other providers.
        env = {name: os.environ[name] for name in ("PATH", "OPENAI_BASE_URL", "OPENAI_API_KEY")}
        return subprocess.run(
            [sys.argv[1], "run", "--model", model, "say hello to me"],
            cwd=folder,
            env={**env, "HOME": folder},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def answered() -> bool:
    done = opencode("opencodex/deepseek-chat")
    print(done, file=sys.stderr)
    return done.returncode == 0 and "say hello to me" in done.stdout


def told() -> bool:
    done = opencode("opencodex/fault/402")
    print(done, file=sys.stderr)
    return "credits" in done.stdout + done.stderr


check("run", answered)
check("no credits", told)
