"""Many prompts in one run: read, sent at the speed that the server allows, written once each.

for result in ocx.batch.run(rows):
    print(result.id, result.text)

with ocx.batch.Pool() as pool:  # connections and the speed found are kept for the next rows
    for result in pool.run(rows):
        print(result.id, result.text)
"""

from __future__ import annotations

from typing import Any

__all__ = ["Pool", "Result", "run"]


def __getattr__(name: str) -> Any:
    # The command needs parts of this package without an HTTP library.
    if name in __all__:
        from ocx.batch import library

        return getattr(library, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
