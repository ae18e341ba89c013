"""One line of JSON for each check of a client: what was tried, whether it passed, and why not."""

from __future__ import annotations

import json
import re
import traceback
from collections.abc import Callable
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


def example(language: str) -> str:
    """The configuration in that language which docs/cookbook.md shows for a tool."""
    page = Path(__file__).parents[3].joinpath("docs/cookbook.md").read_text("utf-8")
    part = page.partition("## Use it with other tools")[2].partition("\n## ")[0]
    found = re.search(rf"```{language}\n(.*?)```", part, re.DOTALL)
    assert found is not None, language
    return found[1]
