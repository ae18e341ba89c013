"""`python -m tests.fuzz [SECONDS]`: every target for its share of the time, then the server.

Exit 1 if anything crashed; the example stands above the table, as small as hypothesis makes it.
"""

from __future__ import annotations

import random
import sys
import time
import traceback
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.database import DirectoryBasedExampleDatabase

from tests.fuzz.server import fuzz_server
from tests.fuzz.targets import TARGETS, Target

_AT_ONCE = 300


def fuzz(target: Target, seconds: float) -> tuple[int, str]:
    """Examples run, and the traceback of the crash, if there was one."""
    count = 0

    @settings(
        max_examples=_AT_ONCE,
        deadline=None,
        database=DirectoryBasedExampleDatabase("build/fuzz"),
        suppress_health_check=list(HealthCheck),
    )
    @given(target.given)
    def once(example: Any) -> None:
        nonlocal count
        count += 1
        target.check(example)

    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            once()
        except Exception:
            return count, traceback.format_exc()
    return count, ""


def main() -> int:
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 600.0
    share = seconds / (len(TARGETS) + 1)
    random.seed()
    rows: list[tuple[str, int, str]] = []
    for target in TARGETS:
        rows.append((target.name, *fuzz(target, share)))
        _tell(rows[-1])
    rows.append(("requests to ocx serve", *fuzz_server(share)))
    _tell(rows[-1])
    crashed = [name for name, _, crash in rows if crash]
    total = sum(count for _, count, _ in rows)
    print(f"\n{total:,} examples in {seconds:.0f} s, {len(crashed)} crashes {crashed or ''}")
    return 1 if crashed else 0


def _tell(row: tuple[str, int, str]) -> None:
    name, count, crash = row
    if crash:
        print(crash)
    print(f"{name:<36} {count:>9,} examples  {'CRASHED' if crash else 'ok'}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
