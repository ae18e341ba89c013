"""One line of JSON for each check of a client: what was tried, whether it passed, and why not."""

from __future__ import annotations

import json
import traceback
from collections.abc import Callable


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
