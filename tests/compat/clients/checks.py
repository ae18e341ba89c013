"""One line of JSON for each check of a client: what was tried, whether it passed, and why not."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Callable, Mapping
from pathlib import Path


def check(name: str, run: Callable[[], object]) -> None:
    """`run` returns something true, or it failed."""
    try:
        passed, why = bool(run()), ""
    except Exception as error:
        passed, why = False, f"{type(error).__name__}: {error}".splitlines()[0][:200]
        traceback.print_exc()
    print(json.dumps({"check": name, "passed": passed, "why": why}), flush=True)


def raises(kind: type[BaseException], run: Callable[[], object]) -> bool:
    try:
        run()
    except kind:
        return True
    return False


def at_home(
    words: list[str], files: Mapping[str, str] | None = None, **env: str
) -> subprocess.CompletedProcess[str]:
    """Run a program in a folder of its own, which is its HOME too, with these files.

    `~` at the beginning of a word or of a variable is that folder. The variables come to those of
    this process, unless there is a PATH among them. What it said goes to stderr.
    """
    with tempfile.TemporaryDirectory() as folder:

        def placed(text: str) -> str:
            return folder + text[1:] if text.startswith("~") else text

        for name, text in (files or {}).items():
            path = Path(folder, name)
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        named = {name: placed(value) for name, value in env.items()}
        done = subprocess.run(
            list(map(placed, words)),
            cwd=folder,
            env={**({} if "PATH" in env else os.environ), **named, "HOME": folder},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
    print(done, file=sys.stderr)
    return done


def answer_and_no_credits(
    name: str, ask: Callable[[str], subprocess.CompletedProcess[str]]
) -> None:
    """Two checks of a program that is asked by the model: it answers, and tells of no credits."""

    def answered() -> bool:
        done = ask("deepseek-chat")
        return done.returncode == 0 and "say hello to me" in done.stdout

    def told() -> bool:
        done = ask("fault/402")
        return "credits" in done.stdout + done.stderr

    check(name, answered)
    check("no credits", told)


def example(language: str) -> str:
    """The configuration in that language which docs/cookbook.md shows for a tool."""
    page = Path(__file__).parents[3].joinpath("docs/cookbook.md").read_text("utf-8")
    part = page.partition("## Use it with other tools")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found is not None, language
    return found[1]
