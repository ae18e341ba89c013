"""Tests of a program that asks a model, offline and the same each time.

ocx serve --record tape.jsonl -- pytest test_replay.py    # once, with your key
ocx serve --replay tape.jsonl -- pytest test_replay.py    # in CI, without
"""

import json
import os
import subprocess
import urllib.request


def test_a_program_that_speaks_to_the_api():
    request = urllib.request.Request(
        f"{os.environ['OPENAI_BASE_URL']}/chat/completions",
        json.dumps(
            {
                "model": "deepseek-chat",
                "messages": [{"role": "user", "content": "Say hello."}],
            }
        ).encode(),
        {
            "Authorization": f"Bearer {os.environ['OPENAI_API_KEY']}",
            "Content-Type": "application/json",
        },
    )
    with urllib.request.urlopen(request, timeout=10) as reply:
        answer = json.load(reply)
    assert "hello" in answer["choices"][0]["message"]["content"].lower()


def test_a_script_that_uses_ocx():
    done = subprocess.run(
        ["ocx", "chat", "-q", "-I", "Say hello twice."],
        check=False,
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stderr
    assert "hello" in done.stdout.lower()
