"""What --snippet prints runs against `ocx serve`, whose echo gives the prompt back verbatim.

That every byte of the body arrives is in tests/snippet/test_programs_run.py, which sees it.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator

import pytest

from tests.support.program import Ocx
from tests.support.sizes import some

pytestmark = pytest.mark.unmeasured

PROMPTS = {
    "quotes": "it's \"quoted\" ''' \"\"\" '\\''",
    "dollar": "$HOME ${HOME} $(id) $$ !!",
    "backticks": "`id` ``` $x",
    "newlines": "a\nb\n\nBODY\nKEY\n'@",
    "emoji": "🙂 世界 👩‍👩‍👧",
    "leading dash": "-rf --help",
    "100 KiB": "0123456789abcde'$`" * 6000,
}
COMMANDS = {"curl": "sh", "python": sys.executable, "node": "node"}


@pytest.fixture
def served(ocx: Ocx) -> Iterator[Ocx]:
    process = ocx.spawn("serve", "--ephemeral", "--port", "0")
    assert process.stdout is not None
    assert process.stderr is not None
    found = re.search(rb"http://127\.0\.0\.1:\d+/api/v1", process.stdout.until(b"/api/v1"))
    assert found
    ocx.env["OCX_BASE_URL"] = found.group().decode()
    ocx.env["OPENCODEX_API_KEY"] = "sk-live-local-full"
    yield ocx
    process.kill()


@pytest.mark.parametrize("language", COMMANDS)
def test_the_program_asks_what_chat_would_ask(served: Ocx, language: str) -> None:
    command = shutil.which(COMMANDS[language])
    if command is None or (language == "curl" and shutil.which("curl") is None):
        pytest.skip(f"{language} is not installed")
    for name, prompt in some(PROMPTS.items(), 3):
        (served.work / "prompt").write_text(prompt, "utf-8")
        stream = "--stream" if len(prompt) % 2 and language != "curl" else "--no-stream"
        program = served("chat", "-f", "prompt", "--snippet", language, stream).has(0)
        (served.work / "program").write_bytes(program.stdout)
        done = subprocess.run(
            [command, "program"],
            cwd=served.work,
            env=served.env,
            capture_output=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, (name, done.stderr)
        shown = done.stdout.decode()
        if language == "curl":
            shown = json.loads(shown)["choices"][0]["message"]["content"] + "\n"
        assert shown == prompt + "\n", name
