"""The prompt: arguments, files and stdin, joined in one documented way."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from ocx.errors import UsageError
from ocx.record import record

STDIN = "-"


def decode(data: bytes, name: str) -> str:
    """`data` as UTF-8.

    Raises:
        UsageError: names the offset of the first invalid byte.
    """
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"{name} is not UTF-8 text: invalid byte at offset {error.start}",
            hint="convert it first, for example with iconv -t UTF-8",
        ) from None


def read_file(path: str, read_stdin: Callable[[], bytes]) -> str:
    """The text of `path`, `-` being stdin.

    Raises:
        UsageError: it cannot be read.
    """
    if path == STDIN:
        return decode(read_stdin(), "stdin")
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise UsageError(f"cannot read {path}: {error.strerror}") from None
    except ValueError as error:  # a NUL in the name
        raise UsageError(f"cannot read {path!r}: {error}") from None
    return decode(data, path)


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
