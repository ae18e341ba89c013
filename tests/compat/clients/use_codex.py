"""codex exec cannot work: it asks the Responses API alone. What it says of the 404 names that."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

from checks import check

CONFIG = """model = "gpt-4o"
model_provider = "ocx"
[model_providers.ocx]
name = "ocx"
base_url = "{url}"
env_key = "OPENAI_API_KEY"
wire_api = "{api}"
"""


def codex(api: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder, ".codex")
        home.mkdir()
        (home / "config.toml").write_text(CONFIG.format(url=os.environ["OPENAI_BASE_URL"], api=api))
        done = subprocess.run(
            [sys.argv[1], "exec", "--skip-git-repo-check", "say hello to me"],
            cwd=folder,
            env={**os.environ, "HOME": folder, "CODEX_HOME": str(home)},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    print(done, file=sys.stderr)
    assert done.returncode, "it worked"
    return done.stdout + done.stderr


check("the 404 is shown", lambda: "does not have the Responses API" in codex("responses"))
check("chat completions are refused by itself", lambda: "wire_api" in codex("chat"))
