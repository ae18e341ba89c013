"""The prompt: arguments, files and stdin, joined in one documented way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ocx.decoding import decode
from ocx.errors import UsageError
from ocx.record import record

STDIN = "-"


def read_file(
    path: str,
    read_stdin: Callable[[], bytes],
    encoding: str | None = None,
    *,
    flag: str | None = None,
) -> str:
    """The text of `path`, `-` being stdin; `encoding` and `flag` as `decode` takes them.

    Raises:
        UsageError: it cannot be read.
    """
    if path == STDIN:
        return decode(read_stdin(), "stdin", encoding, flag=flag)
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"cannot read {path!r}: {error}") from None
    return decode(data, path, encoding, flag=flag)


def join(parts: Sequence[str]) -> str:
    """The parts that hold text, each after exactly one empty line; nothing else is changed."""
    joined = ""
    for part in parts:
        if joined and part:
            joined += "\n" if joined.endswith("\n") else "\n\n"
        joined += part
    return joined


@record
class StdinClaims:
    """Who wants to read stdin: it can be read once."""

    claims: tuple[str, ...]

    def check(self) -> None:
        """Check that only one claims it.

        Raises:
            UsageError: two do.
        """
        if len(self.claims) > 1:
            raise UsageError(
                f"stdin can be read once, but {' and '.join(self.claims)} both take it",
                hint="put one of them into a file",
            )
